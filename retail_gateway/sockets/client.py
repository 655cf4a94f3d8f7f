"""One connection of the WebSocket API: requests in, answers and events out."""

import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final, Protocol

import msgspec
import structlog

from retail_gateway.front import Front, Reply, Request
from retail_gateway.parameters import PARAMETERS_MAX, malformed
from retail_gateway.refusals import (
    DATABASE_AWAY,
    OVERLOADED,
    Details,
    DoorCode,
    Refusal,
    door_refusal,
)
from retail_gateway.routes import Endpoint, Security
from retail_gateway.signing import Credentials
from retail_gateway.streams.message import text_frame
from retail_gateway.streams.pace import Pace
from retail_gateway.streams.ports import Wire
from retail_gateway.streams.refusals import CloseCode, Reason, farewell
from retail_gateway.streams.refusals import Refusal as Reasoned
from retail_gateway.streams.settings import Limits
from retail_gateway.user_data import UserData

log = structlog.get_logger()

REQUESTS_MAX: Final = 64
"""Of one connection, at once."""
SUBSCRIPTIONS_MAX: Final = 10

_WITH_LIMITS: Final = "returnRateLimits"
"""A parameter of every request: whether its answer says what was used."""
_PING: Final = 0x89
_PONG: Final = 0x8A

Id = Annotated[str, msgspec.Meta(max_length=64)] | int | None


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Id = None
    method: Annotated[str, msgspec.Meta(max_length=64)] = ""
    params: dict[str, Any] = {}


class House(Protocol):
    """What a connection needs of the process."""

    limits: Limits
    front: Front
    user_data: UserData
    table: dict[str, Endpoint]

    def now(self) -> float:
        """Return the loop's time."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done beside."""
        ...

    def left(self, client: "Client") -> None:
        """Forget a connection."""
        ...


_BANNED: Final = 418
_JOINING: Final = frozenset("&=")


class _Subscription:
    """One user data subscription: the hearer of an account."""

    __slots__ = ("account", "client", "credentials", "number")

    def __init__(
        self, client: "Client", number: int, account: int, credentials: Credentials
    ) -> None:
        self.client, self.number, self.account = client, number, account
        self.credentials = credentials._replace(is_session=True)

    def told(self, event: bytes) -> None:
        self.client.send(b'{"subscriptionId":%d,"event":%b}' % (self.number, event))


class Client:
    """A connection after its handshake: the listener of its wire."""

    def __init__(self, house: House, wire: Wire, address: str) -> None:
        self.address = address
        self._house = house
        self._wire = wire
        self._requests = 0
        self._subscriptions: dict[int, _Subscription] = {}
        self._next_subscription = 0
        self._session: Credentials | None = None
        self._is_closed = False
        self._waiting: deque[bytes] | None = None
        self._waiting_bytes = 0
        now = house.now()
        self._pace = Pace()
        self._ends_at = now + house.limits.life_seconds
        self._ping_at = now + house.limits.ping_seconds
        self._pong_until = 0.0

    # --- the wire ---

    def received(self, text: bytes) -> None:
        """Take a request, and answer it beside the others."""
        if self._is_closed or not self._may_say_more():
            return
        if self._requests >= REQUESTS_MAX:
            self._answer(None, self._house.front.refusal(OVERLOADED))
            return
        message: _Message | None
        try:
            message = msgspec.json.decode(text, type=_Message)
        except (msgspec.DecodeError, RecursionError):
            message = None
        self._requests += 1
        self._house.spawn(self._respond(message))

    def pinged(self, payload: bytes) -> None:
        """Answer a ping."""
        if not self._is_closed and self._may_say_more() and self._waiting is None:
            self._wire.write(bytes((_PONG, len(payload))) + payload)

    def ponged(self) -> None:
        """Take a sign of life."""
        if not self._is_closed and self._may_say_more():
            self._pong_until = 0.0

    def _may_say_more(self) -> bool:
        """Count a message of whatever kind; answer one too many, and end the connection."""
        rate = self._house.limits.messages_per_second
        if self._pace.admits(rate, self._house.now()):
            return True
        text = f"more than {rate} messages a second, pings and pongs too"
        reason = Reason.TOO_MANY_MESSAGES
        details = Details(reason, reason.name, rate, rate + 1)
        refused = Refusal(429, -1003, f"Too many requests; {text}.", details)
        self._answer(None, self._house.front.refusal(refused))
        self.cut(reason, text)
        return False

    def broke(self, code: CloseCode, text: str) -> None:
        """End a connection that keeps no rule of the protocol."""
        too_long = code is CloseCode.MESSAGE_TOO_BIG
        self.cut(Reason.MESSAGE_TOO_LONG if too_long else Reason.BROKEN_FRAME, text, code)

    def paused(self) -> None:
        """Keep what follows: events of one's own money cannot be left out."""
        if self._waiting is None:
            self._waiting = deque()

    def resumed(self) -> None:
        """Send what was kept."""
        waiting, self._waiting = self._waiting, None
        self._waiting_bytes = 0
        while waiting and not self._is_closed:
            self._give(waiting.popleft())

    def lost(self) -> None:
        """Forget everything."""
        self._end()
        self._house.left(self)

    # --- the process ---

    def send(self, payload: bytes) -> None:
        """Send a text."""
        if self._is_closed:
            return
        self._give(text_frame(payload))

    def _give(self, frame: bytes) -> None:
        """Write a frame, or keep it while the wire takes none."""
        if self._waiting is None:
            self._wire.write(frame)
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame)
        limit = self._house.limits.backlog_bytes_max
        if self._waiting_bytes > limit:
            self.cut(Reason.TOO_SLOW, f"{self._waiting_bytes} bytes wait, of {limit}")

    def sweep(self, now: float) -> None:
        """Do what is due: a ping, or the end."""
        limits = self._house.limits
        if self._is_closed:
            return
        if now >= self._ends_at:
            text = f"open for {limits.life_seconds:g} s, connect again"
            self.cut(Reason.LIFE_IS_OVER, text, CloseCode.GOING_AWAY)
        elif self._pong_until and now >= self._pong_until:
            self.cut(Reason.NO_PONG, f"no pong within {limits.pong_seconds:g} s")
        elif now >= self._ping_at:
            self._ping_at = now + limits.ping_seconds
            self._pong_until = self._pong_until or now + limits.pong_seconds
            payload = b"%d" % (time.time_ns() // 1_000_000)
            self._wire.write(bytes((_PING, len(payload))) + payload)

    def look_again(self, account: int | None) -> None:
        """See whether an account's keys still allow its subscriptions; None: everybody's."""
        for subscription in tuple(self._subscriptions.values()):
            if account in (None, subscription.account):
                self._house.spawn(self._prove_again(subscription))

    async def _prove_again(self, subscription: _Subscription) -> None:
        proven = await self._house.front.notary.proven(
            subscription.credentials, {}, permission=Security.READ, door="", changes=False
        )
        if not isinstance(proven, Refusal) or proven.status == DATABASE_AWAY.status:
            return
        if self._subscriptions.pop(subscription.number, None) is not None:
            self._house.user_data.leave(subscription.account, subscription)
            now_ms = self._house.front.clock() // 1_000_000
            subscription.told(b'{"e":"eventStreamTerminated","E":%d}' % now_ms)

    def cut(self, reason: Reason, text: str, code: CloseCode = CloseCode.POLICY_VIOLATION) -> None:
        """End the connection, and say why."""
        if not self._is_closed:
            log.info("socket_cut", reason=reason.name.lower(), address=self.address)
            self._end()
            self._wire.close(code, farewell(Reasoned(reason, text)))

    def _end(self) -> None:
        self._is_closed = True
        self._waiting = None
        for subscription in self._subscriptions.values():
            self._house.user_data.leave(subscription.account, subscription)
        self._subscriptions.clear()

    # --- requests ---

    async def _respond(self, message: _Message | None) -> None:
        front = self._house.front
        try:
            if message is None:
                reply = await front.refuse(_UNREADABLE, self.address)
            else:
                reply = await self._reply(message)
        except Exception:  # the request's edge: others go on
            log.exception("socket_request_failed", method=message and message.method)
            reply = Reply(500, _FAULT)
        finally:
            self._requests -= 1
        params = message.params if message is not None else {}
        with_limits = params.get(_WITH_LIMITS) not in (False, "false")
        number = message.id if message is not None else None
        self._answer(number, reply, with_limits=with_limits)
        if reply.status == _BANNED:
            self.cut(Reason.TOO_MANY_MESSAGES, "banned: too much was asked after a 429")

    async def _reply(self, message: _Message) -> Reply:
        front = self._house.front
        values = _texts(message.params)
        if isinstance(values, Refusal):
            return await front.refuse(values, self.address)
        own = _OWN.get(message.method)
        endpoint = own or self._house.table.get(message.method)
        if endpoint is None:
            return await front.refuse(_UNKNOWN, self.address)
        if values.pop(_WITH_LIMITS, "true") not in ("true", "false"):
            return await front.refuse(malformed(_WITH_LIMITS), self.address)
        key_id = values.pop("apiKey", "")
        signature = values.get("signature", "")
        credentials = Credentials(key_id, self.address, _payload(message.params), signature)
        if self._session is not None and "signature" not in values and not key_id:
            credentials = self._session
        request = Request(endpoint, credentials, values)
        if own is None:
            return await front.reply(request)
        return await self._own(message.method, request)

    async def _own(self, method: str, request: Request) -> Reply:
        """Do what concerns this connection: its session, and its subscriptions."""
        handled: Callable[[int, Request], Any] = {
            "session.logon": self._log_on,
            "session.status": self._status,
            "session.logout": self._log_out,
            "session.subscriptions": self._list,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.subscribe.signature": self._subscribe,
            "userDataStream.unsubscribe": self._unsubscribe,
        }[method]
        number = request.values.pop("subscriptionId", None)
        if number is not None:
            request = request._replace(values={**request.values, "number": number})
        return await self._house.front.reply_by(request, handled)

    def _log_on(self, _account: int, request: Request) -> dict[str, Any]:
        self._session = request.credentials._replace(is_session=True)
        return self._said()

    def _status(self, _account: int, _request: Request) -> dict[str, Any]:
        return self._said()

    def _log_out(self, _account: int, _request: Request) -> dict[str, Any]:
        self._session = None
        return self._said()

    def _said(self) -> dict[str, Any]:
        key_id = None if self._session is None else self._session.key_id
        return {
            "apiKey": key_id,
            "authorizedSince": None,
            "serverTime": self._house.front.clock() // 1_000_000,
            "userDataStream": bool(self._subscriptions),
        }

    def _list(self, _account: int, _request: Request) -> list[dict[str, int]]:
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _subscribe(self, account: int, request: Request) -> dict[str, int] | Refusal:
        usage = len(self._subscriptions) + 1
        if usage > SUBSCRIPTIONS_MAX or self._is_closed:
            return door_refusal(
                DoorCode.OVERLOADED,
                -1008,
                "Too many subscriptions on this connection.",
                limit=SUBSCRIPTIONS_MAX,
                usage=usage,
            )
        number = self._next_subscription
        self._next_subscription += 1
        subscription = self._subscriptions[number] = _Subscription(
            self, number, account, request.credentials
        )
        self._house.user_data.listen(account, subscription)
        return {"subscriptionId": number}

    def _unsubscribe(self, _account: int, request: Request) -> dict[str, Any] | Refusal:
        text = request.values.get("number")
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < 10):
            return malformed("subscriptionId")
        numbers = list(self._subscriptions) if text is None else [int(text)]
        for number in numbers:
            subscription = self._subscriptions.pop(number, None)
            if subscription is not None:
                self._house.user_data.leave(subscription.account, subscription)
        return {}

    def _answer(self, number: Id, reply: Reply, *, with_limits: bool = True) -> None:
        name = b"result" if reply.status == 200 else b"error"
        said = b'{"id":%b,"status":%d,"%b":%b' % (
            msgspec.json.encode(number), reply.status, name, reply.body,
        )  # fmt: skip
        if not with_limits:
            self.send(said + b"}")
            return
        weight = self._house.front.allowances.weight
        limits = (
            b'[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,'
            b'"limit":%d,"count":%d}]' % (weight.limit, reply.usage.weight)
        )
        self.send(b'%b,"rateLimits":%b}' % (said, limits))


async def _nothing(_asked: Any, _wanted: Any) -> None:
    raise AssertionError("done by the connection itself")


def _own_endpoint(method: str, security: Security) -> Endpoint:
    return Endpoint(
        method="WS",
        path=method,
        summary="",
        handle=_nothing,
        security=security,
        weight=2,
        socket_method=method,
    )


_OWN: Final = {
    method: _own_endpoint(method, security)
    for method, security in (
        ("session.logon", Security.READ),
        ("session.status", Security.NONE),
        ("session.logout", Security.NONE),
        ("session.subscriptions", Security.NONE),
        ("userDataStream.subscribe", Security.READ),
        ("userDataStream.subscribe.signature", Security.READ),
        ("userDataStream.unsubscribe", Security.NONE),
    )
}

_UNREADABLE: Final = door_refusal(
    DoorCode.PARAMETER_MALFORMED, -1000, "Malformed JSON, or not a request."
)
_UNKNOWN: Final = door_refusal(DoorCode.ENDPOINT_UNKNOWN, -1000, "Unknown method.", status=404)
_FAULT: Final = b'{"code":-1000,"msg":"An unknown error occurred while processing the request."}'


def _texts(params: dict[str, Any]) -> dict[str, str] | Refusal:
    """Write each parameter as the text that it has in a query."""
    found: dict[str, str] = {}
    if len(params) > PARAMETERS_MAX:
        return malformed("params")
    for name, value in params.items():
        text = _text(value)
        # With & or = in it, it would be signed like two parameters.
        is_joining = name != "signature" and _JOINING & {*name, *(text or "")}
        if text is None or not text.isascii() or not text.isprintable() or is_joining:
            return malformed(name if name.isalnum() else "params")
        found[name] = text
    return found


def _text(value: Any) -> str | None:
    """Write a value; None for a float, whose digits nobody signed."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int():
            return str(value)
        case list() if all(isinstance(each, str) for each in value):
            return msgspec.json.encode(value).decode()
        case _:
            return None


def _payload(params: dict[str, Any]) -> bytes:
    """Return what is signed: the parameters by name, joined, without the signature."""
    pairs = sorted((name, _text(value) or "") for name, value in params.items())
    text = "&".join(f"{name}={value}" for name, value in pairs if name != "signature")
    return text.encode("utf-8", "replace")
