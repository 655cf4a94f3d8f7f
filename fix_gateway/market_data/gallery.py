"""All views that somebody watches, and when each is told."""

from collections.abc import Callable
from typing import Protocol

from fix_gateway.market_data.books import PublicBook
from fix_gateway.market_data.settings import MarketDataLimits
from fix_gateway.market_data.views import View, ViewKey
from fix_gateway.translation.directory import Instrument

_UNTOLD_MAX = 16
"""Moments of one view in one batch of events before they are told, though more is at hand."""


class Watcher(Protocol):
    """A subscriber's place in a view."""

    def moment_came(self) -> None:
        """Take note that the view has something to tell."""
        ...

    def book_lost(self) -> None:
        """Take note that the view can no longer be kept."""
        ...


class Gallery:
    """Views by what they show; one exists as long as somebody watches it."""

    def __init__(self, limits: MarketDataLimits, *, begin_interval: Callable[[int], None]) -> None:
        """Begin without views.

        Args:
            limits: how far a watcher may be behind.
            begin_interval: called with an interval, in milliseconds, of which the first view was
                made; ``tick`` is to be called at it.
        """
        self._limits = limits
        self._untold_max = min(_UNTOLD_MAX, limits.moments_max)
        self._begin_interval = begin_interval
        self._views: dict[ViewKey, View] = {}
        self._watchers: dict[View, dict[Watcher, None]] = {}
        self._of_instrument: dict[int, list[View]] = {}
        self._dirty: dict[int, dict[View, None]] = {}
        """By interval: what has changed since it was told."""
        self._untold: dict[View, int] = {}
        """Views without an interval, and their moments that were not told yet."""

    def __len__(self) -> int:
        return len(self._views)

    def watch(self, key: ViewKey, book: PublicBook, unit: Instrument, watcher: Watcher) -> View:
        """Return the view, made if nobody watches it yet."""
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = View(
                key,
                book,
                moments_max=self._limits.moments_max,
                trades_max=self._limits.trades_max,
                unit=unit,
            )
            self._of_instrument.setdefault(key.instrument, []).append(view)
            self._watchers[view] = {}
            if key.interval_ms and key.interval_ms not in self._dirty:
                self._dirty[key.interval_ms] = {}
                self._begin_interval(key.interval_ms)
        self._watchers[view][watcher] = None
        return view

    def leave(self, view: View, watcher: Watcher) -> None:
        """Forget a watcher, and the view with its last one."""
        watchers = self._watchers[view]
        del watchers[watcher]
        if watchers:
            return
        key = view.key
        del self._views[key], self._watchers[view]
        self._of_instrument[key.instrument].remove(view)
        self._dirty.get(key.interval_ms, {}).pop(view, None)
        self._untold.pop(view, None)

    def watched_by_order(self, instrument: int) -> list[Watcher]:
        """Return the watchers of an instrument's orders."""
        return [
            watcher
            for view in self._of_instrument.get(instrument, [])
            if view.key.is_by_order
            for watcher in self._watchers[view]
        ]

    def book_changed(self, book: PublicBook) -> None:
        """Take note of what a command changed in a book."""
        for view in self._of_instrument.get(book.instrument, ()):
            view.note()
            if not view.is_dirty:
                continue
            interval = view.key.interval_ms
            if interval:
                self._dirty[interval][view] = None
            elif view.tick() is not None:
                untold = self._untold[view] = self._untold.get(view, 0) + 1
                if untold >= self._untold_max:
                    self._tell(view)
                    del self._untold[view]

    def tick(self, interval_ms: int) -> None:
        """End the moment of an interval, and tell it to who watches."""
        dirty = self._dirty[interval_ms]
        self._dirty[interval_ms] = {}
        for view in dirty:
            if view.tick() is not None:
                self._tell(view)

    def tell(self) -> None:
        """Tell what changed in views without an interval, at the end of a batch of events."""
        untold, self._untold = self._untold, {}
        for view in untold:
            self._tell(view)

    def has_views_at(self, interval_ms: int) -> bool:
        """Say whether anybody watches at an interval."""
        return any(key.interval_ms == interval_ms for key in self._views)

    def end_interval(self, interval_ms: int) -> None:
        """Forget an interval at which nobody watches."""
        del self._dirty[interval_ms]

    def _tell(self, view: View) -> None:
        for watcher in list(self._watchers[view]):
            watcher.moment_came()
