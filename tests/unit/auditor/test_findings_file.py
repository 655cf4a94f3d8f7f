"""Findings outlive the process, are said once, and are never lost to a full disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from auditor import findings_file
from auditor.findings import Check, Finding
from auditor.findings_file import FindingsFile
from runtime.chained_lines import ChainBrokenError, ChainedLines, Head


def finding(number: int) -> Finding:
    return Finding(check=Check.BOOKS, number=number, sequence=1, time_ns=1, text="x")


def test_findings_are_known_to_the_next_process_until_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    first = FindingsFile(path)
    assert first.add([finding(1), finding(2), finding(1)]) == [finding(1), finding(2)]
    second = FindingsFile(path)
    assert second.open == [finding(1), finding(2)]
    assert second.add([finding(2)]) == []
    assert FindingsFile(path).acknowledge(by="ann", why="planted", at_ns=1) == 2
    second.refresh()
    assert second.open == []
    # What was acknowledged and is found once more, say after a restart, is no news.
    assert FindingsFile(path).add([finding(2), finding(3)]) == [finding(3)]


def test_no_more_are_written_than_a_disk_should_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings_file, "WRITTEN_MAX", 3)
    file = FindingsFile(tmp_path / "findings.jsonl")
    assert len(file.add([finding(number) for number in range(5)])) == 5
    assert len(file.open) == len(FindingsFile(tmp_path / "findings.jsonl").open) == 3


def test_a_full_disk_loses_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = FindingsFile(tmp_path / "findings.jsonl")

    def refuse(_lines: ChainedLines, _body: object) -> Head:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(ChainedLines, "append", refuse)
        assert file.add([finding(1)]) == [finding(1)]
    assert file.open == [finding(1)]


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    FindingsFile(path).add([finding(1), finding(2)])
    path.write_bytes(path.read_bytes().replace(b'"text":"x"', b'"text":"y"', 1))
    with pytest.raises(ChainBrokenError):
        FindingsFile(path)


def test_what_a_finding_leads_to_is_wanted_until_it_is_so(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    halting = Finding(
        check=Check.BOOKS, number=1, sequence=1, time_ns=1, instrument=3, text="crossed"
    )
    killing = Finding(check=Check.CONSERVATION, number=2, sequence=1, time_ns=1, text="an atom")
    alarm = Finding(check=Check.FEES, number=3, sequence=1, time_ns=1, text="a fee")
    FindingsFile(path).add([halting, killing, alarm])
    assert FindingsFile(path).unacted == [halting, killing]
    FindingsFile(path).acted(3)
    assert FindingsFile(path).unacted == [killing]
    again = FindingsFile(path)
    again.add([msgspec.structs.replace(halting, number=9)])
    assert [each.number for each in FindingsFile(path).unacted] == [2, 9]
    again.acted(0)
    assert len(FindingsFile(path).open) == 4
    again.acknowledge(by="ann", why="planted", at_ns=1)
    assert FindingsFile(path).unacted == []


def test_a_finding_that_the_disk_refused_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "findings.jsonl"
    file = FindingsFile(path)

    def refuse(_lines: ChainedLines, _body: object) -> Head:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(ChainedLines, "append", refuse)
        file.add([finding(1), finding(2)])
        assert not file.retry()
    assert FindingsFile(path).open == []
    assert file.retry()
    assert FindingsFile(path).open == file.open == [finding(1), finding(2)]
