"""Reads outgoing messages by the description, and fails on what it does not have.

It shares the description with the generators and nothing with the translation that is tested.
"""

import re
from collections.abc import Collection, Iterator
from functools import cache

from fix_gateway.dialects.names import DIALECTS, Dialect
from fix_gateway.dialects.source import Field, Group, Member, Message, Source, read_source

Fields = dict[int, str]
Groups = dict[int, list[Fields]]

_FORMS = {
    "QTY": r"-?\d+(\.\d+)?",
    "PRICE": r"-?\d+(\.\d+)?",
    "AMT": r"-?\d+(\.\d+)?",
    "INT": r"-?\d+",
    "SEQNUM": r"\d+",
    "NUMINGROUP": r"[1-9]\d*",
    "BOOLEAN": r"[YN]",
    "UTCTIMESTAMP": r"\d{8}-\d\d:\d\d:\d\d\.\d{6}(\d{3})?",
    "CHAR": r"[!-~]",
}
_BEHIND = {797, 1180, 1181, 1350, 1352, 5050}


@cache
def source() -> Source:
    return read_source()


@cache
def message_of(kind: str) -> Message:
    (found,) = [message for message in source().messages if message.type == kind]
    return found


def fields_of(text: str) -> tuple[Fields, Groups]:
    """The fields and groups of a message from 35 on; it must fit every dialect."""
    assert text.endswith("\x01")
    pairs = [field.partition("=") for field in text[:-1].split("\x01")]
    numbered = [(int(tag), value) for tag, _, value in pairs]
    assert numbered[0][0] == 35, text
    message = message_of(numbered[0][1])
    read = [_read(numbered[1:], message, dialect) for dialect in DIALECTS.values()]
    assert all(found == read[0] for found in read)
    fields, groups = read[0]
    return {35: message.type} | fields, groups


def _read(
    pairs: list[tuple[int, str]], message: Message, dialect: Dialect
) -> tuple[Fields, Groups]:
    members = message.members_in(dialect)
    places = {next(member.tags): member for member in members}
    order = [tag for member in members for tag in member.tags]
    # A drop copy is the original with its mark behind it, and numbers come behind that.
    found = [order.index(tag) for tag, _ in pairs if tag not in _BEHIND and tag in places]
    assert found == sorted(found), f"not in the standard's order: {pairs}"
    fields: Fields = {}
    groups: Groups = {}
    waiting = iter(pairs)
    pair = next(waiting, None)
    while pair is not None:
        tag, value = pair
        assert tag in places, f"{message.name} has no {tag} in {dialect.name}: {pairs}"
        item = places[tag].item
        assert tag not in fields, f"{tag} is there twice: {pairs}"
        pair = next(waiting, None)
        if isinstance(item, Field):
            fields[tag] = _checked(item, value, dialect)
            continue
        assert tag not in groups, f"{tag} is there twice: {pairs}"
        groups[tag], pair = _entries(item, int(value), pair, waiting, dialect)
    _check_required(members, fields.keys() | groups.keys(), dialect, message.name)
    return fields, groups


def _entries(
    group: Group,
    count: int,
    pair: tuple[int, str] | None,
    waiting: Iterator[tuple[int, str]],
    dialect: Dialect,
) -> tuple[list[Fields], tuple[int, str] | None]:
    items = [member.item for member in group.members]
    order = [item.tag if isinstance(item, Field) else item.count.tag for item in items]
    found: list[Fields] = []
    last = -1
    while pair is not None and pair[0] in order:
        tag, value = pair
        at = order.index(tag)
        if at == 0:
            found.append({})
        else:
            assert found, f"{group.name} does not begin with its first member"
            assert at > last, f"{group.name}: {tag} out of order"
        item = items[at]
        last = at
        pair = next(waiting, None)
        if isinstance(item, Field):
            found[-1][tag] = _checked(item, value, dialect)
        else:
            found[-1][tag] = value
            _, pair = _entries(item, int(value), pair, waiting, dialect)
    assert len(found) == count, f"{group.name} counts {count}: {found}"
    for entry in found:
        _check_required(list(group.members), entry.keys(), dialect, group.name)
    return found, pair


def _checked(field: Field, value: str, dialect: Dialect) -> str:
    form = _FORMS.get(field.types[dialect.name])
    assert value, f"{field.name} is empty"
    assert form is None or re.fullmatch(form, value), f"{field.name}: {value!r}"
    if field.values:
        assert value in field.values.values(), f"{field.name} has no value {value!r}"
    return value


def _check_required(
    members: list[Member], there: Collection[int], dialect: Dialect, name: str
) -> None:
    for member in members:
        if member.presence[dialect.name] == "y":
            assert next(member.tags) in there, f"{name}: {member.item.name} is missing"
