"""The session layer of a market-data session: numbers, heartbeats and rejects, without a socket.

Each connection begins at number one on both sides and ends with it: there is nothing to send
again, for the book of now is worth more than the changes of then. A ResendRequest is answered by
one gap fill. Everything else is as the standard has it; decision 0019 says why this is not
QuickFIX.

What is to be sent is in ``outgoing`` when a method returns. Once ``is_over`` is set, the
connection is to be closed behind it.
"""

import re
from typing import Final

from fix_gateway.dialects.names import Dialect
from fix_gateway.market_data.grammar import Fault, Grammar, Pairs, Request, pairs_of
from fix_gateway.market_data.pieces import Piece, assemble, piece
from fix_gateway.translation import tags
from fix_gateway.translation.times import timestamp_ns, timestamp_text

SECOND_NS: Final = 1_000_000_000
_SKEW_NS_MAX: Final = 120 * SECOND_NS
_TEST_AFTER: Final = 1.2
_GONE_AFTER: Final = 2.4
"""In heartbeat intervals: when silence is asked about, and when it ends the session."""

_TEST_ID: Final = "RIALTO"
_NONE: Final = Piece(b"", 0)
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class FixSession:
    """One connection's session, from its Logon on."""

    def __init__(
        self, grammar: Grammar, dialect: Dialect, *, comp_id: str, counterparty: str
    ) -> None:
        """Begin before the Logon.

        Args:
            grammar: what the client may send.
            dialect: whose BeginString all messages have.
            comp_id: ours.
            counterparty: the client's.
        """
        self.outgoing: list[bytes] = []
        self.is_live = False
        self.is_over = False
        self.next_in = 1
        self.next_out = 1
        self.end = ""
        """Why it is over; empty for a Logout of the client's."""
        self._grammar = grammar
        self._dialect = dialect
        self._begin = dialect.begin_string.encode("ascii")
        self._comp_id, self._counterparty = comp_id, counterparty
        self._heads: dict[str, Piece] = {}
        self._heartbeat_ns = 0
        self._heard_at_ns = self._sent_at_ns = 0
        self._asked_through = 0
        self._is_test_pending = self._is_leaving = False

    # --- what we send ---

    def send(self, kind: str, stamp: Piece, *body: Piece) -> None:
        """Send a message of our own.

        Args:
            kind: MsgType (35).
            stamp: SendingTime (52), which messages of one moment share.
            body: whole fields.
        """
        head = self._heads.get(kind)
        if head is None:
            text = f"35={kind}\x0149={self._comp_id}\x0156={self._counterparty}\x01"
            head = self._heads[kind] = piece(text)
        data = b"34=%d\x01" % self.next_out
        self.next_out += 1
        self.outgoing.append(assemble(self._begin, (head, Piece(data, sum(data)), stamp, *body)))

    def say(self, kind: str, now_ns: int, text: str = "") -> None:
        """Send a message that is nobody else's."""
        self._sent_at_ns = now_ns
        self.send(kind, stamp_of(now_ns), piece(text) if text else _NONE)

    def log_out(self, text: str, now_ns: int, *, status: str = "") -> None:
        """Say goodbye; the connection ends when the client has answered, or its time is up."""
        if self.is_over or self._is_leaving:
            return
        self._is_leaving = True
        self._end_with(text, now_ns, status=status)

    def _end_with(self, text: str, now_ns: int, *, status: str = "") -> None:
        self.end = text
        said = f"58={text}\x01" if text else ""
        self.say("5", now_ns, said + (f"1409={status}\x01" if status else ""))

    def _break_off(self, text: str, now_ns: int, *, status: str = "") -> None:
        """Say goodbye to who broke the rules, and wait for nothing."""
        if not self._is_leaving:
            self._end_with(text, now_ns, status=status)
        self.is_over = True

    def note_sent(self, now_ns: int) -> None:
        """Take note that something was sent, so that no heartbeat is needed."""
        self._sent_at_ns = now_ns

    # --- the Logon ---

    def log_on(self, pairs: Pairs, now_ns: int, *, seconds_min: int, seconds_max: int) -> None:
        """Answer a Logon of somebody who may log on.

        Args:
            pairs: the Logon's fields.
            now_ns: our clock.
            seconds_min: the least HeartBtInt (108).
            seconds_max: the largest.
        """
        self._heard_at_ns = now_ns
        request = self._grammar.read("A", pairs)
        if isinstance(request, Fault):
            self._break_off(f"{request.text} ({request.tag})", now_ns)
            return
        if request.get(tags.MSG_SEQ_NUM) != "1":
            text = "a market-data session begins at 1: log on with ResetSeqNumFlag (141) Y"
            self._break_off(text, now_ns, status="9")
            return
        heartbeat = request.get(tags.HEART_BT_INT)
        if not heartbeat.isdigit() or not seconds_min <= int(heartbeat) <= seconds_max:
            text = f"HeartBtInt (108) must be {seconds_min} to {seconds_max}"
            self._break_off(text, now_ns)
            return
        version = self._dialect.version
        if version and request.get(tags.DEFAULT_APPL_VER_ID) != version:
            text = f"DefaultApplVerID (1137) must be {version}, {self._dialect.name}"
            self._break_off(text, now_ns)
            return
        self.next_in = 2
        self._heartbeat_ns = int(heartbeat) * SECOND_NS
        self.is_live = True
        is_reset = request.get(tags.RESET_SEQ_NUM_FLAG) == "Y"
        text = f"98=0\x01108={heartbeat}\x01" + ("141=Y\x01" if is_reset else "")
        self.say("A", now_ns, text + (f"1137={version}\x01" if version else ""))

    def refuse_logon(self, text: str, now_ns: int) -> None:
        """Answer a Logon that cannot be."""
        self._break_off(text, now_ns)

    # --- what we hear ---

    def received(self, message: bytes, now_ns: int) -> Request | None:
        """Take a framed message, and return it if it is a request for the application."""
        self._heard_at_ns = now_ns
        self._is_test_pending = False
        pairs = pairs_of(message)
        if pairs is None:
            return None  # garbled: FIX has it ignored, and its number will be missed
        header = dict(reversed(pairs))
        kind, number = header[tags.MSG_TYPE], int(header[tags.MSG_SEQ_NUM])
        if not self._is_ours(header, number, now_ns):
            return None
        if kind == "4" and header.get(tags.GAP_FILL_FLAG) != "Y":
            self._reset(pairs, header, now_ns)
            return None
        if kind == "2" and number < self.next_in:
            self._resend(header, now_ns)  # the guard's next page, under the client's number
            return None
        if number < self.next_in:
            if header.get(tags.POSS_DUP_FLAG) != "Y":
                text = f"MsgSeqNum too low, expecting {self.next_in} but received {number}"
                self._break_off(text, now_ns, status="9")
            return None
        if number > self.next_in:
            self._ask_for_missing(number, kind, now_ns)
            return None
        self.next_in += 1
        return self._in_order(kind, number, pairs, now_ns)

    def look_at_clock(self, now_ns: int) -> None:
        """Send a heartbeat or a question when it is time, and end a session that is silent."""
        if not self.is_live or self.is_over:
            return
        if now_ns - self._sent_at_ns >= self._heartbeat_ns:
            self.say("0", now_ns)
        silent_ns = now_ns - self._heard_at_ns
        if silent_ns >= _GONE_AFTER * self._heartbeat_ns:
            self._break_off("nothing heard for too long", now_ns)
        elif silent_ns >= _TEST_AFTER * self._heartbeat_ns and not self._is_test_pending:
            self._is_test_pending = True
            self.say("1", now_ns, f"112={_TEST_ID}\x01")

    def reject(
        self, number: int, kind: str, reason: str, text: str, now_ns: int, *, tag: int = 0
    ) -> None:
        """Refuse a message that is not as it is described."""
        named = f"371={tag}\x01" if tag else ""
        self.say("3", now_ns, f"45={number}\x0158={text}\x01{named}372={kind}\x01373={reason}\x01")

    def _is_ours(self, header: dict[int, str], number: int, now_ns: int) -> bool:
        """Say whether a message is this session's and of this time; end the session if not."""
        kind = header[tags.MSG_TYPE]
        if header[tags.BEGIN_STRING] != self._dialect.begin_string:
            self._break_off("Incorrect BeginString", now_ns)
            return False
        names = (header.get(tags.SENDER_COMP_ID), header.get(tags.TARGET_COMP_ID))
        if names != (self._counterparty, self._comp_id):
            self.reject(
                number, kind, tags.SESSION_REJECT_REASON_COMP_ID_PROBLEM, "CompID problem", now_ns
            )
            self._break_off("CompID problem", now_ns)
            return False
        sent_at_ns = timestamp_ns(header.get(tags.SENDING_TIME, ""))
        if sent_at_ns is None or abs(sent_at_ns - now_ns) > _SKEW_NS_MAX:
            text = "SendingTime accuracy problem"
            reason = tags.SESSION_REJECT_REASON_SENDING_TIME_ACCURACY_PROBLEM
            self.reject(number, kind, reason, text, now_ns, tag=tags.SENDING_TIME)
            self._break_off(text, now_ns)
            return False
        return True

    def _in_order(self, kind: str, number: int, pairs: Pairs, now_ns: int) -> Request | None:
        grammar = self._grammar
        if not grammar.is_offered(kind):
            self._refuse_kind(kind, number, now_ns)
            return None
        request = grammar.read(kind, pairs)
        if isinstance(request, Fault):
            self.reject(number, kind, request.reason, request.text, now_ns, tag=request.tag)
            return None
        if kind not in _SESSION_KINDS:
            return None if self._is_leaving else request
        if kind == "1":
            self.say("0", now_ns, f"112={request.get(tags.TEST_REQ_ID)}\x01")
        elif kind == "2":
            self._resend(request.fields, now_ns)
        elif kind == "4":
            self._fill(request, number, now_ns)
        elif kind == "5":
            if not self._is_leaving:
                self.say("5", now_ns)
            self.is_over = True
        elif kind == "A":
            self._break_off("a Logon on a session that is logged on; log out first", now_ns)
        return None

    def _refuse_kind(self, kind: str, number: int, now_ns: int) -> None:
        if self._grammar.is_of_other_sessions(kind):
            self.say(
                "j",
                now_ns,
                f"45={number}\x01372={kind}\x01"
                f"380={tags.BUSINESS_REJECT_REASON_NOT_AUTHORIZED}\x01"
                "58=GATEWAY_RIGHTS_MISSING: not on a market-data session\x015001=1015\x01",
            )
        elif self._grammar.is_standard(kind):
            reason = tags.BUSINESS_REJECT_REASON_UNSUPPORTED_MESSAGE_TYPE
            text = "Unsupported message type"
            self.say("j", now_ns, f"45={number}\x01372={kind}\x01380={reason}\x0158={text}\x01")
        else:
            reason = tags.SESSION_REJECT_REASON_INVALID_MSG_TYPE
            self.reject(number, kind, reason, "Invalid MsgType", now_ns)

    def _ask_for_missing(self, number: int, kind: str, now_ns: int) -> None:
        if kind == "5":
            self._break_off("", now_ns)
        elif self._asked_through < self.next_in:
            # What came early is not kept: it comes again, behind what is missing.
            self._asked_through = number
            self.say("2", now_ns, f"7={self.next_in}\x0116=0\x01")

    def _resend(self, fields: dict[int, str], now_ns: int) -> None:
        """Fill the gap up to where we are: there is nothing that would be sent again."""
        begin = fields.get(tags.BEGIN_SEQ_NO, "")
        # Under an old number it has not been held against the description.
        if not _SEQUENCE.fullmatch(begin) or not 0 < int(begin) < self.next_out:
            number, kind = int(fields[tags.MSG_SEQ_NUM]), fields[tags.MSG_TYPE]
            reason = tags.SESSION_REJECT_REASON_VALUE_IS_INCORRECT
            text = f"BeginSeqNo (7) must be below {self.next_out}"
            self.reject(number, kind, reason, text, now_ns, tag=tags.BEGIN_SEQ_NO)
            return
        head = piece(
            f"35=4\x0149={self._comp_id}\x0156={self._counterparty}\x0134={int(begin)}\x0143=Y\x01"
        )
        stamp, time = stamp_of(now_ns), timestamp_text(now_ns)
        body = piece(f"122={time}\x01123=Y\x0136={self.next_out}\x01")
        self.outgoing.append(assemble(self._begin, (head, stamp, body)))

    def _fill(self, request: Request, number: int, now_ns: int) -> None:
        following = int(request.get(tags.NEW_SEQ_NO))
        if following <= number:
            reason = tags.SESSION_REJECT_REASON_VALUE_IS_INCORRECT
            text = f"NewSeqNo (36) must be above {number}"
            self.reject(number, "4", reason, text, now_ns, tag=tags.NEW_SEQ_NO)
            return
        self.next_in = following

    def _reset(self, pairs: Pairs, header: dict[int, str], now_ns: int) -> None:
        number = int(header[tags.MSG_SEQ_NUM])
        request = self._grammar.read("4", pairs)
        if isinstance(request, Fault):
            self.reject(number, "4", request.reason, request.text, now_ns, tag=request.tag)
            return
        following = int(request.get(tags.NEW_SEQ_NO))
        if following < self.next_in:
            reason = tags.SESSION_REJECT_REASON_VALUE_IS_INCORRECT
            text = f"NewSeqNo (36) must be at least {self.next_in}"
            self.reject(number, "4", reason, text, now_ns, tag=tags.NEW_SEQ_NO)
            return
        self.next_in = following


def stamp_of(now_ns: int) -> Piece:
    """Write SendingTime (52)."""
    return piece(f"52={timestamp_text(now_ns)}\x01")


_SESSION_KINDS: Final = frozenset({"0", "1", "2", "3", "4", "5", "A"})
