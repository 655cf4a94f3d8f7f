"""What the scripts share: where the venue is, and how they print."""

import argparse
import sys

REST = "http://127.0.0.1:9882"
STREAMS = "ws://127.0.0.1:9443"
SOCKET = "ws://127.0.0.1:9883/ws-api/v3"
ACCOUNTS = "http://127.0.0.1:9884"


def say(what: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser that describes itself by a script's own words."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
