"""A chain of lines shows every change of what was written, and survives a crash in a line."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from runtime.chained_lines import LINE_BYTES_MAX, START, ChainBrokenError, ChainedLines, Head


def chain(tmp_path: Path, count: int = 5) -> tuple[ChainedLines, list[Head]]:
    lines = ChainedLines(tmp_path / "admin" / "record.jsonl")
    return lines, [lines.append({"who": "ann", "at": at}) for at in range(count)]


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    lines, heads = chain(tmp_path)
    assert [bytes(line.body) for line in lines.read()] == [
        b'{"who":"ann","at":%d}' % at for at in range(5)
    ]
    assert lines.verify(START, *heads) == heads[-1]
    assert lines.path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_there_is_empty_unless_more_is_known(tmp_path: Path) -> None:
    lines = ChainedLines(tmp_path / "none.jsonl")
    assert lines.verify() == START
    with pytest.raises(ChainBrokenError, match="line 2 was known"):
        lines.verify(Head(2, "ab" * 32))


def test_a_torn_last_line_is_taken_away_by_the_next(tmp_path: Path) -> None:
    lines, heads = chain(tmp_path)
    whole = lines.path.read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for cut in (last + 1, (last + len(whole)) // 2, len(whole) - 1):
        lines.path.write_bytes(whole[:cut])
        assert lines.verify() == heads[3]
        assert lines.append({"who": "ann", "at": 4}) == heads[4]
        assert lines.path.read_bytes() == whole


def test_a_line_that_the_disk_took_a_part_of_is_refused_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, heads = chain(tmp_path)
    whole = lines.path.read_bytes()
    write = os.write
    with monkeypatch.context() as filling:
        filling.setattr(os, "write", lambda file, data: write(file, data[:-1]))
        with pytest.raises(OSError, match="No space left") as refused:
            lines.append({"who": "ann", "at": 5})
    assert refused.value.errno == errno.ENOSPC
    assert lines.path.read_bytes() == whole
    assert lines.append({"who": "ann", "at": 5}).number == 6
    assert lines.verify(heads[-1]).number == 6


def test_nothing_is_added_behind_a_line_that_is_not_ours(tmp_path: Path) -> None:
    lines, _ = chain(tmp_path)
    lines.path.write_bytes(lines.path.read_bytes() + b"{}\n")
    with pytest.raises(ChainBrokenError):
        lines.append({"who": "ben"})


def test_every_change_is_found_and_named(tmp_path: Path) -> None:
    lines, heads = chain(tmp_path, 20)
    whole = lines.path.read_bytes()
    rows = whole.splitlines(keepends=True)
    for _ in range(100):
        at = random.randrange(len(whole))
        changed = bytearray(whole)
        changed[at] ^= 1 << random.randrange(8)
        lines.path.write_bytes(changed)
        with pytest.raises(ChainBrokenError) as found:
            lines.verify(heads[-1])
        # The damage is in the line named, or, where the line still reads, in the one before.
        assert found.value.number - 1 <= whole.count(b"\n", 0, at) + 1
    for first, second in ((0, 1), (7, 19), (3, 4)):
        moved = list(rows)
        moved[first], moved[second] = moved[second], moved[first]
        lines.path.write_bytes(b"".join(moved))
        with pytest.raises(ChainBrokenError):
            lines.verify()
    for gone in range(len(rows)):
        lines.path.write_bytes(b"".join(rows[:gone] + rows[gone + 1 :]))
        with pytest.raises(ChainBrokenError):
            lines.verify(heads[-1])


def test_a_line_without_an_end_is_no_line(tmp_path: Path) -> None:
    lines, _ = chain(tmp_path)
    lines.path.write_bytes(lines.path.read_bytes() + b"x" * (LINE_BYTES_MAX + 1))
    with pytest.raises(ChainBrokenError, match="has no end"):
        lines.verify()


def test_what_has_no_beginning_is_not_cut(tmp_path: Path) -> None:
    lines, _ = chain(tmp_path)
    lines.path.write_bytes(b"x" * (4 * LINE_BYTES_MAX))
    with pytest.raises(ChainBrokenError, match="no beginning"):
        lines.append({"who": "ann"})
