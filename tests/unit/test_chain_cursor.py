"""A chain is followed without being read again, and what was changed long ago is found in turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.chain_cursor import ChainCursor
from runtime.chained_lines import START, ChainBrokenError, ChainedLines, Line

STRETCH = 2000
LINES = 300


class Counted(ChainedLines):
    """A chain that counts the lines that were read of it."""

    reads = 0

    def _decoded(self, data: bytes, number: int) -> Line:
        self.reads += 1
        return super()._decoded(data, number)


@pytest.fixture
def lines(tmp_path: Path) -> Counted:
    path = tmp_path / "record.jsonl"
    return write(Counted(path), LINES)


def write(lines: Counted, count: int) -> Counted:
    for at in range(count):
        lines.append({"at": at})
    lines.reads = 0
    return lines


def reads_of(lines: Counted, action: Any) -> int:
    lines.reads = 0
    action()
    return lines.reads


def test_new_lines_cost_what_they_are(lines: Counted) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    assert reads_of(lines, cursor.advance) == LINES
    assert reads_of(lines, cursor.advance) == 0
    head = write(lines, 3).append({"at": 3})
    assert reads_of(lines, cursor.advance) == 4
    assert cursor.advance() == head == lines.verify()


def test_a_page_costs_what_it_has_and_at_most_a_stretch(lines: Counted) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    cursor.advance()
    length = lines.path.stat().st_size // LINES
    for after in (0, 1, 150, LINES - 1, LINES):
        lines.reads = 0
        page = [line for line, _ in zip(cursor.read(after=after), range(5), strict=False)]
        assert [line.number for line in page] == list(range(after + 1, min(after + 6, LINES + 1)))
        assert lines.reads <= STRETCH // length + 8


def test_looking_back_takes_a_stretch_at_a_time_and_all_in_turn(lines: Counted) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    cursor.advance()
    size, seen = lines.path.stat().st_size, 0
    while seen < size:
        looked_at = cursor.look_back()
        assert looked_at <= STRETCH + 200
        seen += looked_at
    assert seen == size


def test_what_is_changed_long_ago_is_found_when_its_turn_comes(lines: Counted) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    cursor.advance()
    whole = lines.path.read_bytes()
    turns = len(whole) // STRETCH + 1
    for line in (0, 10, LINES // 2, LINES - 1):
        at = sum(len(each) for each in whole.splitlines(keepends=True)[:line]) + 12
        changed = bytearray(whole)
        changed[at] ^= 1
        lines.path.write_bytes(changed)
        with pytest.raises(ChainBrokenError):
            all(cursor.look_back() for _ in range(turns))
        lines.path.write_bytes(whole)


def test_a_stretch_that_was_written_anew_is_found_by_where_it_ends(
    lines: Counted, tmp_path: Path
) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    cursor.advance()
    forged = ChainedLines(tmp_path / "forged.jsonl")
    for at in range(LINES):
        forged.append({"at": at if at != 7 else 8})
    assert forged.verify().number == LINES
    lines.path.write_bytes(forged.path.read_bytes())
    with pytest.raises(ChainBrokenError):
        cursor.look_back()


def test_what_was_cut_off_or_taken_away_is_found(lines: Counted) -> None:
    cursor = ChainCursor(lines, stretch_bytes=STRETCH)
    cursor.advance()
    whole = lines.path.read_bytes()
    lines.path.write_bytes(whole[: whole[:-1].rfind(b"\n") + 1])
    with pytest.raises(ChainBrokenError, match="it was there"):
        cursor.advance()
    lines.path.unlink()
    with pytest.raises(ChainBrokenError, match="it was there"):
        cursor.advance()


def test_a_chain_that_is_not_there_yet_has_no_lines(tmp_path: Path) -> None:
    cursor = ChainCursor(ChainedLines(tmp_path / "none.jsonl"))
    assert cursor.advance() == START
    assert cursor.look_back() == 0
    assert list(cursor.read(after=0)) == []
