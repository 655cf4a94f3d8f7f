"""Requests for messages: what is asked for, what is answered, and who waits for whom."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fix_gateway.adapters.in_memory import InMemoryCore
from fix_gateway.metrics import Metrics
from fix_gateway.recovery import Recovery
from fix_gateway.settings import RecoverySettings
from fix_gateway.translation.raw import Fields
from messages.trading import events
from messages.trading.codes import RejectCode
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory
from tests.unit.fix_gateway.telling import Sessions, Told, accepted, traded

DAY_NS = 86_400 * 10**9
Change = dict[int, str | None]


class Venue:
    """Sessions that are told of events, and a core that has the events."""

    def __init__(self, **settings: float) -> None:
        self.sessions = Sessions()
        self.core = InMemoryCore(definitions=[], respond=lambda _command: [])
        self.settings = msgspec.convert(
            {"messages_per_second": 100_000, **settings}, RecoverySettings
        )
        for session in self.sessions.sessions.values():
            session.is_open, session.connection = True, 5
        self.again = {number: Told() for number in self.sessions.told}
        names = {name: number for number, name in enumerate(self.sessions.channels, 1)}
        self.metrics = Metrics(CollectorRegistry())
        self.recovery = Recovery(
            self.settings,
            sessions=self.sessions.sessions.values(),
            channels={name: self.again[number] for name, number in names.items()},  # type: ignore[misc]
            directory=directory(),
            metrics=self.metrics,
            publisher=self.sessions.publisher,
        )

    def publish(self, *caused: events.Event, age_days: float = 0) -> None:
        time_ns = time.time_ns() - int(age_days * DAY_NS)
        stamped = [msgspec.structs.replace(each, time_ns=time_ns) for each in caused]
        self.core.emit(stamped)
        self.sessions.publish(*stamped)

    def ask(
        self,
        session: int = TRADER,
        *,
        entry: Change | None = None,
        name: str = "r-1",
        kind: str = "0",
    ) -> None:
        """Send a BW of a session: of all messages unless told otherwise."""
        fields = Fields({35: "BW", 1346: name, 1347: kind})
        wanted = {1355: "ORDERS", 1182: "1"} | (entry or {})
        there = {tag: value for tag, value in wanted.items() if value is not None}
        if there:
            fields.groups = {1351: [there]}
        self.recovery.ask(self.sessions.sessions[session], 5, 8, fields)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        link = await self.core.connect(lambda _refusals: None)
        task = asyncio.create_task(self.recovery.run(self.core.connect, link.query))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled():
                task.result()

    async def answered(self, session: int = TRADER, count: int = 1) -> list[str]:
        """Wait for reports that end answers, and return everything that was said."""
        await until(lambda: len(self.kinds(session, "BY")) >= count)
        return self.again[session].texts

    def kinds(self, session: int, kind: str) -> list[tuple[dict[int, str], list[dict[int, str]]]]:
        texts = [text for text in self.again[session].texts if text.startswith(f"35={kind}\x01")]
        return [(fields, groups.get(1351, [])) for fields, groups in map(fields_of, texts)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # what is waited for says nothing by itself
            await asyncio.sleep(0.001)


def without(text: str, *tags: int) -> list[str]:
    return [
        field
        for field in text.split("\x01")
        if field.partition("=")[0] not in {str(tag) for tag in tags}
    ]


def flow() -> list[events.Event]:
    refused = events.CancelRejected.make(account=11, session=TRADER, instrument=1)
    lost = events.RefusalRecorded.make(session=TRADER, refused_kind=1, code=1005)
    own = traded(maker=11, taker=11)
    return [accepted(), accepted(OTHER, 21), own, traded(maker=11, taker=21), refused, lost]


@pytest.mark.parametrize("session", [TRADER, OTHER, COPY])
async def test_all_that_a_session_was_told_is_told_again_in_the_same_words(session: int) -> None:
    venue = Venue()
    venue.publish(*flow())
    venue.publish(*flow())
    async with venue.running():
        venue.ask(session)
        first, *again, last = await venue.answered(session)
    live = venue.sessions.told[session].texts
    assert [without(text, 1352) for text in again] == [without(text, 1352) for text in live]
    assert all("\x011352=Y\x01" in text for text in again)
    assert first.startswith("35=BX\x01")
    assert f"\x0158={len(live)} messages\x01" in last
    assert len(live) >= 4


async def test_a_range_is_told_from_its_first_number_to_its_last() -> None:
    venue = Venue()
    venue.publish(*flow())
    async with venue.running():
        venue.ask(entry={1182: "31", 1183: "50"})
        await venue.answered()
    numbers = [(int(each[1350]), int(each[1181])) for each, _ in venue.kinds(TRADER, "8")]
    numbers += [(int(each[1350]), int(each[1181])) for each, _ in venue.kinds(TRADER, "9")]
    assert numbers == [(30, 31), (31, 40), (40, 50)], "the first one names the number before it"
    ((fields, (stream,)),) = venue.kinds(TRADER, "BX")
    assert (fields[1346], fields[1348], fields[1353]) == ("r-1", "0", "5-8")
    assert (stream[1355], stream[1182], stream[1183], stream[1357]) == ("ORDERS", "31", "50", "60")
    ((report, (through,)),) = venue.kinds(TRADER, "BY")
    assert (report[1346], report[1426], through[1357]) == ("r-1", "3", "50")


async def test_a_range_without_messages_is_answered_as_empty() -> None:
    venue = Venue()
    venue.publish(*flow())
    async with venue.running():
        venue.ask(entry={1182: "61", 1183: "0"})
        await venue.answered()
    ((report, (through,)),) = venue.kinds(TRADER, "BY")
    assert (report[58], through[1357]) == ("0 messages", "69")


async def test_an_answer_never_runs_ahead_of_the_live_messages() -> None:
    venue = Venue()
    venue.publish(*flow())
    venue.core.emit([accepted()])
    async with venue.running():
        venue.ask()
        await venue.answered()
    ((_, (stream,)),) = venue.kinds(TRADER, "BX")
    assert stream[1183] == "69"
    assert all(int(fields[1181]) <= 69 for fields, _ in venue.kinds(TRADER, "8"))


async def test_the_most_for_one_request_is_told_and_the_client_asks_on() -> None:
    venue = Venue(messages_max=3)
    venue.publish(*[accepted() for _ in range(7)])
    async with venue.running():
        found: list[str] = []
        begin = 1
        for count in (1, 2, 3):
            venue.ask(entry={1182: str(begin)}, name=f"r-{count}")
            await venue.answered(count=count)
            report, (through,) = venue.kinds(TRADER, "BY")[-1]
            begin = int(through[1357]) + 1
            found.append(report[58])
    most = "3 messages, the most for one request: ask on from {}"
    assert found == [most.format(31), most.format(61), "1 messages"]
    assert [int(each[1181]) for each, _ in venue.kinds(TRADER, "8")] == [*range(10, 80, 10)]


async def test_exactly_the_most_is_a_whole_answer() -> None:
    venue = Venue(messages_max=3)
    venue.publish(*[accepted() for _ in range(3)])
    async with venue.running():
        venue.ask()
        await venue.answered()
    ((report, (through,)),) = venue.kinds(TRADER, "BY")
    assert (report[58], through[1357]) == ("3 messages", "39")


def refusals(venue: Venue, session: int = TRADER) -> list[tuple[str, str, str, str]]:
    return [
        (fields[1348], stream[1354], fields[5001], fields[58])
        for fields, (stream,) in venue.kinds(session, "BX")
        if fields[1348] != "0"
    ]


@pytest.mark.parametrize(
    ("entry", "changes", "outcome", "error", "code"),
    [
        ({1355: "QUOTES"}, {}, "1", "0", RejectCode.GATEWAY_STREAM_UNKNOWN),
        ({1182: None}, {}, "2", "1", RejectCode.GATEWAY_FIELD_MISSING),
        ({1182: None, 1355: None}, {}, "2", "1", RejectCode.GATEWAY_FIELD_MISSING),
        ({1182: "-1"}, {}, "2", "1", RejectCode.GATEWAY_FIELD_MALFORMED),
        ({1182: "9" * 20}, {}, "2", "1", RejectCode.GATEWAY_FIELD_MALFORMED),
        ({1183: "x"}, {}, "2", "1", RejectCode.GATEWAY_FIELD_MALFORMED),
        ({1182: "40", 1183: "39"}, {}, "2", "1", RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE),
        ({1182: "70"}, {}, "2", "1", RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE),
        ({}, {"kind": "1"}, "2", "1", RejectCode.GATEWAY_REQUEST_TYPE_UNSUPPORTED),
        ({}, {"kind": "6"}, "2", "1", RejectCode.GATEWAY_REQUEST_TYPE_UNSUPPORTED),
        ({}, {"kind": "5"}, "2", "1", RejectCode.GATEWAY_REQUEST_UNKNOWN),
        ({}, {"name": "x" * 37}, "2", "1", RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, {"name": "\xe9"}, "2", "1", RejectCode.GATEWAY_FIELD_MALFORMED),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_its_number(
    entry: Change, changes: dict[str, str], outcome: str, error: str, code: RejectCode
) -> None:
    venue = Venue()
    venue.publish(*flow())
    venue.ask(entry=entry, name=changes.get("name", "r-1"), kind=changes.get("kind", "0"))
    ((got, wrong, number, text),) = refusals(venue)
    assert (got, wrong, number) == (outcome, error, str(code.value))
    assert text.startswith(f"{code.name}: ")


async def test_the_last_number_is_told_to_who_asks_for_it_alone() -> None:
    venue = Venue()
    venue.publish(*flow())
    venue.ask(entry={1182: None, 1355: None}, kind="2")
    ((fields, (stream,)),) = venue.kinds(TRADER, "BX")
    assert (fields[1347], fields[1348], stream[1357]) == ("2", "0", "60")


@pytest.mark.parametrize("batch_events", [1, 200])
async def test_a_session_has_one_request_at_a_time_and_may_end_it(batch_events: int) -> None:
    venue = Venue(messages_per_second=50)
    venue.core.batch_events_max = batch_events
    venue.publish(*[accepted() for _ in range(200)])
    async with venue.running():
        venue.ask()
        venue.ask(name="r-2")
        ((_, _, number, text),) = refusals(venue)
        assert number == str(RejectCode.GATEWAY_RECOVERY_BUSY.value)
        assert "r-1 is being answered" in text
        await until(lambda: len(venue.kinds(TRADER, "8")) > 1)
        venue.ask(kind="5", name="r-3", entry={1433: "r-0", 1182: None})
        assert refusals(venue)[-1][2] == str(RejectCode.GATEWAY_REQUEST_UNKNOWN.value)
        venue.ask(kind="5", name="r-4", entry={1433: "r-1", 1182: None})
        await venue.answered()
        ((report, (through,)),) = venue.kinds(TRADER, "BY")
        assert "ended by request" in report[58]
        last, _ = venue.kinds(TRADER, "8")[-1]
        assert through[1357] == last[1181]
        assert len(venue.kinds(TRADER, "8")) < 200
        venue.ask(name="r-5", entry={1182: "1991"})
        await venue.answered(count=2)


async def test_a_short_answer_does_not_wait_for_a_long_one() -> None:
    venue = Venue(turn_seconds=0.01)
    venue.publish(*[accepted() for _ in range(1999)], accepted(OTHER, 21), accepted())
    async with venue.running():
        venue.ask(TRADER)
        venue.ask(OTHER, entry={1182: "20000"})
        await venue.answered(OTHER)
        assert not venue.kinds(TRADER, "BY")
        await venue.answered(TRADER)
    assert len(venue.kinds(TRADER, "8")) == 2000


async def test_the_batches_of_single_commands_are_paced_like_large_ones() -> None:
    venue = Venue(messages_per_second=500, turn_seconds=10)
    venue.core.batch_events_max = 1
    venue.publish(*[accepted(OTHER, 21) for _ in range(2000)])
    venue.publish(*[accepted() for _ in range(500)])
    turns, began = 0, time.monotonic()
    async with venue.running():
        venue.ask()
        while not venue.kinds(TRADER, "BY"):
            turns += 1
            await asyncio.sleep(0)
    assert len(venue.kinds(TRADER, "8")) == 500
    assert turns > 20, "others had their turn"
    assert time.monotonic() - began > 0.9, "a second, but for the last slice"


async def test_nothing_older_than_is_kept_is_told() -> None:
    venue = Venue(days=30)
    venue.publish(accepted(), accepted(), age_days=31)
    venue.publish(accepted(), age_days=30.5)
    venue.publish(accepted(), age_days=29.5)
    venue.publish(accepted())
    async with venue.running():
        venue.ask(entry={1182: "20"})
        await until(lambda: bool(refusals(venue)))
        ((outcome, error, number, text),) = refusals(venue)
        assert (outcome, error) == ("2", "1")
        assert number == str(RejectCode.GATEWAY_MESSAGES_NOT_AVAILABLE.value)
        assert text.endswith("older than 30 days: from 40 on there is all")
        ((_, (stream,)),) = venue.kinds(TRADER, "BX")
        assert stream[1182] == "40"
        venue.ask(entry={1182: "1"})
        await venue.answered()
    assert venue.kinds(TRADER, "BX")[-1][1][0][1182] == "40", "the first that can be had"
    assert [int(each[1181]) for each, _ in venue.kinds(TRADER, "8")] == [40, 50]


async def test_who_has_gone_is_told_nothing_more_and_holds_nobody_up() -> None:
    venue = Venue(messages_per_second=100)
    venue.publish(*[accepted() for _ in range(500)], accepted(OTHER, 21))
    async with venue.running():
        venue.ask(TRADER)
        await until(lambda: bool(venue.kinds(TRADER, "8")))
        venue.sessions.sessions[TRADER].connection += 1
        venue.ask(OTHER)
        await venue.answered(OTHER)
        assert not venue.kinds(TRADER, "BY")
        assert len(venue.kinds(TRADER, "8")) < 500
        assert venue.metrics.replays._value.get() == 0


async def test_a_history_that_cannot_be_read_ends_the_answer_where_it_is() -> None:
    venue = Venue(messages_per_second=100)
    venue.publish(*[accepted() for _ in range(50)])
    venue.publish(*[accepted() for _ in range(50)])
    async with venue.running():
        venue.ask()
        await until(lambda: bool(venue.kinds(TRADER, "8")))
        venue.core.lose_links()
        await venue.answered()
    ((_, (through,)),) = venue.kinds(TRADER, "BY")
    told = [int(each[1181]) for each, _ in venue.kinds(TRADER, "8")]
    assert int(through[1357]) >= told[-1]
