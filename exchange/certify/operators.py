"""The desk's two operators: what a case asks of them is done by the operators' API, as anywhere."""

import asyncio
import time

from exchange.admin.client import AdminClient, api_address
from exchange.admin.founding import found_operators
from exchange.certify.desk import Operator
from exchange.commands.admin_arguments import ACTIONS, destination
from exchange.demo.temporary_venue import Places
from exchange.errors import CommandError
from exchange.operators import Operators, Token
from exchange.state import State

NAMES = ("certify-1", "certify-2")
_REASON = "a case of the certification"


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

    Raises:
        CommandError: it was refused, or the venue has operators who are not ours.
    """
    action, *values = words
    names = [destination(argument) for argument in ACTIONS[action][1]]
    body = dict(zip(names, values, strict=False)) | {"reason": _REASON}
    first, second = _clients(state)
    answer = first.act(action, body)
    if proposal := answer.get("proposal"):
        second.approve(proposal["id"], answer["digest"], _REASON)


def _clients(state: State) -> tuple[AdminClient, AdminClient]:
    operators = Operators(state.operators)
    if not operators.all():
        found_operators(state, NAMES, now_ns=time.time_ns())
    url = api_address(state)
    first, second = (
        AdminClient(url, Token.read(operators.named(name), operators.token_path(name)))
        for name in NAMES
    )
    return first, second
