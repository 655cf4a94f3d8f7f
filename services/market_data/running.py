"""The candles that run now, of one instrument, in every interval, and when each closes.

A candle closes with the first trade after it, for stamps never fall, or when our clock has passed
its end by ``GRACE_MS``. A trade that was still on its way then is added, and the candle is told
once more, unless the next one has closed as well. An interval in which nothing trades has a flat
candle at the last price.
"""

from collections.abc import Iterator
from typing import Final

from services.market_data.candles import Candle
from services.market_data.intervals import INTERVALS, Interval

GRACE_MS: Final = 200


class Running:
    """The candle of one interval, and the one before it."""

    __slots__ = ("candle", "end_ms", "interval", "is_changed", "opened_ms", "previous")

    def __init__(self, interval: Interval, opened_ms: int, candle: Candle) -> None:
        """Run from an opening on."""
        self.interval = interval
        self.candle = candle
        self.opened_ms = opened_ms
        self.end_ms = interval.next_opening(opened_ms)
        self.previous: tuple[int, Candle] | None = None
        """What closed last: its opening, and its candle."""
        self.is_changed = True

    @property
    def name(self) -> str:
        """The interval's."""
        return self.interval.name

    def go_on(self, time_ms: int, candle: Candle) -> None:
        """Let the next candle run, which holds a moment after our end."""
        self.previous = (self.opened_ms, self.candle)
        self.opened_ms = self.interval.opening(time_ms)
        self.end_ms = self.interval.next_opening(self.opened_ms)
        self.candle = candle
        self.is_changed = True


class RunningCandles:
    """All intervals of one instrument; nothing runs before its first trade.

    They take seconds, not trades: each interval is whole seconds, and a second's trades are added
    up once and not sixteen times.
    """

    def __init__(self) -> None:
        self.by_interval: dict[str, Running] = {}
        self._closed: dict[tuple[str, int], tuple[Running, Candle]] = {}
        self._next_end_ms = 0

    def begin(self, latest: dict[str, tuple[int, Candle]], now_ms: int) -> None:
        """Go on from the latest candle of every interval, as it is stored.

        What has closed meanwhile is not told: whoever asks gets it from history.
        """
        for name, (opened_ms, candle) in latest.items():
            running = Running(INTERVALS[name], opened_ms, candle)
            if running.end_ms + GRACE_MS <= now_ms:
                running.go_on(now_ms, Candle.flat(candle.close))
            self.by_interval[name] = running
        self._note_ends()

    def add(self, second_ms: int, candle: Candle) -> None:
        """Take what traded in a second, or in a part of it."""
        if not self.by_interval:
            for interval in INTERVALS.values():
                opened_ms = interval.opening(second_ms)
                self.by_interval[interval.name] = Running(interval, opened_ms, candle.copy())
            self._note_ends()
            return
        for running in self.by_interval.values():
            if second_ms < running.opened_ms:
                self._late(running, second_ms, candle)
            elif second_ms >= running.end_ms:
                self._close(running)
                running.go_on(second_ms, candle.copy())
            else:
                running.candle = _added(running.candle, candle)
            running.is_changed = True
        if second_ms >= self._next_end_ms:
            self._note_ends()

    def look_at_clock(self, now_ms: int) -> None:
        """Close what is over."""
        if now_ms < self._next_end_ms + GRACE_MS or not self.by_interval:
            return
        for running in self.by_interval.values():
            if now_ms >= running.end_ms + GRACE_MS:
                self._close(running)
                running.go_on(now_ms, Candle.flat(running.candle.close))
        self._note_ends()

    def closed(self) -> Iterator[tuple[Running, int, Candle]]:
        """Yield what closed since it was asked last: of which interval, its opening, itself."""
        told, self._closed = self._closed, {}
        for (_, opened_ms), (running, candle) in told.items():
            yield running, opened_ms, candle

    def succeed(self, earlier: "RunningCandles", now_ms: int) -> None:
        """Take over what is still to be told of one that took the same trades, up to now.

        What we closed ourselves on the way is not told: the earlier one told it, or passes it on.
        """
        earlier.look_at_clock(now_ms)
        self._closed = {
            (running.name, opened_ms): (running, candle)
            for running, opened_ms, candle in earlier.closed()
        }

    def _close(self, running: Running) -> None:
        self._closed[running.name, running.opened_ms] = (running, running.candle)

    def _late(self, running: Running, second_ms: int, late: Candle) -> None:
        """Take trades of a candle that our clock has closed; what runs is flat, as it is."""
        running.candle = Candle.flat(late.close)
        opened_ms = running.interval.opening(second_ms)
        if running.previous is None or running.previous[0] != opened_ms:
            return  # we do not have that candle any more: whoever asks gets it from history
        candle = _added(running.previous[1], late)
        running.previous = (opened_ms, candle)
        self._closed[running.name, opened_ms] = (running, candle)

    def _note_ends(self) -> None:
        self._next_end_ms = min(
            (running.end_ms for running in self.by_interval.values()), default=0
        )


def _added(candle: Candle, later: Candle) -> Candle:
    """Return what a candle is with a later one; a flat one is nothing beside trades."""
    if not candle.trades:
        return later.copy()
    candle.append(later)
    return candle
