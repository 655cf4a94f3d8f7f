"""Who signed a request, and whether it may still be acted on.

The signature is over query and body, joined, without itself: every parameter, as it was sent.
Binance's scheme leaves method and path out, so each signature is remembered with the method and
path that it first came for: it opens no other door, and changes nothing twice.
"""

import base64
import binascii
import heapq
import re
from typing import Final, NamedTuple

from retail_gateway.parameters import missing
from retail_gateway.ports import Clock, HistoryAwayError, Signed, Signer, Signers
from retail_gateway.refusals import (
    DATABASE_AWAY,
    OVERLOADED,
    DoorCode,
    Refusal,
    door_refusal,
)

RECV_WINDOW_MS: Final = 5_000
RECV_WINDOW_MS_MAX: Final = 60_000
AHEAD_MS_MAX: Final = 1_000

_KEY = re.compile(r"[A-Za-z0-9]{1,64}")
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{13}(?:[0-9]{3})?")
_WINDOW = re.compile(r"([0-9]{1,5})(?:\.([0-9]{1,3}))?")
_SIGNATURE = re.compile(rb"(?:^|&)signature=[^&]*")

_MICROSECOND: Final = 1_000
_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000

_BAD_KEY: Final = door_refusal(DoorCode.KEY_MALFORMED, -2014, "API-key format invalid.", status=401)
_BAD_SIGNATURE: Final = door_refusal(
    DoorCode.SIGNATURE_REFUSED, -1022, "Signature for this request is not valid.", status=401
)


class Credentials(NamedTuple):
    """What a request brings to prove who sent it; of a session's request, what opened it."""

    key_id: str
    address: str
    payload: bytes
    """What is signed."""
    signature: str = ""
    is_session: bool = False


def signed_part(*parts: bytes) -> bytes:
    """Return what a REST request's signature is over: query and body, joined, without itself."""
    whole = b"".join(parts)
    head, found, last = whole.rpartition(b"&signature=")
    if found and b"&" not in last and b"signature=" not in head and whole in parts:
        return head  # all of it in one part, and the signature behind it: the usual way
    return b"".join([_SIGNATURE.sub(b"", part) for part in parts])


class Held(NamedTuple):
    """When a request was signed, and until when it holds."""

    signed_at_ns: int
    until_ns: int


class Proven(NamedTuple):
    """Who it was, until when the request holds, and by which signature, if it is used up by it."""

    person_id: str
    held: Held
    signature: bytes | None


class Replays:
    """The signatures that were used, each until the end of its own window."""

    def __init__(self, signatures_max: int, *, begun_ns: int) -> None:
        """Begin with none.

        Args:
            signatures_max: above, requests are refused, and none is forgotten early.
            begun_ns: now; what was used before is not known, so that nothing of then changes
                anything.
        """
        self._signatures_max = signatures_max
        self._begun_ns = begun_ns
        self._count = 0
        # A signature is over its window's end, so it is never looked for in another second.
        self._used: dict[int, dict[bytes, str]] = {}
        self._seconds: list[int] = []

    def use(
        self, signature: bytes, door: str, held: Held, *, now_ns: int, changes: bool
    ) -> Refusal | None:
        """Note a signature; refuse it for another door, and for changing something twice."""
        self._forget(now_ns // _SECOND)
        if changes and held.signed_at_ns < self._begun_ns:
            return _SIGNED_BEFORE_WE_BEGAN
        second = held.until_ns // _SECOND
        used = self._used.get(second, {}).get(signature)
        if used is not None:
            return _REPLAYED if changes or used != door else None
        if self._count >= self._signatures_max:
            return OVERLOADED
        if second not in self._used:
            self._used[second] = {}
            heapq.heappush(self._seconds, second)
        self._used[second][signature] = door
        self._count += 1
        return None

    def release(self, signature: bytes, held: Held) -> None:
        """Forget a signature of which nothing came: the same bytes may be sent again."""
        if self._used.get(held.until_ns // _SECOND, {}).pop(signature, None) is not None:
            self._count -= 1

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0] < second:
            self._count -= len(self._used.pop(heapq.heappop(self._seconds)))


_REPLAYED: Final = door_refusal(DoorCode.REQUEST_REPLAYED, -2010, "Duplicate order sent.")
_SIGNED_BEFORE_WE_BEGAN: Final = door_refusal(
    DoorCode.TIMESTAMP_OUTSIDE_WINDOW,
    -1021,
    "Timestamp for this request is before this service began: sign it again.",
)


class Notary:
    """Says who signed."""

    def __init__(self, signers: Signers, replays: Replays, clock: Clock) -> None:
        self._signers = signers
        self._replays = replays
        self._clock = clock

    async def proven(
        self,
        credentials: Credentials,
        values: dict[str, str],
        *,
        permission: str,
        door: str,
        changes: bool,
    ) -> Proven | Refusal:
        """Say who signed a request, and take what only proves it out of ``values``.

        Args:
            credentials: key, address, and what was signed.
            values: the parameters in them.
            permission: what the key must allow.
            door: method and path, or the method of the WebSocket API.
            changes: whether a repeat would do something again.
        """
        if _KEY.fullmatch(credentials.key_id) is None:
            return _BAD_KEY
        now_ns = self._clock()
        held = self._held(credentials, values, now_ns)
        if isinstance(held, Refusal):
            return held
        values.pop("signature", None)
        if not credentials.signature:
            return missing("signature")
        signature = _signature(credentials.signature)
        if signature is None:
            return _BAD_SIGNATURE
        key_id, address, payload, _, is_session = credentials
        try:
            signer = await self._signers.signer(
                Signed(key_id, payload, signature, address, permission)
            )
        except HistoryAwayError:
            return DATABASE_AWAY
        if not isinstance(signer, Signer):
            return signer
        if not is_session:
            replayed = self._replays.use(signature, door, held, now_ns=now_ns, changes=changes)
            if replayed is not None:
                return replayed
        return Proven(signer.person_id, held, None if is_session else signature)

    def release(self, proven: Proven) -> None:
        """Let a request's signature be used again: nothing was done by it."""
        if proven.signature is not None:
            self._replays.release(proven.signature, proven.held)

    def _held(
        self, credentials: Credentials, values: dict[str, str], now_ns: int
    ) -> Held | Refusal:
        """Say until when a request holds; one of an open session need not say a time."""
        if credentials.is_session and "timestamp" not in values:
            return Held(now_ns, now_ns + RECV_WINDOW_MS * _MILLISECOND)
        window = _window(values)
        if isinstance(window, Refusal):
            return window
        timestamp_ns, recv_window_ns = window
        late = _is_late(timestamp_ns, recv_window_ns, now_ns)
        return late or Held(timestamp_ns, timestamp_ns + recv_window_ns)


def _window(values: dict[str, str]) -> tuple[int, int] | Refusal:
    """Read timestamp (milliseconds, or microseconds) and recvWindow; return nanoseconds."""
    stamp, window = values.pop("timestamp", None), values.pop("recvWindow", None)
    if stamp is None or _TIMESTAMP.fullmatch(stamp) is None:
        return missing("timestamp")
    unit = _MILLISECOND if len(stamp) == 13 else _MICROSECOND
    window_us = RECV_WINDOW_MS * 1000
    if window is not None:
        match = _WINDOW.fullmatch(window)
        if match is None or not match[1]:
            return _bad_window()
        window_us = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
        if not 0 < window_us <= RECV_WINDOW_MS_MAX * 1000:
            return _bad_window()
    return int(stamp) * unit, window_us * _MICROSECOND


def _bad_window() -> Refusal:
    return door_refusal(
        DoorCode.PARAMETER_MALFORMED,
        -1131,
        f"recvWindow must be less than or equal to {RECV_WINDOW_MS_MAX}, and above 0.",
        limit=RECV_WINDOW_MS_MAX,
    )


def _is_late(timestamp_ns: int, window_ns: int, now_ns: int) -> Refusal | None:
    ahead_ns = timestamp_ns - now_ns
    if ahead_ns >= AHEAD_MS_MAX * _MILLISECOND:
        return door_refusal(
            DoorCode.TIMESTAMP_OUTSIDE_WINDOW,
            -1021,
            f"Timestamp for this request was {AHEAD_MS_MAX}ms ahead of the server's time.",
            limit=AHEAD_MS_MAX,
            usage=ahead_ns // _MILLISECOND,
        )
    if -ahead_ns > window_ns:
        return door_refusal(
            DoorCode.TIMESTAMP_OUTSIDE_WINDOW,
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
            limit=window_ns // _MILLISECOND,
            usage=-ahead_ns // _MILLISECOND,
        )
    return None


def _signature(text: str) -> bytes | None:
    """Read a signature: 64 hexadecimal digits (HMAC), or base64 of 64 bytes (Ed25519)."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        data = base64.b64decode(text.replace(" ", "+"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == 64 else None
