"""What scripts share that are one FIX session for some time."""

import argparse
from pathlib import Path

from rialto_client.command_line import parser
from rialto_client.fix import FixSession
from rialto_client.keys import read_fix_key


def fix_parser(doc: str | None, *, session: str, seconds: float) -> argparse.ArgumentParser:
    """Make a parser for a script that is one FIX session for some time."""
    made = parser(doc)
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=9878)
    made.add_argument("--session", default=session, help="SenderCompID (49)")
    made.add_argument("--state", type=Path, default=Path(".rialto"), help="where its key is")
    made.add_argument("--numbers", type=Path, help="the file of the session's numbers")
    made.add_argument("--seconds", type=float, default=seconds)
    return made


def fix_session(options: argparse.Namespace) -> FixSession:
    """Make the session that was asked for."""
    key = read_fix_key(options.state / "secrets" / "fix" / f"{options.session}.json")
    numbers = options.numbers or Path(f"{options.session}.numbers.json")
    return FixSession((options.host, options.port), options.session, key, numbers=numbers)
