import asyncio

import pytest
from msgspec.structs import replace

from services.accounts.api_keys import NewKey
from services.accounts.person import Changed, Grant, Person
from services.accounts.refusals import (
    CREDENTIALS_INVALID,
    NOT_FOUND,
    ROLE_MISSING,
    SESSION_ENDED,
    STEP_UP_MISSING,
    RefusalCode,
    Refused,
)
from services.accounts.registry import Caller
from services.accounts.second_factor import Proof
from services.accounts.secrets_at_rest import Vault, WrongKeyError
from services.accounts.sign_in import FactorWanted, Tokens
from services.accounts.terms import KeyKind, Permission, Purpose, Role
from tests.unit.accounts.authenticator import SoftAuthenticator
from tests.unit.accounts.office import (
    EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    VISITOR,
    Office,
    make_office,
)


def code_of(answer: object) -> RefusalCode:
    assert isinstance(answer, Refused), answer
    return answer.code


# --- step-up ---


async def test_a_grant_is_good_once_for_its_purpose_and_details_in_time() -> None:
    office = make_office(step_up_seconds=120)
    caller = await office.newcomer()
    step_up = office.desks.step_up
    grant = await office.grant(caller, Purpose.WITHDRAW, details="1 BTC to bc1q")
    for purpose, details in (
        (Purpose.WITHDRAW, "2 BTC to bc1q"),
        (Purpose.WITHDRAW, ""),
        (Purpose.MANAGE_FACTORS, "1 BTC to bc1q"),
    ):
        assert await step_up.spend(caller, purpose, grant, details) == STEP_UP_MISSING
    spent = await step_up.spend(caller, Purpose.WITHDRAW, grant, "1 BTC to bc1q")
    assert isinstance(spent, Grant)
    again = await step_up.spend(caller, Purpose.WITHDRAW, grant, "1 BTC to bc1q")
    assert again == STEP_UP_MISSING
    late = await office.grant(caller, Purpose.WITHDRAW)
    office.clock.pass_seconds(120)
    assert await step_up.spend(caller, Purpose.WITHDRAW, late) == STEP_UP_MISSING


async def test_a_grant_is_its_sessions_alone() -> None:
    office = make_office()
    caller = await office.newcomer()
    other = await office.caller(await office.sign_in())
    grant = await office.grant(caller, Purpose.WITHDRAW)
    spent = await office.desks.step_up.spend(other, Purpose.WITHDRAW, grant)
    assert spent == STEP_UP_MISSING


async def test_grants_of_a_session_are_bounded() -> None:
    office = make_office(grants_max=2)
    caller = await office.newcomer()
    first, *_ = [await office.grant(caller, Purpose.WITHDRAW) for _ in range(3)]
    spent = await office.desks.step_up.spend(caller, Purpose.WITHDRAW, first)
    assert spent == STEP_UP_MISSING


async def test_a_password_does_not_step_up_who_has_a_second_factor() -> None:
    office = make_office()
    caller = await office.newcomer()
    secret, _ = await office.add_totp(caller)
    prove = office.desks.step_up.prove
    refused = await prove(caller, Purpose.WITHDRAW, "", Proof(password=PASSWORD), "")
    assert refused == CREDENTIALS_INVALID
    proof = Proof(totp=office.code(secret))
    assert isinstance(await prove(caller, Purpose.WITHDRAW, "", proof, ""), str)
    replayed = await prove(caller, Purpose.WITHDRAW, "", proof, "")
    assert replayed == CREDENTIALS_INVALID


async def test_guessing_to_step_up_waits() -> None:
    office = make_office(failures_free=2)
    caller = await office.newcomer()
    answers = [
        await office.desks.step_up.prove(
            caller, Purpose.WITHDRAW, "", Proof(password=OTHER_PASSWORD), ""
        )
        for _ in range(3)
    ]
    assert answers[:2] == [CREDENTIALS_INVALID] * 2
    assert code_of(answers[2]) is RefusalCode.TOO_MANY_ATTEMPTS


# --- credentials ---


async def test_nothing_dangerous_is_done_without_a_fresh_proof() -> None:
    office = make_office()
    caller = await office.newcomer()
    desks = office.desks
    wrong = await office.grant(caller, Purpose.WITHDRAW)
    key = NewKey(label="x", kind=KeyKind.HMAC, public_key="", permissions=(Permission.READ,),
                 addresses=(), seconds=60)  # fmt: skip
    for grant in ("", "zz", "00" * 32, wrong):
        answers = [
            await desks.credentials.change_password(caller, OTHER_PASSWORD, grant),
            await desks.credentials.begin_totp(caller, grant),
            await desks.credentials.remove_totp(caller, grant),
            await desks.credentials.begin_passkey(caller, grant),
            await desks.credentials.remove_passkey(caller, "00", grant),
            await desks.credentials.make_recovery_codes(caller, grant),
            await desks.api_keys.create(caller, key, grant),
        ]
        assert answers == [STEP_UP_MISSING] * len(answers)


async def test_a_changed_password_ends_other_sessions_tells_the_owner_and_holds() -> None:
    office = make_office(hold_seconds=1000)
    caller = await office.newcomer()
    other = await office.sign_in()
    await office.mail()
    grant = await office.grant(caller, Purpose.CHANGE_PASSWORD)
    answer = await office.desks.credentials.change_password(caller, OTHER_PASSWORD, grant)
    assert answer is None
    assert await office.desks.sign_in.caller(other.access_token, VISITOR) == SESSION_ENDED
    assert [letter.subject for letter in await office.mail()] == ["Your credentials changed"]
    assert await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR) == CREDENTIALS_INVALID
    assert isinstance(await office.desks.sign_in.begin(EMAIL, OTHER_PASSWORD, VISITOR), Tokens)
    person = await office.store.person(caller.person.person_id)
    assert person is not None
    assert person.held_until_ns == office.clock() + 1000 * 10**9


async def test_a_request_on_its_way_when_its_session_ends_changes_nothing() -> None:
    office = make_office()
    caller = await office.newcomer()
    await office.desks.sign_in.end(caller, caller.session.sid)
    answer = await office.desks.credentials.set_anti_phishing_code(caller, "mine now")
    assert answer == SESSION_ENDED
    prove = office.desks.step_up.prove
    refused = await prove(caller, Purpose.WITHDRAW, "", Proof(password=PASSWORD), "")
    assert refused == SESSION_ENDED


async def test_an_app_counts_once_a_code_of_it_was_given() -> None:
    office = make_office()
    caller = await office.newcomer()
    assert code_of(await office.desks.credentials.confirm_totp(caller, "000000")) is (
        RefusalCode.FACTOR_NOT_READY
    )
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS)
    offered = await office.desks.credentials.begin_totp(caller, grant)
    assert isinstance(offered, tuple)
    assert offered[1].startswith("otpauth://totp/Rialto%3Aada%40example.org?")
    wrong = await office.desks.credentials.confirm_totp(caller, "000000")
    assert wrong == CREDENTIALS_INVALID
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), Tokens)
    codes = await office.desks.credentials.confirm_totp(caller, office.code(offered[0]))
    assert isinstance(codes, list)
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), FactorWanted)


async def test_without_the_last_factor_recovery_codes_go_too() -> None:
    office = make_office()
    caller = await office.newcomer()
    secret, _ = await office.add_totp(caller)
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS, Proof(totp=office.code(secret)))
    assert await office.desks.credentials.remove_totp(caller, grant) is None
    person = await office.store.person(caller.person.person_id)
    assert person is not None
    assert (person.totp, person.recovery_codes) == (None, ())
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS)
    assert await office.desks.credentials.remove_totp(caller, grant) == NOT_FOUND


async def test_new_recovery_codes_replace_the_old() -> None:
    office = make_office()
    caller = await office.newcomer()
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS)
    none_yet = await office.desks.credentials.make_recovery_codes(caller, grant)
    assert code_of(none_yet) is RefusalCode.FACTOR_NOT_READY
    _, old = await office.add_totp(caller)
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS, Proof(recovery_code=old[0]))
    new = await office.desks.credentials.make_recovery_codes(caller, grant)
    assert isinstance(new, list)
    wanted = await office.challenge()
    refused = await office.desks.sign_in.finish(
        wanted.challenge, Proof(recovery_code=old[1]), VISITOR
    )
    assert refused == CREDENTIALS_INVALID
    proof = Proof(recovery_code=new[1])
    assert isinstance(await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR), Tokens)


async def test_what_is_sealed_opens_with_its_key_in_its_place_alone() -> None:
    vault = Vault(bytes(32))
    sealed = vault.seal(b"secret", place="totp:ada", nonce=bytes(12))
    assert b"secret" not in sealed
    assert vault.open(sealed, place="totp:ada") == b"secret"
    with pytest.raises(WrongKeyError):
        vault.open(sealed, place="totp:bob")
    with pytest.raises(WrongKeyError):
        Vault(bytes(31) + b"\1").open(sealed, place="totp:ada")
    with pytest.raises(WrongKeyError):
        vault.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), place="totp:ada")


# --- passkeys ---


async def passkey(office: Office, caller: Caller) -> tuple[SoftAuthenticator, list[str]]:
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS)
    begun = await office.desks.credentials.begin_passkey(caller, grant)
    assert isinstance(begun, tuple)
    authenticator = SoftAuthenticator()
    credential = authenticator.create(begun[1])
    codes = await office.desks.credentials.add_passkey(caller, begun[0], credential, "key")
    assert isinstance(codes, list), codes
    return authenticator, codes


async def test_a_passkey_signs_in_and_its_signature_is_good_once() -> None:
    office = make_office()
    authenticator, codes = await passkey(office, await office.newcomer())
    assert len(codes) == 10
    wanted = await office.challenge()
    assert wanted.methods == ("passkey", "recovery_code")
    assert wanted.passkey_options is not None
    proof = Proof(passkey=authenticator.sign(wanted.passkey_options))
    answers = await asyncio.gather(
        *(office.desks.sign_in.finish(wanted.challenge, proof, VISITOR) for _ in range(4))
    )
    assert sum(isinstance(each, Tokens) for each in answers) == 1
    other = await office.challenge()
    refused = await office.desks.sign_in.finish(other.challenge, proof, VISITOR)
    assert refused == CREDENTIALS_INVALID


@pytest.mark.parametrize("lie", ["origin", "user", "counter", "key", "party"])
async def test_a_passkey_that_lies_does_not_sign_in(lie: str) -> None:
    office = make_office()
    authenticator, _ = await passkey(office, await office.newcomer())
    wanted = await office.challenge()
    options = dict(wanted.passkey_options or {})
    if lie == "origin":
        authenticator.origin = "https://rialto.example.thief.example"
    elif lie == "user":
        authenticator.verifies_user = False
    elif lie == "counter":
        authenticator.count = -1
    elif lie == "party":
        options["rpId"] = "thief.example"
    else:
        credential = authenticator.credential
        authenticator = SoftAuthenticator()
        authenticator.credential = credential
    proof = Proof(passkey=authenticator.sign(options))
    answer = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert answer == CREDENTIALS_INVALID


async def test_a_cloned_passkey_whose_counter_is_behind_does_not_sign_in() -> None:
    office = make_office()
    authenticator, _ = await passkey(office, await office.newcomer())
    authenticator.count = 9
    await _signed_in(office, authenticator)
    wanted = await office.challenge()
    authenticator.count = 5
    proof = Proof(passkey=authenticator.sign(wanted.passkey_options or {}))
    answer = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert answer == CREDENTIALS_INVALID


async def test_a_passkey_steps_up_for_its_own_session() -> None:
    office = make_office()
    caller = await office.newcomer()
    authenticator, _ = await passkey(office, caller)
    other = Caller(
        person=caller.person,
        session=(await office.caller(await _signed_in(office, authenticator))).session,
        visitor=VISITOR,
    )
    asked = await office.desks.step_up.ask_passkey(caller)
    assert isinstance(asked, tuple)
    proof = Proof(passkey=authenticator.sign(asked[1]))
    prove = office.desks.step_up.prove
    assert await prove(other, Purpose.WITHDRAW, "", proof, asked[0]) == CREDENTIALS_INVALID
    assert await prove(caller, Purpose.WITHDRAW, "", proof, "zz") == CREDENTIALS_INVALID
    assert isinstance(await prove(caller, Purpose.WITHDRAW, "", proof, asked[0]), str)


async def _signed_in(office: Office, authenticator: SoftAuthenticator) -> Tokens:
    wanted = await office.challenge()
    assert wanted.passkey_options is not None
    proof = Proof(passkey=authenticator.sign(wanted.passkey_options))
    tokens = await office.desks.sign_in.finish(wanted.challenge, proof, VISITOR)
    assert isinstance(tokens, Tokens)
    return tokens


async def test_passkeys_are_bounded_and_removed() -> None:
    office = make_office(passkeys_max=1)
    caller = await office.newcomer()
    authenticator, codes = await passkey(office, caller)
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS, Proof(recovery_code=codes[0]))
    full = await office.desks.credentials.begin_passkey(caller, grant)
    assert isinstance(full, Refused)
    assert (full.code, full.limit, full.usage) == (RefusalCode.LIMIT_REACHED, 1, 1)
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS, Proof(recovery_code=codes[1]))
    remove = office.desks.credentials.remove_passkey
    assert await remove(caller, authenticator.credential.hex(), grant) is None
    assert isinstance(await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR), Tokens)


async def test_a_credential_that_is_none_is_refused_and_uses_the_challenge_up() -> None:
    office = make_office()
    caller = await office.newcomer()
    grant = await office.grant(caller, Purpose.MANAGE_FACTORS)
    begun = await office.desks.credentials.begin_passkey(caller, grant)
    assert isinstance(begun, tuple)
    add = office.desks.credentials.add_passkey
    assert await add(caller, begun[0], {"id": 1}, "key") == CREDENTIALS_INVALID
    good = SoftAuthenticator().create(begun[1])
    assert code_of(await add(caller, begun[0], good, "key")) is RefusalCode.FACTOR_NOT_READY
    assert code_of(await add(caller, "zz", good, "key")) is RefusalCode.FACTOR_NOT_READY


# --- staff ---


async def staff(office: Office, email: str, role: Role) -> tuple[Caller, SoftAuthenticator]:
    person_id = await office.register(email)

    def promote(person: Person) -> Changed[None]:
        return Changed(person=replace(person, roles=(role,)), answer=None)

    await office.store.change(person_id, promote)
    caller = await office.caller(await office.sign_in(email))
    return caller, (await passkey(office, caller))[0]


async def proof_of(office: Office, caller: Caller, authenticator: SoftAuthenticator) -> str:
    asked = await office.desks.step_up.ask_passkey(caller)
    assert isinstance(asked, tuple)
    proof = Proof(passkey=authenticator.sign(asked[1]))
    grant = await office.desks.step_up.prove(caller, Purpose.MANAGE_PEOPLE, "", proof, asked[0])
    assert isinstance(grant, str)
    return grant


async def test_support_freezes_and_ends_every_session() -> None:
    office = make_office()
    ada = await office.newcomer()
    support, key = await staff(office, "sue@example.org", Role.SUPPORT)
    people = office.desks.people
    freeze = await people.freeze(
        support, ada.person.person_id, is_frozen=True, grant=await proof_of(office, support, key)
    )
    assert freeze is None
    frozen = await office.desks.sign_in.begin(EMAIL, PASSWORD, VISITOR)
    assert code_of(frozen) is RefusalCode.FROZEN
    again = await people.freeze(
        support, ada.person.person_id, is_frozen=False, grant=await proof_of(office, support, key)
    )
    assert again is None
    await office.sign_in()


async def test_staff_proves_itself_with_a_passkey_and_nothing_else() -> None:
    office = make_office()
    ada = await office.newcomer()
    support, _ = await staff(office, "sue@example.org", Role.SUPPORT)
    person = await office.store.person(support.person.person_id)
    assert person is not None
    fresh_grant = await office.desks.step_up.prove(
        support, Purpose.MANAGE_PEOPLE, "", Proof(password=PASSWORD), ""
    )
    assert fresh_grant == CREDENTIALS_INVALID
    customer, _ = await staff(office, "cy@example.org", Role.CUSTOMER)
    for caller in (customer, support):
        refused = await office.desks.people.freeze(
            caller, ada.person.person_id, is_frozen=True, grant=""
        )
        assert refused == (ROLE_MISSING if caller is customer else STEP_UP_MISSING)


async def test_a_code_is_not_enough_to_touch_others() -> None:
    office = make_office()
    ada = await office.newcomer()
    support = await office.newcomer("sue@example.org")
    secret, _ = await office.add_totp(support)

    def promote(person: Person) -> Changed[None]:
        return Changed(person=replace(person, roles=(Role.SUPPORT,)), answer=None)

    await office.store.change(support.person.person_id, promote)
    promoted = Caller(
        person=await office.store.person(support.person.person_id) or support.person,
        session=support.session,
        visitor=VISITOR,
    )
    proof = Proof(totp=office.code(secret))
    grant = await office.grant(promoted, Purpose.MANAGE_PEOPLE, proof)
    answer = await office.desks.people.freeze(
        promoted, ada.person.person_id, is_frozen=True, grant=grant
    )
    assert answer == ROLE_MISSING


async def test_roles_are_an_administrators_and_nobody_gives_himself_one() -> None:
    office = make_office()
    ada = await office.newcomer()
    support, key = await staff(office, "sue@example.org", Role.SUPPORT)
    chief, chiefs_key = await staff(office, "chief@example.org", Role.ADMINISTRATOR)
    set_roles = office.desks.people.set_roles
    for caller, authenticator, whom, refused in (
        (support, key, ada, ROLE_MISSING),
        (chief, chiefs_key, chief, ROLE_MISSING),
        (chief, chiefs_key, ada, None),
    ):
        grant = await proof_of(office, caller, authenticator)
        answer = await set_roles(caller, whom.person.person_id, [Role.SUPPORT], grant)
        assert answer == refused
    # Another spelling of one's own number is nobody's.
    own = chief.person.person_id
    spelled = f"{own[:8]}-{own[8:12]}-{own[12:16]}-{own[16:20]}-{own[20:]}"
    grant = await proof_of(office, chief, chiefs_key)
    assert await set_roles(chief, spelled, [Role.SUPPORT], grant) == NOT_FOUND
    assert await set_roles(chief, own.upper(), [Role.SUPPORT], grant) == NOT_FOUND
    gone = await office.desks.people.freeze(chief, "f" * 32, is_frozen=True, grant=grant)
    assert gone == NOT_FOUND


async def test_support_does_not_freeze_its_own_kind() -> None:
    office = make_office()
    support, key = await staff(office, "sue@example.org", Role.SUPPORT)
    chief, _ = await staff(office, "chief@example.org", Role.ADMINISTRATOR)
    answer = await office.desks.people.freeze(
        support, chief.person.person_id, is_frozen=True, grant=await proof_of(office, support, key)
    )
    assert answer == ROLE_MISSING
