"""Reading ``sessions/dictionary/*.toml``: the one description of what Rialto says over FIX.

Errors:
    SettingsError: the description is not consistent; names file, entry and reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from fix_gateway.dialects.names import DIALECTS, Dialect
from runtime.toml import SettingsError, read_toml

DIRECTORY = Path(__file__).parents[2] / "sessions" / "dictionary"
OWN_TAG_MIN = 5000

Presence = Literal["y", "o", "c", "-"]
Sender = Literal["client", "venue", "both"]
Sessions = Literal["", "market_data"]


class _FieldTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tag: int
    type: str
    text: str
    type_44: str = ""
    values: dict[str, str] = {}
    since: Literal["", "FIX.5.0SP2"] = ""
    own: bool = False
    own_values: list[str] = []


class _GroupTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: str
    text: str
    members: list[tuple[str, str, str]]


class _MessageTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    sent_by: Sender
    text: str
    members: list[tuple[str, str, str]]
    sessions: Sessions = ""


class _PartTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    members: list[tuple[str, str, str]]


class _MessagesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: _PartTable
    trailer: _PartTable
    session: dict[str, _MessageTable]
    application: dict[str, _MessageTable]


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its tag, its type by dialect, and its values by name (none: free)."""

    name: str
    tag: int
    text: str
    types: Mapping[str, str]
    values: Mapping[str, str]
    is_in_44: bool
    is_own: bool
    own_values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating group; the first member begins each entry."""

    name: str
    count: Field
    text: str
    members: tuple["Member", ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A field or group in its place, and its presence by dialect."""

    item: Field | Group
    presence: Mapping[str, Presence]
    note: str

    @property
    def tags(self) -> Iterator[int]:
        """The tags that may stand here: the field's, or the count's and the group's."""
        if isinstance(self.item, Field):
            yield self.item.tag
            return
        yield self.item.count.tag
        for member in self.item.members:
            yield from member.tags


@dataclass(frozen=True, slots=True)
class Message:
    """A message type, or the header or trailer (type empty) of all of them."""

    name: str
    type: str
    text: str
    sent_by: Sender
    is_session: bool
    members: tuple[Member, ...]
    sessions: Sessions = ""
    """The kind of sessions that alone have it; empty for those that trade and copy."""

    def members_in(self, dialect: Dialect) -> list[Member]:
        """The members that there are in a dialect."""
        return [member for member in self.members if member.presence[dialect.name] != "-"]


@dataclass(frozen=True, slots=True)
class Source:
    """The whole description."""

    fields: Mapping[str, Field]
    groups: Mapping[str, Group]
    header: Message
    trailer: Message
    messages: tuple[Message, ...]

    def session_messages(self) -> list[Message]:
        """The messages of the session layer."""
        return [message for message in self.messages if message.is_session]

    def application_messages(self) -> list[Message]:
        """Requests and answers."""
        return [message for message in self.messages if not message.is_session]


def read_source(directory: Path = DIRECTORY) -> Source:
    """Read and check the description.

    Raises:
        SettingsError: as the module says.
    """
    fields = {
        name: _field(name, table, directory / "fields.toml")
        for name, table in read_toml(directory / "fields.toml", dict[str, _FieldTable]).items()
    }
    _once(directory / "fields.toml", {name: str(field.tag) for name, field in fields.items()})
    where = directory / "groups.toml"
    groups: dict[str, Group] = {}
    for name, table in read_toml(where, dict[str, _GroupTable]).items():
        # A group may hold those that stand before it.
        groups[name] = _group(name, table, fields, groups, where)
    where = directory / "messages.toml"
    file = read_toml(where, _MessagesFile)
    items: dict[str, Field | Group] = {**fields, **groups}
    header, trailer = (
        Message(name, "", part.text, "both", True, _members(part.members, items, where, name))
        for name, part in (("header", file.header), ("trailer", file.trailer))
    )
    messages = tuple(
        Message(
            name,
            table.type,
            table.text,
            table.sent_by,
            tables is file.session,
            _members(table.members, items, where, name),
            table.sessions,
        )
        for tables in (file.session, file.application)
        for name, table in tables.items()
    )
    _once(where, {message.name: message.type for message in messages})
    source = Source(fields, groups, header, trailer, messages)
    _check_use(source, directory)
    return source


def _field(name: str, table: _FieldTable, where: Path) -> Field:
    unknown = set(table.own_values) - table.values.keys()
    if unknown:
        raise SettingsError(f"{where}: {name}: own_values {sorted(unknown)} are not among values")
    if table.own != (OWN_TAG_MIN <= table.tag < 10_000):
        raise SettingsError(f"{where}: {name}: own is for tags from {OWN_TAG_MIN} to 9999")
    _once(where, {f"{name}.{key}": value for key, value in table.values.items()})
    return Field(
        name,
        table.tag,
        table.text,
        {"FIX.4.4": table.type_44 or table.type, "FIX.5.0SP2": table.type},
        table.values,
        not table.since and not table.own,
        table.own,
        frozenset(table.own_values),
    )


def _group(
    name: str,
    table: _GroupTable,
    fields: Mapping[str, Field],
    groups: Mapping[str, Group],
    where: Path,
) -> Group:
    members = _members(table.members, {**fields, **groups}, where, name)
    count = fields.get(table.count)
    if count is None or count.types["FIX.5.0SP2"] != "NUMINGROUP":
        raise SettingsError(f"{where}: {name}: {table.count} is no field that counts")
    if not members or set(members[0].presence.values()) != {"y"}:
        raise SettingsError(f"{where}: {name}: the first member begins an entry, and is required")
    return Group(name, count, table.text, members)


def _members(
    rows: list[tuple[str, str, str]],
    items: Mapping[str, Field | Group],
    where: Path,
    owner: str,
) -> tuple[Member, ...]:
    members = []
    for name, presence, note in rows:
        item = items.get(name)
        if item is None:
            raise SettingsError(f"{where}: {owner}: nothing is called {name}")
        members.append(Member(item, _presence(presence, f"{where}: {owner}.{name}"), note))
    found = [tag for member in members for tag in member.tags]
    if len(found) != len(set(found)):
        raise SettingsError(f"{where}: {owner}: a field stands twice")
    return tuple(members)


def _presence(text: str, where: str) -> dict[str, Presence]:
    parts = text.split("|")
    parts = parts * len(DIALECTS) if len(parts) == 1 else parts
    if len(parts) != len(DIALECTS):
        raise SettingsError(f"{where}: presence {text!r} is not one or one for each dialect")
    try:
        found = [msgspec.convert(part, Presence) for part in parts]
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: presence {text!r}: {error}") from error
    return dict(zip(DIALECTS, found, strict=True))


def _once(where: Path, values: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for name, value in values.items():
        other = first.setdefault(value, name)
        if other != name:
            raise SettingsError(f"{where}: {name} and {other} are both {value}")


def _check_use(source: Source, directory: Path) -> None:
    """Refuse fields and groups that no message has."""
    used: set[str] = set()
    waiting = [
        member
        for message in (source.header, source.trailer, *source.messages)
        for member in message.members
    ]
    while waiting:
        item = waiting.pop().item
        used.add(item.name)
        if isinstance(item, Group):
            used.add(item.count.name)
            waiting += item.members
    if unused := (source.fields.keys() | source.groups.keys()) - used:
        raise SettingsError(f"{directory}: no message has {', '.join(sorted(unused))}")
