"""Whether the record explains itself, and what the venue did in operators' names: pure findings.

Two ways round: what is on record must be signed by who may, twice where it takes two; and what
the events say that operators did must be on record. The second is what shows that somebody used
the venue's own way into the core beside the plane (``docs/decisions/0025``).
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from exchange.admin.record import Entry
from exchange.admin.roles import MATRIX, Persons
from exchange.operators import Operator
from messages.trading import events
from messages.trading.terms import BalanceCause

_ALWAYS: Final = (events.BalanceChanged, events.TradeBusted, events.TradeCorrected, events.Resumed)
"""What nobody but operators brings about: each is explained, whoever it says did it."""


def record_findings(
    entries: Iterable[tuple[int, Entry]], operators: Iterable[Operator]
) -> list[str]:
    """Say what in the record its operators did not sign, or one did where it takes two.

    Args:
        entries: numbered, in order, their chain checked.
        operators: all there are, the revoked ones too.
    """
    keys = _Keys(operators)
    found: list[str] = []
    proposed: dict[str, str] = {}
    approved: dict[str, str] = {}
    for number, entry in entries:
        keys.learn(entry)
        request = entry.request
        if request is not None and not keys.signed(entry):
            found.append(f"entry {number}: {entry.operator} did not sign {entry.action}")
        if entry.step == "proposed":
            proposed[entry.proposal] = entry.operator
        if entry.step == "approved":
            approved[entry.proposal] = entry.operator
        if entry.step != "done" or entry.action not in MATRIX:
            continue
        if entry.proposal:
            both = proposed.get(entry.proposal, ""), approved.get(entry.proposal, "")
            if not all(both) or both[0] == both[1]:
                found.append(f"entry {number}: {entry.action} was done, and two did not agree")
        elif MATRIX[entry.action][1] is Persons.TWO:
            found.append(f"entry {number}: {entry.action} takes two, and one did it")
    return found


class _Keys:
    """The keys that operators have, and had: those that the record itself named."""

    def __init__(self, operators: Iterable[Operator]) -> None:
        self._known = {each.name: [each] for each in operators}
        self._asked: dict[str, _Asked] = {}

    def learn(self, entry: Entry) -> None:
        """Take note of a key that was founded, or that two operators took in."""
        if entry.step == "founded":
            self._add(entry.operator, entry.summary.rpartition(" key ")[2])
        if entry.action not in ("operators.add", "operators.change"):
            return
        if entry.step == "proposed" and entry.request is not None:
            self._asked[entry.proposal] = msgspec.json.decode(entry.request.body, type=_Asked)
        asked = self._asked.get(entry.proposal)
        if entry.step == "done" and asked is not None and asked.public_key:
            self._add(asked.name, asked.public_key)

    def _add(self, name: str, public_key: str) -> None:
        if known := self._known.get(name):
            known.append(msgspec.structs.replace(known[0], public_key=public_key))

    def signed(self, entry: Entry) -> bool:
        """Say whether any key of the operator signed an entry's request."""
        assert entry.request is not None
        message, signature = entry.request.signed_bytes(), entry.request.signature
        return entry.request.operator == entry.operator and any(
            each.has_signed(message, signature) for each in self._known.get(entry.operator, [])
        )


class _Asked(msgspec.Struct, frozen=True):
    """What matters here of a body about an operator."""

    name: str
    public_key: str | None = None


def event_findings(
    told: Iterable[events.Event], recorded: Mapping[int, Entry], names: Mapping[int, str]
) -> list[str]:
    """Say which events carry operators, or could only be theirs, and are on no record.

    Args:
        told: the venue's events, all or from some number on.
        recorded: the entry of each event that the record names.
        names: operators by number.
    """
    found = []
    for event in told:
        operator = getattr(event, "operator", 0)
        if not operator and not isinstance(event, _ALWAYS):
            continue
        entry = recorded.get(event.number)
        what = type(event).__name__
        if isinstance(event, events.BalanceChanged):
            what = f"{what} {BalanceCause(event.cause).name}"
        if entry is None:
            who = names.get(operator, str(operator))
            found.append(f"event {event.number}: {what} by operator {who} is on no record")
    return found
