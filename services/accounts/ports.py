"""What accounts need of the world."""

from collections.abc import Callable, Sequence
from typing import Protocol

from services.accounts.person import Answer, Changed, Mail, Note, Person, Value
from services.accounts.refusals import Refused
from services.accounts.throttle import Blocked, Subject

Clock = Callable[[], int]
"""Tells the time in nanoseconds since 1970."""


class Letter(Value, frozen=True):
    """A letter that waits to be sent."""

    number: int
    mail: Mail
    tries: int


class Store(Protocol):
    """Where people are kept. Whatever one call keeps, it keeps together and durably.

    Every method raises ``StoreAwayError`` when the store is away.
    """

    async def add(self, person: Person, mail: Sequence[Mail], notes: Sequence[Note]) -> bool:
        """Keep a new person; False, and nothing kept, when the e-mail address is taken."""
        ...

    async def person(self, person_id: str) -> Person | None:
        """Return a person."""
        ...

    async def person_of_email(self, email: str) -> Person | None:
        """Return the person with an e-mail address."""
        ...

    async def person_of_key(self, key_id: str) -> Person | None:
        """Return the person that has an API key."""
        ...

    async def change(
        self, person_id: str, decide: Callable[[Person], Changed[Answer]]
    ) -> Answer | Refused:
        """Change a person by a decision, one at a time for each person.

        Two changes of one person never see the same state: the second decides on what the first
        has kept. That is what makes a code good once however many requests bring it.

        Returns:
            What was decided; ``TOKEN_INVALID`` when there is no such person (any more).
        """
        ...

    async def attempt(self, subjects: Sequence[Subject], *, now_ns: int) -> Blocked | None:
        """Count an attempt against all subjects, or against none when one of them is blocked."""
        ...

    async def forgive(self, digests: Sequence[bytes], *, one_of: Sequence[bytes] = ()) -> None:
        """Forget what was counted against subjects, and take back one attempt of others."""
        ...

    async def notes(self, person_id: str, *, count_max: int) -> list[Note]:
        """Return the newest lines of a person's security record, newest first."""
        ...

    async def next_letter(self, *, now_ns: int, again_at_ns: int) -> Letter | None:
        """Take the letter that is due first; unless it is done with, it is due again later."""
        ...

    async def letter_done(self, number: int) -> None:
        """Forget a letter that was sent, or given up."""
        ...

    async def letter_later(self, number: int, due_at_ns: int) -> None:
        """Let a letter wait until a time."""
        ...

    async def letters_waiting(self) -> int:
        """Count the letters."""
        ...

    async def letters_to(self, email: str, *, count_max: int) -> list[Mail]:
        """Return letters to an address that wait, newest first; looks at so many of all."""
        ...

    async def prune(self, *, now_ns: int, attempts_before_ns: int) -> None:
        """Forget registrations that lapsed, and attempts that no longer count."""
        ...


class Mailer(Protocol):
    """Sends letters."""

    async def send(self, mail: Mail) -> None:
        """Hand a letter over.

        Raises:
            MailRefusedError: it was not taken.
        """
        ...


class BreachedPasswords(Protocol):
    """Knows passwords that thieves know."""

    def contains(self, password: str) -> bool:
        """Say whether a password was seen in a breach."""
        ...
