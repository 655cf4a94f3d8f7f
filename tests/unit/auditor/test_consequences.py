"""What a finding leads to survives a crash at any point, a full disk and a core that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Never

import pytest
from prometheus_client import CollectorRegistry

from auditor import service
from auditor.findings import Check, Finding
from auditor.findings_file import FindingsFile
from auditor.service import FINDINGS_NAME, Auditor
from auditor.settings import AuditorSettings
from exchange import withdrawal_gate
from exchange.errors import CommandError
from exchange.withdrawal_gate import (
    let_withdrawals_go_on,
    make_ready,
    require_withdrawals,
    stop_withdrawals,
    stopped,
)
from messages.layout import Record
from messages.trading.commands import ChangePhase, Kill
from runtime.link import Link, LinkError

GRAVE = Finding(check=Check.CONSERVATION, number=7, sequence=7, time_ns=1, text="an atom too many")
HALTING = Finding(check=Check.BOOKS, number=8, sequence=8, time_ns=1, instrument=3, text="crossed")


def no_feed(_known: bytes | None) -> Never:
    raise AssertionError("nothing is read here")


async def no_core() -> Link:
    raise LinkError("the core is away")


def auditor(directory: Path, stop: Callable[[str], None]) -> Auditor:
    return Auditor(
        AuditorSettings(
            directory=directory,
            journal=None,
            may_halt=True,
            may_kill=True,
            may_stop_withdrawals=True,
        ),
        make_feed=no_feed,
        dial=no_core,
        registry=CollectorRegistry(),
        stop_withdrawals=stop,
    )


def wanted(audited: Auditor) -> list[type[Record]]:
    return [command for command, _, _ in audited.actions._missing()]


def test_the_gate_is_shut_before_the_finding_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited = auditor(tmp_path, lambda why: stop_withdrawals(tmp_path, why))

    def crash(_file: FindingsFile, _fresh: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FindingsFile, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        audited.report([GRAVE])
    with pytest.raises(CommandError, match="conservation: an atom too many"):
        require_withdrawals(tmp_path)


def test_a_restart_takes_up_what_nobody_acknowledged(tmp_path: Path) -> None:
    FindingsFile(tmp_path / FINDINGS_NAME).add([GRAVE, HALTING])
    audited = auditor(tmp_path, lambda why: stop_withdrawals(tmp_path, why))
    assert stopped(tmp_path) is not None
    assert wanted(audited) == [ChangePhase, Kill], "a picture without instruments shows neither"
    audited.file.acted(3)
    assert wanted(auditor(tmp_path, lambda _: None)) == [Kill]
    audited.file.acknowledge(by="ann", why="planted", at_ns=1)
    let_withdrawals_go_on(tmp_path)
    asked: list[str] = []
    assert wanted(auditor(tmp_path, asked.append)) == []
    assert asked == []


async def test_a_disk_that_refuses_ends_nothing_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.01)
    is_full, shut = True, asyncio.Event()

    def stop_withdrawals(_why: str) -> None:
        if is_full:
            raise OSError(28, "No space left on device")
        shut.set()

    audited = auditor(tmp_path, stop_withdrawals)
    audited.report([GRAVE])
    audited.file.acknowledge(by="ann", why="planted", at_ns=1)
    assert audited.health()["healthy"] is False, "for the gate alone"
    stop = asyncio.Event()
    task = asyncio.create_task(audited._write_what_was_refused(stop))
    is_full = False
    async with asyncio.timeout(120):
        await shut.wait()
    stop.set()
    await task
    assert audited.health()["healthy"] is True


def test_a_full_disk_shuts_the_gate_by_the_file_that_was_made_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_ready(tmp_path)

    def refuse(_path: Path, _what: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(withdrawal_gate, "_write", refuse)
        stop_withdrawals(tmp_path, "first")
        with pytest.raises(CommandError, match="stopped withdrawals"):
            require_withdrawals(tmp_path)
        with pytest.raises(OSError, match="No space"):
            let_withdrawals_go_on(tmp_path)
        with pytest.raises(CommandError):
            require_withdrawals(tmp_path)
    let_withdrawals_go_on(tmp_path)
    require_withdrawals(tmp_path)
    stop_withdrawals(tmp_path, "second")
    found = stopped(tmp_path)
    assert found is not None
    assert found.why == "second"


def test_a_gate_that_says_nothing_readable_is_shut(tmp_path: Path) -> None:
    (tmp_path / withdrawal_gate.STOPPED_NAME).write_bytes(b"")
    stop_withdrawals(tmp_path, "another reason")
    with pytest.raises(CommandError):
        require_withdrawals(tmp_path)
