"""The movement of the books in benchmarks: orders, cancels and trades straight to the core.

They come over a link of a principal of their own, so that what they cost is not the FIX gateway's.
"""

import asyncio
from collections import deque
from typing import Any, Final

from messages.trading import commands
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, SessionRight, Side, TimeInForce
from runtime.link import Link

PRINCIPAL: Final = "bench_flow"
TABLE: Final = {"number": 60, "may_send": ["OpenSession", "PlaceOrder", "CancelOrder"]}
"""What a venue's configuration says of the principal."""
SESSION: Final = 5000
MAKER, TAKER = 9900, 9901
NAMES: Final = ("BENCH-FLOW", "BENCH-TAKE")
"""The accounts, which the venue has to know; see ``accounts``."""
_EVERY_SECONDS: Final = 0.01
_RESTING: Final = 20
"""Orders of an instrument: from then on the oldest is cancelled for each new one."""
_LEVELS: Final = 30
_LOTS: Final = 7
_TAKEN_EVERY: Final = 10


def accounts() -> list[dict[str, Any]]:
    """Return what a session file says of the two; of different owners, or they would not trade."""
    return [
        {
            "id": number,
            "name": name,
            "owner_group": number,
            "limits": {"open_orders_max": 100_000},
        }
        for number, name in zip((MAKER, TAKER), NAMES, strict=True)
    ]


def grant(account: int, firm: int) -> commands.GrantSession:
    """Return the command that lets the flow trade; no session file names its session."""
    return commands.GrantSession.make(
        session=SESSION,
        account=account,
        firm=firm,
        rights=SessionRight.TRADE,
        name=b"BENCH-FLOW",
    )


class Flow:
    """Moves both sides of several books in turns, and trades at each tenth command of a book."""

    def __init__(
        self,
        link: Link,
        *,
        instruments: list[int],
        mid_ticks: int,
        maker: int = MAKER,
        taker: int | None = TAKER,
    ) -> None:
        """Begin, without a command yet.

        Args:
            link: of the flow's principal.
            instruments: by their numbers; all are alike.
            mid_ticks: between bids and offers, near the reference price: an order that reaches
                far through it is refused.
            maker: whose orders rest.
            taker: who takes a little now and then; None: nobody.
        """
        self.sent = 0
        self._link = link
        self._mid_ticks = mid_ticks
        self._maker, self._taker = maker, taker
        self._instruments = instruments
        self._resting: dict[int, deque[int]] = {number: deque() for number in instruments}
        self._source = source_number(link.welcome.principal, SESSION)
        self._number = self._orders = 0
        self._send(commands.OpenSession, maker)

    async def run(self, rate: float) -> None:
        """Send so many commands a second until cancelled."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            due = int((loop.time() - begun) * rate)
            while self.sent < due:
                self._next()
            await asyncio.sleep(_EVERY_SECONDS)

    def _next(self) -> None:
        turn, place = divmod(self.sent, len(self._instruments))
        instrument = self._instruments[place]
        self.sent += 1
        resting = self._resting[instrument]
        if self._taker is not None and turn % _TAKEN_EVERY == _TAKEN_EVERY - 1:
            side = Side.BUY if turn // _TAKEN_EVERY % 2 else Side.SELL
            self._take(self._taker, instrument, side)
        elif len(resting) >= _RESTING:
            # One that was taken meanwhile is not there any more: the refusal is part of the flow.
            self._send(
                commands.CancelOrder,
                self._maker,
                instrument=instrument,
                original_client_order_id=client_id(f"f{resting.popleft()}"),
            )
        else:
            resting.append(self._rest(instrument, turn))

    def _rest(self, instrument: int, turn: int) -> int:
        """Place an order that does not meet any other; return its number."""
        side = Side.BUY if self._orders // len(self._instruments) % 2 else Side.SELL
        away = 1 + turn % _LEVELS
        return self._place(
            self._maker,
            instrument,
            side,
            price_ticks=self._mid_ticks + (-away if side == Side.BUY else away),
            quantity_lots=1 + self._orders % _LOTS,
            time_in_force=TimeInForce.GOOD_TILL_CANCEL,
        )

    def _take(self, account: int, instrument: int, side: Side) -> None:
        """Take a little of what is best."""
        away = _LEVELS if side == Side.BUY else -_LEVELS
        self._place(
            account,
            instrument,
            side,
            price_ticks=self._mid_ticks + away,
            quantity_lots=1,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )

    def _place(self, account: int, instrument: int, side: Side, **terms: int) -> int:
        self._orders += 1
        self._send(
            commands.PlaceOrder,
            account,
            instrument=instrument,
            side=side,
            order_type=OrderType.LIMIT,
            **terms,
            client_order_id=client_id(f"f{self._orders}"),
        )
        return self._orders

    def _send(self, kind: type[commands.Command], account: int, **fields: int | bytes) -> None:
        self._number += 1
        record = kind.make(
            source=self._source,
            epoch=1,
            source_sequence=self._number,
            account=account,
            session=SESSION,
            connection=1,
            **fields,
        )
        assert self._link.send(record.pack()), "the link is full"
