"""What traded within the last hours, by whole minutes, kept as minutes come and go.

A window of 24 hours is what opened since the minute that was running 24 hours ago, as on other
exchanges: up to a minute more than its name says.
"""

from collections import deque
from typing import NamedTuple

from services.market_data.candles import Candle
from services.market_data.intervals import MINUTE


class Minute(NamedTuple):
    """A minute that is over, and in which something traded."""

    opened_ms: int
    candle: Candle


class Rolling:
    """The sum of the minutes of a window; each minute costs the same, however long it is."""

    def __init__(self, size_ms: int) -> None:
        """Begin empty."""
        self.size_ms = size_ms
        self.close_before = 0
        """The last price before the window, in ticks; zero: there was none, or none is known."""
        self._minutes: deque[Minute] = deque()
        self._highs: deque[Minute] = deque()
        """Falling: each is the highest from then on."""
        self._lows: deque[Minute] = deque()
        self._lots = self._quote_atoms = self._trades = 0

    def begins_at(self, now_ms: int) -> int:
        """Return when the window opens at a time."""
        return MINUTE.opening(max(now_ms - self.size_ms, 0))

    def push(self, minute: Minute) -> None:
        """Take a minute later than those before."""
        candle = minute.candle
        self._minutes.append(minute)
        while self._highs and self._highs[-1].candle.high <= candle.high:
            self._highs.pop()
        self._highs.append(minute)
        while self._lows and self._lows[-1].candle.low >= candle.low:
            self._lows.pop()
        self._lows.append(minute)
        self._lots += candle.lots
        self._quote_atoms += candle.quote_atoms
        self._trades += candle.trades

    def total(self, now_ms: int, running: Minute | None) -> Candle | None:
        """Return what traded in the window, with the minute that runs; None for nothing.

        What the takers bought is not kept: no ticker says it. ``close_before`` is as of
        ``now_ms`` afterwards.
        """
        self._forget(self.begins_at(now_ms))
        last = None
        if running is not None:
            if running.opened_ms >= self.begins_at(now_ms):
                last = running.candle
            else:
                self.close_before = running.candle.close
        if not self._minutes:
            return None if last is None else last.copy()
        first, newest = self._minutes[0].candle, self._minutes[-1].candle
        total = Candle(
            (
                first.open,
                self._highs[0].candle.high,
                self._lows[0].candle.low,
                newest.close,
                self._lots,
                self._quote_atoms,
                self._trades,
                0,
                0,
                first.first_trade,
                newest.last_trade,
            )
        )
        if last is not None:
            total.append(last)
        return total

    def _forget(self, before_ms: int) -> None:
        while self._minutes and self._minutes[0].opened_ms < before_ms:
            gone = self._minutes.popleft()
            candle = gone.candle
            self.close_before = candle.close
            self._lots -= candle.lots
            self._quote_atoms -= candle.quote_atoms
            self._trades -= candle.trades
            if self._highs[0] is gone:
                self._highs.popleft()
            if self._lows[0] is gone:
                self._lows.popleft()
