"""The market-data process while its sessions' files change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from fix_gateway.adapters.in_memory import InMemoryCore, InMemoryLink
from fix_gateway.guard.framing import frame
from fix_gateway.market_data.service import MarketDataService
from fix_gateway.market_data.settings import MarketDataSettings
from fix_gateway.ports import RefusalHandler
from fix_gateway.settings import Doors, read_sessions
from fix_gateway.translation.times import timestamp_text
from runtime.link_frames import Answer

FILE = """
id = {number}
kind = "market_data"
sender_comp_id = "MD{number}"
[firm]
id = 1
name = "F"
"""


class Core(InMemoryCore):
    """A core without books."""

    async def connect(self, refusals: RefusalHandler) -> InMemoryLink:
        link = await super().connect(refusals)

        async def query(what: str, *numbers: int) -> Answer:
            return self.definitions() if what == "definitions" else Answer(1, 0, 0, b"")

        link.query = query  # type: ignore[method-assign]
        return link


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # what is waited for says nothing by itself
            await asyncio.sleep(0.005)


async def test_who_has_no_file_any_more_is_logged_out_and_nothing_breaks(tmp_path: Path) -> None:
    files = tmp_path / "sessions"
    files.mkdir()
    for number in (1, 2):
        (files / f"MD{number}.toml").write_text(FILE.format(number=number))
    doors = Doors(
        fix=tmp_path / "fix", control=tmp_path / "control", credential=tmp_path / "credential"
    )
    settings = MarketDataSettings(
        comp_id="RIALTO", doors=doors, sessions=files, reload_seconds=0.05, logout_seconds_max=0.1
    )
    registry = CollectorRegistry()
    service = MarketDataService(settings, sessions=read_sessions(files), registry=registry)
    stop, listening = asyncio.Event(), asyncio.Event()
    core = Core(definitions=[], respond=lambda _: [])
    running = asyncio.create_task(service.run(core.connect, stop, listening=listening.set))
    await listening.wait()
    reader, writer = await asyncio.open_unix_connection(str(doors.fix))
    credential = doors.credential.read_text().strip()
    body = (
        f"35=A\x0149=MD1\x0156=RIALTO\x0134=1\x0152={timestamp_text(time.time_ns())}\x01"
        f"98=0\x01108=30\x01141=Y\x01553=MD1\x01554={credential}\x01"
    )
    writer.write(frame(body.encode()))
    assert b"\x0135=A\x01" in await reader.read(4096)
    (files / "MD1.toml").unlink()
    farewell = await reader.read(4096)
    assert b"\x0135=5\x01" in farewell
    assert b"58=the session is removed\x01" in farewell
    writer.close()
    await until(lambda: not service._connections)
    defects = {"reason": "defect"}
    assert not registry.get_sample_value("fix_market_data_cut_total", defects)
    assert service.health()["sessions"] == {"MD2": {"kind": "market_data", "is_logged_on": False}}
    stop.set()
    await running
