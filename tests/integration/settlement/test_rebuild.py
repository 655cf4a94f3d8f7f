"""The ledger made again in bulk: row for row what the poster made, or nothing."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from exchange.__main__ import main
from exchange.state import State
from messages.trading.events import LAST_OF_COMMAND, TradeExecuted
from messages.trading.terms import Side
from runtime.log_files import Entry
from runtime.log_format import FrameKind, Stream
from runtime.log_scan import LogEnd
from runtime.postgres import Connection, connect
from runtime.process import EXIT_OK
from runtime.storage import DiskStorage
from settlement import database, house, ledger, rebuild
from settlement.adapters.memory import MemoryBatch
from settlement.chart import Consumer, EntryCause
from settlement.cycle_decisions import Ask
from settlement.cycles import close_cycle
from settlement.errors import (
    ConsumerBusyError,
    EventGapError,
    LedgerRefusedError,
    UnfinishedLedgerError,
)
from settlement.ledger import LedgerProjection
from settlement.ledger_batch import LedgerBatch
from settlement.locks import try_lock
from settlement.marks import MarkRules
from settlement.rebuild import LedgerNotEmptyError
from settlement.reconcile_loader import load
from tests.integration.settlement.books_model import ACCOUNTS, CLEARING, HOT, START_NS, USD, Books
from tests.integration.settlement.conftest import dump
from tests.integration.settlement.places import arguments_for
from tests.integration.settlement.test_books import book, posting
from tests.integration.settlement.test_schema import shape
from tests.twins.log import NaiveLog
from tests.unit.settlement.flow import VENUE

ENTRY = struct.Struct(">hiqihihihiqiqiqiq")
"""A row of entries as a COPY sends it: a count, and each field behind its length."""

HISTORY = ("orders", "order_events")
"""A projection of its own, with a position of its own."""


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So close that marks are passed and batches are many."""
    monkeypatch.setattr(
        ledger, "MARKS", MarkRules(place_events=10, whole_events=70, busy_entries=9)
    )
    monkeypatch.setattr(rebuild, "BATCH_EVENTS", 64)


def made(chance: random.Random) -> list[MemoryBatch]:
    books, frames = Books(chance), []
    books.define()
    for _ in range(20):
        for _ in range(chance.randint(1, 40)):
            books.step()
        frames.append(books.frame())
    return frames


async def ledger_tables(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = {name: rows for name, rows in (await dump(connection)).items() if name not in HISTORY}
    tables["positions"] = [row for row in tables["positions"] if row[0] == Consumer.LEDGER]
    return tables


async def test_a_rebuilt_ledger_is_row_for_row_the_live_one(
    ledger_dsn: str, other_dsn: str, owner: Connection, chance: random.Random
) -> None:
    frames = made(chance)
    await book(ledger_dsn, frames[:7], batch_events_max=90)
    await book(ledger_dsn, frames)
    other = await connect(other_dsn)
    before = await shape(other)

    found = await rebuild.rebuild(other, frames, dsn=other_dsn, venue=VENUE)

    live, again = await ledger_tables(owner), await ledger_tables(other)
    for table, rows in live.items():
        assert again[table] == rows, table
    for table in ("entries", "trades", "trade_corrections", "balance_marks", "ledger_marks"):
        assert live[table], table
    assert found == (frames[-1].last, len(live["trades"]))
    assert (await load(other, frames[-1].last)).findings == []
    # Every key, index and trigger is there again, and the triggers are on.
    assert await shape(other) == before
    assert await other.fetchval("select bool_and(tgenabled = 'O') from pg_trigger")
    await other.close()


async def test_a_poster_goes_on_where_a_rebuilt_ledger_ends(
    ledger_dsn: str, other_dsn: str, owner: Connection, chance: random.Random
) -> None:
    frames = made(chance)
    await book(ledger_dsn, frames)
    other = await connect(other_dsn)
    await rebuild.rebuild(other, frames[:11], dsn=other_dsn, venue=VENUE)

    await book(other_dsn, frames)

    assert await ledger_tables(other) == await ledger_tables(owner)
    await other.close()


async def test_no_ledger_is_written_over(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    frames = made(chance)
    await book(ledger_dsn, frames[:3])
    before = await dump(owner)

    with pytest.raises(LedgerNotEmptyError, match=f"stands at event {frames[2].last}"):
        await rebuild.rebuild(owner, frames, dsn=ledger_dsn, venue=VENUE)

    assert await dump(owner) == before


async def test_nothing_is_made_while_a_poster_runs(ledger_dsn: str, owner: Connection) -> None:
    poster = await connect(ledger_dsn)
    assert await try_lock(poster, Consumer.LEDGER)
    with pytest.raises(ConsumerBusyError, match="stop settlement first"):
        await rebuild.rebuild(owner, [], dsn=ledger_dsn, venue=VENUE)
    await poster.close()


def overdrawn(frames: Sequence[MemoryBatch]) -> MemoryBatch:
    """A trade whose taker has not the money."""
    event = TradeExecuted.make(
        number=frames[-1].last + 1,
        sequence=frames[-1].last + 1,
        time_ns=START_NS,
        flags=LAST_OF_COMMAND,
        instrument=1,
        trade_id=1 << 40,
        taker_side=Side.BUY,
        notional_atoms=1 << 50,
        base_atoms=1,
        maker_account=ACCOUNTS[0],
        taker_account=ACCOUNTS[1],
    )
    return MemoryBatch(event.number, event.number, event.pack())


async def test_what_breaks_a_rule_leaves_nothing(
    ledger_dsn: str, owner: Connection, chance: random.Random
) -> None:
    frames = made(chance)
    before, rules = await dump(owner), await shape(owner)

    for bad, error in (
        ([*frames, overdrawn(frames)], asyncpg.CheckViolationError),  # a sign
        ([*frames[:5], *frames[6:]], EventGapError),  # an event missing
        ([frames[0], frames[1], frames[1]], EventGapError),  # events twice
    ):
        with pytest.raises(error):
            await rebuild.rebuild(owner, bad, dsn=ledger_dsn, venue=VENUE)
        left = await dump(owner)
        assert left.pop("positions") in ([], [(Consumer.LEDGER, 0, 0)])
        assert left == {name: rows for name, rows in before.items() if name != "positions"}
        assert await shape(owner) == rules


async def test_entries_that_do_not_balance_are_refused(
    ledger_dsn: str, owner: Connection, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, entry_rows = made(chance), LedgerBatch.entry_rows

    def one_leg_less(self: LedgerBatch) -> list[bytes]:
        self.entries = self.entries[1:]
        return entry_rows(self)

    monkeypatch.setattr(LedgerBatch, "entry_rows", one_leg_less)
    with pytest.raises(LedgerRefusedError, match="do not balance"):
        await rebuild.rebuild(owner, frames, dsn=ledger_dsn, venue=VENUE)
    assert await owner.fetchval("select count(*) from settlement.entries") == 0


@pytest.mark.parametrize("event_rows", [0, 2])
async def test_entries_that_are_not_stored_as_they_were_sent_are_refused(
    event_rows: int,
    ledger_dsn: str,
    owner: Connection,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever balances: an event that is missing, or has its amounts the other way round."""
    frames, write = made(chance), LedgerProjection.write_entries

    async def write_other(
        self: LedgerProjection, connection: Connection, rows: Sequence[bytes]
    ) -> None:
        deposit = list(ENTRY.iter_unpack(rows[-1]))[:2]
        turned = b"".join(ENTRY.pack(*row[:14], -row[14], *row[15:]) for row in deposit)
        others = rows[-1][2 * ENTRY.size :]
        await write(self, connection, [*rows[:-1], turned[: event_rows * ENTRY.size] + others])

    monkeypatch.setattr(LedgerProjection, "write_entries", write_other)
    with pytest.raises(LedgerRefusedError, match="not stored as they were sent"):
        await rebuild.rebuild(owner, frames[:1], dsn=ledger_dsn, venue=VENUE)
    assert await owner.fetchval("select count(*) from settlement.entries") == 0


@pytest.mark.parametrize("is_trades_sound", [True, False])
async def test_of_two_sessions_that_fail_both_are_told_of(
    is_trades_sound: bool,
    ledger_dsn: str,
    owner: Connection,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cause may be either's."""
    write = LedgerProjection.write_trades

    async def fail_entries(*_: object) -> None:
        raise LedgerRefusedError("the consequence")

    async def fail_trades(
        self: LedgerProjection, connection: Connection, batch: LedgerBatch
    ) -> None:
        await write(self, connection, batch)
        if not is_trades_sound:
            raise LedgerRefusedError("the cause")

    monkeypatch.setattr(LedgerProjection, "write_entries", fail_entries)
    monkeypatch.setattr(LedgerProjection, "write_trades", fail_trades)
    with capture_logs() as logs, pytest.raises(LedgerRefusedError, match="the consequence"):
        await rebuild.rebuild(owner, made(chance), dsn=ledger_dsn, venue=VENUE)
    told = [
        (each["session"], each["error"])
        for each in logs
        if each["event"] == "rebuild_session_failed"
    ]
    assert told == (
        []
        if is_trades_sound
        else [
            ("entries", "LedgerRefusedError: the consequence"),
            ("trades", "LedgerRefusedError: the cause"),
        ]
    )


# --- from the event log, by the command ---

Run = Callable[..., Awaitable[tuple[int, str, str]]]


def write_log(state: State, frames: Sequence[MemoryBatch]) -> None:
    """Write an event log of several segments."""
    log = NaiveLog(
        DiskStorage(state.venue / "events"),
        Stream.EVENTS,
        LogEnd(None, 0, 0, 0, is_torn=False),
        venue=VENUE,
        segment_bytes=1 << 14,
        created_ns=1,
    )
    for frame in frames:
        log.append([Entry(FrameKind.EVENTS, frame.first, frame.last, START_NS, frame.data)])
        log.sync()
    assert log.segment > 2


def tear(segment: Path, frame: MemoryBatch) -> None:
    """Spoil the last frame, as a power cut may."""
    data = bytearray(segment.read_bytes())
    at = data.rindex(frame.data) + len(frame.data) // 2
    data[at:] = bytes(len(data) - at)
    segment.write_bytes(data)


@pytest.fixture
def frames(chance: random.Random) -> list[MemoryBatch]:
    return made(chance)


@pytest.fixture
def run(
    tmp_path: Path,
    ledger_dsn: str,
    frames: list[MemoryBatch],
    capsys: pytest.CaptureFixture[str],
) -> Run:
    state, places = arguments_for(tmp_path, ledger_dsn)
    write_log(state, frames)

    async def run(*words: str) -> tuple[int, str, str]:
        # The command has a loop of its own.
        code = await asyncio.to_thread(main, [*words, *places])
        out, error = capsys.readouterr()
        return code, out, error

    return run


async def test_an_empty_ledger_is_filled_from_the_log_as_far_as_it_is_whole(
    run: Run, tmp_path: Path, ledger_dsn: str, owner: Connection, frames: list[MemoryBatch]
) -> None:
    tear(max((tmp_path / "state").glob("**/events/*.log")), frames[-1])
    code, out, error = await run("ledger", "rebuild")

    assert code == EXIT_OK, error
    assert f"through event {frames[-2].last} in" in out
    await book(ledger_dsn, frames)
    assert (await load(owner, frames[-1].last)).findings == []

    code, _, error = await run("ledger", "rebuild")
    assert code == LedgerNotEmptyError.exit_code
    assert "not empty" in error


async def test_a_replacement_that_breaks_off_is_used_by_nobody_and_taken_up_again(
    run: Run, tmp_path: Path, ledger_dsn: str, owner: Connection, frames: list[MemoryBatch]
) -> None:
    await book(ledger_dsn, frames)
    keeper = await connect(ledger_dsn, role=database.BOOKKEEPER_ROLE)
    moves = ((CLEARING, USD, 5), (HOT, USD, -5))
    await house.post(keeper, posting(EntryCause.CUSTODY_MOVED, *moves, reference="one"))
    await keeper.close()
    before = await ledger_tables(owner)
    log = sorted((tmp_path / "state").glob("**/events/*.log"))[1]
    whole = log.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    log.write_bytes(damaged)

    code, out, _ = await run("ledger", "rebuild", "--replace")

    assert code != EXIT_OK
    former = out.split("schema ")[1].split("\n")[0]
    with pytest.raises(ExceptionGroup) as refused:
        await book(ledger_dsn, frames)
    assert refused.group_contains(UnfinishedLedgerError, match=former)
    code, _, error = await run("ledger", "rebuild")
    assert code == UnfinishedLedgerError.exit_code
    assert "--replace again" in error
    log.write_bytes(whole)

    code, out, error = await run("ledger", "rebuild", "--replace")

    assert code == EXIT_OK, error
    assert former in out
    await book(ledger_dsn, frames)
    assert await ledger_tables(owner) == before


async def test_a_ledger_is_replaced_with_what_no_event_says(
    run: Run, ledger_dsn: str, owner: Connection, frames: list[MemoryBatch]
) -> None:
    await book(ledger_dsn, frames)
    keeper = await connect(ledger_dsn, role=database.BOOKKEEPER_ROLE)
    application = await connect(ledger_dsn, role=database.APPLICATION_ROLE)
    for name, atoms in (("one", 5), ("two", 7), ("three", 9)):
        moves = ((CLEARING, USD, atoms), (HOT, USD, -atoms))
        await house.post(keeper, posting(EntryCause.CUSTODY_MOVED, *moves, reference=name))
    ask = Ask(operator=3, reference="close", decided_at_ns=START_NS)
    await close_cycle(application, ask)
    await keeper.close()
    await application.close()
    before = await ledger_tables(owner)
    assert before["house_entries"]
    assert before["instructions"]

    code, out, error = await run("ledger", "rebuild", "--replace")

    assert code == EXIT_OK, error
    assert "carried over: 4" in out
    await book(ledger_dsn, frames)
    assert await ledger_tables(owner) == before
    former = out.split("schema ")[1].split("\n")[0]
    kept = await owner.fetchval(f"select count(*) from {former}.entries")  # noqa: S608
    assert kept == len(before["entries"])
    await owner.execute(f"set role {database.APPLICATION_ROLE}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute(f"insert into {former}.firms values (9, 'x', 9)")  # noqa: S608
