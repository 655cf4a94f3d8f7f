"""The description as the module of constants that the translation uses."""

import re
from collections.abc import Iterable, Iterator

from fix_gateway.dialects.source import Group, Member, Message, Source

_HEAD = '''\
"""FIX tags, values and groups by their names in the standard.

Written from ``sessions/dictionary``: python -m fix_gateway.generate_dialects.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SOH: Final = "\\x01"
'''
_LINE_LENGTH_MAX = 100
_WORDS = re.compile(r"[A-Z]{2,}s(?=[A-Z]|$)|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")


def constants(source: Source) -> str:
    """Write the module's text."""
    fields = sorted(source.fields.values(), key=lambda field: field.tag)
    lines = [_HEAD]
    lines += [f"{constant_name(field.name)}: Final = {field.tag}" for field in fields]
    lines.append("")
    for message in source.messages:
        lines.append(f'{constant_name(message.name)}: Final = "{message.type}"')
    for field in fields:
        if not field.values:
            continue
        lines.append("")
        stem = constant_name(field.name)
        for name, value in field.values.items():
            lines.append(f'{stem}_{name}: Final = "{value}"')
    lines += ["", "GROUPS: Final[Mapping[str, Mapping[int, tuple[int, ...]]]] = MappingProxyType("]
    lines.append("    {")
    for message in source.application_messages():
        lines += _groups_of_a_client(message)
    lines += ["    }", ")"]
    lines.append('"""Groups of each request: the members in order by the tag that counts."""')
    return "\n".join([*lines, ""])


def constant_name(name: str) -> str:
    """Turn a name of the standard into a constant's: ClOrdID into CL_ORD_ID."""
    return "_".join(_WORDS.findall(name)).upper()


def _groups_of_a_client(message: Message) -> list[str]:
    """Write a message's groups, those inside of others too; nothing of what clients do not send."""
    if message.sent_by == "venue" or message.sessions:
        return []
    groups = sorted(_groups(message.members), key=lambda group: group.count.tag)
    if not groups:
        return []
    lines = [f"        {constant_name(message.name)}: {{"]
    for group in groups:
        lines += _order_of(group)
    return [*lines, "        },"]


def _order_of(group: Group) -> list[str]:
    """Write a group's members, on one line if they fit."""
    names = [constant_name(_tag_name(member)) for member in group.members]
    head = f"            {constant_name(group.count.name)}: ("
    line = f"{head}{', '.join(names)}{',' if len(names) == 1 else ''}),"
    if len(line) <= _LINE_LENGTH_MAX:
        return [line]
    return [head, *(f"                {name}," for name in names), "            ),"]


def _tag_name(member: Member) -> str:
    """Return the name of the field that begins a member."""
    return member.item.count.name if isinstance(member.item, Group) else member.item.name


def _groups(members: Iterable[Member]) -> Iterator[Group]:
    for member in members:
        if isinstance(member.item, Group):
            yield member.item
            yield from _groups(member.item.members)
