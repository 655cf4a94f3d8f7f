"""What a running gateway takes over from its sessions' files."""

import asyncio
from pathlib import Path

import msgspec

from fix_gateway.more_doors import door_of, keep_doors, number_door
from fix_gateway.session_watch import SessionWatch, compare
from fix_gateway.settings import Doors, SessionFile

_FILE = """
id = {id}
kind = "order_entry"
sender_comp_id = "{name}"
[firm]
id = 1
name = "F"
[[account]]
id = {id}
name = "A{id}"
owner_group = 1
[account.limits]
open_orders_max = 5
"""


def write(directory: Path, number: int, more: str = "", *, name: str = "") -> SessionFile:
    name = name or f"S{number}"
    text = more + _FILE.format(id=number, name=name)
    (directory / f"{name}.toml").write_text(text)
    return msgspec.toml.decode(text, type=SessionFile)


def test_new_changed_removed_and_what_cannot_change_are_told_apart(tmp_path: Path) -> None:
    known = {f"S{number}": write(tmp_path, number) for number in (1, 2, 3)}
    now = {
        "S1": write(tmp_path, 1, "disconnect_grace_seconds = 5\n"),
        "S2": write(tmp_path, 2, 'dialect = "FIX.5.0SP2"\n'),
        "S4": write(tmp_path, 4),
    }
    found = compare(known, now)
    assert (list(found.added), list(found.changed)) == (["S4"], ["S1"])
    assert (found.removed, found.kept_back) == (["S3"], ["S2"])
    assert not compare(now, now)


async def test_files_that_cannot_be_read_change_nothing_until_they_can(tmp_path: Path) -> None:
    known = {"S1": write(tmp_path, 1)}
    watch = SessionWatch(tmp_path, seconds=0.01, known=lambda: known)
    waiting = asyncio.create_task(watch.next_changes())
    (tmp_path / "S2.toml").write_text("id = ")
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    write(tmp_path, 2)
    async with asyncio.timeout(120):
        assert list((await waiting).added) == ["S2"]


def test_the_guard_finds_the_door_of_a_session_that_came_later(tmp_path: Path) -> None:
    doors = Doors(
        fix=tmp_path / "fix.sock", control=tmp_path / "control", credential=tmp_path / "credential"
    )
    assert door_of(doors, "S1") == doors.fix
    keep_doors(doors, {"S2": 1})
    assert door_of(doors, "S1") == doors.fix
    assert door_of(doors, "S2") == number_door(doors, 1) == tmp_path / "fix.sock.1"
    keep_doors(doors, {})
    assert door_of(doors, "S2") == doors.fix
