"""The action that tells FIX clients of a stop, counts it down, and takes it back."""

import asyncio
import json
import socket
from typing import Annotated, ClassVar

import msgspec

from exchange.admin.actions import Body, Desk, Done, Hands, Plan
from exchange.errors import CommandError
from exchange.venue_settings import fix_doors, market_data_doors
from fix_gateway.guard.upstream import CONTROL_SECONDS_MAX
from fix_gateway.notices import STOP_SECONDS_MAX, TEXT_LENGTH_MAX
from fix_gateway.settings import Doors


class Announce(Body, frozen=True):
    """Count down to a stop on every FIX session, then log all out; without a time, take it back."""

    NEEDS_VENUE: ClassVar[bool] = False
    stop_in: Annotated[int, msgspec.Meta(ge=0, le=STOP_SECONDS_MAX)] | None = None
    text: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)] = ""

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        everywhere = {
            "the FIX gateway": fix_doors(desk.state),
            "FIX market data": market_data_doors(desk.state),
        }
        said = "take the stop back" if self.stop_in is None else f"stop in {self.stop_in} s"

        async def perform(_: Hands) -> Done:
            await asyncio.to_thread(_tell_all, everywhere, self)
            return Done(said="taken back" if self.stop_in is None else f"announced: {said}")

        return Plan(summary=f"announce: {said}", perform=perform)


def _tell_all(everywhere: dict[str, Doors], body: Announce) -> None:
    """Tell every process that has sessions, also when another cannot be told.

    Raises:
        CommandError: not all took it.
    """
    failures = [why for name, doors in everywhere.items() if (why := _tell(name, doors, body))]
    if failures:
        raise CommandError("; ".join(failures))


def _tell(name: str, doors: Doors, body: Announce) -> str:
    """Tell one process; return why it did not take the announcement, if so."""
    try:
        request = {
            "credential": doors.credential.read_text().strip(),
            "stop_in_seconds": body.stop_in,
            "text": body.text,
        }
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2 * CONTROL_SECONDS_MAX)
            line.connect(str(doors.control))
            line.sendall(json.dumps(request).encode() + b"\n")
            answer = line.recv(64)
    except OSError as error:
        return f"{name} does not answer: {error}"
    return "" if answer == b"done\n" else f"{name} did not take the announcement"
