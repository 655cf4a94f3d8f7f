"""One reader: what it follows, what waits for it, and how long it may go on."""

import time
from collections.abc import Iterable
from typing import Final, Protocol

from messages.market_data import Delivery
from retail_gateway.streams import requests
from retail_gateway.streams.backlog import Backlog
from retail_gateway.streams.message import Message
from retail_gateway.streams.pace import Pace
from retail_gateway.streams.ports import Wire
from retail_gateway.streams.refusals import CloseCode, Reason, Refusal, farewell
from retail_gateway.streams.settings import Limits

_PING: Final = 0x89
_PONG: Final = 0x8A
"""First bytes of the frames: RFC 6455, section 5.2."""


class Desk(Protocol):
    """What a reader needs of the process."""

    limits: Limits

    def now(self) -> float:
        """Return the loop's time, in seconds."""
        ...

    def source_of(self, name: str) -> str | Refusal:
        """Say how market data calls a stream."""
        ...

    def follow(self, reader: "Reader", name: str, source: str) -> None:
        """Begin to send a stream."""
        ...

    def leave(self, reader: "Reader", name: str) -> None:
        """Send a stream no more."""
        ...

    def rewrap(self, reader: "Reader", *, is_combined: bool) -> None:
        """Send all streams in the other form."""
        ...

    def send(self, reader: "Reader", message: Message) -> None:
        """Send one message in turn."""
        ...

    def flush(self) -> None:
        """Write what waits to be written."""
        ...

    def cut(self, reader: "Reader", refusal: Refusal) -> None:
        """Count and log that we end a connection."""
        ...

    def left(self, reader: "Reader") -> None:
        """Forget a reader."""
        ...


class Reader:
    """A connection after its handshake: the listener of its wire."""

    __slots__ = (
        "_desk",
        "_is_closed",
        "_pace",
        "_ping_at",
        "_wire",
        "address",
        "backlog",
        "ends_at",
        "is_combined",
        "names",
        "paused_at",
        "pending",
        "pong_until",
    )

    def __init__(self, desk: Desk, wire: Wire, address: str, *, is_combined: bool) -> None:
        now = desk.now()
        self.address = address
        self.is_combined = is_combined
        self.names: dict[str, None] = {}
        self.pending: list[bytes] = []
        """Frames of this turn, when the wire takes all; else there is a backlog."""
        self.backlog: Backlog | None = None
        self.paused_at = 0.0
        self.pong_until = 0.0
        """When a sign of life is due; zero while none is waited for."""
        self.ends_at = now + desk.limits.life_seconds
        self._desk = desk
        self._wire = wire
        self._ping_at = now + desk.limits.ping_seconds
        self._pace = Pace()
        self._is_closed = False

    def begin(self, streams: Iterable[tuple[str, str]]) -> None:
        """Follow what the URL asked for: names, and how market data calls them."""
        for name, source in streams:
            self.names[name] = None
            self._desk.follow(self, name, source)
        self._desk.flush()

    # --- the wire ---

    def received(self, text: bytes) -> None:
        """Do what a message asks for, and answer."""
        if self._is_closed or not self._may_say_more():
            return
        request = requests.read_request(text)
        match request:
            case requests.Subscribe(number, names):
                self._subscribe(number, names)
            case requests.Unsubscribe(number, names):
                self._unsubscribe(number, names)
            case requests.ListSubscriptions(number):
                self._answer(requests.result(number, list(self.names)))
            case requests.SetCombined(number, is_combined):
                self._set_combined(number, is_combined=is_combined)
            case requests.GetCombined(number):
                self._answer(requests.result(number, self.is_combined))
            case requests.Wrong(answer):
                self._answer(answer)
        self._desk.flush()

    def pinged(self, payload: bytes) -> None:
        """Answer a ping; whoever takes nothing gets no pongs either."""
        if not self._is_closed and self._may_say_more() and self.backlog is None:
            self._wire.write(bytes((_PONG, len(payload))) + payload)

    def ponged(self) -> None:
        """Take a sign of life."""
        if not self._is_closed and self._may_say_more():
            self.pong_until = 0.0

    def broke(self, code: CloseCode, text: str) -> None:
        """End a connection that keeps no rule of the protocol."""
        too_long = code is CloseCode.MESSAGE_TOO_BIG
        not_text = code in (CloseCode.UNSUPPORTED_DATA, CloseCode.INVALID_TEXT)
        reason = Reason.MESSAGE_TOO_LONG if too_long else Reason.BROKEN_FRAME
        self.cut(Refusal(Reason.NOT_TEXT if not_text else reason, text), code)

    def paused(self) -> None:
        """Conflate from now on."""
        if self.backlog is None:
            self.paused_at = self._desk.now()
            self.backlog = Backlog(self._desk.limits.backlog_bytes_max)

    def resumed(self) -> None:
        """Send what has waited, as far as the wire takes it."""
        backlog, self.backlog = self.backlog, None
        if backlog is None or self._is_closed:
            return
        while (message := backlog.take()) is not None:
            self._wire.write(self.frame_of(message))
            if self._is_paused():
                self.backlog = backlog  # the rest keeps its place
                return

    def lost(self) -> None:
        """Forget everything."""
        self._end()
        self._desk.left(self)

    # --- the process ---

    def frame_of(self, message: Message) -> bytes:
        """Return a message in the form that this reader gets."""
        return message.combined if self.is_combined else message.raw

    def flush(self) -> None:
        """Write what this turn has brought."""
        if self.backlog is not None and self.backlog.is_overfull:
            limit, seconds = self._desk.limits.backlog_bytes_max, self._slow_seconds()
            used = self.backlog.bytes
            text = f"{used} bytes wait after {seconds:.1f} s of reading too slowly, of {limit}"
            self.cut(Refusal(Reason.TOO_SLOW, text))
            return
        pending = self.pending
        if pending:
            if not self._is_closed:
                self._wire.write(pending[0] if len(pending) == 1 else b"".join(pending))
            pending.clear()

    def sweep(self, now: float) -> None:
        """Do what is due: a ping, or the end."""
        if self._is_closed:
            return
        limits = self._desk.limits
        if now >= self.ends_at:
            text = f"open for {limits.life_seconds:g} s, connect again"
            self.cut(Refusal(Reason.LIFE_IS_OVER, text), CloseCode.GOING_AWAY)
        elif self.backlog is not None:
            if self._slow_seconds() >= limits.slow_seconds_max:
                text = f"nothing read for {limits.slow_seconds_max:g} s, {self.backlog.bytes} wait"
                self.cut(Refusal(Reason.TOO_SLOW, text))
        elif self.pong_until and now >= self.pong_until:
            self.cut(Refusal(Reason.NO_PONG, f"no pong within {limits.pong_seconds:g} s"))
        elif now >= self._ping_at:
            self._ping_at = now + limits.ping_seconds
            self.pong_until = self.pong_until or now + limits.pong_seconds
            payload = b"%d" % (time.time_ns() // 1_000_000)
            self._wire.write(bytes((_PING, len(payload))) + payload)

    def cut(self, refusal: Refusal, code: CloseCode = CloseCode.POLICY_VIOLATION) -> None:
        """End the connection, and say why."""
        if not self._is_closed:
            self._desk.cut(self, refusal)
            self._end()
            self._wire.close(code, farewell(refusal))

    def _end(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            for name in self.names:
                self._desk.leave(self, name)
            self.names.clear()
            self.pending.clear()
            self.backlog = None

    # --- requests ---

    def _subscribe(self, number: requests.Id, names: tuple[str, ...]) -> None:
        """Follow all, or nothing and say why."""
        fresh = [name for name in names if name not in self.names]
        limit, count = self._desk.limits.streams_max, len(self.names) + len(fresh)
        if count > limit:
            text = f"{count} streams, of {limit} on a connection"
            self._answer(requests.invalid(number, Refusal(Reason.TOO_MANY_STREAMS, text)))
            return
        sources: list[tuple[str, str]] = []
        for name in fresh:
            source = self._desk.source_of(name)
            if isinstance(source, Refusal):
                self._answer(requests.invalid(number, source))
                return
            sources.append((name, source))
        self._answer(requests.result(number))
        self.begin(sources)

    def _unsubscribe(self, number: requests.Id, names: tuple[str, ...]) -> None:
        """Follow these no more; what is not followed is none of our business."""
        for name in names:
            if name in self.names:
                del self.names[name]
                self._desk.leave(self, name)
                if self.backlog is not None:
                    self.backlog.forget(name)
        self._answer(requests.result(number))

    def _set_combined(self, number: requests.Id, *, is_combined: bool) -> None:
        self._answer(requests.result(number))
        if is_combined != self.is_combined:
            self.is_combined = is_combined
            self._desk.rewrap(self, is_combined=is_combined)

    def _answer(self, answer: bytes) -> None:
        self._desk.send(self, Message(Delivery.EVERY, "", answer))

    def _may_say_more(self) -> bool:
        """Count a message from the reader, and cut one that says too much."""
        rate = self._desk.limits.messages_per_second
        if self._pace.admits(rate, self._desk.now()):
            return True
        text = f"more than {rate} messages a second, pings and pongs too"
        self.cut(Refusal(Reason.TOO_MANY_MESSAGES, text))
        return False

    def _is_paused(self) -> bool:
        return self.backlog is not None

    def _slow_seconds(self) -> float:
        return self._desk.now() - self.paused_at
