"""Whether the record explains itself, and what the venue did in operators' names: pure findings.

Two ways round: what is on record must be signed by who may, twice where it takes two; and what
the events say that operators did must be on record. The second is what shows that somebody used
the venue's own way into the core beside the plane (``docs/decisions/0025``).
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from exchange.admin.catalogue import ACTIONS, URGENT
from exchange.admin.proposals import Proposal
from exchange.admin.record import FOUND_IN_EVENTS, ROLE_MISSING, SCHEDULE, Entry
from exchange.admin.roles import MATRIX, Persons
from exchange.admin.signing import SignedRequest
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operators import Operator
from messages.trading import events
from messages.trading.terms import BalanceCause

_ALWAYS: Final = (events.BalanceChanged, events.TradeBusted, events.TradeCorrected, events.Resumed)
"""What nobody but operators brings about: each is explained, whoever it says did it."""

_BEGINS: Final = frozenset({"proposed", "approved", "withdrawn", "asked"})
_OF_ACTIONS: Final[dict[type[events.Event], frozenset[str]]] = {
    events.BalanceChanged: frozenset(),
    events.TradeBusted: frozenset(),
    events.TradeCorrected: frozenset(),
    events.FundsTransferred: frozenset(),
    events.ReceivableChanged: frozenset(),
    events.Resumed: frozenset({"resume"}),
    events.AccountLimitsSet: frozenset({"limits", "apply"}),
    events.AssetLimitsSet: frozenset({"limits", "apply"}),
    events.FeeScheduleAssigned: frozenset({"fees.assign", "fees.recompute", "apply"}),
}
"""Which actions without terms of their own bring an event about; what is not here, any may."""


def record_findings(
    entries: Iterable[tuple[int, Entry]], operators: Iterable[Operator], *, venue: str
) -> list[str]:
    """Say what in the record its operators did not sign, or one did where it takes two.

    Args:
        entries: numbered, in order, their chain checked.
        operators: all there are, the revoked ones too.
        venue: whose record it is. Requests of the first version, which name none, may come
            before the first that does.
    """
    keys = _Keys(operators)
    found: list[str] = []
    course = _Course(venue)
    for number, entry in entries:
        keys.learn(entry)
        if entry.request is not None and not keys.signed(entry):
            found.append(f"entry {number}: {entry.operator} did not sign {entry.action}")
        found += [f"entry {number}: {each}" for each in course.wrong(entry)]
        if entry.step != "done" or entry.action not in MATRIX:
            continue
        if entry.proposal:
            both = course.proposed.get(entry.proposal), course.approved.get(entry.proposal)
            if both[0] is None or both[1] is None or both[0].operator == both[1].operator:
                found.append(f"entry {number}: {entry.action} was done, and two did not agree")
        elif MATRIX[entry.action][1] is Persons.TWO:
            found.append(f"entry {number}: {entry.action} takes two, and one did it")
    return found


class _Course:
    """How each request came: what begins with it, once, and what came of it after that."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._is_venue_named = False
        self.proposed: dict[str, Entry] = {}
        self.approved: dict[str, Entry] = {}
        """The first approval of each, with which it is done."""
        self._nonces: set[str] = set()
        self._waiting: dict[str, Entry] = {}
        self._done: dict[str, tuple[int, ...]] = {}

    def wrong(self, entry: Entry) -> list[str]:
        """Take an entry, and say what it claims that its signed request does not say."""
        if entry.step == "founded":
            return []
        request = entry.request
        if request is None:
            is_scheduled = (entry.operator, entry.action) == (SCHEDULE, "fees.recompute")
            is_ours = entry.action in MATRIX  # findings are signed where they are acknowledged
            return [f"nobody signed {entry.action}"] if is_ours and not is_scheduled else []
        found = self._elsewhere(entry, request) + _misread(entry, request)
        if entry.step in _BEGINS or (entry.step == "refused" and entry.outcome == ROLE_MISSING):
            if request.nonce in self._nonces:
                found.append(f"the request for {entry.action} came before")
            self._nonces.add(request.nonce)
            return found + self._begun(entry, request)
        return found + (self._ended_by_two(entry) if entry.proposal else self._ended(entry))

    def _elsewhere(self, entry: Entry, request: SignedRequest) -> list[str]:
        """Say whether a request was signed for another venue than this."""
        is_older = not request.venue and not self._is_venue_named
        self._is_venue_named |= bool(request.venue)
        if is_older or request.venue == self._venue:
            return []
        where = f"venue {request.venue}" if request.venue else "no venue"
        return [f"{entry.operator} signed {entry.action} for {where}"]

    def _begun(self, entry: Entry, request: SignedRequest) -> list[str]:
        if entry.step == "asked":
            self._waiting[request.nonce] = entry
        if entry.step == "proposed":
            if entry.proposal in self.proposed:
                return [f"proposal {entry.proposal} was made before"]
            self.proposed[entry.proposal] = entry
        if entry.step == "approved":
            return self._agreed(entry, request)
        return []

    def _agreed(self, entry: Entry, request: SignedRequest) -> list[str]:
        """Compare an approval with what was proposed."""
        self.approved.setdefault(entry.proposal, entry)
        before = self.proposed.get(entry.proposal)
        if before is None or before.request is None:
            return []  # What is done then, is found.
        proposal = Proposal(
            id=entry.proposal,
            action=before.action,
            summary=before.summary,
            request=before.request,
        )
        digest = _said(request).digest
        if (before.action, proposal.digest) != (entry.action, digest):
            return [f"{entry.operator} approved something else than proposal {entry.proposal}"]
        return []

    def _ended(self, entry: Entry) -> list[str]:
        """Require that what came of a request was asked, and comes once."""
        assert entry.request is not None
        nonce = entry.request.nonce
        asked = self._waiting.pop(nonce, None)
        if asked is None and entry.action in URGENT and nonce not in self._nonces:
            self._nonces.add(nonce)  # A kill waits for no disk.
            return []
        if asked is None or (asked.action, asked.request) != (entry.action, entry.request):
            return [f"{entry.action} is {entry.step}, and nobody asked for it then"]
        return []

    def _ended_by_two(self, entry: Entry) -> list[str]:
        """Require that what came of a proposal is of its action, by its approval, and once."""
        before, agreed = self.proposed.get(entry.proposal), self.approved.get(entry.proposal)
        if before is None or agreed is None:
            return []  # Found by the caller, where something was done.
        if (entry.action, entry.request) != (before.action, agreed.request):
            return [f"{entry.action} is not what proposal {entry.proposal} is about"]
        if entry.step != "done":
            return []
        if entry.events and self._done.setdefault(entry.proposal, entry.events) != entry.events:
            return [f"proposal {entry.proposal} was done before, by another event"]
        return []


def _misread(entry: Entry, request: SignedRequest) -> list[str]:
    """Say whether a request was signed for another path than its entry needs."""
    path = f"/v1/actions/{entry.action}"
    if entry.proposal and entry.step != "proposed":
        verb = "withdraw" if entry.step == "withdrawn" else "approve"
        path = f"/v1/proposals/{entry.proposal}/{verb}"
    if (request.method, request.path) != ("POST", path):
        return [f"{entry.operator} signed {request.path}, not {path}"]
    reason = _said(request).reason
    if entry.reason not in (reason, FOUND_IN_EVENTS):
        return [f"{entry.operator} gave another reason: {reason}"]
    return []


class _Said(msgspec.Struct, frozen=True):
    """What matters here of any body."""

    reason: str = ""
    digest: str = ""


def _said(request: SignedRequest) -> _Said:
    try:
        return msgspec.json.decode(request.body, type=_Said)
    except msgspec.DecodeError:
        return _Said()


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
    told: Iterable[events.Event],
    recorded: Mapping[int, Entry],
    names: Mapping[int, str],
    proposed: Mapping[str, Entry],
    known: Directory,
) -> list[str]:
    """Say which events carry operators, or could only be theirs, and are on no record.

    What is on record must be by the operators, of the kind and on the terms that were asked.

    Args:
        told: the venue's events, all or from some number on.
        recorded: the entry of each event that the record names.
        names: operators by number.
        proposed: the entry of each proposal, by its id.
        known: what the venue knows, to read amounts and names by.
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
        elif not _is_asked(event, entry, names, proposed.get(entry.proposal), known):
            found.append(f"event {event.number}: {what} is not what {entry.action} asked for")
    return found


def _is_asked(
    event: events.Event,
    entry: Entry,
    names: Mapping[int, str],
    proposed: Entry | None,
    known: Directory,
) -> bool:
    """Say whether an event is what its entry's request, or its proposal's, asks for."""
    first, second = entry.operator, ""
    if proposed is not None:
        first, second = proposed.operator, entry.operator
    named = {number: name for number, name in names.items() if number}
    by = named.get(getattr(event, "operator", 0)), named.get(getattr(event, "approver", 0))
    wanted = None if first == SCHEDULE else first, second or None
    if hasattr(event, "operator") and by != wanted:
        return False
    request = (proposed or entry).request
    if request is None or entry.action not in ACTIONS:
        return request is None and entry.operator == SCHEDULE
    try:
        body = msgspec.json.decode(request.body, type=ACTIONS[entry.action])
        told = body.told(known)
    except (msgspec.DecodeError, CommandError):
        return False
    if told is not None:
        return told(event)
    return entry.action in _OF_ACTIONS.get(type(event), (entry.action,))
