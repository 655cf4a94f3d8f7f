"""Who decides at the venue's own machine: an operator, who shows the token of that name."""

import argparse
import os
from pathlib import Path
from typing import Final

from exchange.admin.roles import Role
from exchange.errors import CommandError
from exchange.operators import Operators, Token
from exchange.state import State

OPERATOR_VARIABLE: Final = "RIALTO_OPERATOR"


def add_token_arguments(parser: argparse.ArgumentParser) -> None:
    """Let somebody say who decides, and where the token is."""
    parser.add_argument(
        "--as", dest="who", metavar="NAME", help=f"who decides; default: ${OPERATOR_VARIABLE}"
    )
    parser.add_argument("--token", type=Path, help="your token; default: in the state's secrets")


def token_of(options: argparse.Namespace, *, about: str) -> Token:
    """Let an operator of the risk desk show the token.

    Args:
        options: parsed with ``add_token_arguments``, and with the state.
        about: what the role decides about, for the words of a refusal.

    Raises:
        CommandError: nobody is named, not an operator of the risk desk, or the token is another's.
    """
    who = options.who or os.environ.get(OPERATOR_VARIABLE)
    if not who:
        raise CommandError(f"who decides? --as, or ${OPERATOR_VARIABLE}")
    operators = Operators(State(options.state).operators)
    operator = operators.named(who)
    if operator.is_revoked or Role.RISK not in operator.roles:
        raise CommandError(f"operator {who} has not the role risk, which decides about {about}")
    return Token.read(operator, options.token or operators.token_path(operator.name))
