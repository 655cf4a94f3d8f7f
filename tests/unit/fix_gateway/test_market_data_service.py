"""The market-data process while its sessions' files change."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

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


class Running:
    """The process with the files of two sessions."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.writers: list[asyncio.StreamWriter] = []
        self.files = directory / "sessions"
        self.files.mkdir()
        for number in (1, 2):
            (self.files / f"MD{number}.toml").write_text(FILE.format(number=number))
        self.doors = Doors(
            fix=directory / "fix",
            control=directory / "control",
            credential=directory / "credential",
        )
        made = MarketDataSettings(
            comp_id="RIALTO",
            doors=self.doors,
            sessions=self.files,
            reload_seconds=0.05,
            logout_seconds_max=0.1,
            **settings,
        )
        self.registry = CollectorRegistry()
        self.service = MarketDataService(
            made, sessions=read_sessions(self.files), registry=self.registry
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        stop, listening = asyncio.Event(), asyncio.Event()
        core = Core(definitions=[], respond=lambda _: [])
        running = asyncio.create_task(self.service.run(core.connect, stop, listening=listening.set))
        await listening.wait()
        try:
            yield
        finally:
            for writer in self.writers:
                writer.close()
            stop.set()
            await running

    async def log_on(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a Logon as the guard does."""
        reader, writer = await asyncio.open_unix_connection(str(self.doors.fix))
        self.writers.append(writer)
        credential = self.doors.credential.read_text().strip()
        writer.write(
            message(
                "35=A|49=MD1|56=RIALTO|34=1",
                f"98=0|108=30|141=Y|553=MD1|554={credential}|",
            )
        )
        return reader, writer

    async def announce(self, stop_in_seconds: int | None, text: str = "") -> None:
        credential = self.doors.credential.read_text().strip()
        request = {"credential": credential, "stop_in_seconds": stop_in_seconds, "text": text}
        reader, writer = await asyncio.open_unix_connection(str(self.doors.control))
        writer.write(json.dumps(request).encode() + b"\n")
        assert await reader.read() == b"done\n"
        writer.close()


def message(head: str, body: str) -> bytes:
    """Frame a message of these fields, stamped now."""
    text = f"{head}|52={timestamp_text(time.time_ns())}|{body}"
    return frame(text.replace("|", "\x01").encode())


async def heard(reader: asyncio.StreamReader, what: bytes) -> bytes:
    """Read until something came; return all that came."""
    came = b""
    async with asyncio.timeout(60):
        while what not in came:
            data = await reader.read(4096)
            assert data, came
            came += data
    return came


async def test_a_stop_is_announced_and_taken_back(tmp_path: Path) -> None:
    running = Running(tmp_path)
    async with running.serving():
        reader, _ = await running.log_on()
        await heard(reader, b"\x0135=A\x01")
        await running.announce(1, "upgrade")
        came = await heard(reader, b"\x0135=5\x01")
        assert b"61=1\x01148=VENUE STOP in 1 s\x0133=1\x0158=upgrade\x01" in came
        assert b"\x0158=upgrade\x01" in came[came.index(b"\x0135=5\x01") :]
        reader, _ = await running.log_on()
        refused = await heard(reader, b"\x0135=5\x01")
        assert b"\x0158=upgrade\x01" in refused
        assert b"\x0135=A\x01" not in refused
        await running.announce(None)
        reader, _ = await running.log_on()
        await heard(reader, b"\x0135=A\x01")


async def test_high_numbers_are_warned_of_once(tmp_path: Path) -> None:
    running = Running(tmp_path, sequence_warning=3)
    async with running.serving():
        reader, writer = await running.log_on()
        await heard(reader, b"\x0135=A\x01")
        for number in (2, 3):
            writer.write(message(f"35=1|49=MD1|56=RIALTO|34={number}", f"112=t{number}|"))
        came = await heard(reader, b"148=SEQUENCE NUMBERS HIGH")
        assert b"58=next MsgSeqNum ours 4, yours 4, limit 3: log on anew" in came
        writer.write(message("35=1|49=MD1|56=RIALTO|34=4", "112=t4|"))
        await heard(reader, b"112=t4")
        await running.announce(0, "end")
        assert b"SEQUENCE" not in await heard(reader, b"\x0135=5\x01")


async def test_a_changed_throttle_holds_at_once(tmp_path: Path) -> None:
    running = Running(tmp_path)
    async with running.serving():
        reader, writer = await running.log_on()
        await heard(reader, b"\x0135=A\x01")
        file = running.files / "MD1.toml"
        file.write_text(file.read_text() + "[throttle]\nmessages = 1\nseconds = 60\n")
        await until(lambda: running.service._files["MD1"].throttle.messages == 1)
        for number in (2, 3):
            body = f"320=r{number}|559=0|"
            writer.write(message(f"35=x|49=MD1|56=RIALTO|34={number}", body))
        came = await heard(reader, b"\x01380=8\x01")
        assert b"45=3\x01" in came
        assert b"1613=1\x01" in came


async def test_who_has_no_file_any_more_is_logged_out_and_nothing_breaks(tmp_path: Path) -> None:
    running = Running(tmp_path)
    async with running.serving():
        reader, writer = await running.log_on()
        await heard(reader, b"\x0135=A\x01")
        (running.files / "MD1.toml").unlink()
        farewell = await heard(reader, b"\x0135=5\x01")
        assert b"58=the session is removed\x01" in farewell
        writer.close()
        await until(lambda: not running.service._connections)
        defects = {"reason": "defect"}
        assert not running.registry.get_sample_value("fix_market_data_cut_total", defects)
        known = {"MD2": {"kind": "market_data", "is_logged_on": False}}
        assert running.service.health()["sessions"] == known
