"""The description as QuickFIX data dictionaries, whole enough for a client's engine to load."""

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from fix_gateway.dialects.names import FIX_44, FIX_50_SP2, Dialect
from fix_gateway.dialects.source import Field, Group, Member, Message, Source

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Written from the TOML files of this directory: python -m fix_gateway.generate_dialects -->
"""


def dictionaries(source: Source) -> dict[str, str]:
    """Write each dictionary, by its name."""
    session, application = source.session_messages(), source.application_messages()
    return {
        FIX_44.application: _dictionary(
            source,
            FIX_44,
            'type="FIX" major="4" minor="4" servicepack="0"',
            session + application,
            has_header=True,
        ),
        FIX_50_SP2.application: _dictionary(
            source,
            FIX_50_SP2,
            'type="FIX" major="5" minor="0" servicepack="2"',
            application,
            has_header=False,
        ),
        FIX_50_SP2.transport: _dictionary(
            source,
            FIX_50_SP2,
            'type="FIXT" major="1" minor="1" servicepack="0"',
            session,
            has_header=True,
        ),
    }


def _dictionary(
    source: Source, dialect: Dialect, version: str, messages: list[Message], *, has_header: bool
) -> str:
    parts = [source.header, source.trailer] if has_header else []
    lines = [f"<fix {version}>"]
    lines += _part(source.header, dialect, "header") if has_header else ["  <header/>"]
    lines.append("  <messages>")
    for message in messages:
        category = "admin" if message.is_session else "app"
        name = f"name={quoteattr(message.name)} msgtype={quoteattr(message.type)}"
        lines.append(f'    <message {name} msgcat="{category}">')
        lines += _members(message.members_in(dialect), dialect, indent=6)
        lines.append("    </message>")
    lines.append("  </messages>")
    lines += _part(source.trailer, dialect, "trailer") if has_header else ["  <trailer/>"]
    lines += ["  <components/>", "  <fields>"]
    used: dict[int, Field] = {}
    for message in (*parts, *messages):
        used |= _fields(message.members_in(dialect))
    for tag in sorted(used):
        lines += _field(used[tag], dialect)
    lines += ["  </fields>", "</fix>", ""]
    return _HEAD + "\n".join(lines)


def _part(message: Message, dialect: Dialect, name: str) -> list[str]:
    members = _members(message.members_in(dialect), dialect, indent=4)
    return [f"  <{name}>", *members, f"  </{name}>"]


def _members(members: Iterable[Member], dialect: Dialect, *, indent: int) -> list[str]:
    lines, space = [], " " * indent
    for member in members:
        required = "Y" if member.presence[dialect.name] == "y" else "N"
        if isinstance(member.item, Field):
            lines.append(f'{space}<field name="{member.item.name}" required="{required}"/>')
        else:
            lines.append(f'{space}<group name="{member.item.count.name}" required="{required}">')
            lines += _members(member.item.members, dialect, indent=indent + 2)
            lines.append(f"{space}</group>")
    return lines


def _fields(members: Iterable[Member]) -> dict[int, Field]:
    found: dict[int, Field] = {}
    for member in members:
        if isinstance(member.item, Group):
            found[member.item.count.tag] = member.item.count
            found |= _fields(member.item.members)
        else:
            found[member.item.tag] = member.item
    return found


def _field(field: Field, dialect: Dialect) -> list[str]:
    head = f'    <field number="{field.tag}" name="{field.name}" type="{field.types[dialect.name]}"'
    if not field.values:
        return [f"{head}/>"]
    values = [
        f'      <value enum="{value}" description="{name}"/>'
        for name, value in field.values.items()
    ]
    return [f"{head}>", *values, "    </field>"]
