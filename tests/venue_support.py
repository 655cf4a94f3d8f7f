"""What the tests of the venue share: settings, commands, and a core inside the test's loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from messages.trading.commands import CancelOrder, OpenSession
from messages.trading.identity import source_number
from runtime.link import Link
from venue.counting_engine import CountingEngine
from venue.metrics import MetricsInMemory
from venue.ports import Engine
from venue.service import run_core
from venue.settings import (
    BatchSettings,
    JournalSettings,
    LinkSettings,
    Principal,
    SnapshotSettings,
    VenueSettings,
)
from venue.state_files import Stores

TOKEN = bytes(range(32))
GATEWAY = 3
PATIENCE_SECONDS = 120.0
"""For what has to come, however busy the machine is."""

MAY_SEND = ("CancelOrder", "PlaceOrder", "OpenSession", "CloseSession")


def settings_in(
    folder: Path,
    *,
    durability: str = "disk",
    journal: JournalSettings | None = None,
    batch: BatchSettings | None = None,
    links: LinkSettings | None = None,
    snapshots: SnapshotSettings | None = None,
    listen: tuple[str, ...] | None = None,
    allow_crash_points: bool = False,
) -> VenueSettings:
    """Settings of a small venue in ``folder``, with a gateway, an admin and an auditor."""
    token = folder / "principal.token"
    token.write_text(TOKEN.hex())
    token.chmod(0o600)
    assert durability in ("disk", "process")
    return VenueSettings(
        directory=str(folder / "venue"),
        listen=listen or (f"unix:{folder}/core.sock",),
        principals={
            "fix_gateway": Principal(number=GATEWAY, token_file=str(token), may_send=MAY_SEND),
            "admin": Principal(number=2, token_file=str(token), may_send=("Credit",)),
            "auditor": Principal(number=5, token_file=str(token), links_max=16),
        },
        engine="counting",
        durability="disk" if durability == "disk" else "process",
        journal=journal
        or JournalSettings(segment_bytes=1 << 20, event_segment_bytes=1 << 20, check_interval=64),
        batch=batch or BatchSettings(commands_max=64),
        links=_patient(links or LinkSettings()),
        snapshots=snapshots or SnapshotSettings(),
        allow_crash_points=allow_crash_points,
    )


def _patient(links: LinkSettings) -> LinkSettings:
    """Give links the time that a test does not limit itself."""
    usual = LinkSettings()
    given = {
        name: PATIENCE_SECONDS
        for name in ("authentication_seconds", "silence_seconds")
        if getattr(links, name) == getattr(usual, name)
    }
    return msgspec.structs.replace(links, **given)


def command(number: int, *, session: int = 1, principal: int = GATEWAY, epoch: int = 1) -> bytes:
    """A cancel: the smallest thing a gateway sends, known by its source sequence."""
    return CancelOrder.make(
        source=source_number(principal, session),
        epoch=epoch,
        source_sequence=number,
        account=session,
        session=session,
        order_id=number,
    ).pack()


def opening(session: int = 1, *, number: int = 1) -> bytes:
    return OpenSession.make(
        source=source_number(GATEWAY, session), epoch=1, source_sequence=number, session=session
    ).pack()


class RunningCore:
    """A core in this process; ``address`` is its first listener."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.metrics = MetricsInMemory()
        self.venue = b""
        self.addresses: list[str] = []
        self.started = asyncio.Event()
        self.task: asyncio.Task[int] | None = None

    @property
    def address(self) -> str:
        return self.addresses[0]

    async def link(self, principal: str = "fix_gateway", **options: object) -> Link:
        return await Link.connect(self.address, principal, TOKEN, **options)  # type: ignore[arg-type]

    def note(self, venue: bytes, addresses: list[str]) -> None:
        self.venue, self.addresses = venue, list(addresses)
        self.started.set()

    async def finish(self) -> int:
        self.stop.set()
        assert self.task is not None
        return await self.task


@contextlib.asynccontextmanager
async def core(
    settings: VenueSettings,
    engine: Engine | None = None,
    *,
    stores: Stores | None = None,
    clock_ns: Callable[[], int] | None = None,
) -> AsyncIterator[RunningCore]:
    """Run a core, and see it end well."""
    running = RunningCore()
    options = {} if clock_ns is None else {"clock_ns": clock_ns}
    running.task = asyncio.create_task(
        run_core(
            settings,
            engine or CountingEngine(),
            running.stop,
            running.metrics,
            started=running.note,
            stores=stores,
            **options,
        )
    )
    started = asyncio.create_task(running.started.wait())
    await asyncio.wait((started, running.task), return_when=asyncio.FIRST_COMPLETED)
    assert running.started.is_set(), f"the core ended with {running.task.result()}"
    try:
        yield running
    finally:
        await running.finish()


async def until(
    is_true: Callable[[], bool], *, seconds_max: float = PATIENCE_SECONDS, pause: float = 0.002
) -> None:
    """Wait for what no event announces."""
    async with asyncio.timeout(seconds_max):
        while not is_true():  # noqa: ASYNC110  # a gauge or a file, which cannot wake us
            await asyncio.sleep(pause)


async def read_events(link: Link, *, after: int, through: int) -> bytes:
    """Read until event ``through``, within reason."""
    parts: list[bytes] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for batch in link.events(after):
            parts.append(batch.data)
            if batch.last >= through:
                break
    return b"".join(parts)
