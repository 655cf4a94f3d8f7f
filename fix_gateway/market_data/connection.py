"""One connection of the guard's: bytes to session and subscriber, and back as far as it reads."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from fix_gateway.guard.framing import GarbledError, read_trusted_frame
from fix_gateway.market_data.clock import TurnClock
from fix_gateway.market_data.grammar import Pairs, pairs_of
from fix_gateway.market_data.session import FixSession
from fix_gateway.market_data.subscriber import Subscriber

_FAREWELL_SECONDS = 2.0


class House(Protocol):
    """What a connection needs of the process."""

    clock: TurnClock

    def admit(self, connection: "Connection", pairs: Pairs) -> None:
        """Judge a Logon; gives the connection its session, or ends it."""
        ...

    def written_later(self, connection: "Connection") -> None:
        """Have the connection write at the end of this turn of the loop."""
        ...

    def cut(self, connection: "Connection", reason: str) -> None:
        """Count and log that we end a session."""
        ...

    def left(self, connection: "Connection") -> None:
        """Forget a connection."""
        ...


class Connection(asyncio.Protocol):
    """The guard's connection for one client."""

    def __init__(self, house: House, *, queue_bytes_max: int) -> None:
        """Wait for the connection.

        Args:
            house: the process.
            queue_bytes_max: written and not yet taken; above, nothing more is written.
        """
        self.session: FixSession | None = None
        self.subscriber: Subscriber | None = None
        self.is_warned = False
        """Whether it was told that its numbers run high."""
        self.paused_at = 0.0
        """Since when the client takes nothing; zero while it does."""
        self._house = house
        self._queue_bytes_max = queue_bytes_max
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._is_closing = False

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._queue_bytes_max)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client's, which the guard has framed and checked."""
        self._rest += data
        self._house.clock.read()
        self._take()
        self.write()

    def pause_writing(self) -> None:
        """Wait for a client that reads slowly, and do not listen to it meanwhile."""
        if self._transport is not None and not self._is_closing:
            self.paused_at = self._loop.time()
            self._transport.pause_reading()
            if self.subscriber is not None:
                self.subscriber.paused()

    def resume_writing(self) -> None:
        """Go on where the client stands."""
        if self._transport is None or self._is_closing:
            return
        self.paused_at = 0.0
        self._transport.resume_reading()
        self._house.clock.read()
        if self.subscriber is not None:
            self.subscriber.resumed()
        self._take()
        self.write()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the client."""
        self._transport = None
        self._is_closing = True
        if self.subscriber is not None:
            self.subscriber.close()
        self._house.left(self)

    # --- for the process ---

    def begin(
        self, session: FixSession, subscriber: Callable[["Connection"], Subscriber] | None
    ) -> None:
        """Go on with a session; without a subscriber it is only to be told why it ends."""
        self.session = session
        self.subscriber = subscriber(self) if subscriber is not None else None

    def write(self) -> None:
        """Give what waits to the socket, and close behind the last message of a session."""
        session, transport = self.session, self._transport
        if session is None or transport is None or self._is_closing:
            return
        if session.outgoing:
            data = b"".join(session.outgoing)
            session.outgoing.clear()
            session.note_sent(self._house.clock.now_ns)
            transport.write(data)
        if session.is_over:
            self.close()

    def tell(self, text: str) -> bool:
        """Send a message that begins with its type; False when nothing can be taken now."""
        session = self.session
        if session is None or not session.is_live or self.paused_at or self._is_closing:
            return False
        kind, _, body = text.removeprefix("35=").partition("\x01")
        session.say(kind, self._house.clock.now_ns, body)
        self.write()
        return True

    def write_later(self) -> None:
        """Write at the end of this turn."""
        self._house.written_later(self)

    def log_out(self, text: str) -> None:
        """Say goodbye; whoever does not answer is cut off a little later."""
        if self.session is None or not self.session.is_live:
            self.close()
            return
        self.session.log_out(text, self._house.clock.now_ns)
        self.write()
        self._loop.call_later(_FAREWELL_SECONDS, self.abort)

    def cut(self, reason: str, text: str) -> None:
        """End a session that broke a rule."""
        self._house.cut(self, reason)
        if self.session is not None:
            self.session.log_out(text, self._house.clock.now_ns)
            self.write()
        self.close()

    def close(self) -> None:
        """Close behind what was written, at the latest after a moment."""
        if self._transport is None or self._is_closing:
            return
        self._is_closing = True
        if self.subscriber is not None:
            self.subscriber.close()
        self._transport.close()
        self._loop.call_later(_FAREWELL_SECONDS, self.abort)

    def abort(self) -> None:
        """Drop the connection at once; repeating it is harmless."""
        if self._transport is not None:
            self._transport.abort()

    # --- reading ---

    def _take(self) -> None:
        data, at = self._rest, 0
        while not self._is_closing and not self.paused_at:
            try:
                found = read_trusted_frame(data, at)
            except GarbledError as error:
                self.cut("garbled", str(error))
                return
            if found is None:
                break
            message, at = data[at : found[1]], found[1]
            self._take_message(message)
            if self.session is not None and self.session.outgoing:
                self.write()
        self._rest = data[at:]

    def _take_message(self, message: bytes) -> None:
        if self.session is None:
            pairs = pairs_of(message)
            if pairs is None or len(pairs) < 3 or pairs[2] != (35, "A"):
                self.cut("no_logon", "")
                return
            self._house.admit(self, pairs)
            return
        request = self.session.received(message, self._house.clock.now_ns)
        if request is not None and self.subscriber is not None:
            self.subscriber.requested(request)
