"""A FIX message as text: split into tags on the way in, framed on the way out.

QuickFIX has checked framing, checksum and dictionary before; a native session engine will have
done the same. That is why a plain split is enough here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fix_gateway.translation.tags import GROUPS, MSG_TYPE, SOH

Entry = dict[int, str]
"""One entry of a repeating group, by tag; of a group inside another, with what stands before it
in the entry that it belongs to."""

Orders = Mapping[int, tuple[int, ...]]
"""The members of a message's groups in their order, by the tag that counts."""


class Fields(dict[int, str]):
    """The fields of one message by tag, and its groups' entries by the tag that counts."""

    groups: Mapping[int, list[Entry]] = MappingProxyType({})


class MalformedMessageError(ValueError):
    """Text that is not tag=value fields, each once; the session layer failed to refuse it."""


def parse(message: str) -> Fields:
    """Split a whole message into its fields.

    Raises:
        MalformedMessageError: a field without a numeric tag or an equals sign; a tag that stands
            twice, for which of the two is meant would be the reader's guess; a group that has not
            as many entries as it says, or an entry whose members are not in their order.
    """
    fields = [field.split("=", 1) for field in message.split(SOH) if field]
    try:
        found = Fields({int(tag): value for tag, value in fields})
    except ValueError as error:
        raise MalformedMessageError(f"not FIX fields: {error}") from error
    orders = GROUPS.get(found.get(MSG_TYPE, ""))
    if orders is not None and not found.keys().isdisjoint(orders):
        return _with_groups([(int(tag), value) for tag, value in fields], orders)
    if len(found) != len(fields):
        raise MalformedMessageError("a tag stands twice")
    return found


def _with_groups(pairs: list[tuple[int, str]], orders: Orders) -> Fields:
    found = Fields()
    groups: dict[int, list[Entry]] = {}
    found.groups = groups
    at = 0
    while at < len(pairs):
        tag, value = pairs[at]
        at += 1
        if tag in found or tag in groups:
            raise MalformedMessageError(f"{tag} stands twice")
        if tag not in orders:
            found[tag] = value
            continue
        groups[tag], at = _entries(pairs, at, orders, groups)
    return found


def _entries(
    pairs: list[tuple[int, str]], at: int, orders: Orders, groups: dict[int, list[Entry]]
) -> tuple[list[Entry], int]:
    """Read the entries of the group counted before ``at``; return them and the place after them.

    What groups inside of it have goes to ``groups``.
    """
    count, value = pairs[at - 1]
    members = orders[count]
    entries: list[Entry] = []
    last = len(members)
    while at < len(pairs) and pairs[at][0] in members:
        tag, text = pairs[at]
        at += 1
        place = members.index(tag)
        if place == 0:
            entries.append({})
        elif not entries or place <= last:
            raise MalformedMessageError(f"{tag} is out of its group's order")
        last = place
        if tag not in orders:
            entries[-1][tag] = text
            continue
        outer = entries[-1]
        inner, at = _entries(pairs, at, orders, groups)
        groups.setdefault(tag, []).extend(outer | entry for entry in inner)
    if str(len(entries)) != value:
        raise MalformedMessageError(f"{count} says {value!r} and there are {len(entries)}")
    return entries, at
