"""What the gateway knows of one session while it runs, and how it finds its place again.

A session has two sources in the engine. Its requests count by MsgSeqNum. Its connections count by
themselves, on a second sub-source, because the Logon that opens a connection may carry a higher
number than requests that still have to be sent again before it.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from fix_gateway.checkpoint import SessionMark
from fix_gateway.disconnect import DisconnectTerms, default_terms
from fix_gateway.settings import SESSION_ID_MAX, SessionFile
from fix_gateway.store import Stored
from fix_gateway.token_bucket import TokenBucket
from fix_gateway.translation.levels import untold_kinds
from fix_gateway.translation.numbering import last_number_of
from fix_gateway.translation.outbound import NOWHERE, Place
from fix_gateway.translation.request import Arrival
from messages.trading.identity import source_number
from runtime.link import AheadOfVenue

_CONNECTION_EPOCH_SECONDS = 1_767_225_600  # 2026-01-01
_CONNECTIONS_PER_SECOND = 4

Positions = dict[int, tuple[int, int]]
"""(epoch, source sequence) by source: what the core has taken of each."""


class Sent(NamedTuple):
    """What the refusal of a request that is on its way would have to name."""

    message_type: str
    client_order_id: str


@dataclass(slots=True)
class LiveSession:
    """One FIX session. QuickFIX's thread and the loop's both read it; see ``bridge``."""

    file: SessionFile
    principal: int
    epoch: int = 1
    connection: int = 0
    is_open: bool = False
    is_subscribed: bool = False
    """It is told captures as they happen, because it asked; the loop alone writes it."""
    is_removed: bool = False
    """It has no file any more."""
    is_graceful: bool = False
    chosen: DisconnectTerms | None = None
    """What the present connection's Logon chose for its end, if it did."""
    skip: Place = NOWHERE
    untold: frozenset[int] = frozenset()
    """Kinds of events that it does not want to hear of."""
    touched: dict[int, int] | None = None
    """While open orders are listed to it: the event that last said an order's state, by order."""
    is_told_requests: bool = False
    """Whether its copies name the request that caused them."""
    told: int = 0
    """ApplSeqNum (1181) after which nothing was told to it so far."""
    last_request: int = 0
    """The highest MsgSeqNum of a request that was taken from QuickFIX in this process."""
    messages_max: int = 10_000
    """The bridge's limit: what is remembered here of single requests is bounded by it."""
    handed_over: int = 0
    """Messages given to the loop; QuickFIX's thread alone writes it."""
    taken: int = 0
    """Messages that the loop took; the loop alone writes it."""
    taken_through: int = 0
    """MsgSeqNum of the last request that the loop took in this epoch."""
    throttle: TokenBucket = field(init=False)
    refused: set[int] = field(default_factory=set)
    """Numbers that were answered "not processed": they are never sequenced. See ``refuse``."""
    _refused_in_order: deque[int] = field(default_factory=deque)
    _sent: dict[tuple[int, int], Sent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with the whole throttle free."""
        table = self.file.throttle
        interval_ns = table.seconds * 1_000_000_000 // table.messages if table.messages else 0
        self.throttle = TokenBucket(burst=table.messages, interval_ns=interval_ns)
        self._take_level()

    def take_file(self, file: SessionFile) -> None:
        """Go by a changed file from now on."""
        is_paced_alike = file.throttle == self.file.throttle
        self.file, self.is_removed = file, False
        if not is_paced_alike:
            self.__post_init__()
        self._take_level()

    def _take_level(self) -> None:
        if self.file.kind == "drop_copy":
            self.untold = untold_kinds(self.file.drop_copy.level)
            self.is_told_requests = self.file.drop_copy.level == "requests"

    @property
    def number(self) -> int:
        """The session's number in the venue."""
        return self.file.id

    @property
    def requests(self) -> int:
        """The source of the session's requests."""
        return source_number(self.principal, self.number)

    @property
    def connections(self) -> int:
        """The source of the session's OpenSession and CloseSession."""
        return source_number(self.principal, self.number + SESSION_ID_MAX + 1)

    @property
    def terms(self) -> DisconnectTerms:
        """What the end of the present connection does."""
        return self.chosen or default_terms(self.file)

    def arrival(self, sequence: int, received_at_ns: int) -> Arrival:
        """Say where a request came in."""
        return Arrival(
            self.number, self.requests, self.epoch, sequence, self.connection, received_at_ns
        )

    def next_connection(self, now_ns: int) -> None:
        """Number the next connection: above all before, also those that we forgot.

        A core that has not yet sequenced our predecessor's last words does not know its last
        number; the clock, four counts a second, is above that one in any case.
        """
        since = now_ns // (1_000_000_000 // _CONNECTIONS_PER_SECOND)
        self.connection = max(
            self.connection + 1, since - _CONNECTION_EPOCH_SECONDS * _CONNECTIONS_PER_SECOND
        )

    def opening(self) -> Arrival:
        """Identify the OpenSession of the present connection."""
        return Arrival(
            self.number,
            self.connections,
            self.epoch,
            2 * self.connection,
            self.connection,
            time.time_ns(),
        )

    def closing(self) -> Arrival:
        """Identify the CloseSession of the present connection."""
        return Arrival(
            self.number,
            self.connections,
            self.epoch,
            2 * self.connection + 1,
            self.connection,
            time.time_ns(),
        )

    def reset(self) -> None:
        """Begin a new epoch: the client's and our numbers start at one again."""
        self.epoch += 1
        self.last_request = self.taken_through = 0
        self.forget_refused()

    def refuse(self, sequence: int) -> None:
        """Remember that a request was refused unsequenced; of too many, forget the oldest.

        Both threads come here. Each step is atomic in itself, and an order of steps in which
        they meet forgets at most one number more than it had to.
        """
        if sequence in self.refused:
            return
        self.refused.add(sequence)
        self._refused_in_order.append(sequence)
        if len(self._refused_in_order) > 2 * self.messages_max:
            self.refused.discard(self._refused_in_order.popleft())

    def forget_refused(self, *, through: int | None = None) -> None:
        """Forget refused numbers that cannot come again: up to one, or all of them."""
        kept = [] if through is None else [n for n in self._refused_in_order if n > through]
        self._refused_in_order.clear()
        self.refused.clear()
        for sequence in kept:
            self.refuse(sequence)

    def remember_sent(self, epoch: int, sequence: int, sent: Sent) -> None:
        """Keep what a later refusal has to name; on the loop. Of too many, forget the oldest."""
        self._sent[epoch, sequence] = sent
        while len(self._sent) > self.messages_max:
            del self._sent[next(iter(self._sent))]

    def recall_sent(self, epoch: int, sequence: int) -> Sent | None:
        """Return and forget what was kept of a request; on the loop."""
        return self._sent.pop((epoch, sequence), None)

    def forget_sent(self, epoch: int, *, through: int) -> None:
        """Forget requests that are answered: an epoch's up to a number; on the loop."""
        last = epoch, through
        while self._sent and (oldest := next(iter(self._sent))) <= last:
            del self._sent[oldest]

    def forget_all_sent(self) -> None:
        """Forget requests of which nothing more will be heard; on the loop."""
        self._sent.clear()

    def is_on_its_way(self, epoch: int, sequence: int) -> bool:
        """Say whether a request was sent and is neither answered nor refused; on the loop."""
        return (epoch, sequence) in self._sent

    def is_answered(self, number: int) -> bool:
        """Say whether none of the requests up to a number is on its way; on the loop."""
        oldest = next(iter(self._sent), None)
        return oldest is None or oldest > (self.epoch, number)


def align(
    session: LiveSession,
    *,
    positions: Positions,
    mark: SessionMark | None,
    expects: int,
    is_start: bool,
) -> int | None:
    """Bring a session in line with the core, and return the MsgSeqNum to expect next.

    It is the last sequenced one plus one. What the client sent after it, and the core never had,
    is asked for again by QuickFIX's own resend at the next logon. Where nothing can be missing
    (every request taken was sequenced, or we stopped in order) QuickFIX's own number stands, and
    the answer is None.

    A reset is believed only where it is on record: in the epoch of something the core has
    sequenced, or in what was synced to the disk when the Logon that asked for it was accepted. A
    number of QuickFIX's that is lower than the core's proves nothing: its files lag behind the
    journal after a power cut, and a stranger's ``141=Y`` lowers it too. To take that for a reset
    would let the client send its old orders again under a new epoch, and they would run twice.

    Args:
        session: its epoch and connection are raised to what is known; its epoch is already that
            of the last reset on record.
        positions: the core's, from its welcome.
        mark: the checkpoint's, if any.
        expects: what QuickFIX would expect by itself.
        is_start: whether the process has just started.
    """
    epoch, sequence = positions.get(session.requests, (1, 0))
    opened_epoch, opened = positions.get(session.connections, (1, 0))
    session.epoch = max(session.epoch, epoch, opened_epoch, mark.epoch if mark else 1)
    session.connection = max(session.connection, opened // 2, mark.connection if mark else 0)
    if session.epoch != epoch:
        return 1
    session.forget_refused(through=sequence)
    if not is_start and session.last_request <= sequence < expects:
        return None
    if is_start and mark is not None and mark.epoch == epoch and mark.target_next > sequence:
        return mark.target_next
    return sequence + 1


def begin(
    session: LiveSession,
    found: Stored,
    *,
    mark: SessionMark | None,
    epoch: int,
    last_event: int,
    has_machine_crashed: bool,
) -> int:
    """Take up a session from its store, and return the MsgSeqNum to send next.

    Args:
        session: takes over its place.
        found: what its store says.
        mark: the checkpoint's, if any.
        epoch: of its last reset on record.
        last_event: the venue's.
        has_machine_crashed: since the store was written.

    Raises:
        AheadOfVenue: it was sent more than the venue knows.
    """
    if found.last.event > last_event:
        raise AheadOfVenue(
            f"{session.file.sender_comp_id} was sent event {found.last.event}, "
            f"the venue's last is {last_event}"
        )
    for sequence in sorted(found.refused):
        session.refuse(sequence)
    # Before the first checkpoint of ours, which must not say less than the last one did.
    session.epoch = max(epoch, mark.epoch if mark else 1)
    session.connection = mark.connection if mark else 0
    if not has_machine_crashed:
        session.skip = found.last
    return resume_sending(found, mark=mark, has_machine_crashed=has_machine_crashed)


def resume_sending(stored: Stored, *, mark: SessionMark | None, has_machine_crashed: bool) -> int:
    """Return the MsgSeqNum to send next.

    After a crash of the machine the store may have lost messages that the client has. We go on
    far above them; the client asks for what it thinks is missing and gets a gap fill.
    """
    known = max(stored.sender_next, mark.sender_next if mark else 1)
    return known + SENDER_LEAP if has_machine_crashed else known


def last_told(mark: SessionMark | None, *, position: int) -> int:
    """Return the ApplSeqNum (1181) after which nothing was told to a session.

    Where it is not on record it is the largest that the event at which we go on can have: that
    nothing was told between this number and the next message is true in any case.

    Args:
        mark: the checkpoint's, if any.
        position: the event after which the feed is read.
    """
    return (mark.told if mark is not None else 0) or last_number_of(position)


SENDER_LEAP = 1_000_000
"""More than a session sends between two checkpoints."""
