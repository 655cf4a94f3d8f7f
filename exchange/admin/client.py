"""An operator's end of the API: sign, send, read the answer."""

import http.client
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from exchange.admin.signing import SignedRequest, sign
from exchange.errors import CommandError, VenueAwayError
from exchange.operator_link import RETURN_SECONDS_MAX
from exchange.operators import Token
from exchange.state import State

ADMIN_API: Final = "admin_api"
ANSWER_SECONDS_MAX: Final = 90.0
_POLL_SECONDS: Final = 0.05


class RequestRefusedError(CommandError):
    """The venue, or its operators' plane, said no."""

    def __init__(self, code: int, text: str, *, exit_code: int) -> None:
        super().__init__(text)
        self.code = code
        self.exit_code = exit_code


class AdminClient:
    """Asks in the name of one operator."""

    def __init__(self, url: str, token: Token, *, venue: str, trust: Path | None = None) -> None:
        """Describe the way.

        Args:
            url: ``http://host:port`` or ``https://host:port``.
            token: who asks.
            venue: which one is asked, 32 hexadecimal digits. It must not be learned from who
                answers at ``url``: another venue could name the one it wants a signature for.
            trust: PEM of who may have issued the server's certificate; None: the system's.
        """
        self._parts = urlsplit(url)
        self._token = token
        self._venue = venue
        self._trust = trust

    def get(self, path: str) -> Any:
        """Ask a question.

        Raises:
            RequestRefusedError: the answer is no. VenueAwayError: nobody answers.
        """
        return self._send("GET", path, "")

    def act(self, action: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Ask for an action; return what came of it, or the proposal that it became."""
        text = msgspec.json.encode(body).decode()
        answer: dict[str, Any] = self._send("POST", f"/v1/actions/{action}", text)
        return answer

    def approve(self, proposal: str, digest: str, reason: str) -> dict[str, Any]:
        """Approve a proposal as it was read: ``digest`` says which."""
        text = msgspec.json.encode({"digest": digest, "reason": reason}).decode()
        answer: dict[str, Any] = self._send("POST", f"/v1/proposals/{proposal}/approve", text)
        return answer

    def withdraw(self, proposal: str, reason: str) -> dict[str, Any]:
        """Take a proposal back, or turn it down."""
        text = msgspec.json.encode({"reason": reason}).decode()
        answer: dict[str, Any] = self._send("POST", f"/v1/proposals/{proposal}/withdraw", text)
        return answer

    def proposal(self, proposal_id: str) -> dict[str, Any]:
        """Return a proposal.

        Raises:
            CommandError: there is none.
        """
        if not (proposal_id.isascii() and proposal_id.isalnum()):
            raise CommandError(f"no proposal {proposal_id}")
        return dict(self.get(f"/v1/proposals/{proposal_id}"))

    def _send(self, method: str, path: str, body: str) -> Any:
        signed = sign(self._token, method, path, body, venue=self._venue, now_ns=time.time_ns())
        status, data = self._exchange(signed)
        try:
            answer = msgspec.json.decode(data)
        except msgspec.DecodeError as error:
            raise VenueAwayError(f"{self._parts.netloc} does not answer as a venue") from error
        if status < 300:
            return answer
        code = int(answer.get("code", 0))
        raise RequestRefusedError(code, str(answer.get("said")), exit_code=_exit_code(status))

    def _exchange(self, signed: SignedRequest) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/json",
            "Rialto-Operator": signed.operator,
            "Rialto-Venue": signed.venue,
            "Rialto-Time": str(signed.time_ns),
            "Rialto-Nonce": signed.nonce,
            "Rialto-Signature": signed.signature,
        }
        connection = self._connection()
        try:
            connection.request(signed.method, signed.path, signed.body.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise VenueAwayError(f"{self._parts.netloc} does not answer: {error}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS_MAX)
        context = ssl.create_default_context(cafile=self._trust)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return http.client.HTTPSConnection(host, port, timeout=ANSWER_SECONDS_MAX, context=context)


def _exit_code(status: int) -> int:
    """Say how the command line ends: 1 for a no, 64 for what cannot be, 69 for not now."""
    if status in (400, 404, 413, 422):
        return 64
    return 69 if status == 503 else 1


def api_address(state: State, *, patience_seconds: float = RETURN_SECONDS_MAX) -> str:
    """Say where the API of a state directory is served, once it is.

    Raises:
        VenueAwayError: it is not, and nobody starts it, or not in time.
    """
    deadline = time.monotonic() + patience_seconds
    while (page := state.page(ADMIN_API)) is None:
        if not state.is_held():
            raise VenueAwayError(f"no venue runs in {state.root}; start one with ./rialto up")
        if time.monotonic() >= deadline:
            raise VenueAwayError(f"the API of {state.root} is away; ./rialto status says why")
        time.sleep(_POLL_SECONDS)
    return page.addresses["admin"]
