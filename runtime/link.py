"""The client's end of a link to the core: send commands, read events, ask questions.

One link carries all three. Errors, all of ``LinkError``:

- ``LinkLost``: the connection is gone, or the core fell silent. Connect again.
- ``LinkRefused``: the core closed the link and said why (``code`` is a ``ByeCode``).
- ``ForeignVenue``: another venue answers at this address. Never retried.
- ``EventGap``: the events are not contiguous. Never retried: the process ends.
- ``AheadOfVenue``: the consumer has seen events that the venue never durably had. Never retried.

``exit_code`` is that of a process which ends by one (``runtime/process.py``).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Self, cast

import msgspec

from runtime.link_frames import (
    EVENTS_SIZE_MAX,
    FRAME_SIZE_MAX,
    PROTOCOL,
    Answer,
    Bye,
    ByeCode,
    Challenge,
    EventBatch,
    FrameError,
    FrameReader,
    FrameType,
    Hello,
    Query,
    Refusal,
    UnixAddress,
    Welcome,
    frame,
    parse_address,
    parse_events,
    parse_refusals,
    proof_of,
    read_frame,
    struct_frame,
)


class LinkError(Exception):
    """Anything that ends a link."""

    exit_code: int = 69


class LinkLost(LinkError):  # noqa: N818  # says what happened, like ConnectionResetError's kin
    """The connection is gone, or nothing was heard for too long."""


class LinkRefused(LinkError):  # noqa: N818
    """The core said goodbye."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"the core closed the link: {text} ({code})")
        self.code = code
        self.exit_code = _EXIT_CODES.get(code, LinkError.exit_code)


class ForeignVenue(LinkError):  # noqa: N818
    """Another venue answers than the one whose events we hold."""

    exit_code = 70


class EventGap(LinkError):  # noqa: N818
    """An event is missing, or came twice."""

    exit_code = 70


class AheadOfVenue(LinkError):  # noqa: N818
    """We hold events that the venue does not: a power cut in ``process`` mode, an old backup."""

    exit_code = 70


_EXIT_CODES: dict[int, int] = {ByeCode.NOT_AUTHENTICATED: 78, ByeCode.AHEAD_OF_VENUE: 70}
"""The operator gave a wrong name or secret; our position is not of this history."""


class LinkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a link may take of memory and time."""

    outgoing_bytes_max: int = 4 * 1024 * 1024
    incoming_bytes_max: int = 16 * 1024 * 1024
    frame_bytes_max: int = EVENTS_SIZE_MAX
    commands_bytes_max: int = FRAME_SIZE_MAX
    queries_max: int = 16
    answer_bytes_max: int = 256 * 1024 * 1024
    connect_seconds: float = 5.0
    query_seconds: float = 30.0
    silence_seconds: float = 15.0


DEFAULT_LIMITS = LinkLimits()

RefusalHandler = Callable[[Sequence[Refusal]], None]


def _ignore_refusals(_refusals: Sequence[Refusal]) -> None:
    """Take refusals for a client that sends nothing."""


class Link:
    """A live, authenticated connection to the core; made by ``Link.connect``."""

    def __init__(self, protocol: "_LinkProtocol", welcome: Welcome, limits: LinkLimits) -> None:
        self.welcome = welcome
        self._protocol = protocol
        self._limits = limits
        self._is_reading = False
        self._queries = 0
        self._last_event = welcome.last_event
        """The last event that the venue is known to have, by its welcome and its answers."""

    @classmethod
    async def connect(
        cls,
        address: str,
        principal: str,
        token: bytes,
        *,
        venue: bytes | None = None,
        refusals: RefusalHandler = _ignore_refusals,
        limits: LinkLimits = DEFAULT_LIMITS,
    ) -> Self:
        """Connect to the core and prove who we are.

        Args:
            address: ``unix:/path`` or ``tcp:host:port``.
            principal: our name in the venue's configuration.
            token: the secret that goes with it.
            venue: the venue whose events we hold, 16 bytes; None takes any.
            refusals: called on the loop with the commands that were refused before sequencing.
            limits: bounds of memory and time.

        Raises:
            LinkLost: nobody answers, or not in time.
            LinkRefused: the core does not accept us.
            ForeignVenue: another venue answers.
        """
        target = parse_address(address)
        loop = asyncio.get_running_loop()
        protocol = _LinkProtocol(loop, refusals, limits)
        try:
            async with asyncio.timeout(limits.connect_seconds):
                if isinstance(target, UnixAddress):
                    await loop.create_unix_connection(lambda: protocol, target.path)
                else:
                    await loop.create_connection(lambda: protocol, target.host, target.port)
                welcome = await _authenticate(protocol, principal, token, venue)
        except TimeoutError:
            protocol.abort()
            raise LinkLost(f"no answer from {address} in {limits.connect_seconds} s") from None
        except OSError as error:
            raise LinkLost(f"cannot connect to {address}: {error}") from error
        except LinkError:
            protocol.abort()
            raise
        protocol.watch_silence()
        return cls(protocol, welcome, limits)

    @property
    def is_lost(self) -> bool:
        """Whether the link has ended; ``send`` would raise."""
        return self._protocol.failure is not None

    async def wait_lost(self) -> LinkError:
        """Wait until the link ends, and return why."""
        return await asyncio.shield(self._protocol.ended)

    def send(self, commands: bytes) -> bool:
        """Send command records; never blocks.

        Args:
            commands: whole records with zero ``sequence`` and ``time_ns``, together no larger
                than the link's frame limit.

        Returns:
            False when so much waits to leave that the limit would be passed; nothing was sent.

        Raises:
            LinkLost, LinkRefused: the link has ended; whether earlier commands were sequenced
                is told by the positions of the next ``welcome``.
        """
        assert len(commands) <= self._limits.commands_bytes_max, "commands above the frame limit"
        return self._protocol.send(frame(FrameType.COMMANDS, commands))

    async def events(self, after: int) -> AsyncIterator[EventBatch]:
        """Yield every event after number ``after``: history, then live, without gaps.

        While the caller does not take batches the link stops reading once
        ``incoming_bytes_max`` wait, and the core serves the rest from disk later; answers and
        refusals on this link wait behind them.

        Raises:
            AheadOfVenue: ``after`` lies beyond the venue's last event.
            EventGap: the core's events are not contiguous.
            LinkLost, LinkRefused: the link ended.
        """
        assert not self._is_reading, "one reader a link"
        self._is_reading = True
        if after > self._last_event:
            raise AheadOfVenue(
                f"position {after} is ahead of the venue's last event {self._last_event}"
            )
        self._protocol.send_control(read_frame(after))
        position = after
        while (batch := await self._protocol.next_batch()) is not None:
            if batch.first != position + 1 or batch.last < batch.first:
                raise EventGap(
                    f"expected event {position + 1}, found {batch.first} to {batch.last}"
                )
            position = batch.last
            yield batch

    def stop_events(self) -> None:
        """Let ``events`` return after the batches that it has already been given."""
        self._protocol.stop_events()

    async def query(self, what: str, *numbers: int) -> Answer:
        """Ask the core, and return the whole answer.

        Args:
            what: ``definitions``, ``books``, ``open_orders``, ``balances`` or ``status``;
                ``messages/trading/answers.py`` describes the payloads.
            numbers: of what; of ``open_orders`` the account, the order id after which they
                begin, and how many at most.

        Raises:
            LinkLost: the link ended, or no answer came in time.
            LinkRefused: the core does not know the question.
        """
        if len(self._protocol.answers) >= self._limits.queries_max:
            raise LinkLost(f"{self._limits.queries_max} queries are open on this link already")
        self._queries += 1
        number = self._queries
        future = self._protocol.expect_answer(number)
        self._protocol.send_control(struct_frame(FrameType.QUERY, Query(number, what, numbers)))
        try:
            async with asyncio.timeout(self._limits.query_seconds):
                answer = await future
        except TimeoutError:
            raise LinkLost(f"no answer to {what!r} in {self._limits.query_seconds} s") from None
        finally:
            self._protocol.answers.pop(number, None)
        self._last_event = max(self._last_event, answer.event_number)
        return answer

    async def close(self) -> None:
        """Send what waits, say goodbye and close; repeating it is harmless."""
        await self._protocol.close()


async def _authenticate(
    protocol: "_LinkProtocol", principal: str, token: bytes, venue: bytes | None
) -> Welcome:
    challenge = await protocol.challenge
    if challenge.protocol != PROTOCOL:
        raise LinkRefused(
            ByeCode.PROTOCOL_ERROR, f"it speaks protocol {challenge.protocol}, we {PROTOCOL}"
        )
    if venue is not None and challenge.venue != venue:
        raise ForeignVenue(f"venue {challenge.venue.hex()} answers, not {venue.hex()}")
    proof = proof_of(token, nonce=challenge.nonce, principal=principal)
    protocol.send_control(struct_frame(FrameType.HELLO, Hello(principal, proof)))
    return await protocol.welcome


class _LinkProtocol(asyncio.Protocol):
    """Frames in and out of one connection."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, refusals: RefusalHandler, limits: LinkLimits
    ) -> None:
        self._loop = loop
        self._refusals = refusals
        self._limits = limits
        self._reader = FrameReader(limits.frame_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._heard_at = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._batches: deque[EventBatch] = deque()
        self._batch_bytes = 0
        self._is_paused = False
        self._is_stopped = False
        self._waiter: asyncio.Future[None] | None = None
        self._parts: dict[int, list[bytes]] = {}
        self.failure: LinkError | None = None
        self.ended: asyncio.Future[LinkError] = loop.create_future()
        self.challenge: asyncio.Future[Challenge] = loop.create_future()
        self.welcome: asyncio.Future[Welcome] = loop.create_future()
        self.answers: dict[int, asyncio.Future[Answer]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        try:
            for kind, payload in self._reader.feed(data):
                self._take(kind, payload)
        except (FrameError, msgspec.MsgspecError) as error:
            self._end(LinkLost(f"the core sent what is not a frame: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(LinkLost(f"connection lost: {exc or 'closed by the core'}"))

    def send(self, data: bytes) -> bool:
        """Write, unless too much waits already."""
        if self.failure is not None:
            raise self.failure
        assert self._transport is not None
        if self._transport.get_write_buffer_size() + len(data) > self._limits.outgoing_bytes_max:
            return False
        self._transport.write(data)
        return True

    def send_control(self, data: bytes) -> None:
        """Write a small frame that the outgoing limit does not count."""
        if self.failure is not None:
            raise self.failure
        assert self._transport is not None
        self._transport.write(data)

    async def next_batch(self) -> EventBatch | None:
        """Return the next batch, or None once told to stop and all are taken."""
        while not self._batches:
            if self._is_stopped:
                return None
            if self.failure is not None:
                raise self.failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        batch = self._batches.popleft()
        self._batch_bytes -= len(batch.data)
        if self._is_paused and self._batch_bytes <= self._limits.incoming_bytes_max // 2:
            self._is_paused = False
            self._heard_at = self._loop.time()
            if self._transport is not None and self.failure is None:
                self._transport.resume_reading()
        return batch

    def stop_events(self) -> None:
        self._is_stopped = True
        self._wake()

    def expect_answer(self, number: int) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        self.answers[number] = future
        return future

    def watch_silence(self) -> None:
        """End the link when the core, which pings, is not heard for too long."""
        silent = self._loop.time() - self._heard_at
        if self.failure is not None:
            return
        if silent > self._limits.silence_seconds and not self._is_paused:
            self._end(LinkLost(f"nothing heard from the core for {silent:.1f} s"))
            return
        # Also said without being asked: while reading is paused we see no PING.
        self.send(frame(FrameType.PONG))
        self._timer = self._loop.call_later(self._limits.silence_seconds / 3, self.watch_silence)

    async def close(self) -> None:
        if self._transport is None:
            return
        if self.failure is None:
            bye = Bye(ByeCode.CLOSED, "closed by the client")
            self._transport.write(struct_frame(FrameType.BYE, bye))
            self._transport.close()
        if self._is_paused:
            self._transport.resume_reading()
        await asyncio.shield(self.ended)

    def abort(self) -> None:
        self._end(LinkLost("given up"))

    def _take(self, kind: FrameType, payload: memoryview) -> None:
        if kind is FrameType.EVENTS:
            self._take_events(parse_events(payload))
        elif kind is FrameType.REFUSED:
            self._refusals(parse_refusals(payload))
        elif kind is FrameType.PING:
            self.send_control(frame(FrameType.PONG))
        elif kind is FrameType.ANSWER:
            self._take_answer(msgspec.msgpack.decode(payload, type=Answer))
        elif kind is FrameType.BYE:
            bye = msgspec.msgpack.decode(payload, type=Bye)
            self._end(LinkRefused(bye.code, bye.text))
        elif kind is FrameType.CHALLENGE and not self.challenge.done():
            self.challenge.set_result(msgspec.msgpack.decode(payload, type=Challenge))
        elif kind is FrameType.WELCOME and not self.welcome.done():
            self.welcome.set_result(msgspec.msgpack.decode(payload, type=Welcome))
        else:
            raise FrameError(f"unexpected {kind.name}")

    def _take_events(self, batch: EventBatch) -> None:
        self._batches.append(batch)
        self._batch_bytes += len(batch.data)
        if self._batch_bytes > self._limits.incoming_bytes_max and not self._is_paused:
            assert self._transport is not None
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def _take_answer(self, answer: Answer) -> None:
        future = self.answers.get(answer.id)
        if future is None or future.done():
            self._parts.pop(answer.id, None)
            return
        parts = self._parts.setdefault(answer.id, [])
        parts.append(answer.payload)
        if sum(map(len, parts)) > self._limits.answer_bytes_max:
            raise FrameError(f"an answer above {self._limits.answer_bytes_max} bytes")
        if not answer.more:
            del self._parts[answer.id]
            future.set_result(msgspec.structs.replace(answer, payload=b"".join(parts)))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, failure: LinkError) -> None:
        """Let everyone who waits on this link know that it has ended; the first reason stays."""
        if self.failure is not None:
            return
        self.failure = failure
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self.ended.set_result(failure)
        waiting: tuple[asyncio.Future[Any], ...]
        waiting = (self.challenge, self.welcome, *self.answers.values())
        for future in waiting:
            if not future.done():
                future.set_exception(failure)
                future.exception()  # nobody may be waiting: that is no error of its own
        self._wake()
