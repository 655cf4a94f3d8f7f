"""People with API keys, and the plainest client that signs as Binance's clients do."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from exchange.accounts import sealing_vault
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from services.accounts.adapters.postgres import postgres_store
from services.accounts.person import ApiKey, Changed, Person
from services.accounts.signatures import place_of
from services.accounts.terms import KeyKind, Permission, Status
from tests.e2e.venue_run import VenueRun

Parameters = Mapping[str, str | int]
PATIENT: Parameters = {"recvWindow": 60_000}


@dataclass
class Trader:
    """One person, by one key."""

    url: str
    key_id: str
    secret: bytes = b""
    private_key: Ed25519PrivateKey | None = None
    person_id: str = ""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120))

    def signature(self, payload: bytes) -> str:
        """Sign as the key's kind does."""
        if self.private_key is not None:
            return base64.b64encode(self.private_key.sign(payload)).decode()
        return hmac.new(self.secret, payload, hashlib.sha256).hexdigest()

    def signed(self, parameters: Parameters, *, at_ms: int | None = None) -> str:
        """Return the parameters as they are sent: with a time, and signed.

        Who says no time is as patient as may be: a machine that stands still is no old request.
        """
        if at_ms is None:
            at_ms, parameters = time.time_ns() // 1_000_000, {**PATIENT, **parameters}
        text = urlencode({**parameters, "timestamp": at_ms})
        return f"{text}&{urlencode({'signature': self.signature(text.encode())})}"

    def ask(self, method: str, path: str, **parameters: str | int) -> Any:
        """Ask, and return what was answered with 200."""
        answer = self.send(method, path, self.signed(parameters))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, **parameters: str | int) -> dict[str, Any]:
        """Ask, and return the refusal."""
        answer = self.send(method, path, self.signed(parameters))
        assert 400 <= answer.status_code < 500, answer.text
        return dict(answer.json())

    def send(self, method: str, path: str, query: str = "", body: str = "") -> httpx.Response:
        """Send exactly this."""
        return self.client.request(
            method,
            f"{self.url}{path}" + (f"?{query}" if query else ""),
            content=body,
            headers={"X-MBX-APIKEY": self.key_id},
        )

    @property
    def account(self) -> int:
        """Return the number of the person's trading account."""
        return int(self.ask("GET", "/api/v3/account")["uid"])


ALL = (Permission.READ, Permission.TRADE)


class Registrar:
    """Makes people with keys, straight in the store of accounts."""

    def __init__(self, run: VenueRun) -> None:
        self._run = run
        self._configuration = read_configuration(run.config)
        self._vault = sealing_vault(run.state)
        self._traders: list[Trader] = []

    @property
    def url(self) -> str:
        page = self._run.state.page("retail_api")
        assert page is not None
        return page.addresses["rest"]

    @property
    def dsn(self) -> str:
        return database_dsn(self._configuration, self._run.state)

    async def trader(
        self,
        *,
        kind: KeyKind = KeyKind.HMAC,
        permissions: tuple[Permission, ...] = ALL,
        addresses: tuple[str, ...] = (),
        seconds: int = 3600,
    ) -> Trader:
        """Register somebody who has one key."""
        key_id = uuid4().hex
        trader = Trader(self.url, key_id)
        self._traders.append(trader)
        if kind is KeyKind.HMAC:
            trader.secret = secrets.token_hex(32).encode()
            material = self._vault.seal(
                trader.secret, place=place_of(key_id), nonce=secrets.token_bytes(12)
            )
        else:
            trader.private_key = Ed25519PrivateKey.generate()
            material = trader.private_key.public_key().public_bytes_raw()
        now_ns = time.time_ns()
        key = ApiKey(
            key_id=key_id,
            label="test",
            kind=kind,
            material=material,
            permissions=permissions,
            addresses=addresses,
            created_at_ns=now_ns,
            expires_at_ns=now_ns + seconds * 1_000_000_000,
        )
        person = Person(
            person_id=uuid4().hex,
            email=f"{uuid4().hex}@example.org",
            status=Status.ACTIVE,
            password_hash="h",
            created_at_ns=now_ns,
        )
        trader.person_id = person.person_id
        async with postgres_store(self.dsn, self._vault, secrets.token_bytes) as store:
            assert await store.add(person, (), ())
            # As the desk does it: a key comes to somebody who is there.
            await self._change(store, person.person_id, lambda p: replace(p, api_keys=(key,)))
        return trader

    def close(self) -> None:
        """Leave no connection open."""
        for trader in self._traders:
            trader.client.close()

    async def change(self, trader: Trader, change: Any) -> None:
        """Change somebody, as the accounts process would."""
        async with postgres_store(self.dsn, self._vault, secrets.token_bytes) as store:
            await self._change(store, trader.person_id, change)

    async def _change(self, store: Any, person_id: str, change: Any) -> None:
        await store.change(person_id, lambda person: Changed(person=change(person), answer=None))

    async def funded(self, **amounts: str) -> Trader:
        """Register somebody whose account has money."""
        trader = await self.trader()
        for asset, amount in amounts.items():
            self.credit(trader, asset, amount)
        return trader

    def credit(self, trader: Trader, asset: str, amount: str) -> None:
        """Let two operators credit somebody's account."""
        self._run.operated(
            "credit", "--account", f"RETAIL-{trader.account}", "--asset", asset,
            "--amount", amount, "--reference", secrets.token_hex(8),
        )  # fmt: skip
