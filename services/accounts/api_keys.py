"""Keys for programs: made, listed and deleted.

An HMAC secret must be known here to check a signature, so it is sealed with the key file: whoever
copies the database alone signs nothing. Of an Ed25519 key only the public half ever arrives.
"""

from dataclasses import dataclass
from ipaddress import ip_network

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from services.accounts import letters
from services.accounts.person import ApiKey, Changed, Person
from services.accounts.refusals import (
    NOT_FOUND,
    RefusalCode,
    Refused,
    limit_reached,
)
from services.accounts.registry import Caller, Registry
from services.accounts.sessions import SECOND_NS
from services.accounts.signatures import Signatures, SignedRequest, place_of
from services.accounts.step_up import StepUp
from services.accounts.terms import Activity, KeyKind, Permission, Purpose

_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What a person asks for."""

    label: str
    kind: KeyKind
    public_key: str
    permissions: tuple[Permission, ...]
    addresses: tuple[str, ...]
    seconds: int


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
            material = registry.seal(secret.encode(), place_of(key_id))
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
        """See ``Signatures.signer``."""
        registry = self._registry
        signatures = Signatures(registry.store, registry.vault, registry.clock)
        return await signatures.signer(request)


def _is_public_key(text: str) -> bool:
    if len(text) != 64:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    except ValueError:
        return False
    return True
