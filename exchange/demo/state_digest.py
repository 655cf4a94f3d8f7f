"""A client's side of the state digest: docs/protocols/fix-presence.md, "State digest", in code.

Clients may copy this file: it needs the standard library and, for the signature, ``cryptography``.
It shares no code with the venue's side.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Fields = Mapping[int, str]

HEADER_TAGS = frozenset({8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 97, 122, 142, 143, 369, 1128})
TRAILER_TAGS = frozenset({10})
SIGNATURE_TAG = 5073
_OPEN = frozenset({"0", "1"})
_STATE_TAGS = (37, 11, 55, 54, 38, 44, 14, 151)
_WRAP = (1 << 64) - 1


def hash_of(text: str) -> int:
    """Return the first eight bytes of SHA-256 of a text, as a big-endian number."""
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:8], "big")


class AccountState:
    """One account's open orders and executions, as its ExecutionReports tell them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.orders: dict[str, str] = {}
        """By OrderID (37): the state that is hashed."""
        self.executions: set[str] = set()
        """ExecIDs (17)."""

    def take(self, report: Fields) -> None:
        """Take one ExecutionReport (8) of the account, in order; repeats change nothing."""
        if report.get(39) in _OPEN:
            self.orders[report[37]] = "|".join(report.get(tag, "") for tag in _STATE_TAGS)
        elif report.get(150) != "8":
            self.orders.pop(report.get(37, ""), None)
        if report.get(150) == "F":
            self.executions.add(report[17])

    @property
    def orders_digest(self) -> int:
        """The sum of the open orders' hashes, modulo 2**64."""
        return sum(hash_of(state) for state in self.orders.values()) & _WRAP

    @property
    def executions_digest(self) -> int:
        """The sum of the executions' hashes, modulo 2**64."""
        return sum(hash_of(execution) for execution in self.executions) & _WRAP


def is_signed(message: Iterable[tuple[int, str]], public_key: str) -> bool:
    """Say whether a statement is the venue's.

    Args:
        message: its fields, in the order in which they came.
        public_key: the venue's, 32 bytes in base64.
    """
    body, kind, signature = "", "", ""
    for tag, value in message:
        if tag == 35:
            kind = value
        elif tag == SIGNATURE_TAG:
            signature = value
        elif tag not in HEADER_TAGS | TRAILER_TAGS:
            body += f"{tag}={value}\x01"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
    try:
        key.verify(base64.b64decode(signature), f"35={kind}\x01{body}".encode("ascii"))
    except (InvalidSignature, ValueError):
        return False
    return True
