"""A recorded order-by-order file, turned into requests; docs/recorded-flow.md has the format.

Errors, all of ``RecordedFlowError``: a file that cannot be read, or a row that is not one.
"""

import csv
import io
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from exchange.demo import requests
from exchange.demo.market import Market
from exchange.demo.orders import OwnOrder, Request
from exchange.demo.requests import BUY, IMMEDIATE_OR_CANCEL, SELL, Numbering, Terms
from exchange.errors import CommandError

SYMBOL: Final = "BTC-USD"
BIDS_BY, ASKS_BY, TAKER = "MM1", "MM2", "INST1"
"""Who sends what: two firms for the resting sides, so that nobody ever meets themselves."""

COLUMNS: Final = ("ts_ns", "type", "order_id", "side", "price", "size")
PRICE_DECIMALS: Final = 2
SIZE_DECIMALS: Final = 8

_ADD, _REDUCE, _DELETE, _EXECUTE = "A", "C", "D", "X"
_SIDES: Final = {"B": BUY, "S": SELL}


class RecordedFlowError(CommandError):
    """A recorded file that cannot be replayed; the message names file, line and reason."""


class Row(NamedTuple):
    """One event of the recording: price in cents, size in hundred-millionths."""

    time_ns: int
    kind: str
    order_id: int
    side: str
    price: int
    size: int


class Step(NamedTuple):
    """What to send, by whom, and when on the recording's clock."""

    time_ns: int
    session: str
    request: Request


def read_rows(path: Path) -> Iterator[Row]:
    """Read a recording, plain or compressed with xz, row by row.

    Raises:
        RecordedFlowError: as the module says.
    """
    try:
        with (
            lzma.open(path, "rb") if path.suffix == ".xz" else path.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="ascii", newline="") as text,
        ):
            yield from parse_rows(csv.reader(text), source=str(path))
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RecordedFlowError(f"{path}: {error}") from error


def parse_rows(lines: Iterable[list[str]], *, source: str) -> Iterator[Row]:
    """Check the header and every row after it.

    Raises:
        RecordedFlowError: as the module says.
    """
    previous_ns = 0
    for number, line in enumerate(lines, start=1):
        if number == 1:
            if tuple(line) != COLUMNS:
                raise RecordedFlowError(f"{source}:1: the header is not {','.join(COLUMNS)}")
            continue
        row = _row(line, where=f"{source}:{number}")
        if row.time_ns < previous_ns:
            raise RecordedFlowError(f"{source}:{number}: ts_ns goes back")
        previous_ns = row.time_ns
        yield row


def _row(line: list[str], *, where: str) -> Row:
    if len(line) != len(COLUMNS):
        raise RecordedFlowError(f"{where}: {len(line)} columns, not {len(COLUMNS)}")
    time, kind, order_id, side, price, size = line
    for name, text in zip(COLUMNS, line, strict=True):
        if name in ("type", "side"):
            continue
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise RecordedFlowError(f"{where}: {name} is not a whole number: {text!r}")
    if kind not in (_ADD, _REDUCE, _DELETE, _EXECUTE):
        raise RecordedFlowError(f"{where}: type is none of A, C, D, X: {kind!r}")
    if side not in _SIDES:
        raise RecordedFlowError(f"{where}: side is neither B nor S: {side!r}")
    row = Row(int(time), kind, int(order_id), side, int(price), int(size))
    if row.price == 0 or row.size == 0:
        raise RecordedFlowError(f"{where}: price and size must be above zero")
    return row


@dataclass(slots=True)
class _Resting:
    """A recorded order as the recording knows it: how much was asked in all, how much is left."""

    order: OwnOrder
    left: int


class RecordedFlow:
    """Turns rows into requests, without waiting for any answer.

    Adds, reductions and deletes are sent as they are. A run of executions is one taker: an
    immediate-or-cancel limit order at the worst price of the run for the sum of its sizes.
    """

    def __init__(self, market: Market, *, run: str) -> None:
        """Replay into a market whose tick is a cent and whose lot is a hundred-millionth.

        Raises:
            RecordedFlowError: the market has other units.
        """
        units = (market.price_decimals, market.tick_units, market.quantity_decimals)
        if (*units, market.lot_units) != (PRICE_DECIMALS, 1, SIZE_DECIMALS, 1):
            raise RecordedFlowError(
                f"{market.symbol}: a recording needs ticks of 0.01 and lots of 0.00000001"
            )
        self._market = market
        self._ids = {name: Numbering(f"{name}-{run}") for name in (BIDS_BY, ASKS_BY, TAKER)}
        self._resting: dict[int, _Resting] = {}
        self.skipped = 0
        """Rows about orders that the recording never added."""

    def steps(self, rows: Iterable[Row]) -> Iterator[Step]:
        """Yield what to send, in the order of the rows."""
        taken: list[Row] = []
        for row in rows:
            if taken and (row.kind, row.time_ns, row.side) != (_EXECUTE, *_moment(taken)):
                yield self._take(taken)
                taken = []
            if row.kind == _EXECUTE:
                taken.append(row)
                self._reduce(row)
            elif step := self._step(row):
                yield step
        if taken:
            yield self._take(taken)

    def _step(self, row: Row) -> Step | None:
        session = BIDS_BY if row.side == "B" else ASKS_BY
        if row.kind == _ADD:
            return Step(row.time_ns, session, self._add(row, session))
        resting = self._resting.get(row.order_id)
        if resting is None:
            self.skipped += 1
            return None
        next_id = self._ids[session].next_id()
        if row.kind == _DELETE or row.size >= resting.left:
            del self._resting[row.order_id]
            return Step(row.time_ns, session, requests.cancel(session, next_id, resting.order))
        order = resting.order
        lots = order.quantity_lots - row.size
        request = requests.amend(
            session, next_id, order, self._market, ticks=order.price_ticks, lots=lots
        )
        order.client_order_id, order.quantity_lots = next_id, lots
        resting.left -= row.size
        return Step(row.time_ns, session, request)

    def _add(self, row: Row, session: str) -> Request:
        client_order_id = self._ids[session].next_id()
        order = OwnOrder(
            client_order_id=client_order_id,
            symbol=self._market.symbol,
            side=_SIDES[row.side],
            price_ticks=row.price,
            quantity_lots=row.size,
        )
        self._resting[row.order_id] = _Resting(order, row.size)
        terms = Terms(
            side=order.side,
            time_in_force=requests.GOOD_TILL_CANCEL,
            lots=row.size,
            ticks=row.price,
        )
        return requests.new_order(
            session, client_order_id, self._market, terms, purpose="recorded add"
        )

    def _take(self, run: list[Row]) -> Step:
        side = SELL if run[0].side == "B" else BUY
        prices = [row.price for row in run]
        terms = Terms(
            side=side,
            time_in_force=IMMEDIATE_OR_CANCEL,
            lots=sum(row.size for row in run),
            ticks=max(prices) if side == BUY else min(prices),
        )
        request = requests.new_order(
            TAKER, self._ids[TAKER].next_id(), self._market, terms, purpose="recorded taker"
        )
        return Step(run[0].time_ns, TAKER, request)

    def _reduce(self, row: Row) -> None:
        """Take an execution off what the recording says is left."""
        resting = self._resting.get(row.order_id)
        if resting is None:
            self.skipped += 1
            return
        resting.left -= row.size
        if resting.left <= 0:
            del self._resting[row.order_id]


def _moment(run: list[Row]) -> tuple[int, str]:
    return run[0].time_ns, run[0].side
