"""A subscriber's own book, made of W and X alone, as docs/protocols/fix-market-data.md has it.

It shares nothing with what makes the messages, and fails on whatever does not follow.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from decimal import Decimal

Pairs = list[tuple[int, str]]

_ENTRY_BEGINS = {"W": 269, "X": 279}
_AFTER_ENTRIES = frozenset({893, 5060, 5061, 10})


def pairs_of(message: str) -> Pairs:
    found = [each.partition("=") for each in message.split("\x01") if each]
    return [(int(tag), value) for tag, _, value in found]


def body_and_entries(pairs: Pairs) -> tuple[dict[int, str], list[dict[int, str]]]:
    kind = next(value for tag, value in pairs if tag == 35)
    body: dict[int, str] = {}
    entries: list[dict[int, str]] = []
    is_inside = False
    for tag, value in pairs:
        if tag in _AFTER_ENTRIES:
            is_inside = False
        if tag == 268:
            is_inside = True
            body[tag] = value
        elif not is_inside:
            assert tag not in body, f"{tag} twice"
            body[tag] = value
        elif tag == _ENTRY_BEGINS[kind]:
            entries.append({tag: value})
        else:
            assert tag not in entries[-1], f"{tag} twice in an entry"
            entries[-1][tag] = value
    assert len(entries) == int(body[268])
    return body, entries


@dataclass
class ClientBook:
    """What one subscription has told of one instrument."""

    is_by_order: bool = False
    depth: int = 0
    sequence: int = -1
    is_complete: bool = False
    levels: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    orders: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    trades: list[str] = field(default_factory=list)
    checked: int = 0
    snapshots: int = 0

    def take(self, message: str) -> None:
        body, entries = body_and_entries(pairs_of(message))
        if body[35] == "W":
            self._take_whole(body, entries)
        else:
            self._take_update(body, entries)
        self.is_complete = body.get(893, "Y") == "Y"
        if self.is_complete and 5060 in body:
            self.checked += 1
            assert body[5060] == f"{zlib.crc32(self.checked_text().encode()):08x}", body

    def _take_whole(self, body: dict[int, str], entries: list[dict[int, str]]) -> None:
        if self.is_complete or self.sequence < 0:
            self.levels.clear()
            self.orders.clear()
            self.snapshots += 1
        self.sequence = int(body[83])
        for entry in entries:
            if entry[269] in "01":
                self._put(entry)
            else:
                assert entry[269] in "2J"

    def _take_update(self, body: dict[int, str], entries: list[dict[int, str]]) -> None:
        assert int(body[5061]) == self.sequence or not self.is_complete, "a gap"
        for entry in entries:
            if entry[269] == "2":
                assert entry[278] not in self.trades
                self.trades.append(entry[278])
            elif entry[279] == "2":
                self._remove(entry)
            else:
                self._put(entry, action=entry[279])
        if body.get(893, "Y") == "Y":
            self.sequence = int(entries[-1][83])

    def _put(self, entry: dict[int, str], *, action: str = "0") -> None:
        side = entry[269]
        if self.is_by_order:
            number = entry[37]
            assert entry[278] == number
            assert (number in self.orders) == (action == "1"), f"279={action} of {number}"
            # A dict keeps places: what changes stays where it is, what is new goes to the back.
            self.orders[number] = (side, entry[270], entry[271])
            assert Decimal(entry[271]) > 0
            return
        key = (side, entry[270])
        assert (key in self.levels) == (action == "1"), f"279={action} of {key}"
        self.levels[key] = (entry[271], int(entry[346]))

    def _remove(self, entry: dict[int, str]) -> None:
        if self.is_by_order:
            assert self.orders.pop(entry[37])[:2] == (entry[269], entry[270])
        else:
            del self.levels[entry[269], entry[270]]

    def best(self, side: str) -> list[tuple[str, str, int]]:
        """Levels of a side, best first: price, quantity, orders."""
        levels: dict[str, tuple[Decimal, str, int]] = {}
        if self.is_by_order:
            sums: dict[str, tuple[Decimal, int]] = {}
            for where, price, quantity in self.orders.values():
                if where == side:
                    lots, orders = sums.get(price, (Decimal(0), 0))
                    sums[price] = (lots + Decimal(quantity), orders + 1)
            levels = {
                price: (Decimal(price), f"{lots}", orders) for price, (lots, orders) in sums.items()
            }
        else:
            levels = {
                price: (Decimal(price), quantity, orders)
                for (where, price), (quantity, orders) in self.levels.items()
                if where == side
            }
        found = [(price, quantity, orders) for price, (_, quantity, orders) in levels.items()]
        return sorted(found, key=lambda each: Decimal(each[0]), reverse=side == "0")

    def queue(self, side: str) -> list[tuple[str, str, str]]:
        """Orders of a side in the order in which they would trade: number, price, quantity."""
        found = [
            (number, price, quantity)
            for number, (where, price, quantity) in self.orders.items()
            if where == side
        ]
        return sorted(found, key=lambda each: Decimal(each[1]), reverse=side == "0")

    def checked_text(self) -> str:
        return "".join(
            f"{price} {quantity} {orders}\n"
            for side in "01"
            for price, quantity, orders in self.best(side)[: min(self.depth or 10, 10)]
        )
