"""How a client proves itself at its Logon: docs/protocols/fix.md, "Logon", in code.

Clients may copy this file: it needs the standard library and, for Ed25519, ``cryptography``.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class LogonKey:
    """A client's key: its id, and a shared secret or the 32 bytes of an Ed25519 private key."""

    id: str
    kind: Literal["hmac-sha256", "ed25519"]
    material: bytes

    def fields(
        self, *, sender: str, target: str, number: int, sending_time: str
    ) -> list[tuple[int, str]]:
        """Return the fields that prove a Logon, as tags and values.

        Args:
            sender: SenderCompID (49).
            target: TargetCompID (56).
            number: MsgSeqNum (34).
            sending_time: SendingTime (52), as it stands in the message.
        """
        payload = "\x01".join(("A", sender, target, str(number), sending_time)).encode("ascii")
        if self.kind == "ed25519":
            proof = Ed25519PrivateKey.from_private_bytes(self.material).sign(payload)
        else:
            proof = hmac.new(self.material, payload, hashlib.sha256).digest()
        text = base64.b64encode(proof).decode("ascii")
        return [(553, self.id), (95, str(len(text))), (96, text)]


def read_key(ring: Path) -> LogonKey:
    """Read a session's newest live shared secret from the venue's own file of its keys.

    Raises:
        OSError: there is no such file, or it is not ours to read.
        LookupError: it holds no live shared secret.
    """
    for key in reversed(json.loads(ring.read_bytes())["keys"]):
        if key["kind"] == "hmac-sha256" and not key["revoked_at_ns"]:
            return LogonKey(key["id"], "hmac-sha256", base64.b64decode(key["material"]))
    raise LookupError(f"{ring}: no live shared secret")
