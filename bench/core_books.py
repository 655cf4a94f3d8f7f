"""What a Python user would pick: bare price-time books, no checks, no balances, no events.

``SortedBook`` is our own on sortedcontainers; ``LightBook`` drives ``lightmatchingengine``, which
knows neither immediate-or-cancel orders nor moves: both are made of its adds and cancels.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from sortedcontainers import SortedDict

from messages.trading.terms import Side

ADD, CANCEL, MOVE, TAKE = range(4)
PACKAGES: Final = Path(__file__).with_name("peers.txt")

Trade = tuple[int, int, int, int]
"""Maker's order, taker's order, price in ticks, quantity in lots."""


class Step(NamedTuple):
    """One command of a workload: what to do with an order, at which price, of how many lots.

    A take is an add that never rests. A cancel or a move of an order that is gone does nothing.
    """

    action: int
    side: int
    order_id: int
    price_ticks: int
    lots: int


class Book(Protocol):
    """A peer: does steps, and keeps the trades that they made."""

    trades: list[Trade]

    def run(self, step: Step) -> None:
        """Do one step."""
        ...


class SortedBook:
    """A book on sortedcontainers: prices in a SortedDict, each level a dict of orders."""

    def __init__(self) -> None:
        self.sides: dict[int, SortedDict[int, dict[int, int]]] = {1: SortedDict(), 2: SortedDict()}
        self.orders: dict[int, tuple[int, int]] = {}
        self.resting = {1: 0, 2: 0}
        self.trades: list[Trade] = []

    def best(self, side: int) -> int | None:
        """Return the best price of a side."""
        levels = self.sides[side]
        if not levels:
            return None
        price: int = levels.peekitem(-1 if side == Side.BUY else 0)[0]
        return price

    def run(self, step: Step) -> None:
        """Do one step."""
        action, side, order_id, price, lots = step
        if action in {CANCEL, MOVE}:
            lots = self._remove(order_id)
        if action == CANCEL or not lots:
            return
        lots = self._match(side, order_id, price, lots)
        if lots and action != TAKE:
            queue = self.sides[side].get(price)
            if queue is None:
                self.sides[side][price] = {order_id: lots}
            else:
                queue[order_id] = lots
            self.orders[order_id] = (side, price)
            self.resting[side] += 1

    def _match(self, side: int, order_id: int, price: int, lots: int) -> int:
        levels = self.sides[3 - side]
        while lots and levels:
            best, queue = levels.peekitem(0 if side == Side.BUY else -1)
            if best > price if side == Side.BUY else best < price:
                break
            while lots and queue:
                resting_id = next(iter(queue))
                traded = min(lots, queue[resting_id])
                self.trades.append((resting_id, order_id, best, traded))
                lots -= traded
                queue[resting_id] -= traded
                if queue[resting_id] == 0:
                    del queue[resting_id]
                    del self.orders[resting_id]
                    self.resting[3 - side] -= 1
            if not queue:
                del levels[best]
        return lots

    def _remove(self, order_id: int) -> int:
        place = self.orders.pop(order_id, None)
        if place is None:
            return 0
        side, price = place
        levels = self.sides[side]
        queue = levels[price]
        lots = queue.pop(order_id)
        if not queue:
            del levels[price]
        self.resting[side] -= 1
        return lots


class LightBook:
    """``lightmatchingengine`` from PyPI, with what it lacks put around it."""

    def __init__(self, module: Any) -> None:
        self.trades: list[Trade] = []
        self._engine = module.LightMatchingEngine()
        self._theirs: dict[int, int] = {}
        self._ours: dict[int, int] = {}

    def run(self, step: Step) -> None:
        """Do one step."""
        action, side, order_id, price, lots = step
        engine = self._engine
        if action in {CANCEL, MOVE}:
            # It keeps traded orders under their ids and then trips over their empty level.
            their_id = self._theirs.pop(order_id, None)
            gone = engine.cancel_order(their_id, "X") if their_id is not None else None
            if action == CANCEL or gone is None:
                return
            lots = gone.qty - gone.cum_qty
        order, trades = engine.add_order("X", price, lots, side)
        self._ours[order.order_id] = order_id
        for trade in trades:
            if trade.trade_side != side:  # each match is told twice, once a side
                maker = self._ours[trade.order_id]
                self.trades.append((maker, order_id, trade.trade_price, trade.trade_qty))
                self._forget_filled(trade.order_id, maker)
        if action == TAKE and order.leaves_qty:
            engine.cancel_order(order.order_id, "X")
        elif order.leaves_qty:
            self._theirs[order_id] = order.order_id

    def _forget_filled(self, their_id: int, maker: int) -> None:
        orders = self._engine.order_books["X"].order_id_map
        if orders[their_id].leaves_qty == 0:
            del orders[their_id]
            del self._theirs[maker]


class NotInstalled(NamedTuple):
    """Why a peer is not measured, and the command that would help."""

    reason: str
    command: str


def light_book(folder: Path) -> Callable[[], Book] | NotInstalled:
    """Return what makes a ``LightBook``, installing the package if it is not there.

    Args:
        folder: where to install it, locked by hash; the environment is left alone.
    """
    try:
        module = importlib.import_module("lightmatchingengine.lightmatchingengine")
    except ModuleNotFoundError:
        packages = folder / "packages"
        failure = None if packages.is_dir() else _install(packages)
        if failure is not None:
            return failure
        sys.path.append(str(packages))
        importlib.invalidate_caches()
        module = importlib.import_module("lightmatchingengine.lightmatchingengine")
    return lambda: LightBook(module)


def _install(packages: Path) -> NotInstalled | None:
    options = ["--require-hashes", "--no-deps", "--only-binary=:all:", "-r", str(PACKAGES)]
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1"]
    command = [sys.executable, "-m", "pip", "install", *options]
    done = subprocess.run(
        [*command, *quiet, "--target", str(packages)], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return None
    last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
    return NotInstalled(reason=last[0], command=" ".join(command))
