"""One stream of real trading for a core that is killed: every command, in one order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections import Counter
from pathlib import Path

import msgspec

from messages.trading.commands import CloseSession, OpenSession
from messages.trading.identity import source_number
from runtime.link import Link, LinkError
from tests.crash.killed_core import Client, records
from tests.property.flow import START, Flow
from tests.venue_support import GATEWAY, settings_in
from venue.reference.engine import ReferenceEngine
from venue.settings import COMMANDS_BY_NAME, JournalSettings, VenueSettings

FLOW_CLOCK = {"TEST_CLOCK_OFFSET_NS": str(START - time.time_ns())}
"""Lets the core live in the flow's year."""

NAME = struct.Struct("<IIQ")
NAME_OFFSET = 32
SESSION = struct.Struct("<I")
SESSION_OFFSET = 52
CONNECTION_OFFSET = 56
REOPENING = 0x80000
"""Added to a session's number: the source of what opens it again after a crash."""

LINK_KINDS = {record.KIND for record in COMMANDS_BY_NAME.values()}


def trading_settings(folder: Path, *, durability: str, engine: str) -> VenueSettings:
    """A small venue that really trades, whose gateway may send everything."""
    journal = JournalSettings(
        segment_bytes=1 << 18,
        event_segment_bytes=1 << 20,
        check_interval=64,
        reserve_bytes=1 << 16,
    )
    settings = settings_in(folder, durability=durability, journal=journal)
    gateway = msgspec.structs.replace(
        settings.principals["fix_gateway"], may_send=tuple(COMMANDS_BY_NAME)
    )
    principals = settings.principals | {"fix_gateway": gateway}
    return msgspec.structs.replace(settings, engine=engine, principals=principals)


def recorded_stream(seed: int, count: int) -> list[bytes]:
    """Record a flow, with every command named anew as one of the gateway's, as if just received."""
    stream: list[bytes] = []
    numbers: Counter[int] = Counter()
    for data, _ in Flow(seed, calm=True).run(ReferenceEngine(), count):
        for record in records(data):
            if int.from_bytes(record[2:4], "little") not in LINK_KINDS:
                continue
            whole = bytearray(record)
            (session,) = SESSION.unpack_from(whole, SESSION_OFFSET)
            source = source_number(GATEWAY, session)
            numbers[source] += 1
            whole[6:24] = bytes(18)
            NAME.pack_into(whole, NAME_OFFSET, source, 1, numbers[source])
            stream.append(bytes(whole))
    return stream


class StreamClient(Client):
    """Sends the stream, each time from the first command that the core has not taken."""

    def __init__(self, settings: VenueSettings, chance: random.Random, stream: list[bytes]) -> None:
        super().__init__(settings, chance)
        self.next = {}
        self._stream = stream
        self._following = 0
        self._life = 0

    def _resume(self, link: Link) -> None:
        """Go on after the last command that was taken, with every session's connection renewed."""
        taken = {tuple(position) for position in link.welcome.positions}
        names = [NAME.unpack_from(record, NAME_OFFSET) for record in self._stream]
        following = 1 + max((i for i, name in enumerate(names) if name in taken), default=-1)
        assert following <= self._following, "the core has taken what was never sent"
        self._following = following
        self._life += 1
        opened: dict[int, bytes] = {}
        for record in self._stream[:following]:
            kind, (session,) = record[2], SESSION.unpack_from(record, SESSION_OFFSET)
            if kind == OpenSession.KIND:
                opened[session] = record
            elif kind == CloseSession.KIND:
                opened.pop(session, None)
        for session, record in opened.items():
            again = bytearray(self._renewed(record))
            source = source_number(GATEWAY, REOPENING + session)
            NAME.pack_into(again, NAME_OFFSET, source, 1, self._life)
            assert link.send(bytes(again))

    def _renewed(self, record: bytes) -> bytes:
        """Give a session's command the connection number of this life: they only go upwards."""
        (connection,) = SESSION.unpack_from(record, CONNECTION_OFFSET)
        if not connection:
            return record
        whole = bytearray(record)
        SESSION.pack_into(whole, CONNECTION_OFFSET, connection + 1000 * self._life)
        return bytes(whole)

    async def _send(self, link: Link) -> None:
        with contextlib.suppress(LinkError):
            while self._following < len(self._stream):
                count = self.chance.randint(1, 8)
                burst = self._stream[self._following : self._following + count]
                if link.send(b"".join(map(self._renewed, burst))):
                    self._following += len(burst)
                await asyncio.sleep(self.chance.random() * 0.001)
