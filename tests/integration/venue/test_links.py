"""Links to a running core: who gets in, what is refused, and who may be slow."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from messages.trading.answers import Balances, VenueStatus
from messages.trading.codes import RejectCode
from messages.trading.events import CommandRejected
from runtime.feed import LinkFeed
from runtime.link import (
    AheadOfVenue,
    ForeignVenue,
    Link,
    LinkLimits,
    LinkLost,
    LinkRefused,
)
from runtime.link_frames import (
    Bye,
    ByeCode,
    EventBatch,
    FrameReader,
    FrameType,
    Refusal,
    frame,
)
from tests.crash.killed_core import records
from tests.venue_support import (
    GATEWAY,
    PATIENCE_SECONDS,
    TOKEN,
    RunningCore,
    command,
    core,
    opening,
    read_events,
    settings_in,
    until,
)
from venue.link_connection import Connection
from venue.settings import BatchSettings, LinkSettings


async def said_by_core(address: str, data: bytes) -> list[tuple[FrameType, memoryview]]:
    """Send raw bytes, and return all frames until the core closes."""
    reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    frames, said = [], FrameReader()
    async with asyncio.timeout(PATIENCE_SECONDS):
        frames += said.feed(await reader.read(1000))
        writer.write(data)
        with contextlib.suppress(ConnectionError):
            while found := await reader.read(100_000):
                frames += said.feed(found)
    writer.close()
    return frames


def bye_of(frames: list[tuple[FrameType, memoryview]]) -> Bye:
    assert frames[-1][0] is FrameType.BYE, frames
    return msgspec.msgpack.decode(frames[-1][1], type=Bye)


async def test_only_who_knows_the_secret_gets_in(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path)) as running:
        for principal, token in (
            ("fix_gateway", b"wrong" * 8),
            ("nobody", TOKEN),
            ("", TOKEN),
            ("fix_gateway", b""),
        ):
            with pytest.raises(LinkRefused) as refused:
                await Link.connect(running.address, principal, token)
            assert refused.value.code == ByeCode.NOT_AUTHENTICATED
        with pytest.raises(ForeignVenue):
            await running.link(venue=bytes(16))
        link = await running.link(venue=running.venue)
        assert link.welcome.principal == GATEWAY
        await link.close()


async def test_who_does_not_speak_the_protocol_is_sent_away(tmp_path: Path) -> None:
    links = LinkSettings(frame_bytes_max=4096)
    async with core(settings_in(tmp_path, links=links)) as running:
        for data in (
            b"\xff\xff\xff\xff\x05",
            b"\0\0\0\0\0",
            b"GET / HTTP/1.1\r\n\r\n",
            frame(FrameType.COMMANDS, command(1)),
            frame(FrameType.HELLO, b"\xc1"),
            frame(FrameType.WELCOME, b""),
        ):
            bye = bye_of(await said_by_core(running.address, data))
            assert bye.code == ByeCode.PROTOCOL_ERROR, data
        link = await running.link()
        link.send(bytes(64))
        assert isinstance(await link.wait_lost(), LinkRefused)
        again = await running.link()
        again.send(command(1))
        await read_events(again, after=0, through=1)
        await again.close()


async def test_a_follower_that_is_told_now_and_then_is_told_everything_before_the_core_stops(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path)
    settings.principals["auditor"] = msgspec.structs.replace(
        settings.principals["auditor"], events_every_seconds=1.0
    )
    got: list[EventBatch] = []

    async def follow(link: Link) -> None:
        async for batch in link.events(0):
            got.append(batch)  # noqa: PERF401  # what came before the end by an error counts

    async with core(settings) as running:
        gateway, follower = await running.link(), await running.link("auditor")
        following = asyncio.create_task(follow(follower))
        gateway.send(command(1))
        async for batch in gateway.events(0):  # one command a batch: the next waits for this one
            if batch.last == 50:
                break
            gateway.send(command(batch.last + 1))
        await running.finish()
        with pytest.raises(LinkRefused) as stopped:
            await following
    assert stopped.value.code == ByeCode.STOPPING
    assert [batch.first for batch in got] == [1, *(batch.last + 1 for batch in got[:-1])]
    assert got[-1].last >= 50


async def test_who_begins_at_an_answer_may_be_ahead_of_the_welcome(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path)) as running:
        follower, gateway = await running.link("auditor"), await running.link()
        gateway.send(command(1))
        await read_events(gateway, after=0, through=1)
        answer = await follower.query("definitions")
        assert answer.event_number == 1 > follower.welcome.last_event

        following = asyncio.create_task(read_events(follower, after=1, through=2))
        gateway.send(command(2))
        assert len(records(await following)) == 1
        with pytest.raises(AheadOfVenue):
            await anext(aiter((await running.link("auditor")).events(3)))


async def test_who_says_nothing_does_not_stay(tmp_path: Path) -> None:
    links = LinkSettings(authentication_seconds=0.1)
    async with core(settings_in(tmp_path, links=links)) as running:
        frames = await said_by_core(running.address, b"")
        assert bye_of(frames).code == ByeCode.NOT_AUTHENTICATED


async def test_the_number_of_links_is_bounded(tmp_path: Path) -> None:
    links = LinkSettings(connections_max=3)
    async with core(settings_in(tmp_path, links=links)) as running:
        held = [await running.link("auditor") for _ in range(3)]
        with pytest.raises((LinkRefused, LinkLost)):
            await running.link("auditor")
        for link in held:
            await link.close()
    async with core(settings_in(tmp_path)) as running:
        held = [await running.link() for _ in range(4)]
        with pytest.raises(LinkRefused, match="links already"):
            await running.link()
        for link in held:
            await link.close()


async def test_refusals_come_back_with_code_and_name_and_nothing_else_changes(
    tmp_path: Path,
) -> None:
    batch = BatchSettings(commands_max=4, queued_per_link_max=10, commands_per_link_max=4)
    found: list[Refusal] = []
    enough = asyncio.Event()

    def note(refusals: Sequence[Refusal]) -> None:
        found.extend(refusals)
        enough.set()

    async with core(settings_in(tmp_path, batch=batch)) as running:
        link = await running.link(refusals=note)
        link.send(command(1, principal=2))
        await asyncio.wait_for(enough.wait(), PATIENCE_SECONDS)
        assert [r.code for r in found] == [RejectCode.SOURCE_NOT_AUTHORISED]
        link.send(b"".join(command(n) for n in range(1, 31)))
        data = await read_events(link, after=0, through=10)
        taken = [CommandRejected.unpack(r).source_sequence for r in records(data)]
        assert taken == list(range(1, 11))
        assert [r.source_sequence for r in found[1:]] == list(range(11, 31))
        assert {r.code for r in found[1:]} == {RejectCode.QUEUE_FULL}
        assert running.metrics.counts["refusals_total", "QUEUE_FULL"] == 20
        await link.close()


async def test_a_reader_ahead_of_the_venue_is_told(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path)) as running:
        feed = LinkFeed(running.address, "auditor", TOKEN)
        with pytest.raises(AheadOfVenue):
            async for _ in feed.read(5, asyncio.Event()):
                pass


async def test_questions_are_answered_as_of_a_durable_moment(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path)) as running:
        link = await running.link()
        link.send(command(1))
        answer = await link.query("balances")
        assert msgspec.msgpack.decode(answer.payload, type=Balances).balances == []
        await read_events(link, after=0, through=1)
        status = msgspec.msgpack.decode((await link.query("status")).payload, type=VenueStatus)
        assert status.last_event == 1
        assert status.venue == running.venue.hex()
        assert status.links[0].principal == "fix_gateway"
        with pytest.raises(LinkRefused):
            await link.query("secrets")


async def test_a_slow_reader_falls_behind_on_disk_and_misses_nothing(tmp_path: Path) -> None:
    links = LinkSettings(send_buffer_bytes=16_384, feed_memory_bytes=65_536, feed_batch_bytes=8192)
    async with core(settings_in(tmp_path, links=links)) as running:
        slow = await running.link("auditor", limits=LinkLimits(incoming_bytes_max=4096))
        batches = slow.events(0)
        link = await running.link()
        link.send(command(1))
        first = await anext(batches)
        last = 12_000
        for start in range(2, last + 1, 500):
            stop = min(start + 500, last + 1)
            link.send(b"".join(command(n) for n in range(start, stop)))
            await asyncio.sleep(0)
            await until(partial(_has_published, running, stop - 1))
        position, data = first.last, [first.data]
        assert _buffered() < 2_000_000, "what is not read waits on disk"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while position < last:
                batch = await anext(batches)
                assert batch.first == position + 1
                position = batch.last
                data.append(batch.data)
        numbers = [CommandRejected.unpack(r).source_sequence for r in records(b"".join(data))]
        assert numbers == list(range(1, last + 1))
        for each in (slow, link):
            await each.close()


def _has_published(running: RunningCore, event: int) -> bool:
    return running.metrics.gauges.get(("event_number", ""), 0) >= event


def _has_read(found: list[EventBatch], event: int) -> bool:
    return bool(found) and found[-1].last >= event


def _buffered() -> int:
    found = [each for each in gc.get_objects() if isinstance(each, Connection)]
    return max(each.buffered_bytes for each in found)


async def test_a_feed_goes_on_across_restarts_of_the_core(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    stop = asyncio.Event()
    found: list[EventBatch] = []
    feed = LinkFeed(settings.listen[0], "auditor", TOKEN)

    async def consume() -> None:
        async for batch in feed.read(0, stop):
            found.append(batch)  # noqa: PERF401  # the list is looked at while it grows

    task = asyncio.create_task(consume())
    for round_number in range(3):
        async with core(settings) as running:
            link = await running.link()
            start = round_number * 50
            for number in range(start + 1, start + 51):
                link.send(command(number))
            wanted = link.welcome.last_event + 50
            await until(partial(_has_read, found, wanted))
            await link.close()
    stop.set()
    await asyncio.wait_for(task, PATIENCE_SECONDS)
    position = 0
    for batch in found:
        assert batch.first == position + 1
        position = batch.last


async def test_the_last_link_of_a_gateway_is_missed_after_what_it_sent(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path)) as running:
        auditor = await running.link("auditor")
        one, two = await running.link(), await running.link()
        one.send(opening())
        two.send(b"".join(command(n, session=2) for n in range(1, 4)))
        await read_events(auditor, after=0, through=4)
        await auditor.close()
        await one.close()
        two.send(command(4, session=2))
        await two.close()
        again = await running.link()
        assert {tuple(p) for p in again.welcome.positions} == {
            (GATEWAY << 20 | 1, 1, 1),
            (GATEWAY << 20 | 2, 1, 4),
        }
        data = await read_events(again, after=4, through=6)
        last = [CommandRejected.unpack(r) for r in records(data)]
        assert [(e.refused_kind, e.source >> 20) for e in last] == [(2, 3), (9, 1)]
        await again.close()
