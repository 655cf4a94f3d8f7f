"""The sequencer alone: what holds a batch up, and what lets it go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

from messages.trading.commands import COMMANDS, AdvanceTime, CancelOrder, Command
from runtime.link_frames import EventBatch
from runtime.log_files import Entry
from runtime.log_format import FrameKind
from tests.venue_support import GATEWAY, MAY_SEND, command, settings_in, until
from venue.admission import Inbox
from venue.counting_engine import CountingEngine
from venue.metrics import MetricsInMemory
from venue.rolling import RollingHash
from venue.sequencer import Sequencer
from venue.settings import BatchSettings, Principal

INTERVAL = 10


class Stand:
    """A sequencer whose journal and event log answer when told to."""

    def __init__(self, folder: Path, *, tick_ns: int = 0) -> None:
        batch = BatchSettings(commands_max=8, commands_per_link_max=4, batches_in_flight_max=2)
        self.entries: list[Entry] = []
        self.published: list[EventBatch] = []
        self.failures: list[BaseException] = []
        self.metrics = MetricsInMemory()
        self.now = 1000
        self.turns = 0
        self.keeps_up = True
        self.sequencer = Sequencer(
            CountingEngine(tick_ns=tick_ns),
            RollingHash(INTERVAL, venue=bytes(16)),
            settings_in(folder, batch=batch),
            submit=self.entries.append,
            publish=lambda batch, _time_ns: self.published.append(batch),
            may_go_on=lambda: self.keeps_up,
            failed=self.failures.append,
            clock_ns=self._clock_ns,
            metrics=self.metrics,
        )
        self.sent = 0

    def _clock_ns(self) -> int:
        self.turns += 1
        return self.now

    def link(self) -> Inbox:
        return Inbox("gateway", Principal(number=GATEWAY, token_file="", may_send=MAY_SEND))

    def send(self, link: Inbox, count: int) -> None:
        numbers = range(self.sent + 1, self.sent + count + 1)
        self.sent += count
        data = b"".join(command(number) for number in numbers)
        assert self.sequencer.admission.admit(link, data) is None
        self.sequencer.wake()

    async def settle(self) -> None:
        """Let the loop turn until nothing more happens by itself."""
        for _ in range(20):
            await asyncio.sleep(0)
        assert not self.failures

    @property
    def batches(self) -> list[list[Command]]:
        """The commands of each batch that was handed to the journal."""
        return [
            [found for found in COMMANDS.unpack(entry.payload) if isinstance(found, Command)]
            for entry in self.entries
            if entry.kind is FrameKind.COMMANDS
        ]


async def test_a_batch_is_numbered_stamped_and_counted(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.send(stand.link(), 3)
    stand.send(stand.link(), 2)
    await stand.settle()
    [batch] = stand.batches
    assert [each.sequence for each in batch] == [1, 2, 3, 4, 5]
    assert {each.time_ns for each in batch} == {1000}
    assert [each.source_sequence for each in batch] == [1, 2, 3, 4, 5], "the gateway's own"
    [entry] = stand.entries
    assert (entry.first, entry.last, entry.time_ns) == (1, 5, 1000)
    assert stand.metrics.counts["commands_total", "CancelOrder"] == 5
    assert stand.sequencer.engine.last_sequence == 5


async def test_a_batch_ends_at_its_links_share_and_at_the_hashs_border(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.send(stand.link(), 9)
    for _ in range(4):
        await stand.settle()
        stand.sequencer.journal_written(stand.sequencer.applied.sequence)
    assert [len(batch) for batch in stand.batches] == [4, 4, 1]
    stand.send(stand.link(), 3)
    await stand.settle()
    assert [len(batch) for batch in stand.batches[3:]] == [1, 2], "one is left before the check"
    assert [entry.kind for entry in stand.entries[3:]] == [
        FrameKind.COMMANDS,
        FrameKind.CHECK,
        FrameKind.COMMANDS,
    ]


async def test_what_waits_for_the_journal_is_bounded_and_goes_on_with_its_answer(
    tmp_path: Path,
) -> None:
    stand = Stand(tmp_path)
    link = stand.link()
    stand.send(link, 9)
    await stand.settle()
    assert [len(batch) for batch in stand.batches] == [4, 4]
    assert link.queued == 1
    assert stand.published == []
    stand.sequencer.journal_written(4)
    await stand.settle()
    assert [len(batch) for batch in stand.batches] == [4, 4, 1]
    assert [(each.first, each.last) for each in stand.published] == [(1, 4)]


async def test_what_waits_for_the_event_log_goes_on_when_it_has_followed(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.keeps_up = False
    stand.send(stand.link(), 1)
    await stand.settle()
    stand.sequencer.go_on()
    await stand.settle()
    assert stand.entries == []
    stand.keeps_up = True
    stand.sequencer.go_on()
    await stand.settle()
    assert len(stand.batches) == 1


async def test_an_answer_of_the_journal_causes_no_turn_when_nothing_waits(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    stand.send(stand.link(), 1)
    await stand.settle()
    turns = stand.turns
    stand.sequencer.journal_written(1)
    stand.sequencer.go_on()
    await stand.settle()
    assert stand.turns == turns
    assert len(stand.published) == 1


async def test_a_deadline_that_passes_while_batches_wait_is_not_forgotten(tmp_path: Path) -> None:
    stand = Stand(tmp_path, tick_ns=5_000_000)
    stand.send(stand.link(), 8)
    await stand.settle()
    assert [len(batch) for batch in stand.batches] == [4, 4]
    stand.now += 6_000_000
    assert not stand.sequencer._is_held_up
    await until(lambda: stand.sequencer._is_held_up)
    assert len(stand.batches) == 2
    stand.sequencer.journal_written(8)
    await stand.settle()
    [advance] = stand.batches[2]
    assert isinstance(advance, AdvanceTime)
    assert advance.source_sequence == advance.sequence == 9
    assert advance.time_ns == stand.now


async def test_a_due_deadline_comes_before_what_waits(tmp_path: Path) -> None:
    stand = Stand(tmp_path, tick_ns=5_000_000)
    stand.send(stand.link(), 1)
    await stand.settle()
    stand.now += 6_000_000
    stand.send(stand.link(), 2)
    await stand.settle()
    assert [type(each) for each in stand.batches[1]] == [AdvanceTime, CancelOrder, CancelOrder]
