"""The first operators of a venue: made on its machine, while there are none, and on record."""

from collections.abc import Sequence
from pathlib import Path

from exchange.admin.record import Entry, Record
from exchange.operators import Operators
from exchange.state import State
from runtime.chained_lines import ChainedLines


def found_operators(state: State, names: Sequence[str], *, now_ns: int) -> list[Path]:
    """Make operators with every role, each with a token; return where the tokens are.

    Raises:
        CommandError: there are operators already, or fewer than two names.
    """
    operators = Operators(state.operators)
    tokens = operators.found(names)
    record = Record(ChainedLines(state.admin_record))
    for operator in operators.all():
        record.add(
            Entry(
                at_ns=now_ns,
                step="founded",
                operator=operator.name,
                action="operators.found",
                reason="the first operators of this venue",
                summary=f"{operator.name}, number {operator.number}, key {operator.public_key}",
            )
        )
    return tokens
