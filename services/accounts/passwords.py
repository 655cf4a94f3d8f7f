"""Passwords: which are taken, and their hashes, made a few at a time beside the loop.

Source:
    NIST SP 800-63B-4, 3.1.1: 15 characters where nothing else is asked for, no rules of
    composition, a list of those that are known; RFC 9106 (argon2id).
"""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from services.accounts.ports import BreachedPasswords
from services.accounts.refusals import RefusalCode, Refused
from services.accounts.settings import Hashing

LENGTH_MIN = 15
LENGTH_MAX = 256

Result = TypeVar("Result")

_BUSY = "too many sign-ins at once: try again in a moment"


def normalized(password: str) -> str:
    """Return one form for what different keyboards send for the same password (NFC)."""
    return unicodedata.normalize("NFC", password)


def unfit(password: str, breached: BreachedPasswords) -> Refused | None:
    """Say why a password is not taken; None when it is."""
    length = len(password)
    if length < LENGTH_MIN:
        said = f"the password has {length} characters, and {LENGTH_MIN} are needed"
        return Refused(RefusalCode.PASSWORD_TOO_WEAK, said, LENGTH_MIN, length)
    if length > LENGTH_MAX:
        said = f"the password has {length} characters, and {LENGTH_MAX} are taken"
        return Refused(RefusalCode.PASSWORD_TOO_WEAK, said, LENGTH_MAX, length)
    if len(set(password)) < 5 or breached.contains(normalized(password)):
        return Refused(
            RefusalCode.PASSWORD_BREACHED, "the password is on lists that thieves try first"
        )
    return None


class Hasher:
    """Makes and checks argon2id hashes; each takes memory and a core, so few at once."""

    def __init__(self, settings: Hashing) -> None:
        self._argon = argon2.PasswordHasher(
            time_cost=settings.passes,
            memory_cost=settings.memory_kibibytes,
            parallelism=1,
            type=argon2.Type.ID,
        )
        self._turns = asyncio.Semaphore(settings.at_once_max)
        self._waiting_max = settings.waiting_max
        self._waiting = 0
        self._of_nobody = self._argon.hash("the password of nobody")

    async def hash(self, password: str) -> str | Refused:
        """Make a hash with a fresh salt; refused when too many wait."""
        return await self._in_turn(lambda: self._argon.hash(normalized(password)))

    async def verify(self, kept: str | None, password: str) -> bool | Refused:
        """Check a password; None is nobody's hash, whose check takes as long and fails."""
        of_whom = self._of_nobody if kept is None else kept

        def check() -> bool:
            try:
                self._argon.verify(of_whom, normalized(password))
            except (VerificationError, InvalidHashError):
                return False
            return kept is not None

        return await self._in_turn(check)

    def is_outdated(self, kept: str) -> bool:
        """Say whether a hash was made with other parameters than are set now."""
        return self._argon.check_needs_rehash(kept)

    async def _in_turn(self, work: Callable[[], Result]) -> Result | Refused:
        if self._waiting >= self._waiting_max:
            return Refused(RefusalCode.BUSY, _BUSY, self._waiting_max, self._waiting)
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
