"""Actions on limits: of accounts, of their money, and of quotes' protection groups.

One operator may lower a limit, or raise it within ``[admin_api.alone]``; above, and whenever a
credit line grows, it takes two: a line is money that the venue lends.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from exchange.admin.actions import Body, Count, Decimal, Desk, Done, Hands, Plan, Word
from exchange.configuration import AloneTable
from exchange.directory import Directory, describe
from exchange.errors import CommandError
from exchange.operator_link import matching
from exchange.wanted import NANOSECONDS
from messages.layout import plain_text
from messages.trading import commands, events

_NANOSECONDS_A_MILLISECOND = 1_000_000
_RATE_MAX = 1_000_000

Rate = Annotated[int, msgspec.Meta(ge=0, le=_RATE_MAX)]


class SetLimits(Body, frozen=True):
    """Set an account's limits; what is not given stays as it is."""

    account: Word
    open_orders: Count | None = None
    burst: Count | None = None
    per_second: Rate | None = None
    asset: Word | None = None
    credit_line: Decimal | None = None
    position_max: Decimal | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        known = desk.known
        account = known.account(self.account)
        money = self._asset_command(known, account)
        orders = self._account_command(known, account)
        if money is None and orders is None:
            raise CommandError("which limit?")
        changes: list[str] = []
        takes_two = False
        if orders is not None:
            now = known.account_limits(account)
            changes += _changes(orders, now, _OF_ACCOUNT)
            takes_two |= _is_above(orders, now, desk.alone)
        if money is not None:
            line = known.asset_limits(account, money.asset)
            changes += _changes(money, line, _OF_ASSET)
            takes_two |= _lends_more(known, money, line, desk.alone)
        said = "; ".join(changes) or "nothing"
        return Plan(
            summary=f"change limits of {known.name('account', account)}: {said}",
            perform=_sending(orders, money),
            takes_two=takes_two,
        )

    def _asset_command(self, known: Directory, account: int) -> commands.SetAssetLimits | None:
        if self.asset is None:
            if self.credit_line is not None or self.position_max is not None:
                raise CommandError("credit_line and position_max need an asset")
            return None
        asset = known.asset(self.asset)
        line = known.asset_limits(account, asset.asset)
        credit = line.credit_line_atoms if line else 0
        position = line.position_max_atoms if line else 0
        if self.credit_line is not None:
            credit = known.atoms(asset, self.credit_line)
        if self.position_max is not None:
            position = known.atoms(asset, self.position_max)
        return commands.SetAssetLimits.make(
            account=account,
            asset=asset.asset,
            credit_line_atoms=credit,
            position_max_atoms=position,
        )

    def _account_command(self, known: Directory, account: int) -> commands.SetAccountLimits | None:
        if (self.open_orders, self.burst, self.per_second) == (None, None, None):
            return None
        now = known.account_limits(account)
        rate = self.per_second
        interval = now.message_interval_ns if rate is None else (NANOSECONDS // rate if rate else 0)
        return commands.SetAccountLimits.make(
            account=account,
            open_orders_max=now.open_orders_max if self.open_orders is None else self.open_orders,
            message_burst=now.message_burst if self.burst is None else self.burst,
            message_interval_ns=interval,
        )


_OF_ACCOUNT = ("open_orders_max", "message_burst", "message_interval_ns")
_OF_ASSET = ("credit_line_atoms", "position_max_atoms")


def _changes(command: commands.Command, now: object, names: tuple[str, ...]) -> list[str]:
    """Say each field that changes, from what to what."""
    return [
        f"{name} {before} to {getattr(command, name)}"
        for name in names
        if (before := getattr(now, name, 0)) != getattr(command, name)
    ]


def _is_above(
    command: commands.SetAccountLimits, now: events.AccountLimitsSet, alone: AloneTable
) -> bool:
    """Say whether an account would get more than one operator may give it."""
    grows = command.open_orders_max > now.open_orders_max
    if grows and command.open_orders_max > alone.open_orders_max:
        return True
    if not _throttles(now):
        return False  # there was no limit: any is a lower one
    if not _throttles(command):
        return True
    before, after = now.message_interval_ns, command.message_interval_ns
    is_faster = after < before and after < NANOSECONDS // alone.messages_per_second_max
    before, after = now.message_burst, command.message_burst
    return is_faster or (after > before and after > alone.message_burst_max)


def _throttles(limits: commands.SetAccountLimits | events.AccountLimitsSet) -> bool:
    """Say whether messages are limited at all: a burst or an interval of 0 is no limit."""
    return limits.message_burst != 0 and limits.message_interval_ns != 0


def _lends_more(
    known: Directory,
    command: commands.SetAssetLimits,
    now: events.AssetLimitsSet | None,
    alone: AloneTable,
) -> bool:
    """Say whether a credit line grows, or a position limit above what one operator may give."""
    if command.credit_line_atoms > (now.credit_line_atoms if now else 0):
        return True
    before, after = (now.position_max_atoms if now else 0), command.position_max_atoms
    if before == 0 or (after != 0 and after <= before):
        return False  # there was no limit, or a lower one comes
    asset = known.asset(str(command.asset))
    allowed = alone.position_max.get(plain_text(asset.symbol))
    return after == 0 or allowed is None or after > known.atoms(asset, allowed)


def _sending(
    orders: commands.SetAccountLimits | None, money: commands.SetAssetLimits | None
) -> Callable[[Hands], Awaitable[Done]]:
    async def perform(hands: Hands) -> Done:
        done = []
        if orders is not None:
            wanted = matching(events.AccountLimitsSet, account=orders.account)
            done.append(await hands.send(orders, wanted))
        if money is not None:
            wanted = matching(events.AssetLimitsSet, account=money.account, asset=money.asset)
            done.append(await hands.send(money, wanted))
        return Done(said="; ".join(map(describe, done)), event=done[-1].number)

    return perform


class DefineProtection(Body, frozen=True):
    """Give a protection group its limits; it counts from nothing, and is not frozen."""

    account: Word
    group: Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
    base: Word | None = None
    quote: Word | None = None
    quantity_max: Decimal | None = None
    notional_max: Decimal | None = None
    delta_max: Decimal | None = None
    trades_max: Count | None = None
    window_ms: Count | None = None
    frozen_ms: Count | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        command = self.command(desk.known)

        async def perform(hands: Hands) -> Done:
            wanted = matching(
                events.ProtectionDefined,
                account=command.account,
                protection_group=command.protection_group,
            )
            event = await hands.send(command, wanted)
            return Done(said=describe(event), event=event.number)

        return Plan(
            summary=f"define protection group {self.group} of {self.account}", perform=perform
        )

    def command(self, known: Directory) -> commands.DefineProtection:
        """Make the command: what is not given stays as it is.

        Raises:
            CommandError: a new group without a base asset, or a notional without a quote asset.
        """
        now = self._now(known)
        if not self.base and not now.base_asset:
            raise CommandError("a new group needs a base asset")
        base = known.asset(self.base or str(now.base_asset))
        named = self.quote or (str(now.quote_asset) if now.quote_asset else "")
        quote = known.asset(named) if named else None
        if self.notional_max is not None and quote is None:
            raise CommandError("notional_max needs a quote asset")

        def amount(text: str | None, asset: events.AssetCreated | None, present: int) -> int:
            return present if text is None or asset is None else known.atoms(asset, text)

        def duration(milliseconds: int | None, present: int) -> int:
            return present if milliseconds is None else milliseconds * _NANOSECONDS_A_MILLISECOND

        return commands.DefineProtection.make(
            account=known.account(self.account),
            protection_group=self.group,
            base_asset=base.asset,
            quote_asset=quote.asset if quote is not None else 0,
            trades_max=now.trades_max if self.trades_max is None else self.trades_max,
            quantity_max_atoms=amount(self.quantity_max, base, now.quantity_max_atoms),
            notional_max_atoms=amount(self.notional_max, quote, now.notional_max_atoms),
            delta_max_atoms=amount(self.delta_max, base, now.delta_max_atoms),
            window_ns=duration(self.window_ms, now.window_ns),
            frozen_ns=duration(self.frozen_ms, now.frozen_ns),
        )

    def _now(self, known: Directory) -> events.ProtectionDefined:
        account = known.account(self.account)
        for each in known.records:
            if isinstance(each, events.ProtectionDefined) and (
                (each.account, each.protection_group) == (account, self.group)
            ):
                return each
        return events.ProtectionDefined.make(window_ns=1000 * _NANOSECONDS_A_MILLISECOND)
