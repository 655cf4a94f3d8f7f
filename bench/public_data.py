"""What market data costs of a trade and of an order, part by part and without a venue.

    ./rialto bench public-data [--pairs N] [--rounds N] [--json]

The events are the native engine's own, of four markets. A ``trade`` is an order that rests and
another that takes it; an ``order`` is half of one that rests and is cancelled. They come as the
core delivers them at 2,000 such pairs a second: what happened in 10 ms together to ``recorder``
and ``publisher``, which are ``market_data``, and what happened in 5 ms to ``fix_market_data``.

``recorder`` is the one that runs, with the connection and PostgreSQL's own work apart (``bench
candles`` has those); ``publisher`` keeps markets and makes every payload, with the pulses that are
due; ``fix_market_data`` keeps its books, and nobody is connected. In microseconds of processor
time, of the best round.
"""

import argparse
import gc
import json
import random
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry

from bench.core_books import ADD, CANCEL, TAKE, Step
from bench.core_records import MID_TICKS, START, Encoder, Wanted, borders, venue_commands
from fix_gateway.market_data.gallery import Gallery
from fix_gateway.market_data.market import Market as FixMarket
from fix_gateway.market_data.settings import MarketDataLimits as FixLimits
from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading.events import OrderAccepted
from messages.trading.identity import client_id
from messages.trading.terms import Side
from services.market_data.doors import Doors
from services.market_data.intake import Intake
from services.market_data.metrics import MarketDataMetrics
from services.market_data.publisher import PULSES_A_SECOND, Publisher
from services.market_data.settings import MarketDataLimits
from settlement.adapters.memory import MemoryBatch
from venue.engines import create_engine

MARKETS: Final = 4
RESTING: Final = 250
"""Orders of a side of a market, which stay."""
PAIRS_A_SECOND: Final = 2000
MARKET_DATA_PAIRS: Final = 20
FIX_PAIRS: Final = 10
"""In one delivery."""

_TIME_NS: Final = struct.Struct("<q")
_COMMAND_STAMP_AT, _STAMP_AT = (
    next(field.offset for field in record.FIELDS if field.name == "time_ns")
    for record in (c.PlaceOrder, OrderAccepted)
)
"""Where records have their stamps."""


class Flow:
    """A venue whose orders come two by two."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._encoder = Encoder()
        self._engine = create_engine("native")
        self._time_ns = START
        self._orders = 0

    def begin(self) -> list[MemoryBatch]:
        """Return the events that define the venue and fill its books."""
        told = [self._told(self._encoder.set_up(list(_venue())))]
        for market in range(1, MARKETS + 1):
            self._encoder.instrument = market
            for side, away in ((Side.BUY, -1), (Side.SELL, 1)):
                prices = [MID_TICKS + away * self._chance.randint(10, 100) for _ in range(RESTING)]
                steps = [self._step(ADD, side, price, 50) for price in prices]
                told.append(self._told(self._encoder.records(steps)))
        return told

    def pairs(self, count: int, *, is_trade: bool, together: int) -> list[MemoryBatch]:
        """Return the events of so many pairs, in deliveries."""
        pair = self._trade if is_trade else self._placed_and_cancelled
        return [
            self._told(b"".join(pair() for _ in range(together))) for _ in range(count // together)
        ]

    def _trade(self) -> bytes:
        chance = self._chance
        self._encoder.instrument = chance.randint(1, MARKETS)
        side, other = chance.choice(((Side.BUY, Side.SELL), (Side.SELL, Side.BUY)))
        price, lots = MID_TICKS + chance.randint(-9, 9), chance.randint(1, 100)
        steps = (self._step(ADD, side, price, lots), self._step(TAKE, other, price, lots))
        return self._encoder.records(steps)

    def _placed_and_cancelled(self) -> bytes:
        chance = self._chance
        self._encoder.instrument = chance.randint(1, MARKETS)
        side, away = chance.choice(((Side.BUY, -1), (Side.SELL, 1)))
        price = MID_TICKS + away * chance.randint(1, 100)
        placed = self._step(ADD, side, price, chance.randint(1, 100))
        return self._encoder.records((placed, Step(CANCEL, side, placed.order_id, 0, 0)))

    def _step(self, action: int, side: Side, price: int, lots: int) -> Step:
        self._orders += 1
        return Step(action, side, self._orders, price, lots)

    def _told(self, commands: bytes) -> MemoryBatch:
        """Return the events of commands, of which two come in a two-thousandth of a second."""
        stamped, first = bytearray(commands), self._engine.last_event + 1
        for at in borders(commands)[:-1]:
            self._time_ns += 1_000_000_000 // PAIRS_A_SECOND // 2
            _TIME_NS.pack_into(stamped, at + _COMMAND_STAMP_AT, self._time_ns)
        data = self._engine.apply(bytes(stamped))
        return MemoryBatch(first, self._engine.last_event, data)


def _venue() -> Iterator[Wanted]:
    """Yield the commands of a venue each of whose markets has a base asset of its own."""
    bases = {market: market + len(("BTC", "USD")) for market in range(2, MARKETS + 1)}
    for kind, fields in venue_commands(instruments=MARKETS):
        yield kind, fields | _base_of(bases, kind, fields)
        if kind in (c.CreateAsset, c.SetAssetLimits, c.Credit) and fields["asset"] == 1:
            for asset in bases.values():
                other: dict[str, int | bytes] = {"asset": asset}
                if kind is c.CreateAsset:
                    other["symbol"] = padded_text(f"B{asset}", 16)
                elif kind is c.Credit:
                    other["reference"] = client_id(f"c{fields['account']}-{asset}")
                yield kind, fields | other


def _base_of(
    bases: dict[int, int], kind: type[c.Command], fields: dict[str, Any]
) -> dict[str, int]:
    market = fields.get("instrument", 0)
    return {"base_asset": bases[market]} if kind is c.CreateInstrument and market in bases else {}


def _nothing(*_: object) -> None:
    """Do what is due: nothing."""


class Part(NamedTuple):
    """One of those who follow."""

    take: Callable[[MemoryBatch], None]
    pulse: Callable[[int], None] = _nothing
    """Called ``PULSES_A_SECOND`` with the time in milliseconds."""
    end_second: Callable[[], None] = _nothing


def recorder() -> Part:
    """Return the recorder, up to the statements' arguments."""
    intake = Intake(0)

    def add_up() -> None:
        for gathering in intake.hand_over().gatherings:
            # Each interval's would be stored by a statement.
            deque(gathering.candles(), maxlen=0)

    return Part(intake.take, end_second=add_up)


def publisher() -> Part:
    """Return markets and the payloads of all streams, for doors of which none is connected."""
    limits = MarketDataLimits()
    doors = Doors(limits, MarketDataMetrics(CollectorRegistry()))
    made = Publisher(
        doors.publish,
        trade_changed=_nothing,
        unstored_max=limits.unstored_trades_max,
    )

    def take(batch: MemoryBatch) -> None:
        made.take(batch.data)
        doors.flush()

    def pulse(now_ms: int) -> None:
        made.pulse(now_ms, stored=made.market.position)
        doors.flush()

    return Part(take, pulse)


def fix_market_data() -> Part:
    """Return books that nobody watches."""
    gallery = Gallery(FixLimits(), begin_interval=_nothing)
    market = FixMarket(book_changed=gallery.book_changed, status_changed=_nothing)

    def take(batch: MemoryBatch) -> None:
        market.take(batch.data)
        gallery.tell()

    return Part(take)


PARTS: Final = {
    "recorder": (recorder, MARKET_DATA_PAIRS),
    "publisher": (publisher, MARKET_DATA_PAIRS),
    "fix_market_data": (fix_market_data, FIX_PAIRS),
}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What market data costs of a trade and an order.")
    parser.add_argument("--pairs", type=int, default=2000, help="of a round")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(pairs=options.pairs, rounds=options.rounds, seed=options.seed)
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    for name, found in figures.items():
        print(
            f"{name:<20}" + "".join(f"{found[of]:8.2f} us {of}" for of in ("a trade", "an order"))
        )
    return 0


def measure(*, pairs: int, rounds: int, seed: int) -> dict[str, dict[str, float]]:
    """Return the figures of each part."""
    return {
        name: _figures(make(), Flow(seed), pairs=pairs, rounds=rounds, together=together)
        for name, (make, together) in PARTS.items()
    }


def _figures(part: Part, flow: Flow, *, pairs: int, rounds: int, together: int) -> dict[str, float]:
    for batch in flow.begin():
        part.take(batch)
    best = {"a trade": float("inf"), "an order": float("inf")}
    for _ in range(rounds):
        for name, is_trade, count in (("a trade", True, 1), ("an order", False, 2)):
            batches = flow.pairs(pairs, is_trade=is_trade, together=together)
            spent_ns = _spent_ns(part, batches, a_second=PAIRS_A_SECOND // together)
            best[name] = min(best[name], spent_ns / 1000 / pairs / count)
    return {name: round(us, 2) for name, us in best.items()}


def _spent_ns(part: Part, batches: Sequence[MemoryBatch], *, a_second: int) -> int:
    """Give deliveries, with the pulses in between, and return the processor time of that."""
    a_pulse = a_second // PULSES_A_SECOND
    gc.collect()
    began_ns = time.thread_time_ns()
    for number, batch in enumerate(batches, start=1):
        part.take(batch)
        if number % a_pulse == 0:
            part.pulse(_time_ms(batch))
        if number % a_second == 0:
            part.end_second()
    return time.thread_time_ns() - began_ns


def _time_ms(batch: MemoryBatch) -> int:
    """Return the stamp of a delivery's first event."""
    return int(_TIME_NS.unpack_from(batch.data, _STAMP_AT)[0]) // 1_000_000


if __name__ == "__main__":
    raise SystemExit(main())
