"""A lean FIX 4.4 client for load: plain bytes, no store, no recovery, as little work as can be.

It is not a FIX engine: on loopback nothing is lost, and a gap or a reject ends the measurement.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol, cast

BEGIN: Final = b"8=FIX.4.4\x019="
SOH: Final = b"\x01"

Acknowledged = Callable[[int, int], None]
"""Called with an order's number and when its acknowledgement was received."""


class Proof(Protocol):
    """What shows who logs on."""

    def fields(
        self, *, sender: str, target: str, number: int, sending_time: str
    ) -> list[tuple[int, str]]:
        """Return the fields of a Logon that prove it."""
        ...


class LoadError(Exception):
    """The measurement cannot go on: a session was refused or lost, or an order was."""


class LoadClient(asyncio.Protocol):
    """One session: sends orders that others have composed, and tells of each acknowledgement."""

    def __init__(self, sender: str, target: str, acknowledged: Acknowledged) -> None:
        self._head = f"\x0149={sender}\x0152=".encode()
        self._tail = f"\x0156={target}\x01".encode()
        self._sender, self._target = sender, target
        self._acknowledged = acknowledged
        self._buffer = b""
        self._next_number = 1
        self._transport: asyncio.Transport | None = None
        self._second = 0
        self._second_text = b""
        loop = asyncio.get_running_loop()
        self.logged_on: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self.failure: LoadError | None = None
        self.reports = 0
        self.executions = 0
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits for the logon."""
        self.failure = LoadError(f"{self._sender}: connection lost: {exc}")
        if not self.logged_on.done():
            self.logged_on.set_exception(self.failure)
        if not self.closed.done():
            self.closed.set_result(None)

    def log_on(self, key: Proof) -> None:
        """Send the logon, with an interval so long that no heartbeat falls into a measurement."""
        sent_at = self._time()
        proof = key.fields(
            sender=self._sender,
            target=self._target,
            number=self._next_number,
            sending_time=sent_at.decode(),
        )
        fields = [(98, "0"), (108, "300"), (141, "Y"), *proof]
        body = "".join(f"{tag}={value}\x01" for tag, value in fields)
        self.send(b"A", body.encode(), sent_at=sent_at)

    def log_out(self) -> None:
        """Say goodbye."""
        self.send(b"5", b"")

    def abort(self) -> None:
        """Cut the connection."""
        assert self._transport is not None
        self._transport.abort()

    def send(self, kind: bytes, body: bytes, *, sent_at: bytes = b"") -> None:
        """Number, frame and send a message; its SendingTime is the present unless given."""
        if self.failure is not None:
            raise self.failure
        assert self._transport is not None
        text = b"".join(
            (b"35=", kind, b"\x0134=", b"%d" % self._next_number, self._head,
             sent_at or self._time(), self._tail, body)
        )  # fmt: skip
        self._next_number += 1
        framed = b"%b%d\x01%b" % (BEGIN, len(text), text)
        self._transport.write(b"%b10=%03d\x01" % (framed, sum(framed) & 255))

    def data_received(self, data: bytes) -> None:
        """Cut the stream into messages and look at each."""
        received_ns = time.perf_counter_ns()
        buffer = self._buffer + data if self._buffer else data
        start = 0
        while True:
            end = buffer.find(b"\x0110=", start)
            if end < 0 or len(buffer) < end + 8:
                break
            self._take(buffer[start : end + 1], received_ns)
            start = end + 8
        self._buffer = buffer[start:]

    def _take(self, message: bytes, received_ns: int) -> None:
        at = message.find(b"\x0135=") + 4
        kind = message[at : at + 1]
        if kind == b"8":
            self._take_report(message, received_ns)
        elif kind == b"A":
            self.logged_on.set_result(None)
        elif kind == b"1":
            self.send(b"0", b"112=" + _field(message, b"112") + SOH)
        elif kind not in b"045":
            self.failure = LoadError(f"{self._sender}: {message!r}")
        elif kind == b"5" and not self.logged_on.done():
            self.logged_on.set_exception(LoadError(f"{self._sender}: {message!r}"))

    def _take_report(self, message: bytes, received_ns: int) -> None:
        self.reports += 1
        at = message.find(b"\x01150=") + 5
        what = message[at : at + 1]
        if what == b"0":
            self._acknowledged(int(_field(message, b"11")), received_ns)
        elif what == b"F":
            self.executions += 1
        elif what == b"8":
            self.refused += 1
            self.failure = LoadError(f"{self._sender}: an order was refused: {message!r}")

    def _time(self) -> bytes:
        """Write the time of sending, to the millisecond."""
        now = time.time_ns()
        second = now // 1_000_000_000
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y%m%d-%H:%M:%S.", time.gmtime(second)).encode()
        return self._second_text + b"%03d" % (now // 1_000_000 % 1000)

    def order_time(self) -> bytes:
        """Return TransactTime (60) as a field."""
        return b"60=" + self._time() + SOH


def _field(message: bytes, tag: bytes) -> bytes:
    at = message.find(b"\x01" + tag + b"=")
    if at < 0:
        return b"0"
    at += len(tag) + 2
    return message[at : message.find(SOH, at)]
