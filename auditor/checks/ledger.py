"""The ledger beside the events: every leg once and none more, balances, and what was long ago."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec

from auditor.checks.postings import (
    CorrectionRow,
    EntryRow,
    Kind,
    Row,
    TradeRow,
    correction_row,
    legs_of,
    stated_balances,
    trade_row,
)
from auditor.findings import Check, Findings, Spot
from messages.layout import RECORD_PREFIX, MalformedRecordError, Record
from messages.trading import events as e
from messages.trading.events import EVENTS

WEIGHTS = 1 << 63
"""Weighted sums are taken modulo this: large amounts times places leave 64 bits soon."""

STRETCH = 65_536
"""Events whose entries are summed together, to be compared again later as a whole."""

FINDINGS_OF_A_LOOK_MAX = 100

HOUSE_FIRST = 10
"""Kinds from here on are the venue's own."""

_UNKNOWN: Final = (-1, Record, None)

BalanceKey = tuple[int, int, int]
"""Kind, account, asset."""


class Sums(msgspec.Struct, kw_only=True):
    """What the rows of a stretch come to: how many, and a weighted sum of what they say."""

    entries: int = 0
    entries_weight: int = 0
    trades: int = 0
    trades_weight: int = 0

    def add_entries(self, rows: Sequence[Row]) -> None:
        """Count lines of the ledger."""
        self.entries += len(rows)
        self.entries_weight = (self.entries_weight + entries_weight(rows)) % WEIGHTS

    def add_trades(self, rows: Sequence[Row]) -> None:
        """Count trades."""
        self.trades += len(rows)
        self.trades_weight = (self.trades_weight + trades_weight(rows)) % WEIGHTS


class LedgerPicture(msgspec.Struct, kw_only=True):
    """The ledger as it must be after event ``number``.

    ``taken_over`` is the event up to which a ledger was believed instead of recomputed; zero for
    one that was watched from its first event on.
    """

    venue: bytes = b""
    number: int = 0
    taken_over: int = 0
    time_ns: int = 0
    markets: dict[int, tuple[int, int]] = {}
    balances: dict[BalanceKey, int] = {}
    lines: dict[tuple[int, int], int] = {}
    stretches: dict[int, Sums] = {}


class Rows(NamedTuple):
    """What the ledger has for some events: columns as in ``EntryRow`` and so on."""

    entries: Sequence[Row]
    trades: Sequence[Row]
    corrections: Sequence[Row]


def entries_weight(rows: Iterable[Row]) -> int:
    """Return entries' part in their stretch's sum; ``auditor.ledger_auditor`` has it in SQL."""
    return sum(
        [
            amount * (leg * 31 + kind * 17 + cause * 7 + account * 3 + asset + number % STRETCH)
            for number, leg, kind, cause, account, asset, amount in rows
        ]
    )


def trades_weight(rows: Iterable[Row]) -> int:
    """Return trades' part in their stretch's sum; ``auditor.ledger_auditor`` has it in SQL."""
    return sum(
        [
            price * lots + trade * 7 + maker * 3 + taker * 5 + fee * 11 + taker_fee * 13 + side * 17
            for _, trade, _, price, lots, _, _, side, _, maker, fee, _, taker, taker_fee in rows
        ]
    )


class LedgerAudit:
    """Pure: events and rows in, findings out."""

    def __init__(self, picture: LedgerPicture, findings: Findings) -> None:
        self.picture = picture
        self._findings = findings
        self._entries: list[Row] = []
        self._trades: list[Row] = []
        self._corrections: list[Row] = []
        self._stated: dict[tuple[int, int], int] = {}
        handlers: dict[int, Callable[[Any], None]] = {
            e.InstrumentCreated.KIND: self._instrument,
            e.TradeExecuted.KIND: self._trade,
            e.TradeBusted.KIND: self._correction,
            e.TradeCorrected.KIND: self._correction,
            e.BalanceChanged.KIND: self._money,
            e.FundsTransferred.KIND: self._money,
            e.ReceivableChanged.KIND: self._money,
            e.AssetLimitsSet.KIND: self._line,
        }
        self._readers = {
            kind: (cls.LENGTH, cls, handlers.get(kind)) for kind, cls in EVENTS.by_kind.items()
        }
        """Of each kind its length, its class, and what looks at it if anything does."""
        self.taken = picture.number
        """The last event that was taken up; the picture is behind until it is compared."""

    def expect(self, data: bytes, *, offset: int, through: int) -> int:
        """Take up events: what they must be in the ledger is compared by ``compare``.

        Args:
            data: event records.
            offset: where to begin.
            through: the last event to take.

        Returns:
            The offset of what was not taken.
        """
        end, taken = len(data), self.taken
        read_prefix, readers = RECORD_PREFIX.unpack_from, self._readers
        while offset < end and taken < through:
            length, kind = read_prefix(data, offset)
            known_length, cls, handle = readers.get(kind, _UNKNOWN)
            if length != known_length or offset + length > end:
                raise MalformedRecordError(f"events: kind {kind} with {length} bytes at {offset}")
            if handle is not None:
                handle(cls.unpack(data, offset))
            taken += 1
            offset += length
        self.taken = taken
        return offset

    def _instrument(self, event: e.InstrumentCreated) -> None:
        self.picture.markets[event.instrument] = (event.base_asset, event.quote_asset)

    def _trade(self, event: e.TradeExecuted) -> None:
        self._trades.append(trade_row(event))
        self._move(event, self.picture.markets.get(event.instrument, (0, 0)))

    def _correction(self, event: e.TradeChanged) -> None:
        self._corrections.append(correction_row(event))
        self._move(event, self.picture.markets.get(event.instrument, (0, 0)))

    def _money(self, event: Any) -> None:
        self._move(event, (0, 0))

    def _line(self, event: e.AssetLimitsSet) -> None:
        key = (event.account, event.asset)
        self._entries += legs_of(event, (0, 0), line=self.picture.lines.get(key, 0))
        self.picture.lines[key] = event.credit_line_atoms

    def _move(self, event: Any, market: tuple[int, int]) -> None:
        self.picture.time_ns = event.time_ns
        self._entries += legs_of(event, market)
        for account, asset, balance in stated_balances(event, market):
            self._stated[account, asset] = balance

    def take_over(
        self,
        number: int,
        *,
        markets: Mapping[int, tuple[int, int]],
        balances: Mapping[BalanceKey, int],
    ) -> None:
        """Begin with a ledger as it is, for one that was carried over from older books.

        Args:
            number: its position; what comes after it is audited.
            markets: base and quote asset of each instrument.
            balances: without what the house moved.
        """
        assert self.taken == 0, "only before the first event"
        picture = self.picture
        picture.number = picture.taken_over = self.taken = number
        picture.markets = dict(markets)
        picture.balances = dict(balances)
        picture.lines = {
            (account, asset): atoms
            for (kind, account, asset), atoms in balances.items()
            if kind == Kind.CREDIT_LINE
        }

    def expected(self) -> Rows:
        """Return what was taken up since the last comparison, its columns named."""
        return Rows(
            [EntryRow._make(row) for row in self._entries],
            [TradeRow._make(row) for row in self._trades],
            [CorrectionRow._make(row) for row in self._corrections],
        )

    # Comparisons.

    def compare(self, rows: Rows) -> None:
        """Compare what was expected since the last time with what the ledger has for it."""
        self.picture.number = self.taken
        self._findings.place = Spot(number=self.taken, time_ns=self.picture.time_ns)
        self._compare_rows(Check.LEDGER_ENTRIES, "entry", self._entries, rows.entries, 2)
        self._compare_rows(Check.LEDGER_TRADES, "trade", self._trades, rows.trades, 1)
        self._compare_rows(
            Check.LEDGER_TRADES, "correction", self._corrections, rows.corrections, 1
        )
        balances = self.picture.balances
        for _, _, kind, _, account, asset, amount in self._entries:
            key = (kind, account, asset)
            balances[key] = balances.get(key, 0) + amount
        for stretch, entries in groupby(self._entries, _stretch_of):
            self._sums(stretch).add_entries(list(entries))
        for stretch, trades in groupby(self._trades, _stretch_of):
            self._sums(stretch).add_trades(list(trades))
        self._compare_stated()
        self._entries, self._trades, self._corrections, self._stated = [], [], [], {}

    def compare_balances(
        self,
        found: Iterable[tuple[int, int, int, int]],
        house: Iterable[tuple[int, int, int]] = (),
    ) -> None:
        """Compare all balances, at the picture's own event.

        Args:
            found: kind, account, asset and balance of each ledger account.
            house: kind, asset and sum of what the house moved between accounts of its own, which
                no event caused.
        """
        theirs = {(kind, account, asset): atoms for kind, account, asset, atoms in found}
        for kind, asset, atoms in house:
            theirs[kind, 0, asset] = theirs.get((kind, 0, asset), 0) - atoms
            if kind < HOUSE_FIRST or kind in {Kind.FEE_INCOME, Kind.REBATES}:
                self._findings.add(
                    Check.LEDGER_ENTRIES, f"the house moved ledger account {kind}", asset=asset
                )
        ours = {key: atoms for key, atoms in self.picture.balances.items() if atoms}
        for key in sorted(theirs.keys() | ours.keys()):
            if theirs.get(key, 0) != ours.get(key, 0):
                kind, account, asset = key
                self._findings.add(
                    Check.LEDGER_BALANCES,
                    f"ledger account {kind} of {account}, asset {asset}: balance"
                    f" {theirs.get(key, 0)}, its entries come to {ours.get(key, 0)}",
                    account=account,
                    asset=asset,
                )

    def compare_stretch(self, number: int, found: Sums) -> None:
        """Compare what a stretch comes to now with what it came to when it was looked at."""
        known = self.picture.stretches.get(number, Sums())
        first, last = number * STRETCH, (number + 1) * STRETCH - 1
        if (found.entries, found.entries_weight) != (known.entries, known.entries_weight):
            self._findings.add(
                Check.LEDGER_ENTRIES,
                f"events {first} to {last} have {found.entries} entries now, and had"
                f" {known.entries}, or other ones",
            )
        if (found.trades, found.trades_weight) != (known.trades, known.trades_weight):
            self._findings.add(
                Check.LEDGER_TRADES,
                f"events {first} to {last} have {found.trades} trades now, and had"
                f" {known.trades}, or other ones",
            )

    def compare_position(self, position: int, beyond: int | None) -> bool:
        """Say whether the ledger's position is one that can be, and require that it is.

        Args:
            position: the last event that the ledger says it has.
            beyond: the first event above it that has rows, if one has.
        """
        if beyond is not None:
            self._findings.add(
                Check.LEDGER_POSITION,
                f"rows for event {beyond}, and the ledger's position is {position}",
            )
        if position < self.taken:
            self._findings.add(
                Check.LEDGER_POSITION, f"the position went back to {position} from {self.taken}"
            )
        return position >= self.taken

    def _compare_stated(self) -> None:
        """Require that funds and withdrawals are together what the engine says of the balance."""
        balances = self.picture.balances
        for (account, asset), stated in self._stated.items():
            funds = balances.get((Kind.FUNDS, account, asset), 0)
            leaving = balances.get((Kind.WITHDRAWALS, account, asset), 0)
            if funds + leaving != stated:
                self._findings.add(
                    Check.LEDGER_BALANCES,
                    f"entries come to {funds} and {leaving} on its way out, the engine's balance"
                    f" is {stated}",
                    account=account,
                    asset=asset,
                )

    def _compare_rows(
        self,
        check: Check,
        what: str,
        expected: Sequence[Row],
        found: Sequence[Row],
        key_size: int,
    ) -> None:
        if list(expected) == list(found):
            return
        wanted = {tuple(row[:key_size]): tuple(row) for row in expected}
        there: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        for each in found:
            row = tuple(each)
            if row[:key_size] in there:
                self._findings.add(check, f"{what} {row[:key_size]} is there twice")
            there[row[:key_size]] = row
        different = [
            key for key in sorted(wanted.keys() | there.keys()) if wanted.get(key) != there.get(key)
        ]
        for key in different[:FINDINGS_OF_A_LOOK_MAX]:
            self._findings.add(
                check, f"{what} {key}: {there.get(key)} in the ledger, expected {wanted.get(key)}"
            )

    def _sums(self, stretch: int) -> Sums:
        return self.picture.stretches.setdefault(stretch, Sums())


def _stretch_of(row: Row) -> int:
    number: int = row[0]
    return number // STRETCH
