"""One client's connection, and the one to QuickFIX behind it; between them whole messages pass.

A connection is new until its Logon is whole, opening while QuickFIX answers it, live, and leaving
once it is being ended. Nothing of a new one reaches QuickFIX. Of a live one whole buffers are
passed on, but for four kinds of message: a second Logon ends it, a ResendRequest is paced
(``guard.resends``), a SequenceReset is followed (``guard.gaps``), and of what comes after a Logout
nothing is passed on: QuickFIX hangs up after its answer, and writing to it then would cost us that.
"""

import asyncio
import time
from typing import cast

from fix_gateway.guard.book import Known
from fix_gateway.guard.framing import (
    BEGIN_STRINGS,
    GarbledError,
    check_fields,
    checked_number,
    first_sent_number,
    next_begin,
    number_value,
    read_frame,
    read_trusted_frame,
    resent_through,
)
from fix_gateway.guard.gaps import GapWatch
from fix_gateway.guard.house import House, Stage
from fix_gateway.guard.logon import Logon, with_session_status
from fix_gateway.guard.resends import Page, ResendPacer
from fix_gateway.guard.stand_ins import Names, backward_request, heartbeat, resend_request
from fix_gateway.guard.timers import Timers
from fix_gateway.guard.upstream import UpstreamConnection, keep_little
from fix_gateway.guard.window import UNBOUNDED, Window
from fix_gateway.token_bucket import TokenBucket

_LOGON, _RESEND, _SEQUENCE_RESET, _LOGOUT = ord("A"), ord("2"), ord("4"), ord("5")
_SPECIAL = frozenset({_LOGON, _RESEND, _SEQUENCE_RESET, _LOGOUT})
_PAUSED_OPENING, _PAUSED_QUICKFIX, _PAUSED_PACE, _PAUSED_LEAVING = 1, 2, 4, 8
_PAUSED_UNANSWERED = 16
_READ_TIMES_THROTTLE = 2
_PACE_SECONDS = 0.005
_DRAINED_BYTES = 65_536
_DRAIN_SECONDS = 0.02
_PAGE_SECONDS_MAX = 10.0


class ClientConnection(asyncio.Protocol):
    """The client's end."""

    def __init__(self, house: House, *, is_tls: bool) -> None:
        """Wait for a connection."""
        self._house = house
        self._limits = house.limits
        self._names = Names(BEGIN_STRINGS[0], "", house.comp_id)
        self._loop = asyncio.get_running_loop()
        self.is_securing = is_tls
        """Whether a TLS handshake is still to be finished."""
        self.stage = Stage.NEW
        self.address = ""
        self.session = ""
        """The CompID, once it is proved."""
        self.key_id = ""
        self.logon_number = 0
        self.is_market_data = False
        """Whether it is served by the market-data process, which merges what waits."""
        self.since = self._loop.time()
        """When the present stage began."""
        self.received = self.sent = 0
        """Messages passed on, from the client and to it."""
        self.upstream: UpstreamConnection | None = None
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._rest_since = 0.0
        self._out_rest = b""
        self._pauses = 0
        self._garbled = 0
        self._gaps = GapWatch(messages_max=self._limits.gap_messages_max)
        self._pace = self._pace_of(self._limits.messages_per_second)
        self._window = self._window_of(self._limits.unanswered_max)
        self._question = 0
        self._resends = ResendPacer(
            page_messages=self._limits.resend_page_messages,
            messages_per_second=self._limits.resend_messages_per_second,
        )
        self._page_at = 0.0
        self._timers = Timers(self._loop)

    # --- the client's transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, as far as the guard lets us."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        if not self._house.arrived(self):
            self.abort()

    def secured(self, transport: asyncio.Transport) -> None:
        """Go on over TLS; something may have come through it already."""
        self._transport, self.is_securing = transport, False
        if self._rest:
            self._read_logon()

    @property
    def transport(self) -> asyncio.Transport:
        """The client's transport."""
        assert self._transport is not None, "connection_made comes first"
        return self._transport

    @property
    def waiting_bytes(self) -> int:
        """What the client has not read yet, as far as it is in our memory."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return 0
        return transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client's."""
        if self.stage is Stage.LIVE:
            self._pass_on(data)
        elif self.stage is Stage.NEW:
            self._rest += data
            if not self.is_securing:
                self._read_logon()
        elif self.stage is Stage.OPENING:
            self._rest += data  # reading is paused: this is what came together with the Logon

    def connection_lost(self, _exc: Exception | None) -> None:
        """Let QuickFIX know that its client is gone."""
        self._end()

    def pause_writing(self) -> None:
        """Leave what a slow client does not take where it can still be merged."""
        if self.is_market_data and self.upstream is not None:
            self.upstream.pause()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        if self.is_market_data and self.upstream is not None:
            self.upstream.resume()

    def abort(self) -> None:
        """Cut the client off without a further word."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    def _end(self) -> None:
        self.stage = Stage.LEAVING
        self._timers.cancel()
        if self.upstream is not None:
            self.upstream.close()
        self._house.answers.forget(self._question)
        self._house.left(self)

    def answer_and_close(self, message: bytes) -> None:
        """Send a last message of the guard's, and close."""
        self._set_stage(Stage.LEAVING)
        self.transport.write(message)
        self.transport.close()

    # --- before the Logon is answered ---

    def _read_logon(self) -> None:
        try:
            found = read_frame(self._rest, 0, bytes_max=self._limits.message_bytes_max)
        except GarbledError as error:
            self._cut("garbled_logon", str(error))
            return
        if found is None:
            return
        body, end = found
        message, self._rest = self._rest[:end], self._rest[end:]
        wrong = check_fields(message, body, end, self._limits)
        if wrong:
            self._cut("fields", wrong)
            return
        self._house.logon_came(self, message, body)

    def opening(self, logon: Logon, *, key_id: str, known: Known) -> None:
        """Take note of a proved Logon; nothing more is read until it has been answered.

        Args:
            logon: the proved one.
            key_id: which key proved it.
            known: the session. It is read at twice its throttle at most: what is above it costs
                whoever serves it a refusal each.
        """
        self.is_market_data = known.is_market_data
        if self.is_market_data:
            keep_little(self.transport)
            self._window = self._window_of(UNBOUNDED)
        throttle = known.messages_per_second
        if throttle:
            rate = min(_READ_TIMES_THROTTLE * throttle, self._limits.messages_per_second)
            self._pace = self._pace_of(rate)
        self.session, self.key_id, self.logon_number = logon.sender, key_id, logon.number
        self._names = Names(logon.begin_string, logon.sender, self._house.comp_id)
        self._set_stage(Stage.OPENING)
        self._pause(_PAUSED_OPENING)

    def _answered(self, message: bytes, body: int) -> None:
        """Take QuickFIX's first message."""
        kind = message[body + 3]
        if kind != _LOGON or message[body + 4] != 1:
            self._set_stage(Stage.LEAVING)
            is_logout = kind == _LOGOUT
            self.transport.write(with_session_status(message, body) if is_logout else message)
            self.transport.close()
            return
        self._set_stage(Stage.LIVE)
        self._gaps.logged_on(self.logon_number)
        self._window.logged_on(self.logon_number)
        self._house.logged_on(self)
        self.transport.write(message)
        self._resume(_PAUSED_OPENING)

    # --- from the client ---

    def _pass_on(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = begin = count = 0
        size, limits, gaps = len(data), self._limits, self._gaps
        upstream = self.upstream
        assert upstream is not None, "live"
        room = self._pace.available(time.monotonic_ns())
        last = self._window.last(gaps.expected - 1)
        while at < size and count < room and gaps.expected <= last:
            try:
                found = read_frame(data, at, bytes_max=limits.message_bytes_max)
            except GarbledError as error:
                upstream.write(data[begin:at])
                if self._is_ended_by(error):
                    return
                begin = at = next_begin(data, at)
                continue
            if found is None:
                break
            body, end = found
            number, wrong = checked_number(data, body, end, limits)
            if not number:
                upstream.write(data[begin:at])
                self._offend("fields", wrong)
                return
            kind = data[body + 3]
            if kind in _SPECIAL and data[body + 4] == 1:
                upstream.write(data[begin:at])
                passed = self._special(kind, data[at:end], body - at, number)
                if passed is None:
                    return
                upstream.write(passed)
                if kind == _LOGOUT:
                    self.received += count + 1
                    self._stop_listening()
                    return
                begin = end
            elif number == gaps.expected and not len(gaps):
                gaps.expected = number + 1
            elif not self._follow(number, number + 1):
                return
            at = end
            count += 1
        upstream.write(data if begin == 0 and at == size else data[begin:at])
        self._keep_rest(data, at)
        self._keep_pace(count, is_held=count >= room)
        self._keep_window()

    def _follow(self, number: int, following: int) -> bool:
        """Take note of a number that QuickFIX gets; False when too much waits beyond a gap."""
        if self._gaps.passed(number, following):
            return True
        self._offend("gap", f"more than {len(self._gaps) - 1} messages beyond a gap")
        return False

    def _pace_of(self, rate: int) -> TokenBucket:
        interval_ns = 1_000_000_000 // rate
        return TokenBucket(burst=self._limits.message_burst, interval_ns=interval_ns)

    def _window_of(self, messages_max: int) -> Window:
        return Window(messages_max=messages_max, seconds_max=self._limits.unanswered_seconds)

    def _keep_rest(self, data: bytes, at: int) -> None:
        """Keep what is not whole yet, and since when it is not."""
        if at == len(data):
            self._rest_since = 0.0
            return
        self._rest = data[at:]
        if at or not self._rest_since:
            self._rest_since = self._loop.time()

    def _keep_pace(self, count: int, *, is_held: bool) -> None:
        """Count messages, and stop reading for a moment when the session has no room left."""
        self.received += count
        self._pace.spend(time.monotonic_ns(), count)
        if is_held and not self._pauses & _PAUSED_PACE:
            self._pause(_PAUSED_PACE)
            self._timers.later("pace", _PACE_SECONDS, lambda: self._resume(_PAUSED_PACE))

    def _keep_window(self) -> None:
        """Read only while little enough is unanswered, and ask in time when it is answered."""
        passed = self._gaps.expected - 1
        number = self._window.question(passed)
        if number:
            self._question = self._house.answers.ask(self.session, number, self._were_answered)
        if passed < self._window.last(passed):
            self._resume(_PAUSED_UNANSWERED)
        elif not self._pauses & _PAUSED_UNANSWERED:
            self._house.held()
            self._pause(_PAUSED_UNANSWERED)

    def _were_answered(self, cost_us: int) -> None:
        self._window.answered(cost_us)
        if self.stage is Stage.LIVE:
            self._keep_window()

    def _special(self, kind: int, message: bytes, body: int, number: int) -> bytes | None:
        """Return what QuickFIX gets in a message's place; None when that ends the connection."""
        end = len(message)
        if kind == _LOGON:
            self._offend("second_logon", "a Logon on a session that is logged on; log out first")
            return None
        if kind == _SEQUENCE_RESET:
            return self._sequence_reset(message, body, number)
        if not self._follow(number, number + 1):
            return None
        if kind == _LOGOUT:
            return message
        first = number_value(message, b"\x017=", body, end)
        last = number_value(message, b"\x0116=", body, end)
        if not first or last is None:
            return message  # QuickFIX refuses it as the standard says
        if last and last < first:
            return backward_request(number, first, self._names, now_ns=time.time_ns())
        page = self._resends.asked(number, first, last, time.monotonic_ns())
        self._page_at = self._loop.time()
        if self._resends.is_waiting:
            self._look_for_page()
        if page is not None:
            return self._as_request(page)
        return heartbeat(number, self._names, now_ns=time.time_ns())

    def _sequence_reset(self, message: bytes, body: int, number: int) -> bytes | None:
        following = number_value(message, b"\x0136=", body, len(message))
        if not following:
            self._offend("fields", "NewSeqNo (36) is missing or no number")
            return None
        if b"\x01123=Y\x01" not in message:
            self._gaps.reset_to(following)
        elif not self._follow(number, max(following, number + 1)):
            return None
        return message

    # --- to the client ---

    def from_upstream(self, data: bytes) -> None:
        """Take bytes of QuickFIX's, and pass whole messages on."""
        if self._out_rest:
            data, self._out_rest = self._out_rest + data, b""
        at = begin = last = 0
        while at < len(data) and (found := read_trusted_frame(data, at)) is not None:
            body, end = found
            if self.stage is Stage.OPENING:
                self._answered(data[at:end], body - at)
                begin = end
            elif data[body + 3] == _RESEND and data[body + 4] == 1:
                self._asked_by_quickfix(data, body, end)
            if self._resends.is_asked:
                through, is_fill = resent_through(data, body, end)
                self._resends.answered(through, is_fill=is_fill, now_ns=time.monotonic_ns())
            last, at = body, end
            self.sent += 1
        if at < len(data):
            self._out_rest = data[at:]
        if not last or self.transport.is_closing():
            return
        self._resends.highest = first_sent_number(data, last, at) or self._resends.highest
        if at > begin:
            self.transport.write(data if begin == 0 and at == len(data) else data[begin:at])
            if self.transport.get_write_buffer_size() > self._limits.output_bytes_max:
                self._cut("slow_reader", f"{self.transport.get_write_buffer_size()} bytes wait")
                return
        if self._resends.is_waiting:
            self._look_for_page()

    def upstream_lost(self) -> None:
        """Close: QuickFIX has ended the session."""
        if self.stage is Stage.OPENING:
            self._house.not_answered(self)
        elif self._transport is not None and not self._transport.is_closing():
            self._set_stage(Stage.LEAVING)
            self._transport.close()

    def upstream_is_full(self, *, is_full: bool) -> None:
        """Stop reading while QuickFIX does not."""
        if is_full:
            self._pause(_PAUSED_QUICKFIX)
        else:
            self._resume(_PAUSED_QUICKFIX)

    def _asked_by_quickfix(self, data: bytes, body: int, end: int) -> None:
        first = number_value(data, b"\x017=", body, end)
        if first and not self._gaps.asked_from(first):
            self._offend("gap", "too many messages beyond a gap")

    def _look_for_page(self) -> None:
        """Ask QuickFIX for the next page when it is due and the client has taken the last."""
        if self.stage is not Stage.LIVE or not self._resends.is_waiting or "page" in self._timers:
            return
        now_ns = time.monotonic_ns()
        wait = self._resends.wait_ns(now_ns) / 1e9
        if self.waiting_bytes > _DRAINED_BYTES:
            wait = _DRAIN_SECONDS
        page = None if wait else self._resends.next_page(now_ns)
        if page is None:
            self._timers.later("page", wait, self._look_for_page)
            return
        assert self.upstream is not None, "live"
        self._page_at = self._loop.time()
        self.upstream.write(self._as_request(page))

    def _as_request(self, page: Page) -> bytes:
        return resend_request(page, self._names, now_ns=time.time_ns())

    # --- limits ---

    def look_at_clock(self, now: float) -> None:
        """End what has taken too long."""
        limits = self._limits
        if self.stage is Stage.NEW and now - self.since > limits.logon_seconds:
            self._cut("no_logon", f"no whole Logon in {limits.logon_seconds:g} s")
        elif self.stage is Stage.LIVE:
            half_seconds = now - self._rest_since if self._rest and not self._pauses else 0.0
            if half_seconds > limits.half_message_seconds:
                self._offend("half_message", "a message was begun and not finished in time")
            if self._resends.is_asked and now - self._page_at > _PAGE_SECONDS_MAX:
                self._resends.give_up()
        elif self.stage is Stage.OPENING and now - self.since > 2 * limits.opening_seconds:
            self._cut("not_opened", "QuickFIX does not answer")
        elif self.stage is Stage.LEAVING and now - self.since > limits.farewell_seconds:
            self.abort()

    def leave(self, text: str, *, is_deaf: bool = False) -> None:
        """Have QuickFIX log the client out; whoever does not go is cut off a little later.

        Args:
            text: what the client is told.
            is_deaf: whether to listen to it no longer.
        """
        if self.stage is not Stage.LIVE:
            self.abort()
            return
        self._house.say_farewell(self, text)
        self._timers.later("farewell", self._limits.farewell_seconds, self.abort)
        if is_deaf:
            self._stop_listening()
            self._pause(_PAUSED_LEAVING)

    def _stop_listening(self) -> None:
        """Pass nothing more of the client's on; what QuickFIX still says goes out."""
        self._rest = b""
        self._set_stage(Stage.LEAVING)

    def _is_ended_by(self, error: GarbledError) -> bool:
        """Count a garbled message, which FIX lets us ignore; say whether it was one too many."""
        self._garbled += 1
        if not error.is_fatal and self._garbled <= self._limits.garbled_max:
            return False
        self._offend("garbled", str(error))
        return True

    def _cut(self, reason: str, detail: str) -> None:
        self._house.cut(self, reason, detail)
        self.abort()

    def _offend(self, reason: str, detail: str) -> None:
        """End a live session that broke a rule, and let QuickFIX tell it which."""
        self._house.cut(self, reason, detail)
        self.leave(detail, is_deaf=True)

    def _set_stage(self, stage: Stage) -> None:
        self.stage, self.since = stage, self._loop.time()

    def _pause(self, why: int) -> None:
        if not self._pauses and not self.transport.is_closing():
            self.transport.pause_reading()
        self._pauses |= why

    def _resume(self, why: int) -> None:
        if not self._pauses & why:
            return
        self._pauses &= ~why
        if not self._pauses and not self.transport.is_closing():
            self.transport.resume_reading()
            self._rest_since = self._loop.time()
            if self._rest and self.stage is Stage.LIVE:
                self._pass_on(b"")
