import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from services.accounts.api_keys import NewKey
from services.accounts.person import ApiKey, Changed, Person
from services.accounts.refusals import NOT_FOUND, RefusalCode, Refused
from services.accounts.registry import Caller
from services.accounts.signatures import SignedRequest
from services.accounts.terms import KeyKind, Permission, Purpose, Status
from tests.unit.accounts.office import Office, make_office

PAYLOAD = b"symbol=BTCUSD&side=BUY&timestamp=1"
ED25519 = Ed25519PrivateKey.generate()
PUBLIC = ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def wanted(**changes: Any) -> NewKey:
    fields: dict[str, Any] = {
        "label": "bot", "kind": KeyKind.HMAC, "public_key": "", "addresses": (),
        "permissions": (Permission.READ, Permission.TRADE), "seconds": 3600,
    }  # fmt: skip
    return NewKey(**(fields | changes))


async def create(office: Office, caller: Caller, key: NewKey) -> tuple[ApiKey, str]:
    grant = await office.grant(caller, Purpose.MANAGE_API_KEYS)
    answer = await office.desks.api_keys.create(caller, key, grant)
    assert isinstance(answer, tuple), answer
    return answer


def request(key: ApiKey, signature: bytes, **changes: Any) -> SignedRequest:
    fields: dict[str, Any] = {
        "key_id": key.key_id, "payload": PAYLOAD, "signature": signature,
        "address": "192.0.2.7", "permission": Permission.TRADE,
    }  # fmt: skip
    return SignedRequest(**(fields | changes))


def signature(secret: str, payload: bytes = PAYLOAD) -> bytes:
    return hmac.new(secret.encode(), payload, hashlib.sha256).digest()


def code_of(answer: object) -> RefusalCode:
    assert isinstance(answer, Refused), answer
    return answer.code


async def test_both_kinds_of_key_sign_for_their_person() -> None:
    office = make_office()
    caller = await office.newcomer()
    signer = office.desks.api_keys.signer
    shared, secret = await create(office, caller, wanted())
    own, nothing = await create(office, caller, wanted(kind=KeyKind.ED25519, public_key=PUBLIC))
    assert nothing == ""
    for key, made in ((shared, signature(secret)), (own, ED25519.sign(PAYLOAD))):
        person = await signer(request(key, made))
        assert isinstance(person, Person)
        assert person.person_id == caller.person.person_id


async def test_a_secret_is_not_kept_as_it_was_shown() -> None:
    office = make_office()
    key, secret = await create(office, await office.newcomer(), wanted())
    assert secret.encode() not in key.material
    assert bytes.fromhex(secret) not in key.material


@pytest.mark.parametrize("kind", list(KeyKind))
async def test_a_signature_of_anything_else_is_refused(kind: KeyKind) -> None:
    office = make_office()
    caller = await office.newcomer()
    signer = office.desks.api_keys.signer
    public = PUBLIC if kind is KeyKind.ED25519 else ""
    key, secret = await create(office, caller, wanted(kind=kind, public_key=public))
    good = signature(secret) if secret else ED25519.sign(PAYLOAD)
    other = Ed25519PrivateKey.generate().sign(PAYLOAD)
    bad = [
        request(key, good, payload=PAYLOAD + b"&x=1"),
        request(key, good[:-1]),
        request(key, b""),
        request(key, other),
        request(key, signature(key.material.hex())),
        request(key, signature("")),
        request(key, good, key_id="0" * 32),
        request(key, good, key_id="not a key"),
    ]
    for each in bad:
        assert code_of(await signer(each)) is RefusalCode.SIGNATURE_INVALID
    assert isinstance(await signer(request(key, good)), Person)


async def test_one_key_does_not_sign_for_another() -> None:
    office = make_office()
    ada, bob = await office.newcomer(), await office.newcomer("bob@example.org")
    _, secret = await create(office, ada, wanted())
    key, _ = await create(office, bob, wanted())
    refused = await office.desks.api_keys.signer(request(key, signature(secret)))
    assert code_of(refused) is RefusalCode.SIGNATURE_INVALID


async def test_a_key_does_what_it_may_from_where_it_may_until_it_expires() -> None:
    office = make_office()
    caller = await office.newcomer()
    signer = office.desks.api_keys.signer
    key, secret = await create(office, caller, wanted(addresses=("192.0.2.0/24", "2001:db8::/32")))
    made = signature(secret)
    for address, permission, refused in (
        ("192.0.2.255", Permission.READ, None),
        ("2001:db8::9", Permission.TRADE, None),
        ("192.0.3.0", Permission.READ, RefusalCode.ADDRESS_NOT_ALLOWED),
        ("", Permission.READ, RefusalCode.ADDRESS_NOT_ALLOWED),
        ("192.0.2.7", Permission.WITHDRAW, RefusalCode.PERMISSION_MISSING),
    ):
        answer = await signer(request(key, made, address=address, permission=permission))
        assert (code_of(answer) if refused else None) is refused
    office.clock.pass_seconds(3600)
    expired = await signer(request(key, made))
    assert code_of(expired) is RefusalCode.SIGNATURE_INVALID


async def test_a_deleted_key_signs_nothing_from_now_on() -> None:
    office = make_office()
    ada, bob = await office.newcomer(), await office.newcomer("bob@example.org")
    key, secret = await create(office, ada, wanted())
    keys = office.desks.api_keys
    assert await keys.delete(bob, key.key_id) == NOT_FOUND
    assert isinstance(await keys.signer(request(key, signature(secret))), Person)
    assert await keys.delete(ada, key.key_id) is None
    refused = await keys.signer(request(key, signature(secret)))
    assert code_of(refused) is RefusalCode.SIGNATURE_INVALID


async def test_withdrawals_by_key_wait_after_a_change_of_credentials() -> None:
    office = make_office(hold_seconds=1000)
    caller = await office.newcomer()
    may = (Permission.WITHDRAW,)
    key, secret = await create(office, caller, wanted(permissions=may, addresses=("192.0.2.7/32",)))
    withdrawal = request(key, signature(secret), permission=Permission.WITHDRAW)
    signer = office.desks.api_keys.signer
    assert isinstance(await signer(withdrawal), Person)
    await office.add_totp(caller)
    assert code_of(await signer(withdrawal)) is RefusalCode.HELD
    office.clock.pass_seconds(1000)
    assert isinstance(await signer(withdrawal), Person)


async def test_a_frozen_account_signs_nothing() -> None:
    office = make_office()
    caller = await office.newcomer()
    key, secret = await create(office, caller, wanted())

    def freeze(person: Person) -> Changed[None]:
        return Changed(person=replace(person, status=Status.FROZEN), answer=None)

    await office.store.change(caller.person.person_id, freeze)
    refused = await office.desks.api_keys.signer(request(key, signature(secret)))
    assert code_of(refused) is RefusalCode.FROZEN


@pytest.mark.parametrize(
    "changes",
    [
        {"permissions": ()},
        {"permissions": (Permission.WITHDRAW,)},
        {"addresses": ("192.0.2.1/24",)},
        {"addresses": ("example.org",)},
        {"kind": KeyKind.ED25519},
        {"kind": KeyKind.ED25519, "public_key": "zz" * 32},
        {"public_key": PUBLIC},
        {"seconds": 86_400 * 365 + 1},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    office = make_office()
    caller = await office.newcomer()
    grant = await office.grant(caller, Purpose.MANAGE_API_KEYS)
    answer = await office.desks.api_keys.create(caller, wanted(**changes), grant)
    assert code_of(answer) is RefusalCode.VALUE_INVALID


async def test_keys_and_their_addresses_are_bounded() -> None:
    office = make_office(api_keys_max=2, api_key_addresses_max=2)
    caller = await office.newcomer()
    three = ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
    await create(office, caller, wanted(addresses=three[:2]))
    grant = await office.grant(caller, Purpose.MANAGE_API_KEYS)
    many = await office.desks.api_keys.create(caller, wanted(addresses=three), grant)
    assert isinstance(many, Refused)
    assert (many.code, many.limit, many.usage) == (RefusalCode.LIMIT_REACHED, 2, 3)
    await create(office, caller, wanted())
    grant = await office.grant(caller, Purpose.MANAGE_API_KEYS)
    full = await office.desks.api_keys.create(caller, wanted(), grant)
    assert isinstance(full, Refused)
    assert (full.code, full.limit, full.usage) == (RefusalCode.LIMIT_REACHED, 2, 2)
