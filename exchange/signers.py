"""API keys as the retail API needs them: the accounts service's own check, over keys remembered.

A key is believed for at most ``seconds_max`` without looking. What changes a person (a key
deleted, a freeze) is told by the database at once; while it cannot tell, nothing is remembered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog

from retail_gateway.ports import HistoryAwayError, KeyTerms, Signed, Signer
from retail_gateway.refusals import Details, Refusal
from runtime.postgres import FAILURES, Connection, connect, drop, is_outage
from services.accounts.errors import StoreAwayError
from services.accounts.person import Person
from services.accounts.refusals import RefusalCode, Refused
from services.accounts.schema import APPLICATION_ROLE
from services.accounts.secrets_at_rest import Vault
from services.accounts.signatures import Keys, Signatures, SignedRequest
from services.accounts.terms import Permission

log = structlog.get_logger()

CHANNEL: Final = "accounts_people"
_SECOND_NS: Final = 1_000_000_000
_PERMISSIONS: Final = {each.value: each for each in Permission}
_PAUSE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 5.0


class RememberedKeys:
    """People by their keys, for a moment."""

    def __init__(
        self, store: Keys, clock: Callable[[], int], *, seconds_max: float, keys_max: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._seconds_max_ns = int(seconds_max * _SECOND_NS)
        self._keys_max = keys_max
        self._known: OrderedDict[str, tuple[int, Person]] = OrderedDict()
        self._changes = 0
        self.changed: Callable[[str | None], None] = lambda _person_id: None
        """Told who has changed; None: anybody may have."""
        self.is_told = False
        """Whether changes are told; otherwise nothing is remembered."""

    async def person_of_key(self, key_id: str) -> Person | None:
        """Return the person that has an API key."""
        known = self._known.get(key_id)
        now_ns = self._clock()
        if known is not None and now_ns < known[0]:
            return known[1]
        changes = self._changes
        person = await self._store.person_of_key(key_id)
        # What was read before a change was told may be what was there before it.
        if person is not None and self.is_told and changes == self._changes:
            self._known[key_id] = now_ns + self._seconds_max_ns, person
            self._known.move_to_end(key_id)
            if len(self._known) > self._keys_max:
                self._known.popitem(last=False)
        return person

    def forget(self, person_id: str) -> None:
        """Forget a person who has changed."""
        self._changes += 1
        for key_id, (_, person) in list(self._known.items()):
            if person.person_id == person_id:
                del self._known[key_id]
        self.changed(person_id)

    def forget_all(self) -> None:
        """Forget everybody: changes may have gone unheard."""
        self._changes += 1
        self._known.clear()
        self.changed(None)


class AccountSigners:
    """``Signers`` over the accounts service."""

    def __init__(self, keys: Keys, vault: Vault, clock: Callable[[], int]) -> None:
        self._keys = keys
        self._signatures = Signatures(keys, vault, clock)

    async def signer(self, signed: Signed) -> Signer | Refusal:
        """See ``Signers.signer``."""
        request = SignedRequest(
            key_id=signed.key_id,
            payload=signed.payload,
            signature=signed.signature,
            address=signed.address,
            permission=_PERMISSIONS[signed.permission],
        )
        try:
            found = await self._signatures.signer(request)
        except StoreAwayError as error:
            raise HistoryAwayError(str(error)) from error
        return _refusal(found) if isinstance(found, Refused) else Signer(found.person_id)

    async def terms(self, key_id: str) -> KeyTerms | None:
        """See ``Signers.terms``."""
        try:
            person = await self._keys.person_of_key(key_id)
        except StoreAwayError as error:
            raise HistoryAwayError(str(error)) from error
        keys = () if person is None else person.api_keys
        key = next((each for each in keys if each.key_id == key_id), None)
        if key is None:
            return None
        return KeyTerms(
            permissions=frozenset(map(str, key.permissions)),
            has_addresses=bool(key.addresses),
            created_at_ns=key.created_at_ns,
            expires_at_ns=key.expires_at_ns,
        )


def _refusal(refused: Refused) -> Refusal:
    details = Details(refused.code, refused.code.name, refused.limit or 0, refused.usage or 0)
    if refused.code is RefusalCode.SIGNATURE_INVALID:
        return Refusal(401, -1022, "Signature for this request is not valid.", details)
    return Refusal(401, -2015, "Invalid API-key, IP, or permissions for action.", details)


@asynccontextmanager
async def hearing(dsn: str, keys: RememberedKeys) -> AsyncIterator[None]:
    """Hear of changed people while the block runs."""
    task = asyncio.create_task(_hear(dsn, keys), name="retail.hear_of_people")
    try:
        yield
    finally:
        task.cancel()


async def _hear(dsn: str, keys: RememberedKeys) -> None:
    def told(_connection: object, _pid: int, _channel: str, person: object) -> None:
        keys.forget(UUID(str(person)).hex)

    while True:
        connection: Connection | None = None
        try:
            connection = await connect(dsn, role=APPLICATION_ROLE, application="retail_api.keys")
            await connection.add_listener(
                CHANNEL,
                told,
            )
            keys.forget_all()
            keys.is_told = True
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await connection.execute("select 1", timeout=_LOOK_SECONDS)
        except FAILURES as error:
            if not is_outage(error):
                raise
            log.warning("keys_not_told", reason=str(error))
        finally:
            keys.is_told = False
            keys.forget_all()
            if connection is not None:
                drop(connection)
        await asyncio.sleep(_PAUSE_SECONDS)
