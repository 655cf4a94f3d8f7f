"""Accounts in memory: for tests, and the slow twin that the database is held to."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from services.accounts.errors import MailRefusedError
from services.accounts.person import Answer, Changed, Mail, Note, Person
from services.accounts.ports import Letter
from services.accounts.refusals import TOKEN_INVALID, Refused
from services.accounts.terms import Status
from services.accounts.throttle import Attempts, Blocked, Subject, attempt


class MemoryStore:
    """A ``Store`` that forgets everything with its process.

    Nothing in it awaits, so the loop itself lets one change follow the other.
    """

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._notes: dict[str, list[Note]] = {}
        self._letters: dict[int, tuple[int, Letter]] = {}
        self._letter_number = 0
        self._attempts: dict[bytes, tuple[Attempts, int | None]] = {}

    async def add(self, person: Person, mail: Sequence[Mail], notes: Sequence[Note]) -> bool:
        """See ``Store.add``."""
        if any(each.email == person.email for each in self._people.values()):
            return False
        self._keep(person, mail, notes)
        return True

    async def person(self, person_id: str) -> Person | None:
        """See ``Store.person``."""
        return self._people.get(person_id)

    async def person_of_email(self, email: str) -> Person | None:
        """See ``Store.person_of_email``."""
        return next((each for each in self._people.values() if each.email == email), None)

    async def person_of_key(self, key_id: str) -> Person | None:
        """See ``Store.person_of_key``."""
        for person in self._people.values():
            if any(key.key_id == key_id for key in person.api_keys):
                return person
        return None

    async def change(
        self, person_id: str, decide: Callable[[Person], Changed[Answer]]
    ) -> Answer | Refused:
        """See ``Store.change``."""
        person = self._people.get(person_id)
        if person is None:
            return TOKEN_INVALID
        changed = decide(person)
        self._keep(changed.person, changed.mail, changed.notes)
        return changed.answer

    def _keep(self, person: Person, mail: Iterable[Mail], notes: Iterable[Note]) -> None:
        self._people[person.person_id] = person
        self._notes.setdefault(person.person_id, []).extend(notes)
        for each in mail:
            self._letter_number += 1
            letter = Letter(number=self._letter_number, mail=each, tries=0)
            self._letters[letter.number] = (0, letter)

    async def attempt(self, subjects: Sequence[Subject], *, now_ns: int) -> Blocked | None:
        """See ``Store.attempt``."""
        counted = {}
        for subject in subjects:
            before, _ = self._attempts.get(subject.digest, (Attempts(), None))
            after = attempt(before, subject.allowance, now_ns=now_ns)
            if isinstance(after, Blocked):
                return after
            counted[subject.digest] = (after, subject.allowance.failures_max)
        self._attempts |= counted
        return None

    async def forgive(self, digests: Sequence[bytes], *, one_of: Sequence[bytes] = ()) -> None:
        """See ``Store.forgive``."""
        for each in digests:
            self._attempts.pop(each, None)
        for each in one_of:
            if each in self._attempts:
                before, failures_max = self._attempts[each]
                after = replace(before, count=max(before.count - 1, 0))
                self._attempts[each] = (after, failures_max)

    async def notes(self, person_id: str, *, count_max: int) -> list[Note]:
        """See ``Store.notes``."""
        return self._notes.get(person_id, [])[: -count_max - 1 : -1]

    async def next_letter(self, *, now_ns: int, again_at_ns: int) -> Letter | None:
        """See ``Store.next_letter``."""
        due = sorted((due, number) for number, (due, _) in self._letters.items() if due <= now_ns)
        if not due:
            return None
        number = due[0][1]
        letter = self._letters[number][1]
        again = Letter(number=number, mail=letter.mail, tries=letter.tries + 1)
        self._letters[number] = (again_at_ns, again)
        return again

    async def letter_done(self, number: int) -> None:
        """See ``Store.letter_done``."""
        self._letters.pop(number, None)

    async def letter_later(self, number: int, due_at_ns: int) -> None:
        """See ``Store.letter_later``."""
        if number in self._letters:
            self._letters[number] = (due_at_ns, self._letters[number][1])

    async def letters_waiting(self) -> int:
        """See ``Store.letters_waiting``."""
        return len(self._letters)

    async def letters_to(self, email: str, *, count_max: int) -> list[Mail]:
        """See ``Store.letters_to``."""
        numbers = sorted(self._letters, reverse=True)[:count_max]
        mails = (self._letters[number][1].mail for number in numbers)
        return [mail for mail in mails if mail.to == email]

    async def prune(self, *, now_ns: int, attempts_before_ns: int) -> None:
        """See ``Store.prune``."""
        for person in list(self._people.values()):
            tokens = person.email_tokens
            if person.status is Status.UNVERIFIED and all(t.until_ns <= now_ns for t in tokens):
                del self._people[person.person_id]
                self._notes.pop(person.person_id, None)
        for digest, (attempts, failures_max) in list(self._attempts.items()):
            is_locked = failures_max is not None and attempts.count >= failures_max
            if attempts.last_at_ns < attempts_before_ns and not is_locked:
                del self._attempts[digest]


class MemoryMailer:
    """Keeps what was sent; refuses while told to."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.refuses = False

    async def send(self, mail: Mail) -> None:
        """See ``Mailer.send``."""
        if self.refuses:
            raise MailRefusedError("not now", is_final=False)
        self.sent.append(mail)


class MemoryBreachedPasswords:
    """Knows the passwords that it is given."""

    def __init__(self, passwords: Iterable[str] = ()) -> None:
        self._passwords = frozenset(passwords)

    def contains(self, password: str) -> bool:
        """See ``BreachedPasswords.contains``."""
        return password in self._passwords
