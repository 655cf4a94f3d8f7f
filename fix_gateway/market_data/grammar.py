"""Whether a message is what ``sessions/dictionary`` describes, and which Reject it gets if not.

The reasons are the standard's (SessionRejectReason, 373), and the same that QuickFIX gives on
sessions that trade.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fix_gateway.dialects.names import Dialect
from fix_gateway.dialects.source import Field, Group, Member, Message, Source
from fix_gateway.translation import tags
from fix_gateway.translation.standard import Standard

Pairs = list[tuple[int, str]]

_FORMS: Final = {
    "INT": re.compile(r"-?[0-9]{1,18}", re.ASCII),
    "SEQNUM": re.compile(r"[0-9]{1,18}", re.ASCII),
    "NUMINGROUP": re.compile(r"[0-9]{1,9}", re.ASCII),
    "LENGTH": re.compile(r"[0-9]{1,9}", re.ASCII),
    "BOOLEAN": re.compile(r"[YN]"),
    "CHAR": re.compile(r"[ -~]"),
    "UTCTIMESTAMP": re.compile(r"[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?", re.ASCII),
}
_TEXTS: Final = {
    tags.SESSION_REJECT_REASON_INVALID_TAG_NUMBER: "Invalid tag number",
    tags.SESSION_REJECT_REASON_REQUIRED_TAG_MISSING: "Required tag missing",
    tags.SESSION_REJECT_REASON_TAG_NOT_DEFINED_FOR_THIS_MESSAGE_TYPE: (
        "Tag not defined for this message type"
    ),
    tags.SESSION_REJECT_REASON_TAG_SPECIFIED_WITHOUT_A_VALUE: "Tag specified without a value",
    tags.SESSION_REJECT_REASON_VALUE_IS_INCORRECT: "Value is incorrect (out of range) for this tag",
    tags.SESSION_REJECT_REASON_INCORRECT_DATA_FORMAT_FOR_VALUE: "Incorrect data format for value",
    tags.SESSION_REJECT_REASON_TAG_APPEARS_MORE_THAN_ONCE: "Tag appears more than once",
    tags.SESSION_REJECT_REASON_INCORRECT_NUM_IN_GROUP_COUNT: (
        "Incorrect NumInGroup count for repeating group"
    ),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message is refused as a whole: 373, and the tag where there is one (371)."""

    reason: str
    tag: int = 0

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self.reason]


@dataclass(slots=True)
class Request:
    """A message as it is described: its fields by tag, and its groups' entries."""

    kind: str
    fields: dict[int, str] = field(default_factory=dict)
    groups: dict[int, list[dict[int, str]]] = field(default_factory=dict)

    def get(self, tag: int) -> str:
        """Return a field's value; empty where it is not there."""
        return self.fields.get(tag, "")


class _Rule:
    """One message of one dialect."""

    def __init__(self, message: Message, header: Message, dialect: Dialect) -> None:
        members = [*header.members_in(dialect), *message.members_in(dialect)]
        self.fields = {
            member.item.tag: member.item for member in members if isinstance(member.item, Field)
        }
        self.groups = {
            member.item.count.tag: member.item
            for member in members
            if isinstance(member.item, Group)
        }
        self.required = [_tag(member) for member in members if member.presence[dialect.name] == "y"]


class Grammar:
    """The messages that a client of one dialect may send."""

    def __init__(
        self,
        source: Source,
        dialect: Dialect,
        *,
        standard: Standard,
        values: Mapping[int, frozenset[str]],
    ) -> None:
        """Prepare the rules.

        Args:
            source: the description.
            dialect: of it.
            standard: the message types and tags that the standard has.
            values: of the standard's fields. A value that we do not offer and the standard has
                is refused by the request's own reject.
        """
        self._standard = standard
        self._trailer = {_tag(member) for member in source.trailer.members}
        self._rules = {
            message.type: _Rule(message, source.header, dialect)
            for message in source.messages
            if message.sent_by != "venue" and (message.is_session or message.sessions)
        }
        self._elsewhere = {
            message.type
            for message in source.application_messages()
            if message.sent_by == "client" and not message.sessions
        }
        self._values = {
            each.tag: frozenset(each.values.values()) | values.get(each.tag, frozenset())
            for each in source.fields.values()
            if each.values
        }
        self._types = {each.tag: each.types[dialect.name] for each in source.fields.values()}

    def is_offered(self, kind: str) -> bool:
        """Say whether a client may send such a message here."""
        return kind in self._rules

    def is_of_other_sessions(self, kind: str) -> bool:
        """Say whether the venue takes such a message, but not on this kind of session."""
        return kind in self._elsewhere

    def is_standard(self, kind: str) -> bool:
        """Say whether the standard has such a message."""
        return kind in self._standard.message_types

    def read(self, kind: str, pairs: Pairs) -> Request | Fault:
        """Read a message of an offered kind; the first fault ends it."""
        rule = self._rules[kind]
        request = Request(kind)
        at = 0
        while at < len(pairs):
            tag, value = pairs[at]
            at += 1
            fault = self._fault_of(tag, value, rule, request)
            if fault is not None:
                return fault
            if tag in self._trailer:
                continue
            group = rule.groups.get(tag)
            if group is None:
                request.fields[tag] = value
                continue
            found = self._entries(pairs, at, group)
            if isinstance(found, Fault):
                return found
            entries, at = found
            if len(entries) != int(value):
                return Fault(_WRONG_COUNT, tag)
            request.groups[tag] = entries
        for tag in rule.required:
            if tag not in request.fields and not request.groups.get(tag):
                return Fault(tags.SESSION_REJECT_REASON_REQUIRED_TAG_MISSING, tag)
        return request

    def _fault_of(self, tag: int, value: str, rule: _Rule, request: Request) -> Fault | None:
        if tag in request.fields or tag in request.groups:
            return Fault(tags.SESSION_REJECT_REASON_TAG_APPEARS_MORE_THAN_ONCE, tag)
        if tag not in rule.fields and tag not in rule.groups and tag not in self._trailer:
            is_known = tag in self._types or tag in self._standard.tags
            return Fault(
                tags.SESSION_REJECT_REASON_TAG_NOT_DEFINED_FOR_THIS_MESSAGE_TYPE
                if is_known
                else tags.SESSION_REJECT_REASON_INVALID_TAG_NUMBER,
                tag,
            )
        return self._value_fault(tag, value)

    def _value_fault(self, tag: int, value: str) -> Fault | None:
        if not value:
            return Fault(tags.SESSION_REJECT_REASON_TAG_SPECIFIED_WITHOUT_A_VALUE, tag)
        form = _FORMS.get(self._types[tag])
        if form is not None and form.fullmatch(value) is None:
            return Fault(tags.SESSION_REJECT_REASON_INCORRECT_DATA_FORMAT_FOR_VALUE, tag)
        known = self._values.get(tag)
        if known is not None and value not in known:
            return Fault(tags.SESSION_REJECT_REASON_VALUE_IS_INCORRECT, tag)
        return None

    def _entries(
        self, pairs: Pairs, at: int, group: Group
    ) -> tuple[list[dict[int, str]], int] | Fault:
        """Read a group's entries; return them with the place after them."""
        members = [_tag(member) for member in group.members]
        entries: list[dict[int, str]] = []
        while at < len(pairs) and pairs[at][0] in members:
            tag, value = pairs[at]
            fault = self._value_fault(tag, value)
            if fault is not None:
                return fault
            if tag == members[0]:
                entries.append({})
            if not entries or tag in entries[-1]:
                return Fault(_WRONG_COUNT, group.count.tag)
            entries[-1][tag] = value
            at += 1
        return entries, at


_WRONG_COUNT: Final = tags.SESSION_REJECT_REASON_INCORRECT_NUM_IN_GROUP_COUNT


def _tag(member: Member) -> int:
    item = member.item
    return item.tag if isinstance(item, Field) else item.count.tag


def pairs_of(message: bytes) -> Pairs | None:
    """Split a framed message into its fields; None for one with a field that is none."""
    pairs = []
    for each in message[:-1].split(b"\x01"):
        tag, equals, value = each.partition(b"=")
        if not equals or not tag.isdigit() or len(tag) > 9:
            return None
        pairs.append((int(tag), value.decode("latin-1")))
    return pairs
