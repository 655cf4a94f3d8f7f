"""What becomes of sessions that come while the gateway runs."""

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import structlog

from fix_gateway import additions
from fix_gateway.roster import Roster
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import Doors, GatewaySettings
from tests.unit.fix_gateway.test_session_watch import write


def roster_of(tmp_path: Path, files: Path, sessions: dict[str, Any]) -> Roster:
    doors = Doors(fix=tmp_path / "fix", control=tmp_path / "control", credential=tmp_path / "key")
    settings = GatewaySettings(
        principal=3,
        comp_id="RIALTO",
        doors=doors,
        state=tmp_path,
        dictionaries=tmp_path,
        sessions=files,
    )
    nobody = cast(Any, None)
    return Roster(
        msgspec.structs.replace(settings, reload_seconds=0.01),
        sessions=sessions,
        callbacks=nobody,
        dictionaries={},
        resets=nobody,
        checkpoint=nobody,
        outbox=nobody,
        start=nobody,
    )


async def said_by(roster: Roster, channels: dict[str, Any], event: str) -> dict[str, Any]:
    """Let a roster run until it says something, and return that."""
    nobody = cast(Any, None)
    with structlog.testing.capture_logs() as said:
        running = asyncio.create_task(roster.run(channels, nobody, Inquiring()))  # type: ignore[arg-type]
        async with asyncio.timeout(120):
            while not (found := [each for each in said if each["event"] == event]):
                await asyncio.wait([running], timeout=0.01)
                assert not running.done(), running
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return dict(found[0])


class Inquiring:
    def tell_captures(self, _sessions: object) -> None:
        pass


class Shut:
    """A channel that keeps whether it may be logged on by."""

    is_open = True

    def close(self, _reason: str) -> None:
        self.is_open = False

    def open(self) -> None:
        self.is_open = True


async def test_above_the_most_acceptors_new_sessions_wait_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "ACCEPTORS_MAX", 0)
    write(tmp_path, 1)
    sessions: dict[str, Any] = {}
    said = await said_by(roster_of(tmp_path, tmp_path, sessions), {}, "sessions_wait_for_start")
    assert (said["limit"], said["sessions"]) == (0, ["S1"])
    assert not sessions


@pytest.mark.parametrize(
    ("number", "name", "more"),
    [(3, "S1", ""), (1, "S1", 'dialect = "FIX.5.0SP2"\n'), (1, "S3", "")],
    ids=["another number", "another dialect", "another name"],
)
async def test_who_went_comes_back_as_the_same_or_waits_for_the_next_start(
    tmp_path: Path, number: int, name: str, more: str
) -> None:
    sessions = {f"S{each}": LiveSession(write(tmp_path, each), 3) for each in (1, 2)}
    channels = {each: Shut() for each in sessions}
    roster = roster_of(tmp_path, tmp_path, sessions)
    (tmp_path / "S1.toml").unlink()
    await said_by(roster, channels, "session_removed")
    assert (channels["S1"].is_open, channels["S2"].is_open) == (False, True)
    write(tmp_path, number, more, name=name)
    said = await said_by(roster, channels, "session_waits_for_start")
    assert said["name"] == name
    assert (sessions["S1"].number, channels["S1"].is_open) == (1, False)
    (tmp_path / f"{name}.toml").unlink()
    write(tmp_path, 1)
    await said_by(roster, channels, "session_returned")
    assert channels["S1"].is_open
    assert set(sessions) == {"S1", "S2"}
