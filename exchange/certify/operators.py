"""The desk's two operators: what a case asks of them is done by the operators' API, as anywhere."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from exchange.admin.pair import OperatorPair
from exchange.certify.desk import Operator
from exchange.commands.admin_arguments import ACTIONS, destination
from exchange.commands.status import venue_report
from exchange.demo.temporary_venue import Places
from exchange.errors import CommandError
from exchange.state import State

NAMES: Final = ("certify-1", "certify-2")
_REASON = "a case of the certification"
_SECONDS_MAX: Final = 60.0
_POLL_SECONDS: Final = 0.1


def operator_of(places: Places) -> Operator:
    """Return how an operator's actions are carried out on a venue of the desk's own."""
    state = State(places.state)

    async def operate(words: list[str]) -> str:
        try:
            await asyncio.to_thread(carry_out, state, words)
        except CommandError as error:
            return str(error)
        return ""

    return operate


def carry_out(state: State, words: list[str]) -> None:
    """Do an action, given as its name and what its places hold, by two operators.

    ``failover`` is no operator's: the FIX gateway is killed, and waited for until it is back.

    Raises:
        CommandError: it was refused, or the venue has operators who are not ours.
    """
    action, *values = words
    if action == "failover":
        _fail_over(state)
        return
    body: dict[str, Any] = {"reason": _REASON}
    for argument, value in zip(ACTIONS[action][1], values, strict=False):
        body[destination(argument)] = argument[1].get("type", str)(value)
    read = _times_read(state)
    OperatorPair.of(state, NAMES).carry_out(action, body)
    if action.startswith("keys."):
        _until(lambda: _times_read(state) > read, "the guard did not read the keys")


def _fail_over(state: State) -> None:
    page = state.page("fix_gateway")
    if page is None:
        raise CommandError("there is no FIX gateway to fail over from")
    os.kill(page.pid, signal.SIGKILL)

    def is_back() -> bool:
        now = venue_report(state)["processes"]["fix_gateway"]
        return now["pid"] not in {None, page.pid} and bool(now["healthy"])

    _until(is_back, "the FIX gateway did not come back")


def _times_read(state: State) -> int:
    """Return how often the guard says that it has read sessions and keys."""
    return (state.logs / "fix_guard.log").read_bytes().count(b"sessions_read")


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _SECONDS_MAX
    while not holds():
        if time.monotonic() > deadline:
            raise CommandError(f"{otherwise} within {_SECONDS_MAX:g} s")
        time.sleep(_POLL_SECONDS)
