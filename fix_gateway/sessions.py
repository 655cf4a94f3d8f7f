"""What the gateway knows of one session while it runs, and how it finds its place again.

A session has two sources in the engine. Its requests count by MsgSeqNum. Its connections count by
themselves, on a second sub-source, because the Logon that opens a connection may carry a higher
number than requests that still have to be sent again before it.
"""

import time
from dataclasses import dataclass, field

from fix_gateway.checkpoint import SessionMark
from fix_gateway.settings import SESSION_ID_MAX, SessionFile
from fix_gateway.store import Stored
from fix_gateway.translation.outbound import NOWHERE, Place
from fix_gateway.translation.request import Arrival
from messages.trading.identity import source_number

_CONNECTION_EPOCH_SECONDS = 1_767_225_600  # 2026-01-01
_CONNECTIONS_PER_SECOND = 4

Positions = dict[int, tuple[int, int]]
"""(epoch, source sequence) by source: what the core has taken of each."""


@dataclass(slots=True)
class LiveSession:
    """One FIX session. QuickFIX's thread and the loop's both read it; see ``bridge``."""

    file: SessionFile
    secret: bytes
    principal: int
    epoch: int = 1
    connection: int = 0
    is_open: bool = False
    is_graceful: bool = False
    skip: Place = NOWHERE
    last_request: int = 0
    """The highest MsgSeqNum of a request that was taken from QuickFIX in this process."""
    refused: set[int] = field(default_factory=set)

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
            self.number, self.connections, self.epoch, 2 * self.connection, self.connection,
            time.time_ns(),
        )  # fmt: skip

    def closing(self) -> Arrival:
        """Identify the CloseSession of the present connection."""
        return Arrival(
            self.number, self.connections, self.epoch, 2 * self.connection + 1, self.connection,
            time.time_ns(),
        )  # fmt: skip

    def reset(self) -> None:
        """Begin a new epoch: the client's and our numbers start at one again."""
        self.epoch += 1
        self.last_request = 0
        self.refused.clear()


def align(
    session: LiveSession, *, positions: Positions, mark: SessionMark | None, stored: Stored | None
) -> int | None:
    """Bring a session in line with the core, and return the MsgSeqNum to expect next.

    It is the last sequenced one plus one. What the client sent after it, and the core never had,
    is asked for again by QuickFIX's own resend at the next logon. Where nothing can be missing
    (every request taken was sequenced, or we stopped in order) QuickFIX's own number stands, and
    the answer is None.

    Args:
        session: its epoch and connection are raised to what is known.
        positions: the core's, from its welcome.
        mark: the checkpoint's, if any.
        stored: what QuickFIX's files say at the start of the process; None later on.
    """
    epoch, sequence = positions.get(session.requests, (1, 0))
    opened_epoch, opened = positions.get(session.connections, (1, 0))
    latest = max(session.epoch, epoch, opened_epoch, mark.epoch if mark else 1)
    session.connection = max(session.connection, opened // 2, mark.connection if mark else 0)
    session.epoch = latest
    if latest == epoch:
        session.refused = {number for number in session.refused if number > sequence}
    if latest != epoch:
        return 1
    if stored is not None and stored.is_there and stored.target_next < sequence:
        # The client reset its numbers and we died before the core heard of it. (One lower than
        # the last sequenced plus one is no reset: we died before QuickFIX counted the message.)
        session.reset()
        return 1
    if stored is None and session.last_request <= sequence:
        return None
    if stored is not None and mark is not None and mark.target_next > sequence:
        return mark.target_next
    return sequence + 1


def resume_sending(stored: Stored, *, mark: SessionMark | None, has_machine_crashed: bool) -> int:
    """Return the MsgSeqNum to send next.

    After a crash of the machine the store may have lost messages that the client has. We go on
    far above them; the client asks for what it thinks is missing and gets a gap fill.
    """
    known = max(stored.sender_next, mark.sender_next if mark else 1)
    return known + SENDER_LEAP if has_machine_crashed else known


SENDER_LEAP = 1_000_000
"""More than a session sends between two checkpoints."""
