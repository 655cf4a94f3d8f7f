"""Makes the three workloads of the core benchmark from a seed, and keeps them in files.

``simple``: 50% passive adds, 40% cancels, 10% aggressive immediate-or-cancel orders. ``xcore``:
exchange-core's mix, 9% adds, 3% immediate-or-cancel, 6% cancels, 82% moves (an amend of the price,
under a new client id). Both begin with 1,000 orders resting a side, 1 to 100 ticks from the middle
and denser near it; adds go to the thinner side, cancels to the deeper one, and the middle steps by
a tick now and then.

``normal``: the order flow of the public matching-engine-benchmark's scenario of that name, drawn
anew. The book begins empty. One order after the other arrives, 15% immediate-or-cancel; of the rest
a fifth is moved and 95% are cancelled before the next one comes, so a twentieth is left behind, and
tens of thousands rest in the end. Prices follow a walk: buys its first half, sells its second.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from math import exp
from pathlib import Path
from typing import Final, NamedTuple

from bench.core_books import ADD, CANCEL, MOVE, TAKE, SortedBook, Step
from bench.core_records import MID_TICKS, Encoder
from messages.trading.terms import Side

STEP: Final = struct.Struct("<BBHIqq")
RESTING: Final = 1_000
REACH_TICKS: Final = 100
DRIFT_EVERY: Final = 1024
TAKE_REACH_TICKS: Final = 5
TAKE_LOTS: Final = 60
TAKE_LOTS_DEEP: Final = 160
"""The largest take, and the largest from a book that is deeper than at the beginning."""

MESSAGES_PER_ORDER: Final = 1.9
"""Rather fewer than ``normal`` makes of an order (1.99), so that orders never run out."""
WALK_TICKS: Final = 670.0
"""How far, as a standard deviation, the price of ``normal`` walks in all: 2% of 167.52 at 0.005."""
GAP_TICKS: Final = 150.0
"""How far, on average, the sells of ``normal`` lie above its buys: 3% of the messages trade."""
LEVELS: Final = 800
TAKE_SHARE: Final = 0.15
MOVE_SHARE: Final = 0.2
CANCEL_SHARE: Final = 0.95
TWICE_SHARE: Final = 0.02
"""Of cancels and moves, those sent once more although the order is gone."""


MIXES: Final = {"simple": (50, 40, 0, 10), "xcore": (9, 6, 82, 3)}
"""Weights of adds, cancels, moves and takes."""
NAMES: Final = (*MIXES, "normal")


class _Mixed:
    """Draws the steps of a mix, on a book that knows which orders still rest."""

    def __init__(self, weights: Sequence[int], chance: random.Random) -> None:
        self.weights = weights
        self.chance = chance
        self.book = SortedBook()
        self.live: list[int] = []
        self.last_id = 0
        self.mid = MID_TICKS

    def make(self, count: int) -> tuple[list[Step], list[Step]]:
        """Return the steps that fill the book, and ``count`` more."""
        fill = [self._do(self._add(1 + index % 2)) for index in range(2 * RESTING)]
        return fill, [self._do(self._next(index)) for index in range(count)]

    def _do(self, step: Step) -> Step:
        self.book.run(step)
        return step

    def _next(self, index: int) -> Step:
        chance, resting = self.chance, self.book.resting
        if index % DRIFT_EVERY == 0:
            self.mid += chance.randint(-1, 1)
        deeper = 1 if resting[1] > resting[2] else 2
        (action,) = chance.choices((ADD, CANCEL, MOVE, TAKE), self.weights)
        if action == TAKE:
            return self._take(3 - deeper)
        if action in {CANCEL, MOVE}:
            order_id = self._pick(deeper if action == CANCEL else 0, keep=action == MOVE)
            if order_id:
                side, old_price = self.book.orders[order_id]
                if action == CANCEL:
                    return Step(CANCEL, side, order_id, 0, 0)
                while (price := self._passive(side)) == old_price:
                    pass
                return Step(MOVE, side, order_id, price, 0)
        return self._add(3 - deeper)

    def _take(self, side: int) -> Step:
        price = self.mid + (TAKE_REACH_TICKS if side == Side.BUY else -TAKE_REACH_TICKS)
        is_deep = sum(self.book.resting.values()) > 2 * RESTING
        lots = self.chance.randint(1, TAKE_LOTS_DEEP if is_deep else TAKE_LOTS)
        self.last_id += 1
        return Step(TAKE, side, self.last_id, price, lots)

    def _add(self, side: int) -> Step:
        self.last_id += 1
        self.live.append(self.last_id)
        return Step(ADD, side, self.last_id, self._passive(side), self.chance.randint(1, 100))

    def _passive(self, side: int) -> int:
        distance = 1 + int(REACH_TICKS * self.chance.random() * self.chance.random())
        opposite = self.book.best(3 - side)
        if side == Side.BUY:
            price = self.mid - distance
            return price if opposite is None else min(price, opposite - 1)
        price = self.mid + distance
        return price if opposite is None else max(price, opposite + 1)

    def _pick(self, side: int, *, keep: bool) -> int:
        """Choose a resting order (of a side), forgetting done ones on the way."""
        live, orders = self.live, self.book.orders
        for _ in range(16):
            if not live:
                return 0
            index = self.chance.randrange(len(live))
            order_id = live[index]
            place = orders.get(order_id)
            if place is not None and side not in {0, place[0]}:
                continue
            if place is None or not keep:
                live[index] = live[-1]
                live.pop()
            if place is not None:
                return order_id
        return 0


def _walk(chance: random.Random, steps: int) -> list[int]:
    """Return the price in ticks at each step, the second half lifted to lie above the first.

    Buys are priced along the first half and sells along the second. How far apart these lie
    decides how much trades and how much is left to rest; fixing it makes all seeds alike.
    """
    spread = WALK_TICKS / steps**0.5
    path = list(accumulate((chance.gauss(0.0, spread) for _ in range(steps)), initial=0.0))[1:]
    half = steps // 2
    lift = GAP_TICKS - sum(path[half:]) / (steps - half) + sum(path[:half]) / half
    return [MID_TICKS + round(away + (lift if at >= half else 0)) for at, away in enumerate(path)]


def _drifting(chance: random.Random, count: int) -> Iterator[Step]:
    """Yield the messages of ``normal``, order by order."""
    levels = range(LEVELS)
    weights = [(level + 1) ** -2.23 + 5.0 * exp(-0.5 * (level - 8) ** 2) for level in levels]
    middles = _walk(chance, max(2, int(count / MESSAGES_PER_ORDER)))
    distances = chance.choices(levels, weights, k=len(middles))
    half = len(middles) // 2
    arrivals = list(range(len(middles)))
    chance.shuffle(arrivals)
    for order_id, drawn in enumerate(arrivals, start=1):
        side, away = (Side.BUY, -1) if drawn < half else (Side.SELL, 1)
        price = middles[drawn] + away * (1 + distances[drawn])
        lots = chance.randint(1, 100)
        if chance.random() < TAKE_SHARE:
            yield Step(TAKE, side, order_id, price, lots)
            continue
        yield Step(ADD, side, order_id, price, lots)
        move = Step(MOVE, side, order_id, price - away, 0)
        is_moved = chance.random() < MOVE_SHARE
        if is_moved:
            yield move
        if chance.random() < CANCEL_SHARE:
            cancel = Step(CANCEL, side, order_id, 0, 0)
            yield cancel
            if chance.random() < TWICE_SHARE:
                yield cancel
            if is_moved and chance.random() < TWICE_SHARE:
                yield move


def make_steps(name: str, *, count: int, seed: int) -> tuple[list[Step], list[Step]]:
    """Return the steps that fill the book before measuring, and the ``count`` that are measured."""
    chance = random.Random(seed)
    if name in MIXES:
        return _Mixed(MIXES[name], chance).make(count)
    return [], list(islice(_drifting(chance, count), count))


class Workload(NamedTuple):
    """A workload's files: what comes before measuring, what is measured, and the bare steps."""

    before: Path
    commands: Path
    steps: Path


def provide(name: str, folder: Path, *, count: int, seed: int) -> Workload:
    """Return a workload's files, making them if they are not there."""
    stem = folder / f"{name}-{count}-{seed}"
    workload = Workload(*(stem.with_suffix(f".{part}") for part in Workload._fields))
    if not all(path.exists() for path in workload):
        folder.mkdir(parents=True, exist_ok=True)
        fill, steps = make_steps(name, count=count, seed=seed)
        encoder = Encoder()
        workload.before.write_bytes(encoder.set_up() + encoder.records(fill))
        workload.commands.write_bytes(encoder.records(steps))
        packed = (
            STEP.pack(s.action, s.side, 0, s.order_id, s.price_ticks, s.lots)
            for s in (*fill, *steps)
        )
        workload.steps.write_bytes(b"".join(packed))
    return workload


def load_steps(workload: Workload) -> list[Step]:
    """Return a workload's steps, those that fill the book first."""
    return [
        Step(action, side, order_id, price, lots)
        for action, side, _, order_id, price, lots in STEP.iter_unpack(workload.steps.read_bytes())
    ]
