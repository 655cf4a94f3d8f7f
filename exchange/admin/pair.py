"""Two operators of one venue who have actions carried out by the API: one asks, the other agrees.

For what runs a venue of its own and needs money or decisions there (the demo, a bench, the
certification): what they do is signed and on the record, like anybody's. They have names of their
own, so that nothing is ever done in the name of a person who did not ask for it.
"""

import time
from collections.abc import Mapping
from typing import Any

from exchange.admin.client import AdminClient, api_address
from exchange.admin.founding import found_operators
from exchange.errors import CommandError
from exchange.operators import Operators, Token
from exchange.state import State
from exchange.venue_identity import venue_identity


class OperatorPair:
    """Asks as the first and, where an action takes two, agrees as the second."""

    def __init__(self, first: AdminClient, second: AdminClient) -> None:
        self._first = first
        self._second = second

    @classmethod
    def of(cls, state: State, names: tuple[str, str]) -> "OperatorPair":
        """Take two operators by name; where there are none at all, they are founded.

        Raises:
            CommandError: there are operators, and these are not among them, or their tokens are
                not here.
            VenueAwayError: the API does not answer.
        """
        operators = Operators(state.operators)
        there = operators.all()
        if not there:
            found_operators(state, names, now_ns=time.time_ns())
        elif missing := set(names) - {each.name for each in there}:
            raise CommandError(
                f"{' and '.join(sorted(missing))} would have to sign, and this venue has the"
                f" operators {', '.join(each.name for each in there)}: let them do it, or take"
                " the others in (./rialto admin operators add)"
            )
        url = api_address(state)
        venue = venue_identity(state)
        first, second = (
            AdminClient(
                url, Token.read(operators.named(name), operators.token_path(name)), venue=venue
            )
            for name in names
        )
        return cls(first, second)

    def carry_out(self, action: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Have an action done; return what came of it: ``said``, and ``event`` where there is one.

        Raises:
            RequestRefusedError: the answer is no. VenueAwayError: nobody answers.
        """
        answer = self._first.act(action, body)
        if (proposal := answer.get("proposal")) is None:
            return answer
        return self._second.approve(proposal["id"], answer["digest"], str(body["reason"]))
