"""What every store of accounts promises: one suite, run over each."""

import asyncio
from secrets import token_bytes
from uuid import uuid4

from msgspec.structs import replace

from services.accounts.person import ApiKey, Changed, EmailToken, Mail, Note, Person
from services.accounts.ports import Store
from services.accounts.refusals import TOKEN_INVALID
from services.accounts.terms import Activity, KeyKind, Permission, Status
from services.accounts.throttle import SECOND_NS, Allowance, Blocked, Subject


def somebody(email: str = "ada@example.org", status: Status = Status.ACTIVE) -> Person:
    return Person(
        person_id=uuid4().hex, email=email, status=status, password_hash="h", created_at_ns=1
    )


def a_key() -> ApiKey:
    return ApiKey(
        key_id=uuid4().hex, label="bot", kind=KeyKind.HMAC, material=b"\x00\xff", addresses=(),
        permissions=(Permission.READ,), created_at_ns=1, expires_at_ns=2,
    )  # fmt: skip


def letter(number: int) -> Mail:
    return Mail(to="ada@example.org", subject=f"{number}", text="secret text")


def note(number: int) -> Note:
    return Note(activity=Activity.SIGNED_IN, time_ns=number, address="192.0.2.7", detail="x")


def subject(*, free: int = 2, failures_max: int | None = None) -> Subject:
    return Subject(
        digest=token_bytes(32), allowance=Allowance(free=free, failures_max=failures_max)
    )


class StorePromises:
    """Subclasses give the fixture ``store``."""

    async def test_a_person_is_found_as_it_was_kept(self, store: Store) -> None:
        person = replace(somebody(), api_keys=(a_key(),), devices=(b"\x00\x01",))
        assert await store.add(person, (), ())
        assert await store.person(person.person_id) == person
        assert await store.person_of_email(person.email) == person
        assert await store.person(uuid4().hex) is None
        assert await store.person_of_email("bob@example.org") is None

    async def test_an_address_is_taken_once(self, store: Store) -> None:
        first = somebody()
        assert await store.add(first, (), ())
        assert not await store.add(somebody(), (letter(1),), (note(1),))
        assert await store.person_of_email(first.email) == first
        assert await store.letters_waiting() == 0

    async def test_one_of_many_who_take_an_address_at_once_has_it(self, store: Store) -> None:
        answers = await asyncio.gather(*(store.add(somebody(), (), ()) for _ in range(5)))
        assert sum(answers) == 1

    async def test_changes_of_a_person_follow_one_another(self, store: Store) -> None:
        person = somebody()
        await store.add(person, (), ())

        def count(before: Person) -> Changed[int]:
            held = before.held_until_ns + 1
            return Changed(person=replace(before, held_until_ns=held), answer=held)

        answers = await asyncio.gather(*(store.change(person.person_id, count) for _ in range(20)))
        assert sorted(answers, key=str) == sorted(range(1, 21), key=str)

    async def test_a_change_of_nobody_is_refused(self, store: Store) -> None:
        answer = await store.change(uuid4().hex, lambda person: Changed(person=person, answer=1))
        assert answer == TOKEN_INVALID

    async def test_a_decision_that_fails_keeps_nothing(self, store: Store) -> None:
        person = somebody()
        await store.add(person, (), ())

        def fail(_: Person) -> Changed[None]:
            raise ZeroDivisionError

        try:
            await store.change(person.person_id, fail)
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("the failure was swallowed")
        assert await store.person(person.person_id) == person

    async def test_a_key_leads_to_its_person_while_it_is_there(self, store: Store) -> None:
        person, key, other = somebody(), a_key(), a_key()
        await store.add(person, (), ())

        def with_keys(*keys: ApiKey) -> object:
            return lambda before: Changed(person=replace(before, api_keys=keys), answer=None)

        await store.change(person.person_id, with_keys(key, other))  # type: ignore[arg-type]
        found = await store.person_of_key(key.key_id)
        assert found is not None
        assert found.api_keys == (key, other)
        await store.change(person.person_id, with_keys(other))  # type: ignore[arg-type]
        assert await store.person_of_key(key.key_id) is None
        assert await store.person_of_key(other.key_id) is not None
        assert await store.person_of_key("not a key") is None

    async def test_notes_are_read_newest_first_and_only_ones_own(self, store: Store) -> None:
        ada, bob = somebody(), somebody("bob@example.org")
        await store.add(ada, (), (note(1), note(2)))
        await store.add(bob, (), (note(9),))
        change = lambda person: Changed(person=person, answer=None, notes=(note(3),))  # noqa: E731
        await store.change(ada.person_id, change)
        assert await store.notes(ada.person_id, count_max=2) == [note(3), note(2)]

    async def test_letters_to_an_address_are_found_newest_first(self, store: Store) -> None:
        other = Mail(to="bob@example.org", subject="2", text="x")
        await store.add(somebody(), (letter(1), other, letter(3)), ())
        assert await store.letters_to("ada@example.org", count_max=3) == [letter(3), letter(1)]
        assert await store.letters_to("ada@example.org", count_max=2) == [letter(3)]
        assert await store.letters_to("eve@example.org", count_max=3) == []

    async def test_a_letter_is_due_again_until_it_is_done(self, store: Store) -> None:
        await store.add(somebody(), (letter(1), letter(2)), ())
        one = await store.next_letter(now_ns=0, again_at_ns=10)
        two = await store.next_letter(now_ns=0, again_at_ns=20)
        assert one is not None
        assert two is not None
        assert (one.mail, one.tries, two.mail) == (letter(1), 1, letter(2))
        assert await store.next_letter(now_ns=0, again_at_ns=20) is None
        again = await store.next_letter(now_ns=10, again_at_ns=30)
        assert again is not None
        assert (again.number, again.tries) == (one.number, 2)
        await store.letter_done(one.number)
        await store.letter_later(two.number, 100)
        assert await store.letters_waiting() == 1
        assert await store.next_letter(now_ns=99, again_at_ns=0) is None
        last = await store.next_letter(now_ns=100, again_at_ns=0)
        assert last is not None
        assert last.number == two.number

    async def test_attempts_in_parallel_are_each_counted(self, store: Store) -> None:
        one = subject(free=5)
        answers = await asyncio.gather(*(store.attempt([one], now_ns=SECOND_NS) for _ in range(12)))
        assert answers.count(None) == 5

    async def test_a_blocked_attempt_counts_against_nobody(self, store: Store) -> None:
        blocked, other = subject(free=1), subject(free=1)
        assert await store.attempt([blocked], now_ns=SECOND_NS) is None
        assert isinstance(await store.attempt([other, blocked], now_ns=SECOND_NS), Blocked)
        assert await store.attempt([other], now_ns=SECOND_NS) is None

    async def test_forgiven_attempts_are_forgotten_or_fewer(self, store: Store) -> None:
        one, two = subject(free=2), subject(free=2)
        for _ in range(2):
            assert await store.attempt([one, two], now_ns=SECOND_NS) is None
        await store.forgive([one.digest], one_of=[two.digest])
        for each, more in ((one, 2), (two, 1)):
            answers = [await store.attempt([each], now_ns=SECOND_NS) for _ in range(3)]
            assert answers.count(None) == more

    async def test_pruning_forgets_what_lapsed_and_nothing_else(self, store: Store) -> None:
        token = EmailToken(digest=b"d", until_ns=100, is_recovery=False)
        lapsed = replace(somebody(status=Status.UNVERIFIED), email_tokens=(token,))
        waiting_token = replace(token, until_ns=101)
        waiting = replace(
            somebody("b@example.org", Status.UNVERIFIED), email_tokens=(waiting_token,)
        )
        active = somebody("c@example.org")
        for each in (lapsed, waiting, active):
            await store.add(each, (), ())
        old, locked = subject(free=1), subject(free=1, failures_max=1)
        await store.attempt([old, locked], now_ns=SECOND_NS)
        await store.prune(now_ns=100, attempts_before_ns=2 * SECOND_NS)
        assert await store.person(lapsed.person_id) is None
        assert await store.person(waiting.person_id) == waiting
        assert await store.person(active.person_id) == active
        assert await store.attempt([old], now_ns=SECOND_NS) is None
        assert isinstance(await store.attempt([locked], now_ns=10**30), Blocked)
