"""The drill of the kill switch: it stops trading for real, and what came of it goes on record."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from exchange.admin.actions import Desk, Done, Hands, Plan
from exchange.admin.ports import Venue
from exchange.admin.switches import Switch
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operator_link import matching
from messages.trading import commands, events
from messages.trading.terms import Scope

LOOK_BACK_EVENTS: Final = 20_000
"""So far before the kill, beyond what it cancelled, the last execution is looked for."""

_NANOSECONDS_A_SECOND: Final = 1_000_000_000
_NANOSECONDS_A_MILLISECOND: Final = 1_000_000

Reach = Callable[[events.TradeExecuted], bool]
"""Whether an execution has a side within a kill switch."""


class DrillKill(Switch, frozen=True):
    """Kill a scope, and measure from the command to the news of the last cancelled order.

    The record says when the last execution before it was, when the last order went, and that
    nothing was executed after it. ``stops_trading`` says that whoever asks knows what it does: it
    is no rehearsal. Resuming takes two operators, as after any kill.
    """

    stops_trading: bool = False

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        if not self.stops_trading:
            raise CommandError("a drill stops trading for real: say so (stops_trading)")
        scope, target = self.found(desk.known)
        before = await desk.core.open_orders()
        reaches = _reach(scope, target, desk.known)

        async def perform(hands: Hands) -> Done:
            command = commands.Kill.make(
                scope=scope, target=target, cancel_orders=1, text=self.note
            )
            began = time.monotonic_ns()
            # The event stands behind those of all orders that it cancelled.
            event = await hands.send(command, matching(events.Killed, scope=scope, target=target))
            took_ns = time.monotonic_ns() - began
            assert isinstance(event, events.Killed)
            left = await desk.core.open_orders()
            course = await _course(desk.core, event, reaches)
            milliseconds = took_ns / _NANOSECONDS_A_MILLISECOND
            return Done(
                said=f"drill: {self.about} killed at {_moment(event.time_ns)}, {event.cancelled}"
                f" orders cancelled, command to last cancel {milliseconds:.3f} ms; {course};"
                f" open orders {before} before, {left} after",
                event=event.number,
            )

        return Plan(summary=f"drill: kill {self.about} and measure", perform=perform)


def _reach(scope: Scope, target: int, known: Directory) -> Reach:
    if scope is Scope.VENUE:
        return lambda _trade: True
    if scope is Scope.INSTRUMENT:
        return lambda trade: trade.instrument == target
    if scope is Scope.SESSION:
        return lambda trade: target in (trade.maker_session, trade.taker_session)
    accounts = {target} if scope is Scope.ACCOUNT else known.accounts_of_firm(target)
    return lambda trade: not accounts.isdisjoint((trade.maker_account, trade.taker_account))


async def _course(venue: Venue, killed: events.Killed, reaches: Reach) -> str:
    """Say what was executed and cancelled last, and that nothing was executed since."""
    execution: events.TradeExecuted | None = None
    cancel: events.OrderCancelled | None = None
    since = 0
    after = max(0, killed.number - killed.cancelled - LOOK_BACK_EVENTS)
    async for batch in venue.events_after(after):
        for event in batch:
            match event:
                case events.TradeExecuted() if reaches(event):
                    since += event.number > killed.number
                    execution = event if event.number < killed.number else execution
                case events.OrderCancelled() if event.sequence == killed.sequence:
                    cancel = event
                case _:
                    pass
    return (
        f"last execution {_told(execution)}, last cancel {_told(cancel)},"
        f" executions since: {since or 'none'}"
    )


def _told(event: events.Event | None) -> str:
    return f"{_moment(event.time_ns)} (event {event.number})" if event is not None else "none"


def _moment(time_ns: int) -> str:
    """Write a stamp in UTC, to the nanosecond."""
    seconds, nanoseconds = divmod(time_ns, _NANOSECONDS_A_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"
