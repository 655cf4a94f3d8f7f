"""What a link may make the core keep, and how long an engine may take over one deadline."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import msgspec
import pytest

from messages.layout import RECORD_PREFIX
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    AdvanceTime,
    CancelOrder,
    Credit,
    GroupHeader,
    LinkLost,
)
from messages.trading.events import CommandRejected
from messages.trading.identity import source_number
from runtime.link import LinkLimits, LinkRefused
from runtime.link import LinkLost as ConnectionLost
from runtime.link_frames import (
    Answer,
    Bye,
    ByeCode,
    Challenge,
    EventBatch,
    FrameReader,
    FrameType,
    Hello,
    Query,
    Refusal,
    proof_of,
    struct_frame,
)
from tests.crash.killed_core import records
from tests.venue_support import (
    PATIENCE_SECONDS,
    TOKEN,
    RunningCore,
    command,
    core,
    read_events,
    settings_in,
    until,
)
from venue import event_records
from venue.counting_engine import CountingEngine
from venue.errors import ConfigurationError, EventsTooLargeError
from venue.event_records import whole_commands
from venue.link_connection import ANSWER_PART_BYTES, Connection
from venue.replay import replay
from venue.sequencer import SAME_DEADLINE_MAX
from venue.settings import BatchSettings, JournalSettings, LinkSettings, check_settings
from venue.state_files import Stores

MIB = 1024 * 1024


class RawLink:
    """An authenticated link that reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = FrameReader(64 * MIB)

    @classmethod
    async def open(cls, running: RunningCore, principal: str = "auditor") -> RawLink:
        path = running.address.removeprefix("unix:")
        link = cls(*await asyncio.open_unix_connection(path))
        [(_, payload)] = await link.read()
        challenge = msgspec.msgpack.decode(payload, type=Challenge)
        proof = proof_of(TOKEN, nonce=challenge.nonce, principal=principal)
        link.writer.write(struct_frame(FrameType.HELLO, Hello(principal, proof)))
        [(kind, _)] = await link.read()
        assert kind is FrameType.WELCOME
        return link

    async def read(self) -> list[tuple[FrameType, memoryview]]:
        """Read at least one frame that is no ping, or none at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                data = await self.reader.read(MIB)
                found = [each for each in self._frames.feed(data) if each[0] is not FrameType.PING]
                if found or not data:
                    return found

    def ask(self, number: int, what: str = "definitions") -> None:
        self.writer.write(struct_frame(FrameType.QUERY, Query(number, what)))

    def close(self) -> None:
        self.writer.close()


class TalkativeEngine(CountingEngine):
    """Has much to say about what is defined."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.asked = 0

    def definitions(self) -> bytes:
        self.asked += 1
        return bytes([self.asked]) * self.size


def connections() -> list[Connection]:
    found = [each for each in gc.get_objects() if isinstance(each, Connection)]
    return [each for each in found if each.inbox is not None]


async def test_answers_that_nobody_reads_take_one_answer_and_a_buffer(tmp_path: Path) -> None:
    engine = TalkativeEngine(8 * MIB)
    links = LinkSettings(send_buffer_bytes=65_536, queries_per_link_max=16)
    async with core(settings_in(tmp_path, links=links), engine) as running:
        link = await RawLink.open(running)
        for number in range(16):
            link.ask(number)
        await until(lambda: engine.asked > 0)
        other = await running.link("auditor")
        await other.query("status")
        assert engine.asked == 1, "an answer is made when the one before it has been sent"
        assert sum(each.buffered_bytes for each in connections()) < 65_536 + 2 * ANSWER_PART_BYTES
        whole: dict[int, bytes] = {}
        while len(whole) < 16 or any(len(data) < engine.size for data in whole.values()):
            for kind, payload in await link.read():
                assert kind is FrameType.ANSWER
                answer = msgspec.msgpack.decode(payload, type=Answer)
                whole[answer.id] = whole.get(answer.id, b"") + answer.payload
        assert whole == {number: bytes([number + 1]) * engine.size for number in range(16)}
        link.ask(16, "status")
        assert (await link.read())[0][0] is FrameType.ANSWER, "what was read counts no more"
        link.close()
        await other.close()


async def test_the_number_of_open_queries_is_bounded(tmp_path: Path) -> None:
    links = LinkSettings(send_buffer_bytes=65_536, queries_per_link_max=3)
    async with core(settings_in(tmp_path, links=links), TalkativeEngine(4 * MIB)) as running:
        link = await RawLink.open(running)
        for number in range(3):
            link.ask(number)
        answered = 0
        while answered < 3:
            for _, payload in await link.read():
                answered += not msgspec.msgpack.decode(payload, type=Answer).more
        for number in range(4):
            link.ask(number)
        found: list[tuple[FrameType, memoryview]] = []
        while more := await link.read():
            found += more
        assert found[-1][0] is FrameType.BYE
        bye = msgspec.msgpack.decode(found[-1][1], type=Bye)
        assert (bye.code, bye.text) == (ByeCode.PROTOCOL_ERROR, "more than 3 queries at once")
        link.close()


async def test_answers_of_all_links_are_bounded_in_bytes(tmp_path: Path) -> None:
    links = LinkSettings(send_buffer_bytes=65_536, answer_bytes_max=20 * MIB)
    engine = TalkativeEngine(8 * MIB)
    async with core(settings_in(tmp_path, links=links), engine) as running:
        held = [await RawLink.open(running) for _ in range(3)]
        for number, link in enumerate(held, start=1):
            link.ask(number)
            await until(lambda number=number: engine.asked == number)  # type: ignore[misc]
        await until(lambda: len(connections()) == 2)
        end = 0
        while found := await held[0].read():
            end = msgspec.msgpack.decode(found[-1][1], type=Answer).more
        assert end, "the link that has held its answer longest is given up"
        for link in held[1:]:
            size = 0
            while size < engine.size:
                parts = [msgspec.msgpack.decode(p, type=Answer) for _, p in await link.read()]
                size += sum(len(part.payload) for part in parts)
        for link in held:
            link.close()


async def test_a_frame_of_exactly_the_largest_size_is_taken_and_no_byte_more(
    tmp_path: Path,
) -> None:
    count = 64
    size = count * CancelOrder.LENGTH
    links = LinkSettings(frame_bytes_max=size)
    async with core(settings_in(tmp_path, links=links)) as running:
        link = await running.link()
        link.send(b"".join(command(number) for number in range(1, count + 1)))
        data = await read_events(link, after=0, through=count)
        assert len(records(data)) == count
        link.send(b"".join(command(number) for number in range(count + 1, 2 * count + 2)))
        ended = await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert isinstance(ended, LinkRefused)
        assert ended.code == ByeCode.PROTOCOL_ERROR
        again = await running.link()
        assert [each.source_sequence for each in again.welcome.positions] == [count]
        await again.close()


async def test_the_clients_largest_answer_is_bounded(tmp_path: Path) -> None:
    async with core(settings_in(tmp_path), TalkativeEngine(MIB)) as running:
        link = await running.link("auditor", limits=LinkLimits(answer_bytes_max=MIB))
        assert len((await link.query("definitions")).payload) == MIB
        await link.close()
        link = await running.link("auditor", limits=LinkLimits(answer_bytes_max=MIB - 1))
        with pytest.raises(ConnectionLost):
            await link.query("definitions")
        await link.close()


async def test_what_no_link_may_send_is_refused_before_it_is_sequenced(tmp_path: Path) -> None:
    kinds = [kind for kind in range(70) if kind not in COMMANDS.by_kind]
    assert {27, 47, 53, 69} <= set(kinds), "never given to a command yet"
    refused: list[Refusal] = []
    async with core(settings_in(tmp_path)) as running:
        link = await running.link(refusals=refused.extend)
        for kind in kinds:
            record = command(kind + 1)
            link.send(RECORD_PREFIX.pack(len(record), kind) + record[4:])
        for internal in (AdvanceTime, LinkLost, GroupHeader):
            link.send(internal.make(source=3 << 20, source_sequence=1).pack())
        in_group = bytearray(command(1))
        in_group[6] = 1
        link.send(bytes(in_group))
        await link.query("status")
        assert [each.code for each in refused] == [
            *[RejectCode.RECORD_UNKNOWN_KIND] * len(kinds),
            *[RejectCode.SOURCE_NOT_AUTHORISED] * 3,
            RejectCode.GROUP_MALFORMED,  # a record of a group without its header
        ]
        assert link.welcome.last_event == running.metrics.gauges["event_number", ""] == 0
        await link.close()


class BusyEngine(CountingEngine):
    """Something is due at every millisecond; ``steps`` AdvanceTimes are needed for each."""

    def __init__(self, *, steps: int, last: int) -> None:
        super().__init__()
        self.advances = 0
        self._steps, self._last = steps, last

    def apply(self, commands: bytes) -> bytes:
        kinds = [RECORD_PREFIX.unpack_from(record)[1] for record in records(commands)]
        self.advances += kinds.count(AdvanceTime.KIND)
        return super().apply(commands)

    def next_deadline(self) -> int:
        if self.advances >= self._last or not self.last_sequence:
            return 0
        return 1_000_000 * (1 + self.advances // self._steps)


@pytest.mark.parametrize("steps", [1, SAME_DEADLINE_MAX])
async def test_deadlines_that_are_always_due_do_not_end_the_core(
    tmp_path: Path, steps: int
) -> None:
    last = 2 * SAME_DEADLINE_MAX + 100
    engine = BusyEngine(steps=steps, last=last)
    async with core(settings_in(tmp_path), engine) as running:
        link = await running.link()
        link.send(command(1))
        await until(lambda: engine.advances >= last)
        assert len((await link.query("status")).payload) > 0
        await link.close()
        assert await running.finish() == 0


async def test_an_engine_stuck_at_one_deadline_ends_the_core(tmp_path: Path) -> None:
    engine = BusyEngine(steps=SAME_DEADLINE_MAX + 2, last=1 << 60)
    async with core(settings_in(tmp_path), engine) as running:
        link = await running.link()
        link.send(command(1))
        await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert await running.finish() == 70
        assert engine.advances == SAME_DEADLINE_MAX + 1


async def test_a_core_that_is_always_busy_with_deadlines_can_stop(tmp_path: Path) -> None:
    engine = BusyEngine(steps=1, last=1 << 60)
    settings = msgspec.structs.replace(settings_in(tmp_path), drain_seconds=2.0)
    async with core(settings, engine) as running:
        link = await running.link()
        link.send(command(1))
        await until(lambda: engine.advances > 10)
        assert await running.finish() == 0
    assert replay(Stores.read_only(tmp_path / "venue").journal, CountingEngine()).events > 10


class DueEngine(CountingEngine):
    """Something is due from the very beginning, once."""

    def next_deadline(self) -> int:
        return 0 if self.last_sequence else 1


async def test_what_fell_due_while_no_core_ran_waits_for_no_command(tmp_path: Path) -> None:
    engine = DueEngine()
    async with core(settings_in(tmp_path), engine) as running:
        await until(lambda: engine.last_sequence == 1)
        assert await running.finish() == 0


async def test_what_is_known_at_the_start_is_in_the_metrics(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    made = (
        Credit.make(source=source_number(2, 0), epoch=1, source_sequence=number)
        for number in range(1, 31)
    )
    async with core(settings) as running:
        link = await running.link("admin")
        link.send(b"".join(credit.pack() for credit in made))
        await read_events(link, after=0, through=30)
        await link.close()
    async with core(settings) as running:
        gauges = running.metrics.gauges
        for name in ("sequence", "event_number", "event_log_position"):
            assert gauges[name, ""] == 30, name


async def test_events_of_a_batch_are_divided_between_commands_to_fit_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_records, "EVENTS_BYTES_MAX", 3 * CommandRejected.LENGTH)
    settings = settings_in(tmp_path, links=LinkSettings(feed_batch_bytes=1))
    async with core(settings) as running:
        link = await running.link()
        link.send(b"".join(command(number) for number in range(1, 62)))
        batches = []
        async for batch in link.events(0):
            batches.append(batch)
            if batch.last == 61:
                break
        assert max(len(batch.data) for batch in batches) == 3 * CommandRejected.LENGTH
        numbers = [CommandRejected.unpack(r).number for b in batches for r in records(b.data)]
        assert numbers == list(range(1, 62))
        await link.close()
    events = tmp_path / "venue" / "events" / "000000000001.log"
    events.write_bytes(events.read_bytes()[:128])
    async with core(settings) as running:
        link = await running.link("auditor")
        assert len(records(await read_events(link, after=0, through=61))) == 61
        await link.close()


async def test_events_of_one_command_that_fit_no_frame_end_the_core_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(event_records, "EVENTS_BYTES_MAX", CommandRejected.LENGTH - 1)
    async with core(settings_in(tmp_path)) as running:
        link = await running.link()
        link.send(command(1))
        await asyncio.wait_for(link.wait_lost(), PATIENCE_SECONDS)
        assert await running.finish() == 70
    said = capfd.readouterr().out
    assert "the engine fails at command 1: EventsTooLargeError" in said


def test_events_are_divided_only_where_a_command_ends() -> None:
    def event(number: int, flags: int) -> bytes:
        return CommandRejected.make(number=number, flags=flags).pack()

    size = CommandRejected.LENGTH
    data = b"".join(event(10 + n, int(n in (2, 3, 6, 7))) for n in range(1, 8))
    batch = EventBatch(11, 17, data)
    assert list(whole_commands(batch)) == [batch]
    assert list(whole_commands(EventBatch(11, 10, b""))) == []
    for limit, spans in (
        (3 * size, [(11, 13), (14, 16), (17, 17)]),
        (4 * size, [(11, 13), (14, 17)]),
        (4 * size + 1, [(11, 13), (14, 17)]),
        (6 * size, [(11, 16), (17, 17)]),
    ):
        parts = list(whole_commands(batch, limit))
        assert [(part.first, part.last) for part in parts] == spans
        assert b"".join(part.data for part in parts) == data
    with pytest.raises(EventsTooLargeError, match="from event 14 on"):
        list(whole_commands(batch, 2 * size))


def test_a_batch_is_bounded_far_below_a_frame(tmp_path: Path) -> None:
    journal = JournalSettings(check_interval=1 << 20)
    most = settings_in(tmp_path, batch=BatchSettings(commands_max=65_536), journal=journal)
    check_settings(most)
    more = settings_in(tmp_path, batch=BatchSettings(commands_max=65_537), journal=journal)
    with pytest.raises(ConfigurationError, match="commands_max"):
        check_settings(more)
