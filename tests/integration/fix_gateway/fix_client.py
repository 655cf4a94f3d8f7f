"""A FIX client of its own making, on simplefix, for tests and benchmarks.

It shares no code with the gateway, so that an error of ours is not made twice. It keeps its
numbers and what it sent across connections, answers resend requests, fills gaps, and delivers
application messages in order and once. Blocking; one thread.

Errors:
    FixClientError: the connection ended, or the other side broke the session's rules.
"""

import contextlib
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import simplefix

from exchange.demo.logon_proof import LogonKey

Pairs = Iterable[tuple[int, str | int]]

_ADMINISTRATIVE = frozenset({"0", "1", "2", "3", "4", "5", "A"})
_RECEIVE_BYTES = 65536

PATIENCE_SECONDS = 60.0
"""For what has to come: a machine that stands still for a while must not decide a test."""


class FixClientError(Exception):
    """The session ended: the text says by whom and why."""


class FixClient:
    """One FIX session, from the client's side."""

    def __init__(
        self,
        *,
        sender: str,
        target: str,
        key: LogonKey | None,
        heartbeat_seconds: int = 30,
        begin_string: str = "FIX.4.4",
        version: str = "9",
        sent_kept_max: int = 100_000,
    ) -> None:
        """Begin a session at number one; nothing is connected yet.

        Args:
            sender: our comp id, which is our user name too.
            target: the venue's comp id.
            key: what our Logons are proved by; None for one without a proof.
            heartbeat_seconds: HeartBtInt (108).
            begin_string: BeginString (8).
            version: DefaultApplVerID (1137) of a FIXT Logon; none if it is empty.
            sent_kept_max: messages kept for resends; older ones are gap-filled.
        """
        self.sender = sender
        self.target = target
        self.next_out = 1
        self.next_in = 1
        self.is_logged_on = False
        self.duplicates = 0
        """Messages that came again with PossDupFlag and were dropped."""
        self.gaps = 0
        """How often we had to ask for messages again."""
        self.resent = 0
        """Messages that we sent again because we were asked to."""
        self.resent_numbers: set[int] = set()
        """Their MsgSeqNums."""
        self.resends_asked = 0
        """How often the venue asked us to send again."""
        self.last_text = ""
        """Text (58) of the last Logout."""
        self.logon_answer = simplefix.FixMessage()
        """The venue's last Logon."""
        self.key = key
        self._begin_string = begin_string
        self._version = version if begin_string == "FIXT.1.1" else ""
        self._heartbeat_seconds = heartbeat_seconds
        self._sent: dict[int, tuple[str, list[tuple[int, str | int]], str]] = {}
        self._sent_kept_max = sent_kept_max
        self._socket: socket.socket | None = None
        self._parser = simplefix.FixParser()
        self._ahead: dict[int, simplefix.FixMessage] = {}
        self._asked_through = 0
        self._ready: deque[simplefix.FixMessage] = deque()
        self._sent_at = self.heard_at = 0.0
        self._is_test_pending = False
        self._is_leaving = False
        self._questions = 0

    def connect(
        self, host: str, port: int, *, timeout: float = PATIENCE_SECONDS, source: str = ""
    ) -> None:
        """Open a connection; the session's numbers go on.

        Raises:
            OSError: nobody listens.
        """
        self.abort()
        self._socket = socket.create_connection(
            (host, port), timeout=timeout, source_address=(source, 0)
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = simplefix.FixParser()
        self._ahead.clear()
        self._asked_through = 0
        self.heard_at = time.monotonic()
        self._is_test_pending = self._is_leaving = False
        self.last_text = ""

    def logon(
        self,
        *,
        is_reset: bool = False,
        timeout: float = PATIENCE_SECONDS,
        wait: bool = True,
        extra: Pairs = (),
    ) -> None:
        """Log on, with more fields if some are given, and wait for the answer.

        Raises:
            FixClientError: refused, or no answer in time.
        """
        if is_reset:
            self.next_out = self.next_in = 1
            self._sent.clear()
        pairs: list[tuple[int, str | int]] = [(98, 0), (108, self._heartbeat_seconds)]
        if is_reset:
            pairs.append((141, "Y"))
        if self._version:
            pairs.append((1137, self._version))
        self._transmit("A", [*pairs, *extra])
        deadline = time.monotonic() + timeout
        while wait and not self.is_logged_on:
            if time.monotonic() > deadline:
                raise FixClientError("no answer to the Logon")
            self._pump(0.05)

    def send(self, message_type: str, pairs: Pairs) -> int:
        """Send an application message, and return its MsgSeqNum.

        Raises:
            FixClientError: the connection is gone.
        """
        return self._transmit(message_type, list(pairs))

    def receive(self, timeout: float = PATIENCE_SECONDS) -> simplefix.FixMessage | None:
        """Return the next application message (or session reject, 3), or None in time.

        Raises:
            FixClientError: the connection is gone and nothing is left to deliver.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._pump(min(left, 0.25))
        return self._ready.popleft()

    def messages(self) -> Iterator[simplefix.FixMessage]:
        """Yield messages for as long as they come."""
        while (message := self.receive()) is not None:
            yield message

    def settle(self) -> list[simplefix.FixMessage]:
        """Read what is still to come of what was done before, and return it.

        The venue answers a question about an order after all that came before it.
        """
        self._questions += 1
        name = f"settle-{self.next_out}-{self._questions}"
        self.send("H", [(11, name), (55, "BTC-USD"), (54, "1"), (790, name)])
        before: list[simplefix.FixMessage] = []
        for message in self.messages():
            if text(message, 790) == name:
                return before
            before.append(message)
        raise FixClientError(f"no answer to a question; before it came {before}")

    def logout(self, *, timeout: float = PATIENCE_SECONDS) -> None:
        """Say goodbye, wait for the answer, and close."""
        self._is_leaving = True
        with contextlib.suppress(FixClientError):
            self._transmit("5", [])
            deadline = time.monotonic() + timeout
            while self._socket is not None and time.monotonic() < deadline:
                self._pump(0.05)
        self.abort()

    def abort(self) -> None:
        """Drop the connection without a word; repeating it is harmless."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.is_logged_on = False

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, for tests of bad input; numbers are the caller's affair."""
        if self._socket is None:
            raise FixClientError("not connected")
        self._socket.sendall(data)

    def encoded(
        self, message_type: str, pairs: Pairs, *, number: int, sent_again: str = ""
    ) -> bytes:
        """Encode a message under a number; ``sent_again`` is the first sending's time."""
        message, sent_at = simplefix.FixMessage(), now_text()
        if message_type == "A" and self.key is not None:
            pairs = [
                *pairs,
                *self.key.fields(
                    sender=self.sender, target=self.target, number=number, sending_time=sent_at
                ),
            ]
        message.append_pair(8, self._begin_string, header=True)
        message.append_pair(35, message_type, header=True)
        message.append_pair(49, self.sender, header=True)
        message.append_pair(56, self.target, header=True)
        message.append_pair(34, number, header=True)
        message.append_pair(52, sent_at, header=True)
        if sent_again:
            message.append_pair(43, "Y", header=True)
            message.append_pair(122, sent_again, header=True)
        for tag, value in pairs:
            message.append_pair(tag, value)
        return message.encode()

    def _transmit(self, message_type: str, pairs: list[tuple[int, str | int]]) -> int:
        number = self.next_out
        data = self.encoded(message_type, pairs, number=number)
        self.next_out += 1
        if message_type not in _ADMINISTRATIVE:
            self._sent[number] = (message_type, pairs, now_text())
            if len(self._sent) > self._sent_kept_max:
                del self._sent[next(iter(self._sent))]
        self._write(data)
        return number

    def _write(self, data: bytes) -> None:
        if self._socket is None:
            raise FixClientError("not connected")
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.abort()
            raise FixClientError(f"connection lost while sending: {error}") from error
        self._sent_at = time.monotonic()

    def _pump(self, timeout: float) -> None:
        """Read what there is, and keep the session alive."""
        if self._socket is None:
            raise FixClientError(f"disconnected: {self.last_text or 'no reason given'}")
        self._keep_alive()
        self._socket.settimeout(timeout)
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return
        except OSError as error:
            self.abort()
            # Our answer to its Logout may meet a closed port.
            why = f"disconnected: {self.last_text}" if self.last_text else "connection lost"
            raise FixClientError(f"{why}: {error}") from error
        finally:
            if self._socket is not None:
                self._socket.settimeout(PATIENCE_SECONDS)
        if not data:
            self.abort()
            return
        self.heard_at = time.monotonic()
        self._is_test_pending = False
        self._parser.append_buffer(data)
        while (message := self._parser.get_message()) is not None:
            self._take(message)

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if not self.is_logged_on:
            return
        if now - self._sent_at >= self._heartbeat_seconds:
            self._transmit("0", [])
        silent = now - self.heard_at
        if silent >= 2.4 * self._heartbeat_seconds:
            self.abort()
            raise FixClientError(f"nothing heard for {silent:.0f} s")
        if silent >= 1.2 * self._heartbeat_seconds and not self._is_test_pending:
            self._is_test_pending = True
            self._transmit("1", [(112, "alive?")])

    def _take(self, message: simplefix.FixMessage) -> None:
        kind, number = text(message, 35), int(text(message, 34))
        if kind == "4" and text(message, 123) != "Y":
            self.next_in = int(text(message, 36))
            return
        if kind == "A":
            self.is_logged_on = True
            self.logon_answer = message
            if text(message, 141) == "Y":
                self.next_in = number
        if number < self.next_in:
            if text(message, 43) == "Y":
                self.duplicates += 1
                return
            self.abort()
            raise FixClientError(f"number {number} is too low, expected {self.next_in}")
        if number > self.next_in:
            self._take_ahead(message, kind, number)
            return
        self._deliver(message, kind)
        while (waiting := self._ahead.pop(self.next_in, None)) is not None:
            self._deliver(waiting, text(waiting, 35))

    def _take_ahead(self, message: simplefix.FixMessage, kind: str, number: int) -> None:
        """Keep a message that came early, answer what cannot wait, and ask for the missing."""
        if kind == "2":
            self._resend(message)
        if kind == "5":
            self.last_text = text(message, 58)
        self._ahead[number] = message
        if self._asked_through < self.next_in:
            self.gaps += 1
            self._asked_through = number - 1
            self._transmit("2", [(7, self.next_in), (16, number - 1)])

    def _deliver(self, message: simplefix.FixMessage, kind: str) -> None:
        number = int(text(message, 34))
        if kind == "4":
            self.next_in = int(text(message, 36))
            for old in [early for early in self._ahead if early < self.next_in]:
                del self._ahead[old]
            return
        self.next_in = number + 1
        if kind == "1":
            self._transmit("0", [(112, text(message, 112))])
        elif kind == "2":
            if number not in self._ahead:
                self._resend(message)
        elif kind == "5":
            self.last_text = text(message, 58)
            if not self._is_leaving:
                with contextlib.suppress(FixClientError):
                    self._transmit("5", [])
            self.is_logged_on = False
        elif kind not in _ADMINISTRATIVE or kind == "3":
            self._ready.append(message)

    def _resend(self, request: simplefix.FixMessage) -> None:
        """Send again what was asked for; gap-fill what was administrative or is forgotten."""
        self.resends_asked += 1
        begin, end = int(text(request, 7)), int(text(request, 16))
        end = self.next_out - 1 if end == 0 else min(end, self.next_out - 1)
        gap_from = 0
        for number in range(begin, end + 1):
            kept = self._sent.get(number)
            if kept is None:
                gap_from = gap_from or number
                continue
            if gap_from:
                self._fill(gap_from, number)
                gap_from = 0
            message_type, pairs, sent_at = kept
            self.resent += 1
            self.resent_numbers.add(number)
            self._write(self.encoded(message_type, pairs, number=number, sent_again=sent_at))
        if gap_from:
            self._fill(gap_from, end + 1)

    def _fill(self, begin: int, new: int) -> None:
        pairs: list[tuple[int, str | int]] = [(123, "Y"), (36, new)]
        self._write(self.encoded("4", pairs, number=begin, sent_again=now_text()))


def text(message: simplefix.FixMessage, tag: int) -> str:
    """Return a field as text; empty when it is not there."""
    value = message.get(tag)
    return "" if value is None else value.decode("latin-1")


def now_text() -> str:
    """Return the present as UTCTimestamp with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
