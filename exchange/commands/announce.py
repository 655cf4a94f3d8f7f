"""``admin announce``: tell FIX clients of a stop, count it down, and take it back."""

import argparse
import json
import socket

from rich.console import Console

from exchange.errors import CommandError
from exchange.places import places_parser
from exchange.state import State
from exchange.venue_settings import fix_doors
from fix_gateway.guard.upstream import CONTROL_SECONDS_MAX
from fix_gateway.notices import STOP_SECONDS_MAX, TEXT_LENGTH_MAX
from runtime.process import EXIT_OK

console = Console(highlight=False)


def configure(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the action below ``admin``."""
    summary = "count down to a stop on every FIX session, then log all out; or take it back"
    parser = actions.add_parser(
        "announce", parents=[places_parser(is_nested=True)], help=summary, description=summary
    )
    parser.set_defaults(action=_announce, is_local=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--stop-in", type=_seconds, metavar="SECONDS", help="from now")
    what.add_argument("--cancel", action="store_true", help="no stop; let everybody in again")
    parser.add_argument("--text", type=_text, default="", help="why; clients read it")


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) > STOP_SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"0 to {STOP_SECONDS_MAX} seconds, not {text}")
    return int(text)


def _text(text: str) -> str:
    if len(text) > TEXT_LENGTH_MAX:
        raise argparse.ArgumentTypeError(f"{len(text)} characters, at most {TEXT_LENGTH_MAX}")
    return text


def _announce(options: argparse.Namespace) -> int:
    doors = fix_doors(State(options.state))
    try:
        request = {
            "credential": doors.credential.read_text().strip(),
            "stop_in_seconds": None if options.cancel else options.stop_in,
            "text": options.text,
        }
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2 * CONTROL_SECONDS_MAX)
            line.connect(str(doors.control))
            line.sendall(json.dumps(request).encode() + b"\n")
            answer = line.recv(64)
    except OSError as error:
        raise CommandError(f"the FIX gateway does not answer: {error}") from error
    if answer != b"done\n":
        raise CommandError("the FIX gateway did not take the announcement")
    console.print("taken back" if options.cancel else f"announced: stop in {options.stop_in} s")
    return EXIT_OK
