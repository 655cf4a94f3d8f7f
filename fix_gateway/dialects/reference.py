"""The description as tables for people: ``docs/protocols/fix-reference.md``."""

from collections.abc import Iterable

from fix_gateway.dialects.names import DIALECTS
from fix_gateway.dialects.source import Field, Group, Member, Message, Source
from fix_gateway.translation.reasons import (
    cancel_reject_reason,
    mass_cancel_reject_reason,
    order_reject_reason,
)
from messages.trading.codes import RejectCode

_HEAD = """\
# FIX: messages, fields and codes

Written from `sessions/dictionary` and the code by `python -m fix_gateway.generate_dialects`;
[fix.md](fix.md) has the rules.
A field is `y` required, `o` optional, `c` there when the note says so, `-` not in the dialect.
*Italic* fields come from a later standard than FIX 4.4, **bold** ones are the venue's own.
"""
_OPERATORS_CODES = range(300, 400)
_SENDERS = {"client": "from clients", "venue": "from the venue", "both": "from both sides"}


def reference(source: Source) -> str:
    """Write the page."""
    lines = [_HEAD]
    lines += ["## Header and trailer", ""]
    lines += _table([*source.header.members, *source.trailer.members])
    lines += ["", "## Session", ""]
    for message in source.session_messages():
        lines += _message(message)
    lines += ["## Requests and answers", ""]
    for message in source.application_messages():
        lines += _message(message)
    lines += ["## Groups", ""]
    for group in source.groups.values():
        lines += [f"### {group.name}: {group.text}", ""]
        lines += [f"Begins with {group.count.name} ({group.count.tag}), {group.count.text}.", ""]
        lines += [*_table(group.members), ""]
    lines += ["## Fields", "", *_fields(source), ""]
    lines += ["## Refusal codes", "", *_codes(), ""]
    return "\n".join(lines)


def _message(message: Message) -> list[str]:
    title = f"### {message.name} (`35={message.type}`), {_SENDERS[message.sent_by]}"
    if message.sessions:
        title += f", on {message.sessions.replace('_', '-')} sessions"
    sentence = f"{message.text[0].upper()}{message.text[1:]}."
    return [title, "", sentence, "", *_table(message.members), ""]


def _table(members: Iterable[Member]) -> list[str]:
    names = " | ".join(DIALECTS)
    lines = [f"| tag | name | {names} | note |", "|---|---|---|---|---|"]
    for member in members:
        item = member.item
        tag = item.count.tag if isinstance(item, Group) else item.tag
        presence = " | ".join(member.presence[name] for name in DIALECTS)
        note = member.note or (f"group: {item.text}" if isinstance(item, Group) else "")
        lines.append(f"| {tag} | {_name(item)} | {presence} | {note} |")
    return lines


def _name(item: Field | Group) -> str:
    field = item.count if isinstance(item, Group) else item
    if field.is_own:
        return f"**{item.name}**"
    return item.name if field.is_in_44 else f"*{item.name}*"


def _fields(source: Source) -> list[str]:
    lines = ["| tag | name | type | what it says | values |", "|---|---|---|---|---|"]
    for field in sorted(source.fields.values(), key=lambda field: field.tag):
        types = " / ".join(dict.fromkeys(field.types.values()))
        values = ", ".join(
            f"`{value}` {_words(name)}" + (" (ours)" if name in field.own_values else "")
            for name, value in field.values.items()
        )
        lines.append(f"| {field.tag} | {_name(field)} | {types} | {field.text} | {values} |")
    return lines


def _words(name: str) -> str:
    return name.lower().replace("_", " ")


def _codes() -> list[str]:
    lines = ["| 5001 | name | 103 | 102 | 532 |", "|---|---|---|---|---|"]
    for code in RejectCode:
        if code is RejectCode.NONE or code in _OPERATORS_CODES:
            continue
        reasons = (
            order_reject_reason(code),
            cancel_reject_reason(code),
            mass_cancel_reject_reason(code),
        )
        lines.append(f"| {int(code)} | {code.name} | {' | '.join(map(str, reasons))} |")
    return lines
