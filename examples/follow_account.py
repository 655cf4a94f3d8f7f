"""Follow one's own orders, trades and money as they change.

.venv/bin/python examples/follow_account.py --key ada.json
"""

import argparse
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rialto_client.command_line import SOCKET, parser, say
from rialto_client.keys import read_api_key
from rialto_client.streams import follow_account


def described(event: Mapping[str, Any]) -> str:
    """Say in a line what an event says."""
    if event["e"] == "executionReport":
        terms = f"{event['S']} {event['q']} {event['s']} at {event['p']}"
        said = f"order {event['i']} {terms}: {event['x']}, {event['X']}"
        if event["x"] == "TRADE":
            said += f", trade {event['t']}: {event['l']} at {event['L']}, fee {event['n']}"
        return said
    if event["e"] == "outboundAccountPosition":
        money = (f"{each['a']} {each['f']} free, {each['l']} locked" for each in event["B"])
        return "; ".join(money)
    if event["e"] == "balanceUpdate":
        return f"{event['a']} {event['d']}"
    return str(event["e"])


def run(options: argparse.Namespace) -> None:
    """Follow until the connection ends, or somebody stops it."""
    with contextlib.suppress(KeyboardInterrupt):
        for event in follow_account(options.socket, read_api_key(options.key)):
            say("subscribed" if event is None else described(event))


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("--socket", default=SOCKET, help="the URL of the WebSocket API")
    arguments.add_argument("--key", type=Path, required=True, help="the file of an API key")
    run(arguments.parse_args())


if __name__ == "__main__":
    main()
