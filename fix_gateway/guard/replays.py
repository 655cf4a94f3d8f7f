"""Proofs that were accepted: each opens a session once."""

import hashlib


class ReplayCache:
    """Remembers payloads until their time is outside the window; bounded for each session.

    What is remembered is what was signed, not the signature: another valid signature over the
    same words is the same Logon.
    """

    def __init__(self, *, entries_max: int) -> None:
        """Begin empty.

        Args:
            entries_max: of one session. More are refused rather than an old one forgotten; only
                a client that proved itself gets one here, so it can fill its own place alone.
        """
        self._entries_max = entries_max
        self._seen: dict[str, dict[bytes, int]] = {}

    def is_first(self, session: str, payload: bytes, *, now_ns: int, until_ns: int) -> bool:
        """Remember a payload, and say whether it was new.

        Args:
            session: whose; one that exists.
            payload: what was signed.
            now_ns: our clock.
            until_ns: from when on its time alone refuses it.
        """
        seen = self._seen.setdefault(session, {})
        digest = hashlib.sha256(payload).digest()
        if digest in seen:
            return False
        if len(seen) >= self._entries_max:
            self._seen[session] = seen = {kept: end for kept, end in seen.items() if end >= now_ns}
            if len(seen) >= self._entries_max:
                return False
        seen[digest] = until_ns
        return True
