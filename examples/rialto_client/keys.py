"""API keys, which sign requests, and FIX keys, which prove a Logon; each in a file of its own."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind = Literal["hmac-sha256", "ed25519"]


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A person's key: its id, and a shared secret or the 32 bytes of an Ed25519 private key."""

    key_id: str
    kind: Kind
    secret: bytes

    def sign(self, payload: bytes) -> str:
        """Sign a request: everything that it says, as it is sent."""
        if self.kind == "ed25519":
            private = Ed25519PrivateKey.from_private_bytes(self.secret)
            return base64.b64encode(private.sign(payload)).decode()
        return hmac.new(self.secret, payload, hashlib.sha256).hexdigest()

    def write(self, path: Path) -> None:
        """Keep it in a new file that its owner alone may read.

        Raises:
            FileExistsError: there is such a file already.
        """
        secret = base64.b64encode(self.secret).decode()
        document = {"key_id": self.key_id, "kind": self.kind, "secret": secret}
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(json.dumps(document, indent=2) + "\n")


def read_api_key(path: Path) -> ApiKey:
    """Read what ``ApiKey.write`` has written."""
    document = json.loads(path.read_text())
    secret = base64.b64decode(document["secret"])
    return ApiKey(key_id=document["key_id"], kind=document["kind"], secret=secret)


@dataclass(frozen=True, kw_only=True)
class FixKey:
    """What proves a session's Logon: a secret that the venue shares, and the secret's id."""

    key_id: str
    secret: bytes

    def proof(self, *signed: str) -> list[tuple[int, str]]:
        """Return the fields that prove a Logon, as tags and values.

        Args:
            signed: the values of 35, 49, 56, 34 and 52, as they stand in the message.

        Source:
            docs/protocols/fix.md, "Logon".
        """
        digest = hmac.new(self.secret, "\x01".join(signed).encode("ascii"), hashlib.sha256)
        text = base64.b64encode(digest.digest()).decode()
        return [(553, self.key_id), (95, str(len(text))), (96, text)]


def read_fix_key(path: Path) -> FixKey:
    """Read the newest live secret of a venue's own file of a session's keys.

    Raises:
        LookupError: it has none.
    """
    for key in reversed(json.loads(path.read_text())["keys"]):
        if key["kind"] == "hmac-sha256" and not key["revoked_at_ns"]:
            return FixKey(key_id=key["id"], secret=base64.b64decode(key["material"]))
    raise LookupError(f"{path}: no live shared secret")
