"""The accounts process: the HTTP door, the errands behind it, the post office, and a broom."""

import asyncio
import ssl
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from runtime.waiting import stopped_within
from services.accounts.access_tokens import KeyRing
from services.accounts.desks import Desks, open_desks
from services.accounts.errors import StoreAwayError
from services.accounts.http.application import application
from services.accounts.http.server import serve
from services.accounts.metrics import AccountsMetrics
from services.accounts.opaque_tokens import Chance
from services.accounts.passkeys import RelyingParty
from services.accounts.passwords import Hasher
from services.accounts.ports import BreachedPasswords, Clock, Mailer, Store
from services.accounts.post_office import PostOffice
from services.accounts.registry import Registry
from services.accounts.secrets_at_rest import Vault
from services.accounts.sessions import SECOND_NS
from services.accounts.settings import AccountsSettings, check_site
from services.accounts.throttle import Allowance

log = structlog.get_logger()

SWEEP_SECONDS = 60.0


def relying_party(site: str, name: str) -> RelyingParty:
    """Say who we are to authenticators.

    Raises:
        SettingsError: the site is no origin that browsers give passkeys to.
    """
    return RelyingParty(id=check_site(site), name=name, origin=site)


class AccountsService:
    """All of it, over adapters that the caller has chosen."""

    name = "accounts"

    def __init__(
        self,
        settings: AccountsSettings,
        *,
        store: Store,
        vault: Vault,
        ring: KeyRing,
        mailer: Mailer | None,
        breached: BreachedPasswords,
        clock: Clock,
        chance: Chance,
        registry: CollectorRegistry,
    ) -> None:
        """Describe the service; without a mailer, letters wait."""
        self._settings = settings
        self._clock = clock
        self._metrics = AccountsMetrics(registry)
        self._store = store
        self._is_store_there = True
        self.desks: Desks = open_desks(
            Registry(
                store=store,
                vault=vault,
                ring=ring,
                hasher=Hasher(settings.hashing),
                breached=breached,
                party=relying_party(settings.site, settings.issuer),
                limits=settings.limits,
                clock=clock,
                chance=chance,
            )
        )
        self._post_office = None
        if mailer is not None:
            self._post_office = PostOffice(
                store, mailer, settings.smtp, clock=clock, metrics=self._metrics
            )

    async def run(
        self,
        stop: asyncio.Event,
        *,
        context: ssl.SSLContext | None = None,
        listening: Callable[[str], None],
    ) -> None:
        """Serve until asked to stop; what was begun is finished."""
        app = application(
            self.desks,
            body_bytes_max=self._settings.http.body_bytes_max,
            refused=lambda name: self._metrics.refused.labels(name).inc(),
        )
        async with asyncio.TaskGroup() as group:
            errands = group.create_task(self.desks.errands.run(), name="accounts.errands")
            group.create_task(self._sweep(stop), name="accounts.sweep")
            if self._post_office is not None:
                group.create_task(self._post_office.run(stop), name=PostOffice.name)
            await serve(app, self._settings, context, stop, listening=listening)
            await self.desks.errands.all_done()
            errands.cancel()

    async def _sweep(self, stop: asyncio.Event) -> None:
        forgotten_ns = Allowance(free=1, failures_max=None).forgotten_seconds * SECOND_NS
        while not stop.is_set():
            now_ns = self._clock()
            try:
                await self._store.prune(now_ns=now_ns, attempts_before_ns=now_ns - forgotten_ns)
                waiting = await self._store.letters_waiting()
                self._metrics.letters_waiting.set(waiting)
                self._is_store_there = True
            except StoreAwayError as error:
                self._is_store_there = False
                log.warning("store_away", reason=str(error))
            await stopped_within(stop, SWEEP_SECONDS if self._is_store_there else 1.0)

    def health(self) -> dict[str, object]:
        """Say whether accounts can be used."""
        return {
            "healthy": self._is_store_there,
            "sends_mail": self._post_office is not None,
        }
