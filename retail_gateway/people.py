"""A person's trading account: opened by sequenced commands on first use, exactly once.

The number is kept before the venue hears of it, and every command of the opening may be repeated,
so whoever dies in between is continued by whoever asks next.
"""

import asyncio
from collections.abc import Mapping

import structlog

from messages.layout import padded_text
from messages.trading import commands
from messages.trading.codes import RejectCode
from messages.trading.terms import AccountKind, SelfTradePrevention, SessionRight
from retail_gateway.core_link import CoreLink
from retail_gateway.market import Market
from retail_gateway.ports import HistoryAwayError, People
from retail_gateway.refusals import DATABASE_AWAY, VENUE_AWAY, DoorCode, Refusal, door_refusal
from retail_gateway.settings import RetailSettings

log = structlog.get_logger()

_NANOSECONDS = 1_000_000_000


class PersonAccounts:
    """Finds and opens people's accounts."""

    def __init__(
        self, people: People, link: CoreLink, market: Market, settings: RetailSettings
    ) -> None:
        self._people = people
        self._link = link
        self._market = market
        self._settings = settings
        self._open: dict[str, int] = {}
        self._opening: dict[str, asyncio.Task[int | Refusal]] = {}

    def known(self, person_id: str) -> int | None:
        """Return a person's account, if it was asked for since we began."""
        return self._open.get(person_id)

    async def account_of(self, person_id: str) -> int | Refusal:
        """Return a person's account, opened if it was not."""
        if not self._link.is_caught_up.is_set():
            return VENUE_AWAY  # what we know may be old, and whose accounts there are too little
        account = self._open.get(person_id)
        if account is not None:
            return account
        task = self._opening.get(person_id)
        if task is None:
            task = asyncio.create_task(self._opened(person_id), name="retail.open_account")
            self._opening[person_id] = task
            task.add_done_callback(lambda _done: self._opening.pop(person_id, None))
        # A client that goes away does not stop what others wait for.
        return await asyncio.shield(task)

    async def _opened(self, person_id: str) -> int | Refusal:
        try:
            account = await self._people.account_of(
                person_id, lambda number: number in self._market.accounts
            )
        except HistoryAwayError:
            return DATABASE_AWAY
        if account is None:
            limit = self._settings.last_account - self._settings.first_account + 1
            return door_refusal(
                DoorCode.ACCOUNTS_EXCEEDED,
                -1008,
                "Server is currently overloaded with other requests. "
                "Please try again in a few minutes.",
                status=503,
                limit=limit,
                usage=limit + 1,
            )
        refused = await self._define(account)
        if refused is not None:
            log.warning("account_not_opened", account=account, reason=refused.details.name)
            return refused
        self._open[person_id] = account
        log.info("account_ready", account=account)
        return account

    async def _define(self, account: int) -> Refusal | None:
        settings, market, limits = self._settings, self._market, self._settings.account
        rate = limits.messages_per_second
        steps: list[tuple[bool, type[commands.Command], int, Mapping[str, int | bytes]]] = [
            (
                settings.firm in market.firms,
                commands.CreateFirm,
                0,
                {"firm": settings.firm, "name": padded_text(settings.firm_name, 32)},
            ),
            (
                account in market.accounts,
                commands.CreateAccount,
                account,
                {
                    "firm": settings.firm,
                    "account_kind": AccountKind.CLIENT,
                    "self_trade_prevention": SelfTradePrevention.CANCEL_RESTING,
                    "name": padded_text(f"RETAIL-{account}", 32),
                },
            ),
            (
                account in market.limited,
                commands.SetAccountLimits,
                account,
                {
                    "open_orders_max": limits.open_orders_max,
                    "message_burst": limits.message_burst if rate else 0,
                    "message_interval_ns": _NANOSECONDS // rate if rate else 0,
                },
            ),
            (
                account in market.granted,
                commands.GrantSession,
                account,
                {
                    "session": settings.session,
                    "firm": settings.firm,
                    "rights": SessionRight.TRADE,
                    "name": padded_text(settings.session_name, 32),
                },
            ),
        ]
        for is_done, kind, of, fields in steps:
            if is_done:
                continue
            outcome = await self._link.ask(kind, of, fields, with_session=False)
            if isinstance(outcome, Refusal) and outcome.details.code != RejectCode.ALREADY_EXISTS:
                return outcome
        await self._link.open_session()
        return None
