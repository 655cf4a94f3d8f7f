"""The part of a flow that quotes: mass quotes, their cancels, and protection groups."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from messages.layout import RECORD_PREFIX, Record
from messages.trading import commands as c
from messages.trading.identity import client_id
from messages.trading.terms import GroupKind

SECOND = 1_000_000_000
GROUPS = (1, 2, 3)
"""The protection groups that a flow defines; 3 is of other assets than most instruments."""

Place = dict[str, Any]


def rarely(chance: random.Random, often: Any, seldom: Any, share: float = 0.02) -> Any:
    """Return ``often``, but now and then one of ``seldom``."""
    return chance.choice(seldom) if chance.random() < share else often


def make_entries(
    chance: random.Random, *, mid: dict[int, int], number: int, now_ns: int
) -> list[Place]:
    """Return the fields of a mass quote's entries, mostly in order."""
    count = rarely(chance, chance.randint(1, 4), (c.GROUP_MEMBERS_MAX,), 0.002)
    quote_id = rarely(
        chance, client_id(f"q{number}"), (bytes(40), client_id("q" * 34), b"a\0b" + bytes(37))
    )
    response = chance.randrange(3)
    return [
        _entry(chance, mid=mid, now_ns=now_ns) | {"quote_id": quote_id, "response": response}
        for _ in range(count)
    ]


def _entry(chance: random.Random, *, mid: dict[int, int], now_ns: int) -> Place:
    instrument = rarely(chance, chance.choice((1, 1, 2, 3)), (9,), 0.01)
    takes = chance.random() < 0.3
    level = chance.randint(1, 4)
    near = mid.get(instrument, 1000)
    shift = chance.choice((0, 0, 0, 1, -1, 5, -5))
    apart = rarely(chance, 2 * level + (0 if takes else 2), (-1, 0, 300))
    lots = (0, 1, 10, 10, 10, 20, 60)
    if chance.random() < 0.02:
        return _unreadable(chance, instrument, level)
    return {
        "instrument": instrument,
        "protection_group": rarely(chance, chance.choice((0, 1, 2)), (3, 4), 0.05),
        "quote_flags": rarely(chance, chance.choice((3, 3, 3, 3, 1, 2)), (0, 8, 11, 16), 0.01)
        | (4 if takes else 0),
        "self_trade_prevention": rarely(chance, chance.choice((0, 0, 0, 1, 2, 3, 4)), (5,), 0.005),
        "trader": chance.randrange(3),
        "bid_price_ticks": rarely(chance, max(1, near + shift - apart), (0, -1, 9999, 1 << 50)),
        "bid_lots": rarely(chance, chance.choice(lots), (-1, 10_001, 1 << 61)),
        "ask_price_ticks": rarely(chance, max(1, near + shift + apart), (0, -1, 9999, 1 << 50)),
        "ask_lots": rarely(chance, chance.choice(lots), (-1, 10_001, 1 << 61)),
        "valid_until_ns": rarely(chance, 0, (now_ns - 1, now_ns, now_ns + 9), 0.01),
        "entry_id": rarely(
            chance, client_id(f"e{level}"), (bytes(40), client_id("a/b"), client_id("e" * 34))
        ),
    }


def _unreadable(chance: random.Random, instrument: int, level: int) -> Place:
    """Return an entry of which the gateway says why it could not read it."""
    return {
        "instrument": instrument,
        "quote_flags": 8 | chance.randrange(8),
        "entry_id": client_id(f"e{level}"),
        "valid_until_ns": chance.choice((999, 1001, 1002, 1003, 1013, 2000)),
        "bid_price_ticks": chance.choice((132, 135, -1, 1 << 62)),
        "ask_lots": rarely(chance, 0, (10,), 0.1),
    }


def protection(chance: random.Random, account: int, group: int) -> tuple[type[Record], Place]:
    """Return a definition that trading will reach."""
    base, quote = (3, 0) if group == 3 else (1, 2)
    atoms = (0, 0, 100, 10_000, 1_000_000)
    fields: Place = {
        "account": account,
        "protection_group": group,
        "base_asset": base,
        "quote_asset": quote,
        "trades_max": chance.choice((0, 1, 3, 8)),
        "quantity_max_atoms": chance.choice(atoms),
        "notional_max_atoms": 0 if quote == 0 else chance.choice(atoms) * 1000,
        "delta_max_atoms": chance.choice(atoms),
        "window_ns": chance.choice((1, SECOND, 60 * SECOND)),
        "frozen_ns": chance.choice((0, SECOND, 5 * SECOND)),
    }
    return c.DefineProtection, fields


def bent_protection(chance: random.Random, account: int) -> tuple[type[Record], Place]:
    """Return a definition that is refused."""
    kind, fields = protection(chance, account, chance.choice(GROUPS))
    return kind, fields | chance.choice(
        (
            {"protection_group": 0},
            {"base_asset": 9},
            {"quote_asset": 9},
            {"base_asset": 2, "quote_asset": 1},
            {"trades_max": 1001},
            {"window_ns": 0},
            {"frozen_ns": -1},
            {"quantity_max_atoms": -1},
            {"quote_asset": 0, "notional_max_atoms": 1},
            {"account": 99},
        )
    )


def request(chance: random.Random, asker: Place) -> tuple[type[Record], Place]:
    """Return a cancel of quotes, or a reset or query of a protection group."""
    kind = chance.choice((c.CancelQuotes, c.ResetProtection, c.ResetProtection, c.QueryProtection))
    fields: Place = asker | {
        "protection_group": rarely(chance, chance.choice((0, *GROUPS)), (77,), 0.1),
        "request_id": client_id("request"),
    }
    if kind is c.CancelQuotes:
        fields |= {
            "scope": rarely(chance, chance.randint(1, 4), (0, 5), 0.05),
            "instrument": rarely(chance, chance.choice((1, 2, 3)), (0, 9), 0.05),
            "entry_id": client_id(f"e{chance.randint(1, 4)}"),
        }
    return kind, fields


def packed_group(head: Place, entries: list[Place], kind: int = GroupKind.MASS_QUOTE) -> bytes:
    """Return a whole group's bytes; all its records carry ``head``."""
    left = len(entries)
    data = c.GroupHeader.make(**head, group_kind=kind, group_left=left).pack()
    for entry in entries:
        left -= 1
        data += c.EnterQuote.make(**head, **entry, group_left=left).pack()
    return data


def records_of(command: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each record of a command begins, and its kind: a group has several."""
    at = 0
    while at < len(command):
        length, kind = RECORD_PREFIX.unpack_from(command, at)
        yield at, kind
        at += length
