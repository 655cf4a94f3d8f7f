"""What each action of ``./rialto admin`` takes; every name here is one of the action's body."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from exchange.admin.roles import Role

Argument = tuple[tuple[str, ...], dict[str, Any]]
"""Flags or a name, and what argparse is told of it."""


def _bounded(least: int, most: int) -> Callable[[str], int]:
    """Make a reader of whole numbers within bounds, for the command line."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"not a whole number from {least} to {most}: {text!r}")
        return int(text)

    return number


_COUNT = _bounded(0, 0xFFFFFFFF)
_NUMBER = _bounded(1, 0xFFFFFFFF)
_TRADE = _bounded(1, (1 << 64) - 1)


def _of(*flags: str, **told: Any) -> Argument:  # argparse's own words
    return flags, told


_ACCOUNT = _of("--account", required=True, help="name or number")
_ASSET = _of("--asset", required=True, help="symbol or number")
_AMOUNT = _of("--amount", required=True, help="decimal, such as 1000.50")
_REFERENCE = _of("--reference", required=True, help="unique; a repeat changes nothing")
_RESERVED = _of("--reference", required=True, help="that of the reserve")
_TRADE_ID = _of("--trade", type=_TRADE, required=True, help="its id, tag 1003")
_SCOPE = _of("scope", choices=["venue", "firm", "account", "session", "instrument"])
_TARGET = _of("target", nargs="?", default="", help="name, symbol or number")
_SESSION = _of("session", help="its comp id")
_KEY = (
    _SESSION,
    _of("--ed25519", metavar="PUBLIC", help="a public key, 32 bytes in base64"),
    _of("--id", help="its id, for tag 553; default: the next number"),
)
_INSTRUCTIONS = (
    _of("instructions", nargs="*", type=_NUMBER, help="their numbers"),
    _of("--cycle", type=_NUMBER, help="instead: all that are open of a cycle"),
    _of("--account", help="of these: one account's, by name or number"),
)
_DECISION = _of("--reference", help="unique; default: made of the instructions")
_ROLES = tuple(role.value for role in Role)

ACTIONS: Final[dict[str, tuple[str, tuple[Argument, ...]]]] = {
    "kill": (
        "stop new orders in a scope and cancel the open ones",
        (
            _SCOPE,
            _TARGET,
            _of("--keep-orders", action="store_true", help="leave them open"),
        ),
    ),
    "resume": ("lift a kill switch", (_SCOPE, _TARGET)),
    "phase": (
        "move an instrument to a phase",
        (
            _of("instrument", help="symbol or number"),
            _of("phase", choices=["pre_open", "call_auction", "continuous", "halted", "closed"]),
            _of(
                "--seconds",
                type=_bounded(0, 86_400 * 7),
                default=0,
                help="then a call auction uncrosses",
            ),
        ),
    ),
    "apply": ("bring the venue to what the configuration says", ()),
    "revoke": (
        "take a session's rights on an account away",
        (_of("session", help="name or number"), _of("account", help="name or number")),
    ),
    "announce": (
        "count down to a stop on every FIX session, then log all out; without a time, take it back",
        (
            _of("--stop-in", type=_bounded(0, 86_400), metavar="SECONDS", help="from now"),
            _of("--text", default="", help="clients read it"),
        ),
    ),
    "drill.kill": (
        "stop trading for real, and record how long it took",
        (
            _SCOPE,
            _TARGET,
            _of("--stops-trading", action="store_true", help="say that you know it does"),
        ),
    ),
    "limits": (
        "set an account's limits",
        (
            _ACCOUNT,
            _of("--open-orders", type=_COUNT, help="at most so many"),
            _of("--burst", type=_COUNT, help="messages at once"),
            _of(
                "--per-second",
                type=_bounded(0, 1_000_000),
                help="messages a second after that; 0: any",
            ),
            _of("--asset", help="symbol, for --credit-line and --position-max"),
            _of("--credit-line", help="decimal: how far below zero"),
            _of("--position-max", help="decimal: how much at most; 0: no limit"),
        ),
    ),
    "protection": (
        "give a protection group of quotes its limits; it counts from nothing, and is not frozen",
        (
            _ACCOUNT,
            _of("--group", type=_NUMBER, required=True, help="its number"),
            _of("--base", help="symbol: what quantities are of; needed for a new group"),
            _of("--quote", help="symbol: what notionals are of"),
            _of("--quantity-max", help="decimal; 0: no limit"),
            _of("--notional-max", help="decimal; 0: no limit"),
            _of("--delta-max", help="decimal; 0: no limit"),
            _of("--trades-max", type=_COUNT, help="at most so many"),
            _of("--window-ms", type=_COUNT, help="how long a trade counts"),
            _of("--frozen-ms", type=_COUNT, help="how long it is frozen; 0: until it is reset"),
        ),
    ),
    "bust": ("undo a trade", (_TRADE_ID,)),
    "correct": (
        "give a trade another price, or less of it",
        (
            _TRADE_ID,
            _of("--price", help="decimal; default: as it is"),
            _of("--quantity", help="decimal, no more than it is; default: as it is"),
        ),
    ),
    "credit": ("add money that arrived from outside", (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE)),
    "debit": ("take free money out at once", (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE)),
    "reward": ("pay a reward for liquidity", (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE)),
    "adjust.up": (
        "give an account what a mistake has cost it",
        (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE),
    ),
    "adjust.down": (
        "take back what a mistake has given an account",
        (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE),
    ),
    "reserve": ("hold free money for a withdrawal", (_ACCOUNT, _ASSET, _AMOUNT, _REFERENCE)),
    "commit": ("say that a reserved withdrawal has left", (_ACCOUNT, _RESERVED)),
    "release": ("give a reserved withdrawal's money back", (_ACCOUNT, _RESERVED)),
    "transfer": (
        "move free money between two accounts of one firm",
        (_ACCOUNT, _of("--to", required=True, help="name or number"), _ASSET, _AMOUNT),
    ),
    "settle": ("let an account pay what it owes since a bust", (_ACCOUNT, _ASSET, _AMOUNT)),
    "house": (
        "move money between ledger accounts of the venue's own",
        (
            _of("--cause", required=True, help="such as custody_moved, insurance_funded"),
            _of("--giver", required=True, help="ledger account, such as clearing"),
            _of("--taker", required=True, help="ledger account, such as custody_hot"),
            _ASSET,
            _AMOUNT,
        ),
    ),
    "cycles.close": (
        "end the open settlement cycle: obligations, instructions",
        (_REFERENCE,),
    ),
    "cycles.confirm": (
        "say that settlement instructions were carried out",
        (*_INSTRUCTIONS, _of("--amount", help="decimal: a part of one"), _DECISION),
    ),
    "cycles.fail": (
        "say that nothing more comes of settlement instructions",
        (*_INSTRUCTIONS, _DECISION),
    ),
    "cycles.mode": (
        "let an account settle gross or net from now on",
        (_ACCOUNT, _of("--mode", required=True, choices=["gross", "net"]), _REFERENCE),
    ),
    "fees.assign": (
        "let later orders of an account use a fee schedule",
        (
            _ACCOUNT,
            _of("--schedule", type=_NUMBER, required=True, help="its number"),
            _of("--instrument", help="symbol or number; default: all"),
        ),
    ),
    "fees.recompute": ("give every account the schedule of its firm's volume", ()),
    "keys.add": ("give a FIX session a second key", _KEY),
    "keys.rotate": ("give a session a new key; of two live ones, the older goes", _KEY),
    "keys.revoke": (
        "take a key away; whoever is logged on by it is logged out",
        (_SESSION, _of("key", help="its id")),
    ),
    "operators.add": (
        "take a new operator in",
        (
            _of("name", help="small letters and digits"),
            _of("--number", type=_NUMBER, required=True, help="for the record"),
            _of("--public-key", required=True, help="what `operators key` printed"),
            _of("--roles", nargs="+", required=True, choices=_ROLES),
        ),
    ),
    "operators.change": (
        "give an operator other roles, or another key",
        (
            _of("name"),
            _of("--public-key", help="what `operators key` printed"),
            _of("--roles", nargs="+", choices=_ROLES),
        ),
    ),
    "operators.revoke": ("let nothing count any more that an operator signs", (_of("name"),)),
}
"""By name of the action: what it is about, and what it takes."""


def destination(argument: Argument) -> str:
    """Return the name of an argument in the body."""
    return argument[0][-1].lstrip("-").replace("-", "_")
