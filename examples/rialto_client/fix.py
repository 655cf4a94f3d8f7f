"""A FIX 4.4 session that keeps its numbers: docs/protocols/fix.md.

One thread, one socket. Between two runs the numbers of both sides are in a file, so nothing that
the venue says is lost: what was missed is asked for again, and comes with PossDupFlag (43).
"""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from simplefix import FixMessage, FixParser

from rialto_client.keys import FixKey

HEARTBEAT_SECONDS = 30
LOOK_SECONDS = 0.2
ADMINISTRATIVE = frozenset("012345A")
Field = tuple[int, str]


class SessionError(Exception):
    """The venue ended the session, or refused to begin one."""


def now() -> str:
    """Return the time as FIX writes it."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def text(message: FixMessage, tag: int) -> str:
    """Return a field's value; empty when the message has none."""
    return (message.get(tag) or b"").decode("ascii")


class FixSession:
    """One session of one counterparty, from its Logon to its Logout."""

    def __init__(
        self, address: tuple[str, int], comp_id: str, key: FixKey, *, numbers: Path
    ) -> None:
        """Name the session; ``with`` logs it on.

        Args:
            address: host and port.
            comp_id: SenderCompID (49), the name of the session.
            key: what proves its Logon.
            numbers: the file of its next numbers; where there is none, both are 1.
        """
        self._address = address
        self._comp_id = comp_id
        self._key = key
        self._file = numbers
        self._out: int = 1
        self._in: int = 1
        if numbers.exists():
            self._out, self._in = json.loads(numbers.read_text())
        self._parser = FixParser()
        self._asked_from = 0

    def __enter__(self) -> Self:
        """Log on."""
        self._line = socket.create_connection(self._address, timeout=30)
        self._sent_at = self._heard_at = time.monotonic()
        self.send("A", (98, "0"), (108, str(HEARTBEAT_SECONDS)))
        self._await("A")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log out, and keep the numbers."""
        with self._line:
            if kind is None or not issubclass(kind, (OSError, SessionError)):
                self.send("5")
                self._await("5")

    def send(self, kind: str, *fields: Field) -> None:
        """Send a message under the next number, which is on the disk before it leaves."""
        number = self._out
        self._out += 1
        self._keep_numbers()
        self._write(kind, number, fields)

    def received(self, seconds: float) -> Iterator[FixMessage]:
        """Yield application messages, in order and each once, for so long.

        Raises:
            SessionError: the venue ended the session.
        """
        until = time.monotonic() + seconds
        while (now_at := time.monotonic()) < until:
            message = self._next(min(LOOK_SECONDS, until - now_at))
            if message is None:
                continue
            kind = text(message, 35)
            if kind == "5":
                raise SessionError(text(message, 58) or "the venue logged us out")
            if kind not in ADMINISTRATIVE:
                yield message

    def _await(self, kind: str) -> None:
        until = time.monotonic() + HEARTBEAT_SECONDS
        while time.monotonic() < until:
            message = self._next(LOOK_SECONDS)
            if message is None:
                continue
            if text(message, 35) == kind:
                return
            if text(message, 35) == "5":
                raise SessionError(text(message, 58) or "the venue logged us out")
        raise SessionError(f"no {kind} within {HEARTBEAT_SECONDS} s")

    def _next(self, seconds: float) -> FixMessage | None:
        """Return the next message that is in order, if there is one."""
        self._beat()
        message = self._parser.get_message()
        if message is None:
            self._line.settimeout(seconds)
            try:
                data = self._line.recv(65536)
            except TimeoutError:
                return None
            if not data:
                raise SessionError("the venue closed the connection")
            self._heard_at = time.monotonic()
            self._parser.append_buffer(data)
            message = self._parser.get_message()
        return message if message is not None and self._is_in_order(message) else None

    def _is_in_order(self, message: FixMessage) -> bool:
        """Follow the numbers; what is early is dropped, for it comes again when it is asked for."""
        number, kind = int(text(message, 34)), text(message, 35)
        if kind == "2":  # they missed something of ours
            self._fill_gap(int(text(message, 7)))
        if number > self._in:
            if self._asked_from != self._in:
                self._asked_from = self._in
                self.send("2", (7, str(self._in)), (16, "0"))
            return kind in "A5"  # a Logon is one also when messages before it were missed
        if number < self._in:
            if text(message, 43) != "Y":
                raise SessionError(f"number {number} came again; {self._in} was expected")
            return False
        self._in = int(text(message, 36)) if kind == "4" else number + 1
        self._keep_numbers()
        if kind == "1":
            self.send("0", (112, text(message, 112)))
        return True

    def _fill_gap(self, begin: int) -> None:
        # An old order must not be executed late, so nothing of ours is sent again.
        self._write("4", begin, ((43, "Y"), (122, now()), (123, "Y"), (36, str(self._out))))

    def _beat(self) -> None:
        now_at = time.monotonic()
        if now_at - self._sent_at >= HEARTBEAT_SECONDS:
            self.send("0")
        if now_at - self._heard_at >= 2 * HEARTBEAT_SECONDS:
            raise SessionError("the venue is silent")

    def _write(self, kind: str, number: int, fields: tuple[Field, ...]) -> None:
        stamp = now()
        head = [(8, "FIX.4.4"), (35, kind), (49, self._comp_id), (56, "RIALTO")]
        if kind == "A":
            signed = ("A", self._comp_id, "RIALTO", str(number), stamp)
            fields = (*fields, *self._key.proof(*signed))
        message = FixMessage()
        for tag, value in (*head, (34, str(number)), (52, stamp), *fields):
            message.append_pair(tag, value)
        self._line.sendall(message.encode())
        self._sent_at = time.monotonic()

    def _keep_numbers(self) -> None:
        # Written beside and put in its place, so that a crash leaves the one or the other.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps([self._out, self._in]))
        fresh.replace(self._file)
