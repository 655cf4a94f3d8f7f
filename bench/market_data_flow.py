"""The books' movement of ``./rialto bench market-data``: orders and cancels straight to the core.

They come over a link of a principal of their own, so that what they cost is not the FIX gateway's.
"""

import asyncio
from collections import deque

from messages.trading import commands
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, SessionRight, Side, TimeInForce
from runtime.link import Link

PRINCIPAL = "bench_flow"
SESSION = 5000
_EVERY_SECONDS = 0.01
_RESTING = 20
_MID_TICKS = 5_000_000
_LEVELS = 30


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
    """Places and cancels orders that never meet, in turns over the instruments."""

    def __init__(self, link: Link, *, account: int, instruments: list[int]) -> None:
        self.sent = 0
        self._link, self._account = link, account
        self._instruments = instruments
        self._resting: dict[int, deque[int]] = {number: deque() for number in instruments}
        self._source = source_number(link.welcome.principal, SESSION)
        self._number = self._orders = 0
        self._send(commands.OpenSession)

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
        instrument = self._instruments[self.sent % len(self._instruments)]
        self.sent += 1
        resting = self._resting[instrument]
        if len(resting) >= _RESTING:
            self._send(
                commands.CancelOrder,
                instrument=instrument,
                original_client_order_id=client_id(f"f{resting.popleft()}"),
            )
            return
        self._orders += 1
        resting.append(self._orders)
        side = Side.BUY if self._orders % 2 else Side.SELL
        away = 1 + self._orders // len(self._instruments) % _LEVELS
        self._send(
            commands.PlaceOrder,
            instrument=instrument,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GOOD_TILL_CANCEL,
            price_ticks=_MID_TICKS - away if side == Side.BUY else _MID_TICKS + away,
            quantity_lots=1 + self._orders % 7,
            client_order_id=client_id(f"f{self._orders}"),
        )

    def _send(self, kind: type[commands.Command], **fields: int | bytes) -> None:
        self._number += 1
        record = kind.make(
            source=self._source,
            epoch=1,
            source_sequence=self._number,
            account=self._account,
            session=SESSION,
            connection=1,
            **fields,
        )
        assert self._link.send(record.pack()), "the link is full"
