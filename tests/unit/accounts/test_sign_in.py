import asyncio
import statistics
import time

import pytest
from msgspec.structs import replace

from services.accounts.person import Changed, Person
from services.accounts.refusals import (
    CREDENTIALS_INVALID,
    FROZEN,
    SESSION_ENDED,
    TOKEN_INVALID,
    RefusalCode,
    Refused,
)
from services.accounts.second_factor import Proof
from services.accounts.sessions import Visitor
from services.accounts.settings import Hashing
from services.accounts.sign_in import Tokens
from services.accounts.terms import Activity, Status
from tests.unit.accounts.office import (
    EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    VISITOR,
    Office,
    make_office,
    token_in,
)

ELSEWHERE = Visitor(address="198.51.100.9", agent="curl")


async def test_wrong_password_and_unknown_address_are_one_answer() -> None:
    office = make_office()
    await office.register()
    wrong = await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR)
    unknown = await office.desks.sign_in.begin("bob@example.org", OTHER_PASSWORD, VISITOR)
    nonsense = await office.desks.sign_in.begin("no address", OTHER_PASSWORD, VISITOR)
    assert wrong == unknown == nonsense == CREDENTIALS_INVALID


async def test_an_unknown_address_takes_as_long_as_a_wrong_password() -> None:
    office = make_office(
        hashing=Hashing(memory_kibibytes=4096, passes=2),
        failures_free=10**6, failures_max=10**6, network_failures_free=10**6,
    )  # fmt: skip
    await office.register()

    async def seconds(email: str) -> float:
        before = time.process_time()
        await office.desks.sign_in.begin(email, OTHER_PASSWORD, VISITOR)
        return time.process_time() - before

    known, unknown = [], []
    for at in range(30):
        known.append(await seconds(EMAIL))
        unknown.append(await seconds(f"nobody{at}@example.org"))
    ratio = statistics.median(known) / statistics.median(unknown)
    # The hash is nearly all of it: without it for strangers the ratio is above ten.
    assert 0.4 < ratio < 2.5


async def test_waits_are_the_same_for_accounts_that_do_not_exist() -> None:
    office = make_office(failures_free=3)
    await office.register()

    async def failures(email: str, visitor: Visitor) -> list[object]:
        return [await office.desks.sign_in.begin(email, OTHER_PASSWORD, visitor) for _ in range(6)]

    known = await failures(EMAIL, VISITOR)
    assert known == await failures("bob@example.org", ELSEWHERE)
    assert [getattr(each, "code", None) for each in known] == (
        [RefusalCode.CREDENTIALS_INVALID] * 3 + [RefusalCode.TOO_MANY_ATTEMPTS] * 3
    )


async def test_a_wait_that_is_over_lets_the_right_password_in_and_forgets_the_failures() -> None:
    office = make_office(failures_free=3)
    await office.register()
    for _ in range(4):
        await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR)
    early = await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR)
    assert isinstance(early, Refused)
    office.clock.pass_seconds(1)
    await office.sign_in()
    for _ in range(3):
        answer = await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR)
        assert answer == CREDENTIALS_INVALID


async def test_attempts_in_parallel_count_like_attempts_in_a_row() -> None:
    office = make_office(failures_free=5)
    await office.register()
    answers = await asyncio.gather(
        *(office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR) for _ in range(20))
    )
    assert answers.count(CREDENTIALS_INVALID) == 5


async def test_strangers_elsewhere_do_not_make_the_owner_wait() -> None:
    office = make_office(failures_free=3)
    await office.register()
    for _ in range(10):
        await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, ELSEWHERE)
    await office.sign_in()


async def test_an_address_guessed_at_from_everywhere_is_locked_until_it_is_recovered() -> None:
    office = make_office(failures_free=3, failures_max=6, network_failures_free=1000)
    await office.register()
    for host in range(6):
        await office.desks.sign_in.begin(
            EMAIL, OTHER_PASSWORD, Visitor(address=f"203.0.113.{host}", agent="")
        )
    locked = await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR)
    assert isinstance(locked, Refused)
    assert (locked.code, locked.limit, locked.usage) == (RefusalCode.TOO_MANY_ATTEMPTS, 6, 6)
    office.clock.pass_seconds(10**7)
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), Refused)
    await recover(office, OTHER_PASSWORD)
    await office.sign_in(password=OTHER_PASSWORD)


async def test_a_network_that_tries_many_addresses_waits() -> None:
    office = make_office(network_failures_free=4)
    answers = [
        await office.desks.sign_in.begin(f"{at}@example.org", PASSWORD, VISITOR) for at in range(6)
    ]
    assert answers[:4] == [CREDENTIALS_INVALID] * 4
    assert isinstance(answers[5], Refused)
    assert answers[5].code is RefusalCode.TOO_MANY_ATTEMPTS


async def test_an_own_account_does_not_pay_for_guessing_at_others() -> None:
    office = make_office(network_failures_free=4)
    await office.register()
    for at in range(4):
        await office.desks.sign_in.begin(f"{at}@example.org", PASSWORD, VISITOR)
        office.clock.pass_seconds(1)
    await office.sign_in()
    guess = await office.desks.sign_in.begin("z@example.org", PASSWORD, VISITOR)
    assert isinstance(guess, Refused)
    assert guess.code is RefusalCode.TOO_MANY_ATTEMPTS


async def test_all_of_an_ipv6_network_is_one_place() -> None:
    one = Visitor(address="2001:db8:1:2::1", agent="")
    two = Visitor(address="2001:db8:1:2:ffff::9", agent="")
    other = Visitor(address="2001:db8:1:3::1", agent="")
    assert one.network == two.network != other.network
    assert Visitor(address="::ffff:192.0.2.7", agent="").network == VISITOR.network


async def test_more_hashes_than_there_is_room_for_are_refused() -> None:
    office = make_office(hashing=Hashing(memory_kibibytes=64, passes=1, waiting_max=2))
    await office.register()
    answers = await asyncio.gather(
        *(office.desks.sign_in.begin(f"{at}@example.org", PASSWORD, VISITOR) for at in range(3))
    )
    busy = [each for each in answers if isinstance(each, Refused) and each.code.name == "BUSY"]
    assert [(each.limit, each.usage) for each in busy] == [(2, 2)]


async def test_a_password_kept_under_old_parameters_is_hashed_anew() -> None:
    office = make_office()
    person_id = await office.register()
    before = await office.store.person(person_id)
    stronger = make_office(
        store=office.store, clock=office.clock, hashing=Hashing(memory_kibibytes=128, passes=1)
    )
    await stronger.sign_in()
    after = await office.store.person(person_id)
    assert before is not None
    assert after is not None
    assert "m=64," in before.password_hash
    assert "m=128," in after.password_hash
    await stronger.sign_in()


# --- second factors at sign-in ---


async def test_a_second_factor_is_asked_for_and_lets_in() -> None:
    office = make_office()
    secret, _ = await office.add_totp(await office.newcomer())
    wanted = await office.challenge()
    assert wanted.methods == ("totp", "recovery_code")
    proof = Proof(totp=office.code(secret))
    tokens = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert isinstance(tokens, Tokens)


async def test_a_code_lets_in_once_however_many_bring_it_at_once() -> None:
    office = make_office(failures_free=100)
    secret, _ = await office.add_totp(await office.newcomer())
    challenges = [(await office.challenge()).challenge for _ in range(8)]
    proof = Proof(totp=office.code(secret))
    answers = await asyncio.gather(
        *(office.desks.sign_in.finish(each, proof, VISITOR) for each in challenges)
    )
    assert sum(isinstance(each, Tokens) for each in answers) == 1


async def test_a_code_of_the_step_before_is_refused_after_a_later_one() -> None:
    office = make_office()
    secret, _ = await office.add_totp(await office.newcomer())
    earlier = office.code(secret)
    office.clock.pass_seconds(30)
    first = await office.challenge()
    proof = Proof(totp=office.code(secret))
    assert isinstance(await office.desks.sign_in.finish(first.challenge, proof, VISITOR), Tokens)
    second = await office.challenge()
    replayed = await office.desks.sign_in.finish(second.challenge, Proof(totp=earlier), VISITOR)
    assert replayed == CREDENTIALS_INVALID


async def test_the_code_that_confirmed_the_app_does_not_sign_in() -> None:
    office = make_office()
    secret, _ = await office.add_totp(await office.newcomer())
    office.clock.pass_seconds(-30)
    wanted = await office.challenge()
    proof = Proof(totp=office.code(secret))
    assert await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR) == (
        CREDENTIALS_INVALID
    )


async def test_a_recovery_code_stands_in_once() -> None:
    office = make_office()
    _, codes = await office.add_totp(await office.newcomer())
    assert len(set(codes)) == 10
    wanted = await office.challenge()
    proof = Proof(recovery_code=codes[3].upper().replace("-", " "))
    assert isinstance(await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR), Tokens)
    again = await office.challenge()
    refused = await office.desks.sign_in.finish(again.challenge, proof, VISITOR)
    assert refused == CREDENTIALS_INVALID


async def test_guessing_codes_waits_and_then_is_locked_until_recovery() -> None:
    office = make_office(failures_free=3, failures_max=6)
    secret, codes = await office.add_totp(await office.newcomer())
    wanted = await office.challenge()
    for _ in range(6):
        await office.desks.sign_in.finish(wanted.challenge, Proof(totp="000000"), VISITOR)
        office.clock.pass_seconds(60)
        wanted = await office.challenge()
    proof = Proof(totp=office.code(secret))
    locked = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert isinstance(locked, Refused)
    assert (locked.code, locked.limit, locked.usage) == (RefusalCode.TOO_MANY_ATTEMPTS, 6, 6)
    await recover(office, OTHER_PASSWORD, Proof(recovery_code=codes[0]))
    wanted = await office.challenge(password=OTHER_PASSWORD)
    office.clock.pass_seconds(60)
    proof = Proof(totp=office.code(secret))
    assert isinstance(await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR), Tokens)


@pytest.mark.parametrize(
    "proof",
    [Proof(), Proof(password=PASSWORD), Proof(totp="123456", recovery_code="x"), Proof(passkey={})],
)
async def test_what_is_no_second_factor_does_not_let_in(proof: Proof) -> None:
    office = make_office()
    await office.add_totp(await office.newcomer())
    wanted = await office.challenge()
    answer = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert answer == CREDENTIALS_INVALID


async def test_a_challenge_is_good_in_time_and_for_its_person_alone() -> None:
    office = make_office(challenge_seconds=60)
    secret, _ = await office.add_totp(await office.newcomer())
    await office.newcomer("bob@example.org")
    bob = await office.store.person_of_email("bob@example.org")
    assert bob is not None
    wanted = await office.challenge()
    _, _, rest = wanted.challenge.partition(".")
    proof = Proof(totp=office.code(secret))
    of_bob = await office.desks.sign_in.finish(f"{bob.person_id}.{rest}", proof, VISITOR)
    assert of_bob == TOKEN_INVALID
    office.clock.pass_seconds(60)
    late = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert late == TOKEN_INVALID


async def test_challenges_of_a_person_are_bounded() -> None:
    office = make_office(challenges_max=3)
    await office.add_totp(await office.newcomer())
    for _ in range(5):
        await office.challenge()
    person = await office.store.person_of_email(EMAIL)
    assert person is not None
    assert len(person.challenges) == 3


# --- sessions ---


async def test_an_access_token_is_good_until_it_expires() -> None:
    office = make_office(access_seconds=300)
    await office.register()
    tokens = await office.sign_in()
    await office.caller(tokens)
    office.clock.pass_seconds(300)
    assert await office.desks.sign_in.caller(tokens.access_token, VISITOR) == TOKEN_INVALID


async def test_an_ended_session_is_refused_at_once() -> None:
    office = make_office()
    await office.register()
    tokens = await office.sign_in()
    caller = await office.caller(tokens)
    assert await office.desks.sign_in.end(caller, tokens.sid) is None
    assert await office.desks.sign_in.caller(tokens.access_token, VISITOR) == SESSION_ENDED
    assert await office.desks.sign_in.refresh(tokens.refresh_token, VISITOR) == SESSION_ENDED


async def test_a_refresh_token_that_comes_twice_ends_the_session() -> None:
    office = make_office()
    await office.register()
    first = await office.sign_in()
    second = await office.desks.sign_in.refresh(first.refresh_token, VISITOR)
    assert isinstance(second, Tokens)
    stolen = await office.desks.sign_in.refresh(first.refresh_token, ELSEWHERE)
    assert stolen == SESSION_ENDED
    assert await office.desks.sign_in.refresh(second.refresh_token, VISITOR) == SESSION_ENDED
    assert await office.desks.sign_in.caller(second.access_token, VISITOR) == SESSION_ENDED
    notes = await office.store.notes(await _person_id(office), count_max=1)
    assert notes[0].activity is Activity.REFRESH_REPLAYED
    assert notes[0].address == ELSEWHERE.address


async def test_a_refresh_token_spent_in_parallel_gives_one_pair() -> None:
    office = make_office()
    await office.register()
    tokens = await office.sign_in()
    answers = await asyncio.gather(
        *(office.desks.sign_in.refresh(tokens.refresh_token, VISITOR) for _ in range(8))
    )
    assert sum(isinstance(each, Tokens) for each in answers) == 1


async def test_a_made_up_refresh_token_harms_nobody() -> None:
    office = make_office()
    await office.register()
    tokens = await office.sign_in()
    person_id, sid, generation, mac = tokens.refresh_token.split(".")
    forged = [
        f"{person_id}.{sid}.{generation}.{'0' * 64}",
        f"{person_id}.{sid}.0.{mac}",
        f"{person_id}.{sid}.2.{mac}",
        f"{'0' * 32}.{sid}.{generation}.{mac}",
        f"{person_id}.{sid}.{generation}.{mac}.",
        "",
    ]
    for each in forged:
        assert await office.desks.sign_in.refresh(each, VISITOR) == TOKEN_INVALID
    await office.caller(tokens)


async def test_sessions_end_when_idle_and_when_old() -> None:
    office = make_office(session_seconds_max=1000, session_idle_seconds_max=100)
    await office.register()
    idle = await office.sign_in()
    office.clock.pass_seconds(100)
    assert await office.desks.sign_in.refresh(idle.refresh_token, VISITOR) == SESSION_ENDED
    used = await office.sign_in()
    for _ in range(10):
        office.clock.pass_seconds(99)
        following = await office.desks.sign_in.refresh(used.refresh_token, VISITOR)
        assert isinstance(following, Tokens)
        used = following
    office.clock.pass_seconds(10)
    assert await office.desks.sign_in.refresh(used.refresh_token, VISITOR) == SESSION_ENDED


async def test_the_session_unused_longest_makes_room() -> None:
    office = make_office(sessions_max=3)
    await office.register()
    sessions = []
    for _ in range(4):
        sessions.append(await office.sign_in())
        office.clock.pass_seconds(1)
    gone, *kept = sessions
    assert await office.desks.sign_in.caller(gone.access_token, VISITOR) == SESSION_ENDED
    for each in kept:
        await office.caller(each)


async def test_ending_the_others_leaves_this_session() -> None:
    office = make_office()
    await office.register()
    one, two = await office.sign_in(), await office.sign_in()
    await office.desks.sign_in.end_others(await office.caller(one))
    await office.caller(one)
    assert await office.desks.sign_in.caller(two.access_token, VISITOR) == SESSION_ENDED


async def test_a_frozen_account_is_out_at_once() -> None:
    office = make_office()
    person_id = await office.register()
    tokens = await office.sign_in()

    def freeze(person: Person) -> Changed[None]:
        return Changed(person=replace(person, status=Status.FROZEN), answer=None)

    await office.store.change(person_id, freeze)
    assert await office.desks.sign_in.caller(tokens.access_token, VISITOR) == FROZEN
    assert await office.desks.sign_in.refresh(tokens.refresh_token, VISITOR) == FROZEN
    assert await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR) == FROZEN


async def test_a_device_not_seen_before_is_told_of_by_mail_with_the_owners_code() -> None:
    office = make_office()
    caller = await office.newcomer()
    await office.desks.credentials.set_anti_phishing_code(caller, "blue whale 7")
    await office.mail()
    await office.sign_in()
    assert await office.mail() == []
    await office.sign_in(visitor=ELSEWHERE)
    (letter,) = await office.mail()
    assert letter.subject == "A new device signed in"
    assert letter.text.startswith("Your anti-phishing code: blue whale 7\n")
    assert ELSEWHERE.address in letter.text


# --- recovery ---


async def recover(office: Office, password: str, proof: Proof | None = None) -> None:
    office.clock.pass_seconds(1000)
    assert await office.desks.registration.request_recovery(EMAIL, VISITOR) is None
    token = token_in((await office.mail())[-1])
    answer = await office.desks.registration.recover(token, password, proof, VISITOR)
    assert answer is None, answer


async def test_recovery_answers_alike_for_addresses_without_an_account() -> None:
    office = make_office()
    await office.register()
    await office.mail()
    known = await office.desks.registration.request_recovery(EMAIL, VISITOR)
    unknown = await office.desks.registration.request_recovery("bob@example.org", VISITOR)
    assert known is None
    assert unknown is None
    assert [letter.to for letter in await office.mail()] == [EMAIL]


async def test_recovery_ends_every_session_and_holds_withdrawals() -> None:
    office = make_office(hold_seconds=86_400)
    await office.register()
    tokens = await office.sign_in()
    await recover(office, OTHER_PASSWORD)
    assert await office.desks.sign_in.refresh(tokens.refresh_token, VISITOR) == SESSION_ENDED
    assert await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR) == CREDENTIALS_INVALID
    caller = await office.caller(await office.sign_in(password=OTHER_PASSWORD))
    assert caller.person.held_until_ns == office.clock() + 86_400 * 10**9


async def test_recovery_does_not_go_round_the_second_factor() -> None:
    office = make_office()
    secret, _ = await office.add_totp(await office.newcomer())
    await office.desks.registration.request_recovery(EMAIL, VISITOR)
    token = token_in((await office.mail())[-1])
    for proof in (None, Proof(password=PASSWORD), Proof(totp="000000")):
        refused = await office.desks.registration.recover(token, OTHER_PASSWORD, proof, VISITOR)
        assert refused == CREDENTIALS_INVALID
    proof = Proof(totp=office.code(secret))
    assert await office.desks.registration.recover(token, OTHER_PASSWORD, proof, VISITOR) is None
    again = await office.desks.registration.recover(token, PASSWORD, proof, VISITOR)
    assert again == TOKEN_INVALID


async def test_a_letter_for_one_thing_is_not_good_for_another() -> None:
    office = make_office(recovery_seconds=100)
    await office.desks.registration.request(EMAIL, PASSWORD, VISITOR)
    verification = token_in((await office.mail())[-1])
    refused = await office.desks.registration.recover(verification, PASSWORD, None, VISITOR)
    assert refused == TOKEN_INVALID
    await office.desks.registration.verify(verification, PASSWORD, VISITOR)
    await office.desks.registration.request_recovery(EMAIL, VISITOR)
    token = token_in((await office.mail())[-1])
    assert await office.desks.registration.verify(token, PASSWORD, VISITOR) == TOKEN_INVALID
    office.clock.pass_seconds(100)
    late = await office.desks.registration.recover(token, OTHER_PASSWORD, None, VISITOR)
    assert late == TOKEN_INVALID


async def _person_id(office: Office) -> str:
    person = await office.store.person_of_email(EMAIL)
    assert person is not None
    return person.person_id
