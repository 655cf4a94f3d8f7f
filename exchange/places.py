"""The options that say where things live, which every command takes."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from exchange.state import State

ROOT = Path(__file__).resolve().parent.parent

_PLACES = (
    ("--state", ".rialto", "what the venue writes"),
    ("--config", "config", "what the operator wants of the venue"),
    ("--sessions", "sessions", "one file for each counterparty"),
)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a process of the venue finds what it works on."""

    state: State
    config: Path
    sessions: Path


def places_parser(*, is_nested: bool = False) -> argparse.ArgumentParser:
    """Return a parent parser with the three options.

    Args:
        is_nested: for an action below a command, which must not put defaults over what the
            command was given.
    """
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("where things live")
    for option, folder, text in _PLACES:
        default = argparse.SUPPRESS if is_nested else ROOT / folder
        group.add_argument(option, type=Path, default=default, metavar="DIR", help=text)
    return parser


def places_arguments(options: argparse.Namespace) -> list[str]:
    """Return the options that tell another process where things live."""
    arguments: list[str] = []
    for option, _, _ in _PLACES:
        arguments += [option, str(Path(getattr(options, option[2:])).absolute())]
    return arguments
