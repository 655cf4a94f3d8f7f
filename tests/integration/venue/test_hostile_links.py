"""A link that knows its secret and sends rubbish ends itself, never the core."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from pathlib import Path

from core.engine import NativeEngine
from messages.trading.commands import COMMANDS
from runtime.link import Link, LinkError
from runtime.link_frames import FRAME_SIZE_MAX, FrameType, frame
from tests.crash.recorded_stream import NAME, NAME_OFFSET, recorded_stream, trading_settings
from tests.integration.venue.test_bounds import RawLink
from tests.property.flow import START
from tests.venue_support import GATEWAY, RunningCore, core
from venue.replay import replay
from venue.state_files import Stores

STRANGE = (0, 1, 2, 0x7F, 0x80, 0xFF)
ROUNDS = 60


def rubbish(chance: random.Random) -> bytes:
    """Bytes that are a frame, or nearly."""
    noise = chance.randbytes(chance.randrange(200))
    dice = chance.random()
    if dice < 0.2:
        return noise
    if dice < 0.4:
        return struct.pack("<IB", chance.choice((0, 1, 5, 1 << 31, FRAME_SIZE_MAX + 2)), 5) + noise
    return frame(chance.choice(list(FrameType)), noise)


def mutated(record: bytes, chance: random.Random, number: int) -> bytes:
    """A record with some fields changed to what no gateway sends, mostly past admission."""
    data = bytearray(record)
    kind = COMMANDS.by_kind[data[2]]
    for field in chance.choices(kind.FIELDS[3:], k=chance.choice((0, 1, 1, 2, 5))):
        strange = chance.choice(STRANGE)
        filled = bytes([strange]) * field.size
        if chance.random() < 0.5:
            filled = strange.to_bytes(1, "little").ljust(field.size, b"\0")
        data[field.offset : field.offset + field.size] = filled
    if chance.random() < 0.2:
        data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
    if chance.random() < 0.9:
        data[5:8] = bytes(3)
        NAME.pack_into(data, NAME_OFFSET, GATEWAY << 20 | chance.randrange(4), 1, number)
    if chance.random() < 0.02:
        data[2] = chance.randrange(80)
    return bytes(data)


async def test_noise_over_an_authenticated_link_ends_the_link_and_not_the_core(
    tmp_path: Path, chance: random.Random
) -> None:
    settings = trading_settings(tmp_path, durability="process", engine="native")
    async with core(settings, NativeEngine()) as running:
        for _ in range(ROUNDS):
            link = await RawLink.open(running, "fix_gateway")
            for _ in range(chance.randrange(1, 6)):
                link.writer.write(rubbish(chance))
            link.close()
        assert await answers(running)
        assert await running.finish() == 0


async def test_mutated_commands_never_end_the_core(tmp_path: Path, chance: random.Random) -> None:
    stream = recorded_stream(chance.randrange(1 << 30), 1500)
    began = time.time_ns()
    settings = trading_settings(tmp_path, durability="process", engine="native")
    clock_ns = lambda: START + time.time_ns() - began  # noqa: E731
    async with core(settings, NativeEngine(), clock_ns=clock_ns) as running:
        link: Link | None = None
        for number, record in enumerate(stream, start=1):
            if link is None or link.is_lost:
                link = await running.link()
            whole = record if number < 80 else mutated(record, chance, number)
            try:
                link.send(whole)
            except LinkError:
                link = None
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert await answers(running)
        assert await running.finish() == 0
    result = replay(Stores.read_only(tmp_path / "venue").journal, NativeEngine())
    assert result.last_sequence > len(stream) // 2
    assert result.events > 0


async def answers(running: RunningCore) -> bool:
    link = await running.link("auditor")
    answer = await link.query("status")
    await link.close()
    return len(answer.payload) > 0
