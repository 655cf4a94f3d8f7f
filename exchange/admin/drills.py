"""The drill of the kill switch: it stops trading for real, and how long it took goes on record."""

import time

from exchange.admin.actions import Desk, Done, Hands, Plan
from exchange.admin.switches import Switch
from exchange.errors import CommandError
from exchange.operator_link import matching
from messages.trading import commands, events

_NANOSECONDS_A_MILLISECOND = 1_000_000


class DrillKill(Switch, frozen=True):
    """Kill a scope, and measure from the command to the news of the last cancelled order.

    ``stops_trading`` says that whoever asks knows what it does: it is no rehearsal. Resuming
    takes two operators, as after any kill.
    """

    stops_trading: bool = False

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        if not self.stops_trading:
            raise CommandError("a drill stops trading for real: say so (stops_trading)")
        scope, target = self.found(desk.known)
        before = await desk.core.open_orders()

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
            milliseconds = took_ns / _NANOSECONDS_A_MILLISECOND
            return Done(
                said=f"drill: {self.about} killed, {event.cancelled} orders cancelled, command to "
                f"last cancel {milliseconds:.3f} ms; open orders {before} before, {left} after",
                event=event.number,
            )

        return Plan(summary=f"drill: kill {self.about} and measure", perform=perform)
