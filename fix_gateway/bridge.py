"""From QuickFIX's thread to the loop's, in order and bounded.

QuickFIX calls ``Bridge`` on its own thread. What it hands over is a command record ready to send;
the loop is woken once a burst. Two threads share: the deque (its operations are atomic), the
flags of a session (one writer each), and the directory (whose dicts are replaced, not changed,
where more than one entry belongs together).
"""

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import structlog

from fix_gateway.acceptor import StoreError
from fix_gateway.disconnect import answered_terms, choose_terms
from fix_gateway.sessions import LiveSession, Sent
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.inbound import (
    close_session,
    open_session,
    open_session_on_terms,
    refuse_rights,
    translate,
)
from fix_gateway.translation.kinds import KIND_OF
from fix_gateway.translation.raw import Fields, MalformedMessageError, parse
from fix_gateway.translation.reasons import code_name
from fix_gateway.translation.text import safe_text
from messages.trading.codes import RejectCode
from messages.trading.terms import CLIENT_ID_LENGTH_MAX

log = structlog.get_logger()

_REFUSED = "logon refused"
_NEVER_THROTTLED = frozenset({"F", "q", "Z", "CA"})
"""Who takes risk away is never told to wait."""
_REFERENCES = (tags.CL_ORD_ID, tags.QUOTE_RESP_ID, tags.QUOTE_ID, tags.QUOTE_REQ_ID)
"""What a request goes by: the first of these that it has."""


class Request(NamedTuple):
    """One record on its way to the core, and what its refusal would have to name."""

    session: LiveSession
    epoch: int
    sequence: int  # MsgSeqNum; zero for the opening and closing of connections
    record: bytes
    sent: Sent = Sent("", "")
    received_at_ns: int = 0


class Inquiry(NamedTuple):
    """A request that is no command: the gateway answers it from what the venue has recorded.

    A Logon is one too: of the orders that are open. And a Logout, of a session that has subscribed.
    """

    session: LiveSession
    connection: int
    sequence: int
    fields: Fields


_LOGGED_ON = Fields({tags.MSG_TYPE: tags.LOGON})
_LOGGED_OUT = Fields({tags.MSG_TYPE: tags.LOGOUT})

INQUIRIES = frozenset(
    {
        tags.APPLICATION_MESSAGE_REQUEST,
        tags.TRADE_CAPTURE_REPORT_REQUEST,
        tags.TRADE_CAPTURE_REPORT_ACK,
    }
)
"""The application messages (35) that never become commands."""


class Bridge:
    """The gateway as QuickFIX sees it."""

    def __init__(
        self,
        *,
        sessions: dict[str, LiveSession],
        directory: Directory,
        loop: asyncio.AbstractEventLoop,
        messages_max: int,
        session_messages_max: int,
        credential: str,
        keep_reset: Callable[[int, int], None],
        skip_numbers: Callable[[LiveSession, int], None],
        wake: Callable[[], None],
        answer: Callable[[LiveSession, str], None],
        fail: Callable[[Exception], None],
    ) -> None:
        """Keep who may log on, and how to reach the loop.

        Args:
            sessions: by their comp id.
            directory: kept up to date by the loop.
            loop: where ``wake`` runs.
            messages_max: requests that may wait for the loop; more are refused.
            session_messages_max: how many of them may be one session's, so that a session which
                floods us is refused before it takes the others' places.
            credential: what the guard proves by that a Logon comes from it.
            keep_reset: puts a session's number and new epoch on the disk; OSError if it cannot.
                Called on QuickFIX's thread.
            skip_numbers: leaves out so many of our numbers to a session; on QuickFIX's thread.
            wake: called on the loop when requests wait.
            answer: gives a message to a session; called on QuickFIX's thread.
            fail: called on the loop when a callback broke an invariant.
        """
        self._sessions = sessions
        self._directory = directory
        self._loop = loop
        self._messages_max = messages_max
        self._session_messages_max = session_messages_max
        self._credential = credential.encode()
        self._keep_reset = keep_reset
        self._skip_numbers = skip_numbers
        self._wake = wake
        self._answer = answer
        self._fail = fail
        self._waiting: deque[Request] = deque()
        self._inquiries: deque[Inquiry] = deque()
        self._is_woken = False
        self.is_available = False
        """Whether the core is there: without it no Logon is accepted and no request is taken."""
        self.closed_text = ""
        """Why no Logon is accepted although the core is there; empty while they are."""
        self.full_count = self.throttled_count = 0
        self.logon_counts = {"accepted": 0, "refused": 0}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> list[Request]:
        """Return what waits, oldest first; on the loop."""
        self._is_woken = False
        taken = []
        while self._waiting:
            request = self._waiting.popleft()
            session = request.session
            session.taken += 1
            if request.sequence and request.epoch == session.epoch:
                session.taken_through = request.sequence
            taken.append(request)
        return taken

    def take_inquiries(self) -> list[Inquiry]:
        """Return the inquiries that wait, oldest first; on the loop."""
        taken = []
        while self._inquiries:
            taken.append(self._inquiries.popleft())
        return taken

    def failed(self, error: Exception) -> None:
        """Let the loop end the process; nothing more is taken."""
        self.is_available = False
        self._loop.call_soon_threadsafe(self._fail, error)

    def logon_asked(self, counterparty: str, message: str) -> str | None:
        """Judge a Logon that the guard hands on: really the guard's, heartbeat, core there.

        Beside its credential the guard says how many Logouts it sent this client since the last
        accepted Logon. Of those QuickFIX knows nothing, but many clients count them, whatever
        number they have, and would find ours too low ever after. So we leave out as many: who did
        not count them sees a gap, which is filled.
        """
        session = self._sessions[counterparty]
        try:
            fields = parse(message)
        except MalformedMessageError:
            return self._refused_logon(session, _REFUSED, "malformed")
        credential, _, skipped = fields.get(tags.PASSWORD, "").partition(".")
        is_guard = hmac.compare_digest(credential.encode("utf-8", "replace"), self._credential)
        is_name = fields.get(tags.USERNAME, "") == session.file.sender_comp_id
        if not (is_guard and is_name and skipped.isascii() and skipped.isdigit()):
            return self._refused_logon(session, _REFUSED, "credentials")
        if not self.is_available:
            text = "the venue is not available, try again"
            return self._refused_logon(session, text, "unavailable")
        if self.closed_text:
            return self._refused_logon(session, self.closed_text, "stopped")
        heartbeat, bounds = fields.get(tags.HEART_BT_INT, ""), session.file.heartbeat
        if not (
            heartbeat.isascii()
            and heartbeat.isdigit()
            and bounds.seconds_min <= int(heartbeat[:9]) <= bounds.seconds_max
        ):
            return self._refused_logon(
                session,
                f"HeartBtInt (108) must be {bounds.seconds_min} to {bounds.seconds_max}",
                "heartbeat",
            )
        chosen = choose_terms(fields, session.file)
        if isinstance(chosen, str):
            return self._refused_logon(session, chosen, "disconnect_terms")
        session.chosen = chosen
        if fields.get(tags.RESET_SEQ_NUM_FLAG) == "Y":
            return self._reset(session)
        self._skip_numbers(session, int(skipped))
        return None

    def logon_answered(self, counterparty: str) -> Mapping[int, str]:
        """Return what our Logon says beside what QuickFIX writes into it."""
        return answered_terms(self._sessions[counterparty].terms)

    def logout_received(self, counterparty: str) -> None:
        """Remember that the client said goodbye before its connection ended."""
        self._sessions[counterparty].is_graceful = True

    def logged_on(self, counterparty: str) -> None:
        """Open the session's next connection, ahead of anything that comes on it."""
        session = self._sessions[counterparty]
        session.next_connection(time.time_ns())
        session.is_open, session.is_graceful = True, False
        self.logon_counts["accepted"] += 1
        if session.file.drop_copy.open_orders:
            self._inquiries.append(Inquiry(session, session.connection, 0, _LOGGED_ON))
        self._hand_over(Request(session, session.epoch, 0, _opening(session)))
        log.info("session_logged_on", session=session.number, connection=session.connection)

    def logged_out(self, counterparty: str) -> None:
        """Close the session's connection, behind everything that came on it."""
        session = self._sessions[counterparty]
        if not session.is_open:
            return
        session.is_open = False
        if session.is_subscribed:
            self._inquiries.append(Inquiry(session, session.connection, 0, _LOGGED_OUT))
        record = close_session(session.closing(), is_graceful=session.is_graceful)
        self._hand_over(Request(session, session.epoch, 0, record))
        log.info(
            "session_logged_out",
            session=session.number,
            connection=session.connection,
            is_graceful=session.is_graceful,
        )

    def received(self, counterparty: str, message: str) -> bool:
        """Translate an application message and hand it over; False for a type not offered."""
        received_at_ns = time.time_ns()
        try:
            fields = parse(message)
        except MalformedMessageError as error:
            # QuickFIX refuses such text itself; should some come through, it harms its sender only.
            log.warning(
                "message_malformed", session=self._sessions[counterparty].number, reason=str(error)
            )
            return False
        kind = fields[tags.MSG_TYPE]
        is_inquiry = kind in INQUIRIES
        if kind not in KIND_OF and not is_inquiry:
            return False
        session = self._sessions[counterparty]
        sequence = int(fields[tags.MSG_SEQ_NUM])
        if not is_inquiry:
            session.last_request = max(session.last_request, sequence)
        if not self.is_available or not session.is_open:
            # Neither answered nor sequenced: it will be asked for again at the next logon.
            return True
        if is_inquiry and fields.get(tags.POSS_DUP_FLAG) == "Y":
            # It changes nothing, so its time is over: who still wants to know asks anew.
            return True
        if self._is_full_for(session):
            self.full_count += 1
            self._refuse(session, sequence, _sent(fields))
            return True
        if sequence in session.refused:
            # Sent again after we died: it was refused before it was sequenced, and stays so.
            self._refuse(session, sequence, _sent(fields))
            return True
        if kind not in _NEVER_THROTTLED and not session.throttle.take(received_at_ns):
            self.throttled_count += 1
            session.refuse(sequence)
            self._answer(session, throttled(_sent(fields), sequence, session, received_at_ns))
            return True
        if is_inquiry:
            self._inquiries.append(Inquiry(session, session.connection, sequence, fields))
            self._wake_loop()
            return True
        arrival = session.arrival(sequence, received_at_ns)
        if session.file.kind == "drop_copy":
            record = refuse_rights(fields, arrival, self._directory)
        else:
            record = translate(fields, arrival, self._directory)
        sent = _sent(fields)
        self._hand_over(Request(session, arrival.epoch, sequence, record, sent, received_at_ns))
        return True

    def _is_full_for(self, session: LiveSession) -> bool:
        """Say whether so much waits, of all or of one session, that no more is taken."""
        waiting = session.handed_over - session.taken
        inquiries = len(self._inquiries)
        return len(self._waiting) >= self._messages_max or (
            max(waiting, inquiries) >= self._session_messages_max
        )

    def _refuse(self, session: LiveSession, sequence: int, sent: Sent) -> None:
        """Answer a request that will not be sequenced, and remember that it was."""
        session.refuse(sequence)
        self._answer(session, not_sequenced(sent, sequence=sequence, code=RejectCode.QUEUE_FULL))

    def _reset(self, session: LiveSession) -> str | None:
        """Begin a new epoch, on the disk first: only what is on record counts as a reset."""
        try:
            self._keep_reset(session.number, session.epoch + 1)
        except OSError as error:
            self.failed(StoreError(f"a reset could not be kept: {error.strerror}"))
            return self._refused_logon(session, "the venue is not available, try again", "disk")
        session.reset()
        log.warning("sequence_reset", session=session.number, epoch=session.epoch)
        return None

    def _hand_over(self, request: Request) -> None:
        request.session.handed_over += 1
        self._waiting.append(request)
        self._wake_loop()

    def _wake_loop(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon_threadsafe(self._wake)

    def _refused_logon(self, session: LiveSession, text: str, reason: str) -> str:
        self.logon_counts["refused"] += 1
        log.warning("logon_refused", session=session.number, reason=reason)
        return text


def _opening(session: LiveSession) -> bytes:
    if session.chosen is None:
        return open_session(session.opening())
    return open_session_on_terms(
        session.opening(),
        cancel_on_disconnect=session.chosen.number,
        disconnect_grace_ns=session.chosen.grace_ns,
    )


def not_sequenced(sent: Sent, *, sequence: int, code: int) -> str:
    """Build the BusinessMessageReject for a request that the core never numbered (380=4)."""
    named = f"379={sent.client_order_id}\x01" if sent.client_order_id else ""
    return (
        f"35=j\x0145={sequence}\x01372={sent.message_type}\x01{named}"
        f"380={tags.BUSINESS_REJECT_REASON_APPLICATION_NOT_AVAILABLE}\x01"
        f"58={code_name(code)}: not processed, send it again under a new number\x01"
        f"5001={int(code)}\x01"
    )


def throttled(sent: Sent, sequence: int, session: LiveSession, now_ns: int) -> str:
    """Build the BusinessMessageReject for a request above the session's rate (380=8).

    It says the limit in the standard's throttle group: reject (1611=2) above an inbound rate
    (1612=0) of so many messages (1613) in so many (1614) seconds (1615=0).
    """
    limit, code = session.file.throttle, RejectCode.MESSAGE_RATE_EXCEEDED
    wait_ms = -(-session.throttle.wait_ns(now_ns) // 1_000_000)
    text = (
        f"35=j\x0145={sequence}\x01372={sent.message_type}\x01"
        f"380={tags.BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED}\x015001={int(code)}\x01"
        f"58={code_name(code)}: limit {limit.messages} in {limit.seconds} s, room in {wait_ms} ms; "
        f"not processed, send it again under a new number\x01"
        f"1610=1\x011611=2\x011612=0\x011613={limit.messages}\x011614={limit.seconds}\x01"
        f"1615=0\x01"
    )
    return text + (f"379={sent.client_order_id}\x01" if sent.client_order_id else "")


def _sent(fields: Fields) -> Sent:
    named = next((fields[tag] for tag in _REFERENCES if tag in fields), "")
    client_order_id = safe_text(named.encode("utf-8", "replace"))
    return Sent(fields[tags.MSG_TYPE], client_order_id[:CLIENT_ID_LENGTH_MAX])
