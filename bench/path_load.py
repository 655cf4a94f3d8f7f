"""Offers orders to a core over links, and measures each one until it is acknowledged.

That none was refused, and that nothing else happened, is checked with every batch of events and at
the end of every phase.
"""

import asyncio
import ctypes
import gc
import selectors
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, Final, TypeVar

import uvloop

from bench.core_process import CLIENT, TOKEN
from bench.core_records import Encoder
from bench.path_stream import ANSWER_KINDS, EVENTS_PER_COMMAND, Stream
from messages.layout import RECORD_PREFIX
from messages.trading.events import EVENTS, CommandRejected
from runtime.link import Link
from runtime.link_frames import EventBatch, Refusal

FRAME_COMMANDS_MAX: Final = 1_024
FILL_IN_FLIGHT: Final = 1_000
PHASE_SECONDS_MAX: Final = 60.0
POLL_SECONDS: Final = 0.01
START_NS: Final = 20_000_000
"""How far ahead a schedule begins, so that its first commands are not late already."""
TIMER_SLACK_NS: Final = 1_000
_PR_SET_TIMERSLACK: Final = 29

Result = TypeVar("Result")


class LoadError(Exception):
    """The measurement cannot go on: something else happened than commands being acknowledged."""


class OverloadedError(LoadError):
    """More commands waited than the core, or the link, lets wait."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a phase gave: nanoseconds of each command, in the order of sending."""

    commands: int
    seconds: float = 0.0
    latencies_ns: list[int] = field(default_factory=list)
    late_ns: list[int] = field(default_factory=list)
    """How long after its time the generator itself sent each command; open loop only."""


def run_loaded(work: Coroutine[Any, Any, Result], *, is_timed: bool) -> Result:
    """Run a generator on a loop that suits it.

    Args:
        work: what to run.
        is_timed: it sends by the clock, so timers have to be exact to microseconds; those of
            uvloop and of epoll are to the millisecond.
    """
    if is_timed:
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0)

    def make_loop() -> asyncio.AbstractEventLoop:
        if is_timed:
            return asyncio.SelectorEventLoop(selectors.SelectSelector())
        return uvloop.new_event_loop()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise LoadError(f"not all commands were answered in {seconds:.0f} s") from None


class Load:
    """Links into one core, of which the first reads the events."""

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._streams: list[Stream] = []
        self._failure = ""
        self._events: AsyncIterator[EventBatch]
        self._through = 0

    @classmethod
    async def connected(cls, address: str, *, links: int) -> "Load":
        """Connect, make the venue, and fill the book.

        Args:
            address: the core's.
            links: how many, each with an account of its own; at most eight.
        """
        load = cls()
        for account in range(1, links + 1):
            load._links.append(await Link.connect(address, CLIENT, TOKEN, refusals=load._refused))
            load._streams.append(Stream(account))
        load._events = load._links[0].events(0)
        await load._set_up()
        fill = [stream.fill() for stream in load._streams]
        await load._closed_loop(fill, in_flight=FILL_IN_FLIGHT)
        return load

    async def close(self) -> None:
        """Close the links."""
        for link in self._links:
            await link.close()

    async def closed_loop(self, count: int, *, in_flight: int, links: int = 1) -> Outcome:
        """Keep so many commands on the way until ``count`` are acknowledged.

        Latencies are known with one link only: of several it is not known whose came first.
        """
        streams = self._streams[:links]
        return await self._closed_loop(
            [stream.commands(count // links) for stream in streams], in_flight=in_flight
        )

    async def open_loop(self, *, rate: float, seconds: float, seed: int) -> Outcome:
        """Send by a schedule whatever comes back, and measure from the scheduled time.

        The schedule is drawn from the seed: gaps are exponential, as of many independent clients.
        So a stall, of the core or of the generator, is charged to every command that it delays.

        Raises:
            OverloadedError: the rate cannot be kept up.
        """
        count = int(rate * seconds)
        chance = Random(seed)
        gaps = (chance.expovariate(rate) * 1e9 for _ in range(count))
        records, offsets = self._streams[0].commands(count), list(accumulate(gaps))
        outcome = Outcome(commands=count)
        gc.collect()
        gc.freeze()  # what was prepared needs no collector walking through it meanwhile
        begun = time.perf_counter_ns() + START_NS
        due = [begun + int(offset) for offset in offsets]
        sending = asyncio.create_task(self._send_on_time(records, due, outcome), name="sending")
        try:
            async with _in_time(seconds + PHASE_SECONDS_MAX):
                await self._receive(due, outcome)
                await sending
        finally:
            sending.cancel()
        outcome.seconds = (time.perf_counter_ns() - begun) / 1e9
        return outcome

    async def _send_on_time(self, records: list[bytes], due: list[int], outcome: Outcome) -> None:
        clock, sent, total = time.perf_counter_ns, 0, len(due)
        link, late = self._links[0], outcome.late_ns
        while sent < total:
            now, first = clock(), sent
            while sent < total and due[sent] <= now and sent - first < FRAME_COMMANDS_MAX:
                late.append(now - due[sent])
                sent += 1
            if sent > first and not link.send(b"".join(records[first:sent])):
                self._give_up("the link has too much to send")
                return
            wait_ns = due[sent] - clock() if sent < total else 0
            await asyncio.sleep(max(0, wait_ns) / 1e9)

    async def _receive(self, due: list[int], outcome: Outcome) -> None:
        latencies = outcome.latencies_ns
        began = self._through
        while len(latencies) < len(due):
            now, answered = await self._answers(began)
            latencies.extend(now - at for at in due[len(latencies) : answered])

    async def _closed_loop(self, streams: list[list[bytes]], *, in_flight: int) -> Outcome:
        turns = deque((self._links[place], records, 0) for place, records in enumerate(streams))
        total = sum(map(len, streams))
        outcome = Outcome(commands=total)
        clock, sent_at, began, answered = time.perf_counter_ns, list[int](), self._through, 0
        gc.collect()
        gc.freeze()
        begun = clock()
        async with _in_time(PHASE_SECONDS_MAX):
            while answered < total:
                while turns and (room := answered + in_flight - len(sent_at)) > 0:
                    link, records, at = turns.popleft()
                    burst = records[at : at + min(room, FRAME_COMMANDS_MAX)]
                    sent_at += [clock()] * len(burst)
                    if not link.send(b"".join(burst)):
                        raise OverloadedError("the link has too much to send")
                    if at + len(burst) < len(records):
                        turns.append((link, records, at + len(burst)))
                before = answered
                now, answered = await self._answers(began)
                if len(streams) == 1:
                    outcome.latencies_ns.extend(now - at for at in sent_at[before:answered])
        outcome.seconds = (clock() - begun) / 1e9
        return outcome

    async def _answers(self, began: int) -> tuple[int, int]:
        """Wait for events; return when they came, and how many commands are answered by now.

        Raises:
            OverloadedError: a command was refused before it was sequenced.
            LoadError: an event that is none of an order resting or leaving.
        """
        batch = await anext(self._events, None)
        now = time.perf_counter_ns()
        if batch is None:
            raise OverloadedError(self._failure or "the link was stopped")
        _, kind = RECORD_PREFIX.unpack_from(batch.data)
        self._through = batch.last
        answered, left = divmod(batch.last - began, EVENTS_PER_COMMAND)
        if kind not in ANSWER_KINDS or left:
            name = EVENTS.by_kind[kind].__name__
            raise LoadError(f"{name} at event {batch.first}; {left} events too many")
        return now, answered

    async def _set_up(self) -> None:
        encoder = Encoder(is_sequenced=False)
        link = self._links[0]
        assert link.send(encoder.set_up()), "the set-up is smaller than any buffer"
        async with _in_time(PHASE_SECONDS_MAX):
            status = await link.query("status")
            while status.sequence < encoder.count:
                await asyncio.sleep(POLL_SECONDS)
                status = await link.query("status")
            while self._through < status.event_number:
                batch = await anext(self._events)
                self._through = batch.last
                for offset, kind in EVENTS.walk(batch.data):
                    if kind is CommandRejected:
                        raise LoadError(f"{CommandRejected.unpack(batch.data, offset)}")

    def _refused(self, refusals: Sequence[Refusal]) -> None:
        self._give_up(f"the core refused {len(refusals)} commands with code {refusals[0].code}")

    def _give_up(self, failure: str) -> None:
        self._failure = self._failure or failure
        self._links[0].stop_events()
