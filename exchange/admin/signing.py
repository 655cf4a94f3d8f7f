"""Signed requests: who asks for what, when, once.

An operator signs venue, method, path, body, name, time and a nonce with an Ed25519 key. The
doorkeeper lets a request in when it is for this venue, the signature is that operator's, the time
is near ours and the nonce is new. So one that was signed for another venue, which knows the same
operators and keys, is worth nothing here; the first version named no venue, and is taken no more
(it stands in older records, where it is still proved). Nonces are remembered as long as their
times would be taken; what was signed before the doorkeeper began, whose memory is empty, is
refused, so that a restart opens no gap for replays.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.errors import CommandError
from exchange.operators import Operator, Operators, Token

NONCE_LENGTH: Final = 32
_DOMAIN: Final = b"rialto admin request 2\n"
_DOMAIN_OF_NO_VENUE: Final = b"rialto admin request 1\n"

Nonce = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Signature = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}$")]
VenueName = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")]


class SignedRequest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """A request with its proof; it is kept whole in the record, where anybody can check it.

    ``venue`` is empty in the first version.
    """

    operator: str
    method: str
    path: str
    body: str
    time_ns: int
    nonce: Nonce
    signature: Signature
    venue: VenueName = ""

    def signed_bytes(self) -> bytes:
        """Return what the operator signs: every field on a line of its own, the body's hash."""
        body = hashlib.sha256(self.body.encode()).hexdigest()
        lines = (self.method, self.path, self.operator, str(self.time_ns), self.nonce, body)
        if not self.venue:
            return _DOMAIN_OF_NO_VENUE + "\n".join(lines).encode()
        return _DOMAIN + "\n".join((self.venue, *lines)).encode()


def sign(
    token: Token, method: str, path: str, body: str, *, venue: str, now_ns: int
) -> SignedRequest:
    """Sign a request as the token's operator, for one venue (32 hexadecimal digits)."""
    unsigned = SignedRequest(
        operator=token.name,
        method=method,
        path=path,
        body=body,
        time_ns=now_ns,
        nonce=secrets.token_hex(NONCE_LENGTH // 2),
        signature="0" * 128,
        venue=venue,
    )
    return msgspec.structs.replace(unsigned, signature=token.sign(unsigned.signed_bytes()))


class Doorkeeper:
    """Lets requests in, each once."""

    def __init__(
        self,
        operators: Operators,
        now_ns: Callable[[], int],
        *,
        venue: Callable[[], str],
        window_ns: int,
        nonces_max: int,
    ) -> None:
        """Begin with an empty memory, so that nothing signed before now is let in.

        Args:
            operators: who there is; asked anew for each request.
            now_ns: the clock.
            venue: says which venue this is, as in ``sign``; raises VenueAwayError before it
                began.
            window_ns: how far a request's time may be from ours, either way.
            nonces_max: requests that are remembered; when so many came in one window, all
                further ones are refused rather than one forgotten.
        """
        self._operators = operators
        self._now_ns = now_ns
        self._venue = venue
        self._window_ns = window_ns
        self._nonces_max = nonces_max
        self._began_ns = now_ns()
        self._seen: OrderedDict[str, int] = OrderedDict()

    def admit(self, request: SignedRequest) -> Operator:
        """Return who asks.

        Raises:
            AdminRefusedError: not signed for this venue by a live operator, too old or new, or
                here before. VenueAwayError: there is no venue yet.
        """
        operator = self.signer(request)
        now = self._now_ns()
        oldest = max(now - self._window_ns, self._began_ns)
        if not oldest <= request.time_ns <= now + self._window_ns:
            seconds = (request.time_ns - now) / 1e9
            raise AdminRefusedError(
                AdminCode.REQUEST_STALE,
                f"signed {seconds:+.1f} s from our clock, and {self._window_ns / 1e9:g} s are "
                "allowed, or before this process began: sign anew",
            )
        self._forget(now)
        if request.nonce in self._seen:
            raise AdminRefusedError(AdminCode.REQUEST_REPEATED, "this request came before")
        if len(self._seen) >= self._nonces_max:
            raise AdminRefusedError(
                AdminCode.BUSY, f"{len(self._seen)} requests in a window, {self._nonces_max} may be"
            )
        self._seen[request.nonce] = now
        return operator

    def signer(self, request: SignedRequest) -> Operator:
        """Return the live operator who signed a request, whenever that was.

        Raises:
            AdminRefusedError: nobody did, one whose key was taken away, or not for this venue.
        """
        if not request.venue:
            raise AdminRefusedError(
                AdminCode.VENUE_NOT_SIGNED,
                "the request names no venue, so it would hold at every one: sign version 2, with"
                " Rialto-Venue",
            )
        try:
            operator = self._operators.named(request.operator)
        except CommandError:
            operator = None
        if (
            operator is None
            or operator.is_revoked
            or not operator.has_signed(request.signed_bytes(), request.signature)
        ):
            raise AdminRefusedError(
                AdminCode.SIGNATURE_INVALID, "not signed by an operator of this venue"
            )
        self._require_venue(request)
        return operator

    def _require_venue(self, request: SignedRequest) -> None:
        """Only of an operator's request: our name is nobody else's to learn."""
        if request.venue != (ours := self._venue()):
            raise AdminRefusedError(
                AdminCode.VENUE_FOREIGN,
                f"signed for venue {request.venue}, and this is {ours}",
            )

    def _forget(self, now_ns: int) -> None:
        """Forget nonces whose requests would be too old by now, whatever their clocks said."""
        while self._seen:
            nonce, at = next(iter(self._seen.items()))
            if at >= now_ns - 2 * self._window_ns:
                return
            del self._seen[nonce]
