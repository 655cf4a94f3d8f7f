"""Listen to a drop copy over FIX: every report of a firm's accounts, from every channel.

    .venv/bin/python examples/drop_copy.py --session INST1-DC

The copies of what happened meanwhile are kept for it: it keeps its numbers in a file, and asks for
what it missed.
"""

import argparse
import contextlib

from simplefix import FixMessage

from rialto_client.command_line import say
from rialto_client.fix import text
from rialto_client.fix_command_line import fix_parser, fix_session

SIDES = {"1": "buy", "2": "sell"}
HAPPENED = {"0": "accepted", "4": "cancelled", "5": "amended", "8": "refused", "C": "expired"}


def described(message: FixMessage) -> str:
    """Say in a line what a copy says."""
    execution = text(message, 150)
    if execution == "F":
        what = f"traded {text(message, 32)} at {text(message, 31)}"
    else:
        what = HAPPENED.get(execution, f"150={execution}")
    side = SIDES.get(text(message, 54), "")
    order = f"{side} {text(message, 38)} {text(message, 55)}"
    return f"{text(message, 17)} {text(message, 1)} {text(message, 11)} {order}: {what}"


def run(options: argparse.Namespace) -> None:
    """Print copies until time is up or somebody stops it."""
    with fix_session(options) as session, contextlib.suppress(KeyboardInterrupt):
        for message in session.received(options.seconds):
            if text(message, 35) == "8":
                say(described(message))


def main() -> None:
    """Read what was asked for, and do it."""
    run(fix_parser(__doc__, session="INST1-DC", seconds=86400.0).parse_args())


if __name__ == "__main__":
    main()
