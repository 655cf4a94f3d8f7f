"""The demo as it runs: books, last trades, acknowledgement latency and rates, on a terminal.

Where the output is not a terminal, a line now and then says the same.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from exchange.demo.book_state import MarketState
from exchange.demo.latency import LatencyHistogram
from exchange.demo.market import Market
from exchange.demo.participant import DropCopy, Participant
from messages.trading.terms import Side
from runtime.waiting import stopped_within

LEVELS_SHOWN_MAX: Final = 8
LEVELS_SHOWN_MIN: Final = 2
LINES_BELOW_AND_ABOVE: Final = 13
"""What the screen holds besides the levels of the two sides."""

LIVE_SECONDS: Final = 0.5
LINE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened each second since the last look."""

    requests: float
    trades: float
    events: float


class View:
    """Shows a run while it lasts."""

    def __init__(
        self,
        console: Console,
        state: MarketState,
        markets: Sequence[Market],
        participants: Sequence[Participant],
        copies: Sequence[DropCopy],
    ) -> None:
        self._console = console
        self._state = state
        self._markets = markets
        self._participants = participants
        self._copies = copies
        self._seen = (time.monotonic(), 0, 0, 0)
        self.note = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Show until asked to stop."""
        if not self._console.is_terminal:
            await _every(
                LINE_SECONDS, lambda: self._console.print(self._line(), soft_wrap=True), stop
            )
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            await _every(LIVE_SECONDS, lambda: live.update(self._screen(), refresh=True), stop)

    def _rates(self) -> Rates:
        now = time.monotonic()
        counts = (self._requests(), self._state.trade_count, self._state.events)
        seconds = max(now - self._seen[0], 1e-9)
        requests, trades, events = (
            (count - before) / seconds for count, before in zip(counts, self._seen[1:], strict=True)
        )
        self._seen = (now, *counts)
        return Rates(requests, trades, events)

    def _requests(self) -> int:
        return sum(each.asked.total() for each in self._participants)

    def _line(self) -> str:
        rates = self._rates()
        return (
            f"{self._requests():>7} requests ({rates.requests:.0f}/s)  "
            f"{self._state.trade_count:>6} trades ({rates.trades:.0f}/s)  "
            f"{self._state.level_count:>4} levels  acknowledged in {latency_text(self._latency())}"
            f"{'  ' + self.note if self.note else ''}"
        )

    def _latency(self) -> LatencyHistogram:
        whole = LatencyHistogram()
        for participant in self._participants:
            whole.add(participant.latency)
        return whole

    def _screen(self) -> RenderableType:
        books: list[RenderableType] = [self._book(market) for market in self._markets]
        return Group(
            Columns([*books, self._trades()], padding=(0, 3)),
            self._sessions(),
            Text(self._line(), style="bold"),
        )

    def _levels_shown(self) -> int:
        """Return how many levels a side leave room for the sessions below."""
        fitting = (self._console.height - LINES_BELOW_AND_ABOVE) // 2
        return max(LEVELS_SHOWN_MIN, min(LEVELS_SHOWN_MAX, fitting))

    def _book(self, market: Market) -> Table:
        shown = self._levels_shown()
        table = Table(title=market.symbol, box=None, padding=(0, 1))
        for heading in ("orders", "quantity", "price"):
            table.add_column(heading, justify="right", min_width=8)
        sells = self._state.levels(market.instrument, Side.SELL, shown)
        buys = self._state.levels(market.instrument, Side.BUY, shown)
        missing = [None] * (shown - len(sells))
        for style, levels in (("red", [*missing, *reversed(sells)]), ("green", buys)):
            for level in levels:
                cells = ("", "", "")
                if level is not None:
                    quantity = market.quantity_text(level.quantity_lots)
                    cells = (str(level.orders), quantity, market.price_text(level.price_ticks))
                table.add_row(*cells, style=style)
            if style == "red":
                table.add_row("", "", "-" * 8, style="dim")
        return table

    def _trades(self) -> Table:
        table = Table(title="last trades", box=None, padding=(0, 1))
        for heading in ("market", "quantity", "price"):
            table.add_column(heading, justify="right")
        markets = {market.instrument: market for market in self._markets}
        for trade in list(reversed(self._state.trades))[: 2 * self._levels_shown() + 1]:
            if market := markets.get(trade.instrument):
                table.add_row(
                    market.symbol,
                    market.quantity_text(trade.quantity_lots),
                    market.price_text(trade.price_ticks),
                    style="green" if trade.taker_side == Side.BUY else "red",
                )
        return table

    def _sessions(self) -> Table:
        table = Table(box=None, padding=(0, 2))
        headings = ("session", "requests", "open", "executions", "refused", "acknowledged in")
        for heading in headings:
            table.add_column(heading, justify="left" if heading == "session" else "right")
        for each in self._participants:
            table.add_row(
                each.name,
                str(each.asked.total()),
                str(len(each.orders)),
                str(each.executions),
                str(each.refused.total()),
                latency_text(each.latency),
            )
        for copy in self._copies:
            state = "listening" if copy.session.is_open else "away"
            table.add_row(copy.name, state, "", f"{len(copy.reports)} copies", "", "")
        return table


def latency_text(latency: LatencyHistogram) -> str:
    """Write the percentiles of a latency in milliseconds."""
    if not latency.count:
        return "-"
    shown = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0)]
    parts = [f"{name} {latency.percentile_ns(percent) / 1e6:.2f}" for name, percent in shown]
    return f"{' '.join(parts)} max {latency.max_ns / 1e6:.2f} ms"


async def _every(seconds: float, show: Callable[[], None], stop: asyncio.Event) -> None:
    while not stop.is_set():
        show()
        await stopped_within(stop, seconds)
