import pytest

from services.accounts.passwords import LENGTH_MAX, LENGTH_MIN
from services.accounts.refusals import RefusalCode, Refused
from services.accounts.sign_in import Tokens
from services.accounts.terms import Status
from tests.unit.accounts.office import (
    BREACHED,
    EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    VISITOR,
    make_office,
    token_in,
)


async def test_a_confirmed_registration_signs_in() -> None:
    office = make_office()
    await office.register()
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), Tokens)


async def test_an_address_is_one_however_it_is_written() -> None:
    office = make_office()
    await office.register("Ada@Example.ORG")
    answer = await office.desks.sign_in.begin(" ada@example.org ", PASSWORD, VISITOR)
    assert isinstance(answer, Tokens)


async def test_registering_an_address_again_answers_alike_and_only_writes_to_its_owner() -> None:
    office = make_office()
    await office.register()
    known = await office.desks.registration.request(EMAIL, OTHER_PASSWORD, VISITOR)
    unknown = await office.desks.registration.request("bob@example.org", PASSWORD, VISITOR)
    assert known == unknown
    letters = {letter.to: letter.subject for letter in await office.mail()}
    assert letters[EMAIL] == "You have an account already"
    assert letters["bob@example.org"] == "Confirm your e-mail address"
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), Tokens)


async def test_nothing_is_looked_up_before_the_answer() -> None:
    office = make_office()
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    assert await office.store.person_of_email(EMAIL) is None
    await office.mail()
    assert await office.store.person_of_email(EMAIL) is not None


async def test_who_registered_a_strangers_address_does_not_own_it_once_the_stranger_confirms() -> (
    None
):
    office = make_office()
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    await office.mail()
    # The thief registers again with his password: the letter goes to the owner of the mailbox.
    await office.desks.registration.request(EMAIL, OTHER_PASSWORD, VISITOR)
    token = token_in((await office.mail())[-1])
    refused = await office.desks.registration.verify(token, PASSWORD, VISITOR)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.CREDENTIALS_INVALID
    signed_in = await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR)
    assert isinstance(signed_in, Refused)


async def test_an_unconfirmed_registration_signs_in_like_a_wrong_password() -> None:
    office = make_office()
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    await office.mail()
    unconfirmed = await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR)
    nobody = await office.desks.sign_in.begin("bob@example.org", PASSWORD, VISITOR)
    assert unconfirmed == nobody
    assert isinstance(unconfirmed, Refused)


async def test_a_confirmation_works_once_and_in_time() -> None:
    office = make_office(verification_seconds=100)
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    token = token_in((await office.mail())[-1])
    office.clock.pass_seconds(100)
    late = await office.desks.registration.verify(token, PASSWORD, VISITOR)
    assert isinstance(late, Refused)
    office.clock.pass_seconds(-1)
    assert await office.desks.registration.verify(token, PASSWORD, VISITOR) is None
    again = await office.desks.registration.verify(token, PASSWORD, VISITOR)
    assert isinstance(again, Refused)
    assert again.code is RefusalCode.TOKEN_INVALID


async def test_a_registration_that_lapsed_leaves_the_address_free() -> None:
    office = make_office(verification_seconds=100)
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    await office.mail()
    office.clock.pass_seconds(100)
    await office.store.prune(now_ns=office.clock(), attempts_before_ns=0)
    assert await office.store.person_of_email(EMAIL) is None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("x" * (LENGTH_MIN - 1), RefusalCode.PASSWORD_TOO_WEAK),
        ("abcdef" * LENGTH_MAX, RefusalCode.PASSWORD_TOO_WEAK),
        (BREACHED, RefusalCode.PASSWORD_BREACHED),
        ("a" * LENGTH_MIN, RefusalCode.PASSWORD_BREACHED),
    ],
)
async def test_a_weak_password_is_refused(password: str, code: RefusalCode) -> None:
    refused = await make_office().desks.registration.request(EMAIL, password, VISITOR)
    assert isinstance(refused, Refused)
    assert refused.code is code


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.org", "ada@example", "a b@example.org", "ada@example.org\nBcc: x",
     "ada@exa\u0301mple.org", "a" * 250 + "@example.org"],
)  # fmt: skip
async def test_what_is_no_address_is_refused(email: str) -> None:
    refused = await make_office().desks.registration.request(email, PASSWORD, VISITOR)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.VALUE_INVALID


async def test_letters_that_strangers_ask_for_are_few() -> None:
    office = make_office(letters_free=3)
    answers = [
        await office.desks.registration.request_recovery("bob@example.org", VISITOR)
        for _ in range(5)
    ]
    assert answers[:3] == [None] * 3
    assert isinstance(answers[4], Refused)
    assert answers[4].code is RefusalCode.TOO_MANY_ATTEMPTS


async def test_more_errands_than_there_is_room_for_are_refused() -> None:
    office = make_office(errands_max=2)
    answers = [
        await office.desks.registration.request(f"{name}@example.org", PASSWORD, VISITOR)
        for name in ("a", "b", "c")
    ]
    assert answers[:2] == [None, None]
    assert isinstance(answers[2], Refused)
    assert (answers[2].code, answers[2].limit) == (RefusalCode.BUSY, 2)


async def test_a_person_begins_active_only_when_confirmed() -> None:
    office = make_office()
    await office.register()
    person = await office.store.person_of_email(EMAIL)
    assert person is not None
    assert person.status is Status.ACTIVE
    assert PASSWORD not in repr(person)
