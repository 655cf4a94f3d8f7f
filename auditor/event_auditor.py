"""The continuous audit of events and journal, and now and then of the engine's own figures."""

import asyncio
import time

import msgspec
import structlog

from auditor.actions import Dial
from auditor.audit import EventAudit
from auditor.checks.commands import Commands
from auditor.checks.figures import compare_balances, compare_books
from auditor.findings import Findings
from auditor.gathering import Gathered
from auditor.journal import JournalReader
from auditor.metrics import AuditorMetrics
from auditor.picture import Picture
from auditor.pictures import encoded, write_picture
from auditor.ports import MakeFeed, Report
from auditor.settings import AuditorSettings
from messages.trading.answers import Balances, read_books
from runtime.link import Link, LinkError
from runtime.link_frames import Answer
from runtime.storage import DiskStorage
from runtime.waiting import stopped_within

log = structlog.get_logger()

PART = "events"
PICTURE_NAME = "events.picture"
PIECE_BYTES = 128 * 1024
"""About how much is looked at before others get their turn."""

GATHER_SECONDS = 0.05
"""Between two looks, while less than a piece waits: the venue wants the processor, too."""

WAITING_BYTES_MAX = 1024 * 1024


class EventAuditor:
    """Looks at every event once, beside its command, and keeps the picture on disk.

    An answer of the engine is true at one event. So while a question is open no event is looked
    at: whatever the answer's number is, the picture has not passed it.
    """

    name = "auditor.events"

    def __init__(
        self,
        settings: AuditorSettings,
        picture: Picture,
        *,
        make_feed: MakeFeed,
        dial: Dial,
        report: Report,
        metrics: AuditorMetrics,
    ) -> None:
        self._settings = settings
        self._make_feed = make_feed
        self._dial = dial
        self._report = report
        self._metrics = metrics
        self._position, self._lag = metrics.position.labels(PART), metrics.lag.labels(PART)
        self._gathered = Gathered(WAITING_BYTES_MAX)
        self.findings = Findings()
        self.audit = EventAudit(picture, self.findings)
        self._commands = Commands(picture, self.findings)
        self._journal: JournalReader | None = None
        self._answers: list[tuple[str, Answer]] = []
        self._may_look = asyncio.Event()
        self._may_look.set()
        self._written_at = time.monotonic()
        self.lag_seconds = 0.0
        self.turned_at = time.monotonic()

    @property
    def picture(self) -> Picture:
        """What is known."""
        return self.audit.picture

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the events until asked to stop; then write the picture.

        Raises:
            EventGap, AheadOfVenue, ForeignVenue, LogDamagedError, MalformedRecordError: never
                tried again: a person has to look.
        """
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._ask_now_and_then(stop), name="auditor.figures")
            turning = group.create_task(self._turn(stop), name="auditor.turn")
            group.create_task(self._follow(stop), name="auditor.follow")
            while (some := await self._gathered.take()) is not None:
                data, last = some
                await self._look(data, last)
                if time.monotonic() - self._written_at > self._settings.picture_seconds:
                    await self._write()
                if self._gathered.size < PIECE_BYTES:
                    await asyncio.sleep(GATHER_SECONDS)
            asking.cancel()
            turning.cancel()
        await self._write()

    async def _follow(self, stop: asyncio.Event) -> None:
        """Gather events until asked to stop."""
        feed = self._make_feed(self.picture.venue or None)
        async for batch in feed.read(self.picture.number, stop):
            assert feed.venue is not None, "events of no venue"
            if self._journal is None:
                self._begin(feed.venue)
            await self._gathered.put(batch)
        self._gathered.end()

    def _begin(self, venue: bytes) -> None:
        self.picture.venue = venue
        folder = self._settings.journal
        if folder is not None:
            self._journal = JournalReader(
                DiskStorage(folder, read_only=True), venue=venue, after=self.picture.sequence
            )

    async def _look(self, data: bytes, last: int) -> None:
        """Look at events in pieces, so that the heartbeat goes on, and stop where answers are.

        Args:
            data: the events of whole commands.
            last: the number of the last of them.
        """
        offset = 0
        while offset < len(data):
            await self._may_look.wait()
            through = min((answer.event_number for _, answer in self._answers), default=last)
            offset = self.audit.see(
                data, offset=offset, through=min(through, last), bytes_max=PIECE_BYTES
            )
            self._compare_commands()
            self._compare_answers()
            self._tell()
            await asyncio.sleep(0)

    def _compare_commands(self) -> None:
        """Put the journal's commands beside the events that were looked at."""
        answers = self.audit.take_answers()
        if self._journal is None or not answers:
            return
        count = 0
        for command in self._journal.through(self.picture.sequence):
            self._commands.see(command, answers.pop(command.sequence, ()))
            count += 1
        self._metrics.commands.inc(count)
        for events in answers.values():
            self._commands.unknown(events)

    def _compare_answers(self) -> None:
        """Compare the engine's figures whose event has just been looked at."""
        number = self.picture.number
        for what, answer in [each for each in self._answers if each[1].event_number <= number]:
            self._answers.remove((what, answer))
            self._metrics.comparisons.labels(what).inc()
            if what == "balances":
                figures = msgspec.msgpack.decode(answer.payload, type=Balances)
                compare_balances(self.picture, figures, self.findings)
            else:
                books = read_books(answer.payload)
                compare_books(self.picture, self.audit.books, books, self.findings)

    async def _ask_now_and_then(self, stop: asyncio.Event) -> None:
        link: Link | None = None
        while not stop.is_set():
            is_over = await stopped_within(stop, self._settings.figures_seconds)
            if is_over or not self.picture.number:
                continue
            self._may_look.clear()
            try:
                link = await self._dial()
                for what in ("balances", "books"):
                    answer = await link.query(what)
                    if answer.event_number >= self.picture.number:
                        self._answers.append((what, answer))
                self._compare_answers()
                self._tell()
            except LinkError as error:
                log.warning("figures_not_answered", reason=str(error))
            finally:
                self._may_look.set()
                if link is not None:
                    await link.close()
                    link = None

    async def _turn(self, stop: asyncio.Event) -> None:
        """Show that the loop still turns, also while no event comes."""
        while not stop.is_set():
            self.turned_at = time.monotonic()
            self._metrics.turn.labels(PART).set(time.time())
            await asyncio.sleep(0.5)

    def _tell(self) -> None:
        picture = self.picture
        self.lag_seconds = max(0.0, (time.time_ns() - picture.time_ns) / 1e9)
        self._position.set(picture.number)
        self._lag.set(self.lag_seconds)
        if fresh := self.findings.take():
            self._report(fresh)

    async def _write(self) -> None:
        """Write the picture as it is now; the disk is waited for beside the loop."""
        self._written_at = time.monotonic()
        if not self.picture.number:
            return
        path, data = self._settings.directory / PICTURE_NAME, encoded(self.picture)
        try:
            await asyncio.to_thread(write_picture, path, data)
        except OSError as error:
            # The one before stands; a restart has more to look at again, that is all.
            log.warning("picture_not_written", reason=error.strerror)
