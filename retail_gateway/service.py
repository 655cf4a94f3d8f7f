"""The retail API as a process: the link to the core, the door, and what forgets in between."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from retail_gateway.allowances import Allowances, Counters
from retail_gateway.core_link import CoreLink, Dial
from retail_gateway.countdown import CountdownDesk
from retail_gateway.enquiries import EnquiryDesk
from retail_gateway.exchange_info import GeneralDesk
from retail_gateway.front import Front
from retail_gateway.market import Market
from retail_gateway.market_data import Dial as MarketDial
from retail_gateway.market_data import MarketDataLink
from retail_gateway.metrics import RetailMetrics
from retail_gateway.people import PersonAccounts
from retail_gateway.ports import (
    Beginning,
    Clock,
    History,
    HistoryAwayError,
    MoneyHistory,
    People,
    Signers,
)
from retail_gateway.rest import openapi
from retail_gateway.rest.application import Application, page
from retail_gateway.routes import Desks, endpoints
from retail_gateway.settings import RetailSettings
from retail_gateway.signing import Notary, Replays
from retail_gateway.sockets.service import ServerFactory, SocketService
from retail_gateway.state import RetailState
from retail_gateway.trading import TradingDesk
from retail_gateway.user_data import UserData
from retail_gateway.wallet import WalletDesk
from runtime import quick_server
from runtime.quick_http import QuickBounds
from runtime.shelf import Shelf

log = structlog.get_logger()

_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS_MAX: Final = 10
_DOORS: Final = 2
"""REST, and the WebSocket API."""


class RetailService:
    """All of it, over adapters that the caller has chosen."""

    name = "retail_api"

    def __init__(
        self,
        settings: RetailSettings,
        *,
        dial: Dial,
        market_data: MarketDial,
        history: History,
        money: MoneyHistory,
        people: People,
        signers: Signers,
        counters: Counters,
        clock: Clock,
        signed_since_ns: int,
        registry: CollectorRegistry,
        shelf: Shelf | None = None,
    ) -> None:
        """Describe the service.

        ``signed_since_ns`` is when it began: what was signed before may have been used before,
        and changes nothing.
        """
        limits = settings.limits
        self._settings = settings
        self._history = history
        self._metrics = RetailMetrics(registry)
        market = Market(settings.session)
        self._state = RetailState(
            market,
            first=settings.first_account,
            last=settings.last_account,
            kept_max=limits.kept_max,
        )
        user_data = UserData(self._state, clock)
        self._link = link = CoreLink(dial, self._state, settings, clock=clock, user_data=user_data)
        self._market_data = MarketDataLink(market_data, shelf)
        allowances = Allowances(limits, counters)
        desks = Desks(
            general=GeneralDesk(self._state, allowances, clock, name="RIALTO"),
            trading=TradingDesk(link, self._state),
            enquiries=EnquiryDesk(self._state, history, clock),
            market_data=self._market_data,
            wallet=WalletDesk(self._state, money, signers, clock, is_open=link.is_caught_up.is_set),
            countdown=CountdownDesk(link, settings, clock),
        )
        self._table = endpoints(desks)
        self._accounts = accounts = PersonAccounts(people, link, market, settings)
        self._front = Front(
            allowances=allowances,
            notary=Notary(signers, Replays(limits.signatures_max, begun_ns=signed_since_ns), clock),
            accounts=accounts,
            clock=clock,
            refused=lambda name: self._metrics.refused.labels(name).inc(),
        )
        self._sockets = SocketService(self._front, user_data, self._table, settings.sockets)
        self._is_database_there = True

    @property
    def is_linked(self) -> asyncio.Event:
        """Say whether all that the venue had told is known, so that people can trade."""
        return self._link.is_caught_up

    async def run(
        self,
        serve: ServerFactory,
        stop: asyncio.Event,
        *,
        context: ssl.SSLContext | None = None,
        listening: Callable[[dict[str, str]], None],
    ) -> None:
        """Serve until asked to stop, and answer what is in hand.

        Args:
            serve: makes the listening socket of the WebSocket API.
            stop: ends it.
            context: for TLS; None for plain HTTP.
            listening: told where REST and the WebSocket API are, once both are.

        Raises:
            LinkError: one that is never retried. SettingsError: the address cannot be had.
        """
        beginning = await self._beginning(stop)
        if beginning is None:
            return
        self._state.begin(beginning.orders, after=beginning.position)
        self._link.expect(beginning.venue)
        application = Application(
            self._front,
            self._table,
            body_bytes_max=self._settings.http.body_bytes_max,
            pages={
                openapi.DOCUMENT_PATH: page(
                    "application/json", msgspec.json.encode(openapi.document(self._table))
                ),
                openapi.PAGE_PATH: page(
                    "text/html;charset=UTF-8", openapi.page(self._table).encode()
                ),
            },
        )
        unlinked = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(unlinked), name="retail.core_link")
            beside = [
                group.create_task(self._forget(), name="retail.forget"),
                group.create_task(self._market_data.run(), name="retail.market_data"),
            ]
            await self._serve_both(application, serve, context, stop, listening)
            # The link goes on until the last answer has been given.
            unlinked.set()
            for task in beside:
                task.cancel()

    def person_changed(self, person_id: str | None) -> None:
        """Take note that a person's keys may have changed; None: anybody's."""
        account = None if person_id is None else self._accounts.known(person_id)
        if person_id is None or account is not None:
            self._sockets.look_again(account)

    async def _beginning(self, stop: asyncio.Event) -> Beginning | None:
        first, last = self._settings.first_account, self._settings.last_account
        while not stop.is_set():
            try:
                return await self._history.beginning(first, last)
            except HistoryAwayError as error:
                log.warning("database_away", reason=str(error))
                await asyncio.sleep(_LOOK_SECONDS)
        return None

    async def _serve_both(
        self,
        application: Application,
        serve: ServerFactory,
        context: ssl.SSLContext | None,
        stop: asyncio.Event,
        listening: Callable[[dict[str, str]], None],
    ) -> None:
        found: dict[str, str] = {}

        def found_at(name: str, address: str) -> None:
            found[name] = address
            if len(found) == _DOORS:
                listening(found)

        where = self._settings.host, self._settings.socket_port
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self._sockets.run(
                    serve, where, stop, context=context, listening=partial(found_at, "ws_api")
                ),
                name="retail.sockets",
            )
            group.create_task(
                self._serve(application, context, stop, partial(found_at, "rest")),
                name="retail.rest",
            )

    async def _serve(
        self,
        application: Application,
        context: ssl.SSLContext | None,
        stop: asyncio.Event,
        listening: Callable[[str], None],
    ) -> None:
        http = self._settings.http
        bounds = QuickBounds(
            connections_max=http.connections_max,
            connections_per_network_max=http.connections_per_network_max,
            exchange_seconds_max=http.request_seconds_max,
            handshake_seconds_max=http.handshake_seconds_max,
            header_bytes_max=http.header_bytes_max,
            body_bytes_max=http.body_bytes_max,
            stop_seconds_max=_STOP_SECONDS_MAX,
        )
        await quick_server.serve(
            application,
            (self._settings.host, self._settings.port),
            bounds,
            context,
            stop,
            table="[retail_api]",
            listening=listening,
        )

    async def _forget(self) -> None:
        """Forget what the database has, as it comes to have it."""
        while True:
            try:
                orders, ledger = await self._history.positions()
                self._state.forget(orders_through=orders, trades_through=ledger)
                self._is_database_there = True
            except HistoryAwayError as error:
                self._is_database_there = False
                log.warning("database_away", reason=str(error))
            self._metrics.seen.set(self._state.position)
            self._metrics.waiting.set(self._link.waiting_count)
            await asyncio.sleep(_LOOK_SECONDS)

    def health(self) -> dict[str, object]:
        """Say whether people can trade and ask."""
        is_linked = self._link.is_caught_up.is_set()
        is_complete = self._state.missing_through == 0
        return {
            "healthy": is_linked and self._is_database_there and is_complete,
            "linked": is_linked,
            "market_data": self._market_data.is_linked,
            "sockets": self._sockets.connections,
            "through_event": self._state.position,
            "history_complete": is_complete,
        }
