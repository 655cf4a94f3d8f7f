"""How many acceptors a gateway makes for sessions that come while it runs."""

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import structlog

from fix_gateway import additions
from fix_gateway.roster import Roster
from fix_gateway.settings import Doors, GatewaySettings
from tests.unit.fix_gateway.test_session_watch import write


async def test_above_the_most_acceptors_new_sessions_wait_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(additions, "ACCEPTORS_MAX", 0)
    files = tmp_path / "sessions"
    files.mkdir()
    write(files, 1)
    doors = Doors(fix=tmp_path / "fix", control=tmp_path / "control", credential=tmp_path / "key")
    settings = GatewaySettings(
        principal=3,
        comp_id="RIALTO",
        doors=doors,
        state=tmp_path,
        dictionaries=tmp_path,
        sessions=files,
    )
    settings = msgspec.structs.replace(settings, reload_seconds=0.01)
    nobody = cast(Any, None)
    sessions: dict[str, Any] = {}
    roster = Roster(
        settings,
        sessions=sessions,
        callbacks=nobody,
        dictionaries={},
        resets=nobody,
        checkpoint=nobody,
        outbox=nobody,
        start=nobody,
    )
    with structlog.testing.capture_logs() as said:
        running = asyncio.create_task(roster.run({}, nobody, nobody))
        async with asyncio.timeout(10):
            while not said:
                await asyncio.wait([running], timeout=0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert said[0]["event"] == "sessions_wait_for_start"
    assert (said[0]["limit"], said[0]["sessions"]) == (0, ["S1"])
    assert not sessions
