"""Writes the C++ side of the vocabulary: ``python -m core.generate_layouts [--check]``.

Every record of ``messages`` and of the snapshot becomes a packed struct whose offsets the compiler
checks, and every term and code a constant, so that the two languages cannot drift apart: a test
generates the header again and compares.
"""

from __future__ import annotations

import argparse
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

from messages.layout import Field, Record, Vocabulary
from messages.trading import terms
from messages.trading.codes import RejectCode
from messages.trading.commands import COMMANDS, GROUP_MEMBERS_MAX, Command
from messages.trading.events import EVENTS, LAST_OF_COMMAND, Event, OrderEvent, RequestRejected
from messages.trading.identity import SOURCE_BITS
from venue.reference.state_records import STATE, StateRecord

HEADER: Final = Path(__file__).parent / "native" / "include" / "core" / "layouts.hpp"

_TYPES: Final = {
    "B": "std::uint8_t",
    "H": "std::uint16_t",
    "I": "std::uint32_t",
    "Q": "std::uint64_t",
    "i": "std::int32_t",
    "q": "std::int64_t",
    "16s": "Text<16>",
    "32s": "Text<32>",
    "40s": "Text<40>",
    "96s": "Text<96>",
    "384s": "Text<384>",
}

_KEYWORDS: Final = {"operator": "operator_"}
"""Field names that C++ keeps for itself."""

_TERMS: Final[dict[str, type[IntEnum]]] = {
    "side": terms.Side,
    "order_type": terms.OrderType,
    "time_in_force": terms.TimeInForce,
    "self_trade": terms.SelfTradePrevention,
    "status": terms.OrderStatus,
    "phase": terms.Phase,
    "phase_reason": terms.PhaseReason,
    "scope": terms.Scope,
    "account_kind": terms.AccountKind,
    "on_disconnect": terms.CancelOnDisconnect,
    "mass_action": terms.MassActionType,
    "cancel_reason": terms.CancelReason,
    "dispute_reason": terms.DisputeReason,
    "balance_cause": terms.BalanceCause,
    "rfq_subject": terms.RfqSubject,
    "rfq_end": terms.RfqEnd,
    "group_kind": terms.GroupKind,
    "quote_scope": terms.QuoteScope,
    "protection_limit": terms.ProtectionLimit,
    "thaw_cause": terms.ThawCause,
}

_PREAMBLE: Final = """\
// Written by core/generate_layouts.py from messages/ and venue/reference/state_records.py.
// Do not edit: change those and run `python -m core.generate_layouts`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// Records stand in byte streams at any address, so their structs are packed, and may alias the
// bytes that they are read from and written to.
#define CORE_RECORD struct [[gnu::packed, gnu::may_alias]]

namespace core {

template <std::size_t Size>
using Text = std::array<char, Size>;
"""


def generate() -> str:
    """Return the header's text."""
    parts = [_PREAMBLE, _constants()]
    parts += _vocabulary("commands", COMMANDS, {"Header": Command})
    parts.append(_shapes("commands", COMMANDS))
    prefixes: dict[str, type[Record]] = {
        "Header": Event,
        "OrderState": OrderEvent,
        "RequestRefused": RequestRejected,
    }
    parts += _vocabulary("events", EVENTS, prefixes)
    parts += _vocabulary("state", STATE, {"Header": StateRecord})
    parts.append("}  // namespace core\n\n#undef CORE_RECORD\n")
    return "\n".join(parts)


def _constants() -> str:
    quote_requests = int(terms.SessionRight.QUOTE_REQUESTS)
    lines = [
        f"inline constexpr std::int64_t PPM = {terms.PPM};",
        f"inline constexpr std::int64_t AMOUNT_LIMIT = {terms.AMOUNT_LIMIT};",
        f"inline constexpr std::uint8_t LAST_OF_COMMAND = {LAST_OF_COMMAND};",
        f"inline constexpr unsigned SOURCE_BITS = {SOURCE_BITS};",
        f"inline constexpr std::uint8_t POST_ONLY = {int(terms.OrderFlag.POST_ONLY)};",
        f"inline constexpr std::uint8_t CASH_QUANTITY = {int(terms.OrderFlag.CASH_QUANTITY)};",
        f"inline constexpr std::uint8_t QUOTE_SIDE = {int(terms.OrderFlag.QUOTE)};",
        f"inline constexpr std::uint8_t GIVES_BID = {int(terms.QuoteFlag.GIVES_BID)};",
        f"inline constexpr std::uint8_t GIVES_ASK = {int(terms.QuoteFlag.GIVES_ASK)};",
        f"inline constexpr std::uint8_t MAY_TAKE = {int(terms.QuoteFlag.MAY_TAKE)};",
        f"inline constexpr std::uint8_t UNREADABLE = {int(terms.QuoteFlag.UNREADABLE)};",
        f"inline constexpr std::uint16_t GROUP_MEMBERS_MAX = {GROUP_MEMBERS_MAX};",
        f"inline constexpr std::uint8_t RIGHT_TRADE = {int(terms.SessionRight.TRADE)};",
        f"inline constexpr std::uint8_t RIGHT_QUOTE_REQUESTS = {quote_requests};",
        f"inline constexpr std::uint8_t RIGHTS_KNOWN = {sum(terms.SessionRight)};",
        "",
    ]
    for name, enumeration in _TERMS.items():
        lines += _enumeration(name, "std::uint8_t", enumeration)
    lines += _enumeration("code", "std::uint16_t", RejectCode)
    return "\n".join(lines)


def _enumeration(name: str, wire_type: str, enumeration: type[IntEnum]) -> list[str]:
    values = [
        f"inline constexpr {wire_type} {member.name} = {int(member)};" for member in enumeration
    ]
    return [f"namespace {name} {{", *values, f"}}  // namespace {name}", ""]


def _vocabulary(name: str, vocabulary: Vocabulary, prefixes: dict[str, type[Record]]) -> list[str]:
    parts = [f"namespace {name} {{\n"]
    parts += [_struct(title, _prefix_fields(vocabulary, cls)) for title, cls in prefixes.items()]
    for kind, cls in sorted(vocabulary.by_kind.items()):
        constants = (
            f"  static constexpr std::uint16_t KIND = {kind};\n"
            f"  static constexpr std::uint8_t VERSION = {cls.VERSION};\n"
        )
        parts.append(_struct(cls.__name__, cls.FIELDS, constants))
    parts.append(f"}}  // namespace {name}\n")
    return parts


def _shapes(name: str, vocabulary: Vocabulary) -> str:
    kinds = vocabulary.by_kind
    lines = [
        f"namespace {name} {{\n",
        "// Length and version by kind; of no length where there is no such kind.",
        "struct Shape {",
        "  std::uint16_t length = 0;",
        "  std::uint8_t version = 0;",
        "};",
        f"inline constexpr std::array<Shape, {max(kinds) + 1}> SHAPES = [] {{",
        f"  std::array<Shape, {max(kinds) + 1}> shapes{{}};",
        *(
            f"  shapes[{kind}] = {{{cls.LENGTH}, {cls.VERSION}}};"
            for kind, cls in sorted(kinds.items())
        ),
        "  return shapes;",
        "}();\n",
        f"}}  // namespace {name}\n",
    ]
    return "\n".join(lines)


def _prefix_fields(vocabulary: Vocabulary, prefix: type[Record]) -> tuple[Field, ...]:
    """Return the layout of a base class, taken from any record that begins with it."""
    heir = next(cls for cls in vocabulary.by_kind.values() if issubclass(cls, prefix))
    return heir.FIELDS[: len(prefix.__struct_fields__)]


def _struct(name: str, fields: tuple[Field, ...], constants: str = "") -> str:
    lines = [f"CORE_RECORD {name} {{"]
    if constants:
        lines.append(constants.rstrip("\n"))
    names = [_KEYWORDS.get(field.name, field.name) for field in fields]
    lines += [f"  {_TYPES[field.code]} {name};" for name, field in zip(names, fields, strict=True)]
    lines.append("};")
    size = fields[-1].offset + fields[-1].size
    lines.append(f"static_assert(sizeof({name}) == {size});")
    lines += [
        f"static_assert(offsetof({name}, {field_name}) == {field.offset});"
        for field_name, field in zip(names, fields, strict=True)
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the header, or with ``--check`` say whether it is what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        return 0 if HEADER.read_text(encoding="utf-8") == generate() else 1
    HEADER.write_text(generate(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
