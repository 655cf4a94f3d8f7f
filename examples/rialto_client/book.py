"""A book that is rebuilt from a snapshot and the deltas that follow it, and proved by checksums.

Source:
    docs/protocols/websocket.md; the checksum is the one that Kraken's clients know.
"""

import zlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

CHECKSUM_LEVELS = 10
Side = dict[Decimal, str]


class GapError(Exception):
    """An update is missing: begin again with a snapshot."""


class ChecksumError(Exception):
    """The book is not the venue's."""


class Book:
    """The price levels of one market, with quantities as the text that came."""

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self.update_id = int(snapshot["lastUpdateId"])
        self._prices: dict[Decimal, str] = {}
        self._bids: Side = {}
        self._asks: Side = {}
        self._put(self._bids, snapshot["bids"])
        self._put(self._asks, snapshot["asks"])
        self._prove(snapshot)

    @property
    def bids(self) -> list[tuple[str, str]]:
        """Return prices and quantities, best first."""
        return self._levels(self._bids, is_bid=True)

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Return prices and quantities, best first."""
        return self._levels(self._asks, is_bid=False)

    def take(self, update: Mapping[str, Any]) -> bool:
        """Apply an update; False for one that the book has in it already.

        Raises:
            GapError: an update before this one is missing.
            ChecksumError: the book is another one after it than the venue's.
        """
        first, last = int(update["U"]), int(update["u"])
        if last <= self.update_id:
            return False
        if first > self.update_id + 1:
            raise GapError(f"update {first} follows {self.update_id}")
        self._put(self._bids, update["b"])
        self._put(self._asks, update["a"])
        self.update_id = last
        self._prove(update)
        return True

    def checksum(self) -> int:
        """Return the CRC-32 of the ten best asks and then the ten best bids, as digits."""
        text = []
        for level in (*self.asks[:CHECKSUM_LEVELS], *self.bids[:CHECKSUM_LEVELS]):
            text += [number.replace(".", "").lstrip("0") for number in level]
        return zlib.crc32("".join(text).encode("ascii"))

    def _put(self, side: Side, levels: Iterable[tuple[str, str]]) -> None:
        for text, quantity in levels:
            price = Decimal(text)
            if Decimal(quantity) == 0:
                side.pop(price, None)
            else:
                side[price] = quantity
                self._prices[price] = text

    def _levels(self, side: Side, *, is_bid: bool) -> list[tuple[str, str]]:
        return [(self._prices[price], side[price]) for price in sorted(side, reverse=is_bid)]

    def _prove(self, said: Mapping[str, Any]) -> None:
        if self.checksum() != said["cs"]:
            best = [*islice(self.bids, 1), *islice(self.asks, 1)]
            raise ChecksumError(f"checksum {said['cs']} at {self.update_id}, ours has {best}")
