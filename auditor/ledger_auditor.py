"""The continuous audit of the ledger: reads PostgreSQL beside a feed of its own.

It only ever reads, as the role that may do nothing else. While the database is away nothing is
lost: the events wait with the core. One look is one transaction that sees one moment.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import structlog

from auditor.checks.ledger import STRETCH, WEIGHTS, LedgerAudit, LedgerPicture, Rows, Sums
from auditor.findings import Findings
from auditor.metrics import AuditorMetrics
from auditor.pictures import encoded, write_picture
from auditor.ports import EventBatch, MakeFeed, Report
from auditor.settings import AuditorSettings
from runtime.postgres import FAILURES, Connection, connect, drop
from runtime.waiting import stopped_within

log = structlog.get_logger()

PART = "ledger"
PICTURE_NAME = "ledger.picture"
READER_ROLE = "rialto_reader"
EVENTS_OF_A_LOOK_MAX = 10_000
LOOK_SECONDS_MAX = 60.0

WHOLE_SHARE = 20
WHOLE_SECONDS_MAX = 3.0
"""All balances and an old stretch are compared for one part in so many of the time, so that a
large ledger is not read all day, but again after so long at the latest: what somebody changes by
hand is found within seconds."""

_ENTRIES = (
    "select event_number, leg, kind, cause, account, asset, amount_atoms"
    " from settlement.entries where event_number > $1 and event_number <= $2"
    " order by event_number, leg"
)
_TRADES = (
    "select event_number, trade_id, instrument, price_ticks, quantity_lots, notional_atoms,"
    " base_atoms, taker_side, maker_order_id, maker_account, maker_fee_atoms, taker_order_id,"
    " taker_account, taker_fee_atoms"
    " from settlement.trades where event_number > $1 and event_number <= $2 order by event_number"
)
_CORRECTIONS = (
    "select event_number, trade_id, is_bust, corrected_event, price_ticks, quantity_lots,"
    " notional_atoms, base_atoms, maker_fee_atoms, taker_fee_atoms, operator, approver"
    " from settlement.trade_corrections where event_number > $1 and event_number <= $2"
    " order by event_number"
)
_HOUSE = (
    "select kind, asset, sum(amount_atoms) from settlement.house_entries where posting >= $1"
    " group by kind, asset"
)
_CARRIED_OVER = "select exists (select from settlement.house_postings where posting = 0)"
_BALANCES = "select kind, account, asset, balance_atoms from settlement.balances"
_MARKETS = "select instrument, base_asset, quote_asset from settlement.instruments"
_BEYOND = (
    "select min(event_number) from ("
    "(select min(event_number) as event_number from settlement.entries where event_number > $1)"
    " union all (select min(event_number) from settlement.trades where event_number > $1)) as rows"
)
_ENTRY_SUMS = (
    "select count(*), coalesce(sum(amount_atoms::numeric *"
    " (leg * 31 + kind * 17 + cause * 7 + account * 3 + asset + event_number % $3)), 0)"
    " from settlement.entries where event_number between $1 and $2"
)
_TRADE_SUMS = (
    "select count(*), coalesce(sum(price_ticks::numeric * quantity_lots + trade_id * 7"
    " + maker_account * 3 + taker_account * 5 + maker_fee_atoms * 11 + taker_fee_atoms * 13"
    " + taker_side * 17), 0) from settlement.trades where event_number between $1 and $2"
)


class LedgerAuditor:
    """Compares new rows with new events, all balances, and one old stretch, again and again."""

    name = "auditor.ledger"

    def __init__(
        self,
        settings: AuditorSettings,
        picture: LedgerPicture,
        *,
        dsn: Callable[[], str],
        make_feed: MakeFeed,
        report: Report,
        metrics: AuditorMetrics,
    ) -> None:
        """Go on from a picture.

        Args:
            settings: how often to look.
            picture: where it stands.
            dsn: says where the database is; raises OSError while it is nowhere.
            make_feed: makes the feed of events.
            report: takes findings.
            metrics: the process's.
        """
        self._settings = settings
        self._dsn = dsn
        self._make_feed = make_feed
        self._report = report
        self._metrics = metrics
        self._connection: Connection | None = None
        self._events: AsyncIterator[EventBatch] | None = None
        self._batch: EventBatch | None = None
        self._offset = 0
        self._next_stretch = 0
        self._whole_from = 0.0
        self._written_at = time.monotonic()
        self.findings = Findings()
        self.audit = LedgerAudit(picture, self.findings)
        self.turned_at = time.monotonic()

    @property
    def picture(self) -> LedgerPicture:
        """The ledger as it must be."""
        return self.audit.picture

    @property
    def _first_posting(self) -> int:
        """The opening of a ledger that was taken over is in what was believed."""
        return 1 if self.picture.taken_over else 0

    @property
    def is_connected(self) -> bool:
        """Whether the database answered last time."""
        return self._connection is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until asked to stop; then write the picture.

        Raises:
            EventGap, AheadOfVenue, ForeignVenue, MalformedRecordError: never tried again.
        """
        feed = self._make_feed(self.picture.venue or None)
        while not stop.is_set():
            is_behind = False
            if self._events is None:
                self._events, self._batch = feed.read(self.audit.taken, stop), None
            try:
                async with asyncio.timeout(LOOK_SECONDS_MAX):
                    is_behind = await self._look(stop)
                self.picture.venue = feed.venue or self.picture.venue
            except FAILURES as error:
                self._disconnect()
                self._events = None  # one that was interrupted gives no more
                self._metrics.postgres_outages.inc()
                log.warning("ledger_not_read", error=f"{type(error).__name__}: {error}")
            self.turned_at = time.monotonic()
            self._metrics.turn.labels(PART).set(time.time())
            self._tell()
            if time.monotonic() - self._written_at > self._settings.picture_seconds:
                await self._write()
            if not is_behind:
                await stopped_within(stop, self._settings.ledger_seconds)
        self._disconnect()
        await self._write()

    async def _look(self, stop: asyncio.Event) -> bool:
        """Compare once; say whether more is there already."""
        if self._connection is None:
            self._connection = await connect(
                self._dsn(), role=READER_ROLE, application=self.name, seconds_max=10.0
            )
        connection = self._connection
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await connection.fetchval(
                "select event_number from settlement.positions where consumer = 'ledger'"
            )
            if found is None:
                return False
            position = int(found)
            if not self.audit.taken and await connection.fetchval(_CARRIED_OVER):
                await self._take_over(connection, position)
                self._events = None  # it begins behind what was taken over
                return True
            beyond = await connection.fetchval(_BEYOND, position)
            if not self.audit.compare_position(position, beyond):
                return False
            through = max(
                self.audit.taken, min(position, self.picture.number + EVENTS_OF_A_LOOK_MAX)
            )
            rows = await self._rows(connection, self.picture.number, through)
            if not await self._expect(through, stop):
                return False
            self.audit.compare(rows)
            is_at_end = self.picture.number == position
            if time.monotonic() >= self._whole_from:
                await self._compare_whole(connection, is_at_end=is_at_end)
        return not is_at_end

    async def _compare_whole(self, connection: Connection, *, is_at_end: bool) -> None:
        """Compare all balances, if there is none that we do not know yet, and an old stretch."""
        began = time.monotonic()
        if is_at_end:
            balances = await connection.fetch(_BALANCES)
            house = await connection.fetch(_HOUSE, self._first_posting)
            self.audit.compare_balances(
                [(row[0], row[1], row[2], row[3]) for row in balances],
                [(row[0], row[1], int(row[2])) for row in house],
            )
            self._metrics.comparisons.labels("ledger").inc()
        await self._look_back(connection)
        ended = time.monotonic()
        pause = min(WHOLE_SHARE * (ended - began), WHOLE_SECONDS_MAX)
        self._whole_from = ended + max(pause, self._settings.ledger_seconds)

    async def _take_over(self, connection: Connection, position: int) -> None:
        """Believe a ledger that was carried over from older books, whose entries were others."""
        house = {
            (kind, asset): int(atoms) for kind, asset, atoms in await connection.fetch(_HOUSE, 1)
        }
        balances = {
            (kind, account, asset): atoms - (house.get((kind, asset), 0) if account == 0 else 0)
            for kind, account, asset, atoms in await connection.fetch(_BALANCES)
        }
        markets = {row[0]: (row[1], row[2]) for row in await connection.fetch(_MARKETS)}
        self.audit.take_over(position, markets=markets, balances=balances)
        log.warning("ledger_taken_over", through=position)

    async def _rows(self, connection: Connection, after: int, through: int) -> Rows:
        """Return what the ledger has for these events, in the driver's own rows."""
        return Rows(
            await connection.fetch(_ENTRIES, after, through),
            await connection.fetch(_TRADES, after, through),
            await connection.fetch(_CORRECTIONS, after, through),
        )

    async def _expect(self, through: int, stop: asyncio.Event) -> bool:
        """Take up the events that the ledger has; False when asked to stop meanwhile."""
        assert self._events is not None
        while self.audit.taken < through:
            if self._batch is None or self._offset >= len(self._batch.data):
                try:
                    self._batch, self._offset = await anext(self._events), 0
                except StopAsyncIteration:
                    assert stop.is_set(), "the feed ended by itself"
                    return False
            self._offset = self.audit.expect(self._batch.data, offset=self._offset, through=through)
            await asyncio.sleep(0)
        return True

    async def _look_back(self, connection: Connection) -> None:
        """Compare one stretch of what was looked at before: nobody may have touched it."""
        if not self.picture.number:
            return
        number = max(self._next_stretch, self.picture.taken_over // STRETCH)
        first = max(number * STRETCH, self.picture.taken_over + 1)
        last = min((number + 1) * STRETCH - 1, self.picture.number)
        entries = await connection.fetchrow(_ENTRY_SUMS, first, last, STRETCH)
        trades = await connection.fetchrow(_TRADE_SUMS, first, last)
        assert entries is not None
        assert trades is not None
        self.audit.compare_stretch(
            number,
            Sums(
                entries=entries[0],
                entries_weight=int(entries[1]) % WEIGHTS,
                trades=trades[0],
                trades_weight=int(trades[1]) % WEIGHTS,
            ),
        )
        self._next_stretch = (number + 1) % (self.picture.number // STRETCH + 1)

    def _tell(self) -> None:
        self._metrics.position.labels(PART).set(self.picture.number)
        if fresh := self.findings.take():
            self._report(fresh)

    async def _write(self) -> None:
        """Write the picture; not between taking events up and comparing them: it is half then."""
        if not self.picture.number or self.audit.taken != self.picture.number:
            return
        self._written_at = time.monotonic()
        path, data = self._settings.directory / PICTURE_NAME, encoded(self.picture)
        try:
            await asyncio.to_thread(write_picture, path, data)
        except OSError as error:
            log.warning("picture_not_written", reason=error.strerror)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)
