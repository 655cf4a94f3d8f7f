"""Makes the three workloads of the core benchmark from a seed, and keeps them in files.

``simple``: 50% passive adds, 40% cancels, 10% aggressive immediate-or-cancel orders, about 1,000
resting a side. ``xcore``: exchange-core's mix, 9% adds, 3% immediate-or-cancel, 6% cancels, 82%
moves (an amend of the price, under a new client id). ``normal``: many resting orders, a drifting
price, and a mix of all four. Passive prices lie 1 to 100 ticks (``normal``: 400) from the middle,
denser near it; adds go to the thinner side, cancels to the deeper one.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any, Final, NamedTuple

from sortedcontainers import SortedDict

from bench.core import COMMAND_GAP_NS, INSTRUMENT_LIMITS, MID_TICKS, START, _set_up_account, set_up
from messages.trading import commands as c
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, Side, TimeInForce

MAKERS: Final = range(5, 21)
TAKERS: Final = range(21, 25)
ADD, CANCEL, MOVE, TAKE = range(4)
STEP: Final = struct.Struct("<BBHIqq")


class Shape(NamedTuple):
    """What a workload is made of: weights of adds, cancels, moves and takes, and the book's."""

    weights: tuple[int, int, int, int]
    resting: int
    reach_ticks: int
    drift_every: int
    take_lots: int


SHAPES: Final = {
    "simple": Shape((50, 40, 0, 10), 1_000, 100, 1024, 160),
    "xcore": Shape((9, 6, 82, 3), 1_000, 100, 1024, 60),
    "normal": Shape((42, 38, 15, 5), 10_000, 400, 64, 300),
}


class Step(NamedTuple):
    """One step: what to do with an order, at which price, of how many lots."""

    action: int
    side: int
    order_id: int
    price_ticks: int
    lots: int


class PeerBook:
    """A bare price-time book: prices in a SortedDict, each level a dict of orders."""

    def __init__(self) -> None:
        self.sides: dict[int, SortedDict[int, dict[int, int]]] = {1: SortedDict(), 2: SortedDict()}
        self.orders: dict[int, tuple[int, int]] = {}
        self.resting = {1: 0, 2: 0}
        self.trades: list[tuple[int, int, int]] = []

    def best(self, side: int) -> int | None:
        """Return the best price of a side."""
        levels = self.sides[side]
        if not levels:
            return None
        price: int = levels.peekitem(-1 if side == Side.BUY else 0)[0]
        return price

    def run(self, step: Step) -> None:
        """Do one step."""
        if step.action == CANCEL:
            self._remove(step.order_id)
        elif step.action == MOVE:
            lots = self._remove(step.order_id)
            self._rest(step.order_id, step.side, step.price_ticks, lots)
        else:
            lots = self._take(step)
            if lots and step.action == ADD:
                self._rest(step.order_id, step.side, step.price_ticks, lots)

    def _take(self, step: Step) -> int:
        side, price, lots = step.side, step.price_ticks, step.lots
        levels = self.sides[3 - side]
        while lots and levels:
            best, queue = levels.peekitem(0 if side == Side.BUY else -1)
            if best > price if side == Side.BUY else best < price:
                break
            while lots and queue:
                resting_id = next(iter(queue))
                traded = min(lots, queue[resting_id])
                self.trades.append((resting_id, best, traded))
                lots -= traded
                queue[resting_id] -= traded
                if queue[resting_id] == 0:
                    del queue[resting_id]
                    del self.orders[resting_id]
                    self.resting[3 - side] -= 1
            if not queue:
                del levels[best]
        return lots

    def _rest(self, order_id: int, side: int, price: int, lots: int) -> None:
        levels = self.sides[side]
        queue = levels.get(price)
        if queue is None:
            levels[price] = {order_id: lots}
        else:
            queue[order_id] = lots
        self.orders[order_id] = (side, price)
        self.resting[side] += 1

    def _remove(self, order_id: int) -> int:
        side, price = self.orders.pop(order_id)
        levels = self.sides[side]
        queue = levels[price]
        lots = queue.pop(order_id)
        if not queue:
            del levels[price]
        self.resting[side] -= 1
        return lots


class Maker:
    """Draws the steps, on a book that knows which orders still rest."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self.shape = shape
        self.chance = random.Random(seed)
        self.book = PeerBook()
        self.live: list[int] = []
        self.last_id = 0
        self.mid = MID_TICKS

    def make(self, count: int) -> tuple[list[Step], list[Step]]:
        """Return the steps that fill the book, and ``count`` more."""
        fill = [self._do(self._add(1 + index % 2)) for index in range(2 * self.shape.resting)]
        return fill, [self._do(self._next(index)) for index in range(count)]

    def _do(self, step: Step) -> Step:
        self.book.run(step)
        return step

    def _next(self, index: int) -> Step:
        chance, shape, resting = self.chance, self.shape, self.book.resting
        if index % shape.drift_every == 0:
            self.mid += chance.randint(-1, 1)
        deeper = 1 if resting[1] > resting[2] else 2
        (action,) = chance.choices((ADD, CANCEL, MOVE, TAKE), shape.weights)
        if action == TAKE:
            side = 3 - deeper
            price = self.mid + 5 if side == Side.BUY else self.mid - 5
            is_deep = resting[1] + resting[2] > 2 * shape.resting
            lots = chance.randint(1, shape.take_lots if is_deep else 60)
            self.last_id += 1
            return Step(TAKE, side, self.last_id, price, lots)
        if action in {CANCEL, MOVE}:
            order_id = self._pick(deeper if action == CANCEL else 0, keep=action == MOVE)
            if order_id:
                side = self.book.orders[order_id][0]
                if action == CANCEL:
                    return Step(CANCEL, side, order_id, 0, 0)
                price = self._passive(side)
                if price != self.book.orders[order_id][1]:
                    return Step(MOVE, side, order_id, price, 0)
        return self._add(3 - deeper)

    def _add(self, side: int) -> Step:
        self.last_id += 1
        self.live.append(self.last_id)
        return Step(ADD, side, self.last_id, self._passive(side), self.chance.randint(1, 100))

    def _passive(self, side: int) -> int:
        reach = self.shape.reach_ticks
        distance = 1 + int(reach * self.chance.random() * self.chance.random())
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


class Encoder:
    """Turns steps into records, numbered and stamped."""

    def __init__(self) -> None:
        self.sequence = 0
        self.owners: dict[int, int] = {}

    def set_up(self) -> bytes:
        """Return the commands that make a venue with every limit in force."""
        commands = set_up()
        for account in (*MAKERS, *TAKERS):
            commands += _set_up_account(account)
        assert INSTRUMENT_LIMITS["orders_max"] >= 2 * max(each.resting for each in SHAPES.values())
        parts = []
        for command, fields in commands:
            self.sequence += 1
            shared = {"amount_atoms": 1 << 56} if "amount_atoms" in fields else {}
            parts.append(command.make(**(self._stamp() | fields | shared)).pack())
        return b"".join(parts)

    def _stamp(self) -> dict[str, Any]:
        return {"sequence": self.sequence, "time_ns": START + self.sequence * COMMAND_GAP_NS}

    def records(self, steps: list[Step]) -> bytes:
        """Return one record for each step."""
        return b"".join(map(self._record, steps))

    def _record(self, step: Step) -> bytes:
        self.sequence = sequence = self.sequence + 1
        action, side, order_id, price, lots = step
        if action == ADD:
            account = self.owners[order_id] = MAKERS[order_id % len(MAKERS)]
        elif action == TAKE:
            account = TAKERS[order_id % len(TAKERS)]
        else:
            account = self.owners[order_id]
        kind = (c.PlaceOrder, c.CancelOrder, c.AmendOrder, c.PlaceOrder)[action]
        header = (
            *(kind.LENGTH, kind.KIND, 1, 0, 0),
            *(
                sequence,
                START + sequence * COMMAND_GAP_NS,
                START + sequence * COMMAND_GAP_NS - 5000,
            ),
            *(source_number(3, account), 1, sequence),
            *(account, account, 1, 0, 1),
        )
        name = client_id(f"MM{account}-{sequence:09d}")
        none = bytes(40)
        if action == CANCEL:
            return kind.CODEC.pack(*header, 0, 0, 0, order_id, name, none)
        if action == MOVE:
            return kind.CODEC.pack(*header, 0, 0, 0, order_id, price, 0, 0, 0, 0, 0, name, none)
        time = TimeInForce.GOOD_TILL_CANCEL if action == ADD else TimeInForce.IMMEDIATE_OR_CANCEL
        return kind.CODEC.pack(
            *header, side, OrderType.LIMIT, time, 0, 0, 0, price, lots, 0, 0, 0, 0, 0, 0, name
        )


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
        fill, steps = Maker(SHAPES[name], seed).make(count)
        encoder = Encoder()
        workload.before.write_bytes(encoder.set_up() + encoder.records(fill))
        workload.commands.write_bytes(encoder.records(steps))
        packed = [
            STEP.pack(s.action, s.side, 0, s.order_id, s.price_ticks, s.lots)
            for s in (*fill, *steps)
        ]
        workload.steps.write_bytes(b"".join(packed))
    return workload


def load_steps(workload: Workload) -> list[Step]:
    """Return a workload's steps, those that fill the book first."""
    return [
        Step(action, side, order_id, price, lots)
        for action, side, _, order_id, price, lots in STEP.iter_unpack(workload.steps.read_bytes())
    ]
