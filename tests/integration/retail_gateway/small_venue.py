"""A real core and a real retail API in the test's own loop, over stores in memory: up in a second.

What needs the whole venue (PostgreSQL, settlement, the accounts process) has ``conftest.venue``.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from exchange.configuration import read_configuration
from exchange.retail import retail_settings
from exchange.signers import AccountSigners
from exchange.wanted import wanted_definitions
from messages.trading import commands
from messages.trading.commands import Command
from messages.trading.identity import client_id, source_number
from messages.trading.terms import Phase
from retail_gateway.adapters.memory import MemoryHistory, MemoryMoney, MemoryPeople
from retail_gateway.adapters.picows_server import serve
from retail_gateway.allowances import MemoryCounters
from retail_gateway.ports import Clock
from retail_gateway.service import RetailService
from retail_gateway.settings import Limits, RetailSettings
from runtime.link import Link
from services.accounts.person import ApiKey, Person
from services.accounts.secrets_at_rest import Vault
from services.accounts.signatures import place_of
from services.accounts.terms import KeyKind, Permission, Status
from tests.integration.retail_gateway.trader import ALL, Trader
from tests.venue_support import PATIENCE_SECONDS, TOKEN, RunningCore, core, settings_in
from venue.engines import create_engine
from venue.settings import Principal, VenueSettings

ROOT = Path(__file__).resolve().parents[3]
_READ = read_configuration(ROOT / "config")
# Without the fees of accounts that this venue does not have.
CONFIGURATION = replace(_READ, fees=replace(_READ.fees, assignment=[]))
GENEROUS = Limits(
    weight_per_minute=1_000_000, requests_per_five_minutes=1_000_000, answer_seconds_max=60.0
)


class AsyncTrader(Trader):
    """A trader whose requests share the loop with what answers them."""

    http: httpx.AsyncClient

    async def does(self, method: str, path: str, **parameters: str | int) -> Any:
        """Ask, and return what was answered with 200."""
        answer = await self.sends(method, path, self.signed(parameters))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def may_not(self, method: str, path: str, **parameters: str | int) -> dict[str, Any]:
        """Ask, and return the refusal."""
        answer = await self.sends(method, path, self.signed(parameters))
        assert answer.status_code >= 400, answer.text
        return dict(answer.json())

    async def sends(
        self, method: str, path: str, query: str = "", body: str | bytes = ""
    ) -> httpx.Response:
        """Send exactly this."""
        return await self.http.request(
            method,
            path + (f"?{query}" if query else ""),
            content=body,
            headers={"X-MBX-APIKEY": self.key_id},
        )


@dataclass
class KnownPeople:
    """Where keys are looked up."""

    by_key: dict[str, Person] = field(default_factory=dict)

    async def person_of_key(self, key_id: str) -> Person | None:
        """See ``Keys``."""
        return self.by_key.get(key_id)


class SmallVenue:
    """The core, and the API in front of it."""

    def __init__(self, running: RunningCore, settings: VenueSettings) -> None:
        self.core = running
        self.settings = settings
        self.people = KnownPeople()
        self.vault = Vault(secrets.token_bytes(32))
        self.links: list[Link] = []
        self.http = httpx.AsyncClient(timeout=PATIENCE_SECONDS)
        self.history = MemoryHistory()
        self.money = MemoryMoney()
        self.ordinals = MemoryPeople(first=1_000_001, last=1_499_999)
        self.socket_url = ""
        self.admin: Link
        self.service: RetailService
        self._admin_sequence = 0

    async def operate(self, wanted: Sequence[Command]) -> None:
        """Have operators' commands done, and wait until the last one is."""
        records = []
        for command in wanted:
            self._admin_sequence += 1
            fields = {name: getattr(command, name) for name in command.__struct_fields__}
            fields |= {
                "source": source_number(2, 0),
                "epoch": 1,
                "source_sequence": self._admin_sequence,
            }
            records.append(type(command)(**fields).pack())
        assert self.admin.send(b"".join(records))
        while (await self._sequenced()) < self._admin_sequence:  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0)

    async def _sequenced(self) -> int:
        """Return how many of the operators' commands the engine has taken."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            link = await Link.connect(self.core.address, "admin", TOKEN)
        try:
            places = link.welcome.positions
        finally:
            await link.close()
        return sum(each.source_sequence for each in places if each.source == source_number(2, 0))

    async def credit(self, trader: AsyncTrader, asset: int, units: int) -> None:
        """Give somebody's account money."""
        scale = next(each.scale for each in CONFIGURATION.assets if each.id == asset)
        account = (await trader.does("GET", "/api/v3/account"))["uid"]
        await self.operate(
            [
                commands.Credit.make(
                    account=account,
                    asset=asset,
                    amount_atoms=units * 10**scale,
                    operator=1,
                    approver=2,
                    reference=client_id(secrets.token_hex(8)),
                )
            ]
        )
        symbol = next(each.symbol for each in CONFIGURATION.assets if each.id == asset)
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Asked until it is there: what tells it is another connection.
            while not _free(await trader.does("GET", "/api/v3/account"), symbol):  # noqa: ASYNC110
                await asyncio.sleep(0)

    def trader(
        self,
        *,
        kind: KeyKind = KeyKind.HMAC,
        permissions: tuple[Permission, ...] = ALL,
        addresses: tuple[str, ...] = (),
        seconds: int = 3600,
    ) -> AsyncTrader:
        """Register somebody who has one key."""
        key_id, now_ns = uuid4().hex, time.time_ns()
        trader = AsyncTrader("", key_id)
        trader.client.close()
        trader.http = self.http
        if kind is KeyKind.HMAC:
            trader.secret = secrets.token_hex(32).encode()
            nonce = secrets.token_bytes(12)
            material = self.vault.seal(trader.secret, place=place_of(key_id), nonce=nonce)
        else:
            trader.private_key = Ed25519PrivateKey.generate()
            material = trader.private_key.public_key().public_bytes_raw()
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
            email="",
            status=Status.ACTIVE,
            password_hash="",
            created_at_ns=now_ns,
            api_keys=(key,),
        )
        trader.person_id = person.person_id
        self.people.by_key[key_id] = person
        return trader

    def second_key(self, trader: AsyncTrader, *permissions: Permission) -> AsyncTrader:
        """Give somebody another key."""
        other = self.trader(permissions=permissions or ALL)
        key = self.people.by_key[other.key_id].api_keys[0]
        person = self.people.by_key[trader.key_id]
        self.people.by_key[other.key_id] = replace(person, api_keys=(*person.api_keys, key))
        return other

    async def funded(self, *, usd: int = 0, btc: int = 0) -> AsyncTrader:
        """Register somebody who has money."""
        trader = self.trader()
        for asset, units in ((1, usd), (2, btc)):
            if units:
                await self.credit(trader, asset, units)
        return trader


def _free(account: dict[str, Any], symbol: str) -> float:
    return sum(float(each["free"]) for each in account["balances"] if each["asset"] == symbol)


def _settings(folder: Path) -> VenueSettings:
    settings = settings_in(folder, durability="process")
    principals = {
        name: Principal(
            number=table.number,
            token_file=str(folder / "principal.token"),
            may_send=table.may_send,
            links_max=16,
        )
        for name, table in CONFIGURATION.venue.principals.items()
    }
    return replace(settings, principals=principals)


@contextlib.asynccontextmanager
async def small_venue(
    folder: Path,
    *,
    limits: Limits = GENEROUS,
    clock: Clock = time.time_ns,
    money: MemoryMoney | None = None,
    **changes: Any,
) -> AsyncIterator[SmallVenue]:
    """Run both for the block."""
    settings = _settings(folder)
    retail = retail_settings(CONFIGURATION)
    retail = replace(retail, port=0, socket_port=0, limits=limits, **changes)
    async with core(settings, create_engine("native"), clock_ns=clock) as running:
        venue = SmallVenue(running, settings)
        venue.money = money or venue.money
        venue.admin = await running.link("admin")
        await _seed(venue)
        async with _served(venue, retail, clock) as venue.service:
            yield venue
        await venue.http.aclose()
        await venue.admin.close()


async def _seed(venue: SmallVenue) -> None:
    wanted: list[Any] = wanted_definitions(CONFIGURATION, {})
    wanted += [
        commands.ChangePhase.make(instrument=each.id, phase=Phase.CONTINUOUS)
        for each in CONFIGURATION.instruments
    ]
    await venue.operate(wanted)


@contextlib.asynccontextmanager
async def _served(
    venue: SmallVenue, settings: RetailSettings, clock: Clock
) -> AsyncIterator[RetailService]:
    async def dial(refused: Any, known: bytes | None) -> Link:
        link = await Link.connect(
            venue.core.address, "retail_gateway", TOKEN, venue=known, refusals=refused
        )
        venue.links.append(link)
        return link

    async def nobody() -> Any:
        raise OSError("no market data here")

    service = RetailService(
        settings,
        dial=dial,
        market_data=nobody,
        history=venue.history,
        money=venue.money,
        people=venue.ordinals,
        signers=AccountSigners(venue.people, venue.vault, clock),
        counters=MemoryCounters(settings.limits.subjects_max),
        clock=clock,
        signed_since_ns=0,
        registry=CollectorRegistry(),
    )
    stop, urls = asyncio.Event(), asyncio.Queue[dict[str, str]]()
    task = asyncio.create_task(service.run(serve, stop, listening=urls.put_nowait))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await urls.get()
            venue.http.base_url, venue.socket_url = found["rest"], found["ws_api"]
            await service.is_linked.wait()
        yield service
    finally:
        stop.set()
        await task
