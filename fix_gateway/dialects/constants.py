"""The description as the module of constants that the translation uses."""

import re

from fix_gateway.dialects.source import Group, Message, Source

_HEAD = '''\
"""FIX tags, values and groups by their names in the standard.

Written from ``sessions/dictionary``: python -m fix_gateway.generate_dialects.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SOH: Final = "\\x01"
'''
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
    lines += ["", "GROUPS: Final[Mapping[int, tuple[int, ...]]] = MappingProxyType(", "    {"]
    for group in sorted(_groups_of_clients(source), key=lambda group: group.count.tag):
        members = ", ".join(constant_name(member.item.name) for member in group.members)
        lines.append(f"        {constant_name(group.count.name)}: ({members}),")
    lines += ["    }", ")"]
    lines.append('"""Groups of requests: the members in order by the tag that counts."""')
    return "\n".join([*lines, ""])


def constant_name(name: str) -> str:
    """Turn a name of the standard into a constant's: ClOrdID into CL_ORD_ID."""
    return "_".join(_WORDS.findall(name)).upper()


def _groups_of_clients(source: Source) -> list[Group]:
    found: dict[str, Group] = {}
    for message in source.application_messages():
        if message.sent_by != "venue" and not message.sessions:
            found |= _groups(message)
    return list(found.values())


def _groups(message: Message) -> dict[str, Group]:
    items = [member.item for member in message.members]
    return {item.name: item for item in items if isinstance(item, Group)}
