"""Whose signature it is: for the doors that take signed requests, in whatever process they are."""

import hmac
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.accounts.person import ApiKey, Person
from services.accounts.ports import Clock
from services.accounts.refusals import FROZEN, RefusalCode, Refused
from services.accounts.secrets_at_rest import Vault
from services.accounts.sessions import SECOND_NS
from services.accounts.terms import KeyKind, Permission, Status

_OPENED_MAX: Final = 4096
"""Secrets that are not opened again for each request; whoever reads them in this process's memory
could read there what opens all of them."""
_SIGNATURE_INVALID = Refused(
    RefusalCode.SIGNATURE_INVALID, "no such key, or the signature is not its own"
)


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a program sent: the signature is over every byte of ``payload``."""

    key_id: str
    payload: bytes
    signature: bytes
    address: str
    permission: Permission


class Keys(Protocol):
    """Where keys are looked up: the store, or what remembers it for a moment."""

    async def person_of_key(self, key_id: str) -> Person | None:
        """Return the person that has an API key."""
        ...


class Signatures:
    """Checks signatures; it changes nothing."""

    def __init__(self, keys: Keys, vault: Vault, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._secret = lru_cache(_OPENED_MAX)(
            lambda key_id, sealed: vault.open(sealed, place=place_of(key_id))
        )

    async def signer(self, request: SignedRequest) -> Person | Refused:
        """Return who signed a request, if the key may do this, from there, now.

        The signature is checked before anything is said of the key. Whoever calls this also
        keeps requests from being replayed (a time in the payload, and a window).
        """
        person = await self._keys.person_of_key(request.key_id)
        key = _key(person, request.key_id)
        if person is None or key is None or not self._is_signed(key, request):
            return _SIGNATURE_INVALID
        now_ns = self._clock()
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
            secret = self._secret(key.key_id, key.material)
            expected = hmac.digest(secret, request.payload, "sha256")
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


def place_of(key_id: str) -> str:
    """Return what a key's secret is sealed for."""
    return f"api-key:{key_id}"


def _key(person: Person | None, key_id: str) -> ApiKey | None:
    if person is None:
        return None
    for each in person.api_keys:
        if each.key_id == key_id:
            return each
    return None


def _is_among(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in networks)
