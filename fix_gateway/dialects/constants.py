"""The description as the module of constants that the translation uses."""

import re

from fix_gateway.dialects.source import Source

_HEAD = '''\
"""FIX tags and values by their names in the standard.

Written from ``sessions/dictionary``: python -m fix_gateway.generate_dialects.
"""

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
    return "\n".join([*lines, ""])


def constant_name(name: str) -> str:
    """Turn a name of the standard into a constant's: ClOrdID into CL_ORD_ID."""
    return "_".join(_WORDS.findall(name)).upper()
