"""A file of breached passwords, searched where it lies: it is larger than memory should be.

The format is that of the Pwned Passwords list ordered by hash: lines of an upper-case hexadecimal
SHA-1, perhaps with ``:`` and a count after it.
"""

import hashlib
import mmap
from pathlib import Path

from runtime.toml import SettingsError

DIGEST_DIGITS = 40


class BreachedPasswordsFile:
    """A ``BreachedPasswords`` by binary search in a sorted file."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            SettingsError: there is none, or it is not such a list.
        """
        try:
            with path.open("rb") as file:
                self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: not a list of breached passwords: {error}") from error
        first = self._lines[:DIGEST_DIGITS]
        if len(first) < DIGEST_DIGITS or first.strip(b"0123456789ABCDEF"):
            raise SettingsError(f"{path}: does not begin with a SHA-1 in upper-case hexadecimal")

    def contains(self, password: str) -> bool:
        """See ``BreachedPasswords.contains``."""
        # S324: the list's own form; nothing rests on the hash being strong.
        digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()
        wanted = digest.upper().encode()
        low, high = 0, len(self._lines)
        while low < high:
            start = self._lines.rfind(b"\n", 0, (low + high) // 2) + 1
            found = self._lines[start : start + DIGEST_DIGITS]
            if found == wanted:
                return True
            if found < wanted:
                end = self._lines.find(b"\n", start)
                low = len(self._lines) if end < 0 else end + 1
            else:
                high = start
        return False

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()
