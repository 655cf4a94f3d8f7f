"""Keys for programs: made, listed, deleted, and the signatures that they make checked.

An HMAC secret must be known here to check a signature, so it is sealed with the key file: whoever
copies the database alone signs nothing. Of an Ed25519 key only the public half ever arrives.
"""

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from services.accounts import letters
from services.accounts.person import ApiKey, Changed, Person
from services.accounts.refusals import (
    FROZEN,
    NOT_FOUND,
    RefusalCode,
    Refused,
    limit_reached,
)
from services.accounts.registry import Caller, Registry
from services.accounts.sessions import SECOND_NS
from services.accounts.step_up import StepUp
from services.accounts.terms import Activity, KeyKind, Permission, Purpose, Status

_SECRET_BYTES = 32
_SIGNATURE_INVALID = Refused(
    RefusalCode.SIGNATURE_INVALID, "no such key, or the signature is not its own"
)


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What a person asks for."""

    label: str
    kind: KeyKind
    public_key: str
    permissions: tuple[Permission, ...]
    addresses: tuple[str, ...]
    seconds: int


@dataclass(frozen=True, kw_only=True)
class SignedRequest:
    """What a program sent: the signature is over every byte of ``payload``."""

    key_id: str
    payload: bytes
    signature: bytes
    address: str
    permission: Permission


class ApiKeys:
    """The desk for keys."""

    def __init__(self, registry: Registry, step_up: StepUp) -> None:
        self._registry = registry
        self._step_up = step_up

    async def create(
        self, caller: Caller, wanted: NewKey, grant: str
    ) -> tuple[ApiKey, str] | Refused:
        """Make a key; the secret (HMAC) is returned now and never again."""
        registry = self._registry
        refused = self._unfit(wanted)
        if refused is not None:
            return refused
        spent = await self._step_up.spend(caller, Purpose.MANAGE_API_KEYS, grant)
        if isinstance(spent, Refused):
            return spent
        key_id, secret = registry.chance(16).hex(), ""
        if wanted.kind is KeyKind.HMAC:
            secret = registry.chance(_SECRET_BYTES).hex()
            material = registry.seal(secret.encode(), _place(key_id))
        else:
            material = bytes.fromhex(wanted.public_key)
        now_ns = registry.clock()
        key = ApiKey(
            key_id=key_id,
            label=wanted.label,
            kind=wanted.kind,
            material=material,
            permissions=wanted.permissions,
            addresses=wanted.addresses,
            created_at_ns=now_ns,
            expires_at_ns=now_ns + wanted.seconds * SECOND_NS,
        )

        def decide(person: Person) -> Changed[tuple[ApiKey, str] | Refused]:
            limit, usage = registry.limits.api_keys_max, len(person.api_keys)
            if usage >= limit:
                answer = limit_reached("API keys", limit=limit, usage=usage)
                return Changed(person=person, answer=answer)
            said = (
                f"An API key ({', '.join(key.permissions)}) was made from {caller.visitor.address}."
            )
            letter = letters.notice(person, "A new API key", said, site=registry.site)
            note = registry.note(Activity.API_KEY_CREATED, caller.visitor, key_id)
            richer = replace(person, api_keys=(*person.api_keys, key))
            return Changed(person=richer, answer=(key, secret), mail=(letter,), notes=(note,))

        return await registry.change_own(caller, decide)

    def _unfit(self, wanted: NewKey) -> Refused | None:
        limits = self._registry.limits
        if wanted.seconds > limits.api_key_seconds_max:
            said = f"a key lives {limits.api_key_seconds_max} s at most"
            return Refused(
                RefusalCode.VALUE_INVALID, said, limits.api_key_seconds_max, wanted.seconds
            )
        usage = len(wanted.addresses)
        if usage > limits.api_key_addresses_max:
            return limit_reached("addresses", limit=limits.api_key_addresses_max, usage=usage)
        for address in wanted.addresses:
            try:
                ip_network(address)
            except ValueError:
                return Refused(
                    RefusalCode.VALUE_INVALID, "addresses are networks such as 192.0.2.0/24"
                )
        if Permission.WITHDRAW in wanted.permissions and not wanted.addresses:
            said = "a key that may withdraw names the addresses it is used from"
            return Refused(RefusalCode.VALUE_INVALID, said)
        if not wanted.permissions:
            return Refused(RefusalCode.VALUE_INVALID, "a key without a permission does nothing")
        if (wanted.kind is KeyKind.ED25519) is not _is_public_key(wanted.public_key):
            said = "an Ed25519 key brings its public key (64 hexadecimal digits), another kind none"
            return Refused(RefusalCode.VALUE_INVALID, said)
        return None

    async def delete(self, caller: Caller, key_id: str) -> Refused | None:
        """Delete a key: it signs nothing from now on."""
        registry = self._registry

        def decide(person: Person) -> Changed[Refused | None]:
            left = tuple(each for each in person.api_keys if each.key_id != key_id)
            if len(left) == len(person.api_keys):
                return Changed(person=person, answer=NOT_FOUND)
            note = registry.note(Activity.API_KEY_DELETED, caller.visitor, key_id)
            return Changed(person=replace(person, api_keys=left), answer=None, notes=(note,))

        return await registry.change_own(caller, decide)

    async def signer(self, request: SignedRequest) -> Person | Refused:
        """Return who signed a request, if the key may do this, from there, now.

        The signature is checked before anything is said of the key. Whoever calls this also
        keeps requests from being replayed (a time in the payload, and a window).
        """
        registry = self._registry
        person = await registry.store.person_of_key(request.key_id)
        key = _key(person, request.key_id)
        if person is None or key is None or not self._is_signed(key, request):
            return _SIGNATURE_INVALID
        now_ns = registry.clock()
        if now_ns >= key.expires_at_ns:
            return Refused(RefusalCode.SIGNATURE_INVALID, "the key has expired")
        if person.status is not Status.ACTIVE:
            return FROZEN
        if key.addresses and not _is_among(request.address, key.addresses):
            return Refused(RefusalCode.ADDRESS_NOT_ALLOWED, "the key is not for this address")
        if request.permission not in key.permissions:
            said = f"the key has no permission to {request.permission}"
            return Refused(RefusalCode.PERMISSION_MISSING, said)
        if request.permission is Permission.WITHDRAW and now_ns < person.held_until_ns:
            return held(person)
        return person

    def _is_signed(self, key: ApiKey, request: SignedRequest) -> bool:
        if key.kind is KeyKind.HMAC:
            secret = self._registry.vault.open(key.material, place=_place(key.key_id))
            expected = hmac.new(secret, request.payload, hashlib.sha256).digest()
            return hmac.compare_digest(expected, request.signature)
        try:
            Ed25519PublicKey.from_public_bytes(key.material).verify(
                request.signature, request.payload
            )
        except InvalidSignature:
            return False
        return True


def held(person: Person) -> Refused:
    """Say that withdrawals wait after a change of credentials."""
    return Refused(
        RefusalCode.HELD,
        f"withdrawals are held until {person.held_until_ns // SECOND_NS} (seconds since 1970), "
        "because credentials changed",
    )


def _place(key_id: str) -> str:
    return f"api-key:{key_id}"


def _key(person: Person | None, key_id: str) -> ApiKey | None:
    if person is None:
        return None
    return next((each for each in person.api_keys if each.key_id == key_id), None)


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in networks)


def _is_public_key(text: str) -> bool:
    if len(text) != 64:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError:
        return False
    return True
