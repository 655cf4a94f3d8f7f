"""Decisions about settlement cycles, as the operators' plane plans and makes them."""

from collections import defaultdict
from typing import Literal, NamedTuple

import msgspec

from exchange.cycle_report import party_name
from exchange.errors import CommandError
from exchange.ledger_names import LedgerNames
from runtime.postgres import Connection
from settlement.cycle_decisions import Ask, ledger_position
from settlement.cycle_queries import Standing, instructions, modes
from settlement.cycle_queries import mode_of as mode_now
from settlement.cycle_terms import SettlementMode
from settlement.cycles import close_cycle, last_cycle
from settlement.instructions import OPEN_STATES, Chosen, Outcome, confirm, digest_of, fail
from settlement.modes import set_mode

LISTED_MAX = 20
"""Instructions that a summary names one by one."""


class CycleOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants decided."""

    kind: Literal["close", "confirm", "fail", "mode"]
    reference: str = ""
    instructions: tuple[int, ...] = ()
    cycle: int | None = None
    account: str | None = None
    amount: str | None = None
    mode: Literal["gross", "net"] | None = None
    digest: str = ""
    """Of the instructions that it is about, once it is planned."""


class Planned(NamedTuple):
    """What a decision would be about, and the order with all of that fixed."""

    words: str
    order: CycleOrder


async def planned(connection: Connection, order: CycleOrder) -> Planned:
    """Say what a decision would be about, as things stand.

    Raises:
        CommandError: there is nothing such to decide.
    """
    names = await LedgerNames.read(connection)
    if order.kind == "close":
        last = await last_cycle(connection)
        position = await ledger_position(connection)
        if not position:
            raise CommandError("nothing is in the ledger")
        number, after = (last.cycle + 1, last.through_event) if last else (1, 0)
        words = f"close settlement cycle {number}, after event {after}"
        return Planned(f"{words}, reference {order.reference}", order)
    if order.kind == "mode":
        account = names.account(order.account or "")
        now = mode_now(await modes(connection), account).name.lower()
        words = f"let {names.account_name(account)}, which settles {now}, settle {order.mode}"
        return Planned(f"{words}, reference {order.reference}", order)
    found = await _found(connection, names, order)
    order = msgspec.structs.replace(
        order,
        digest=digest_of(found),
        reference=reference_of(order, highest=max(each.instruction for each in found)),
    )
    amount = f", {order.amount} of it" if order.amount is not None else ""
    return Planned(
        f"{order.kind} {_all_told(names, found)}{amount}, digest {order.digest},"
        f" reference {order.reference}",
        order,
    )


async def decided(connection: Connection, order: CycleOrder, ask: Ask) -> str:
    """Make a decision and say what came of it.

    Args:
        connection: without a transaction, as the application's role.
        order: as ``planned`` returned it.
        ask: who decides, when and why; the reference is the order's.

    Raises:
        SettlementRefusedError: it cannot be.
        CommandError: there is nothing such to decide.
    """
    names = await LedgerNames.read(connection)
    ask = msgspec.structs.replace(ask, reference=order.reference)
    if order.kind == "close":
        made = await close_cycle(connection, ask)
        return f"cycle {made.cycle} of {made.business_date} ends with event {made.through_event}"
    if order.kind == "mode":
        assert order.mode is not None, "the body requires it"
        account = names.account(order.account or "")
        recorded = await set_mode(
            connection, ask, account=account, mode=SettlementMode[order.mode.upper()]
        )
        return f"{names.account_name(account)} settles {order.mode} after event {recorded.at_event}"
    chosen = _chosen(names, order)
    if order.kind == "fail":
        return _said("failed", await fail(connection, ask, chosen))
    amount = None
    if order.amount is not None:
        (only,) = await _found(connection, names, order)
        amount = names.assets[only.asset].atoms(order.amount)
    return _said("confirmed", await confirm(connection, ask, chosen, amount_atoms=amount))


def reference_of(order: CycleOrder, *, highest: int) -> str:
    """Return the decision's reference: the given one, or one made of what it is about.

    What is open of a cycle changes when failed instructions are issued again, so its highest
    number is in the reference: after the decision that one is open no more.
    """
    if order.reference:
        return order.reference
    if order.cycle is None:
        return "-".join([order.kind, *map(str, sorted(order.instructions))])
    parts = [order.kind, "cycle", str(order.cycle), order.account, f"to-{highest}"]
    return "-".join(part for part in parts if part)


def _chosen(names: LedgerNames, order: CycleOrder) -> Chosen:
    if bool(order.instructions) == (order.cycle is not None):
        raise CommandError("name instructions by their numbers, or a cycle")
    if order.account and order.cycle is None:
        raise CommandError("an account is for what is open of a cycle")
    if order.amount is not None and (len(order.instructions) != 1 or not order.reference):
        raise CommandError("an amount is for one instruction, and needs a reference")
    return Chosen(
        numbers=order.instructions,
        cycle=order.cycle,
        account=names.account(order.account) if order.account else None,
        digest=order.digest,
    )


async def _found(connection: Connection, names: LedgerNames, order: CycleOrder) -> list[Standing]:
    chosen = _chosen(names, order)
    if chosen.cycle is None:
        found = await instructions(connection, numbers=chosen.numbers)
    else:
        found = await instructions(
            connection, cycle=chosen.cycle, account=chosen.account, states=OPEN_STATES
        )
    if not found or (chosen.numbers and len(found) != len(set(chosen.numbers))):
        raise CommandError(f"there is no open {chosen}")
    return found


def _all_told(names: LedgerNames, found: list[Standing]) -> str:
    """Name instructions, or the first of them and what all come to in each asset."""
    told = [_told(names, each) for each in found[:LISTED_MAX]]
    if len(found) <= LISTED_MAX:
        return "; ".join(told)
    sums: defaultdict[tuple[int, str], int] = defaultdict(int)
    for each in found:
        way = "received" if each.amount_atoms > 0 else "delivered"
        sums[each.asset, way] += abs(each.rest_atoms)
    come_to = [
        f"{names.amount(asset, atoms)} {way}" for (asset, way), atoms in sorted(sums.items())
    ]
    told.append(f"and {len(found) - LISTED_MAX} more; {len(found)} in all: {', '.join(come_to)}")
    return "; ".join(told)


def _told(names: LedgerNames, each: Standing) -> str:
    way = "receives" if each.amount_atoms > 0 else "delivers"
    return (
        f"instruction {each.instruction} ({party_name(names, each.party, each.account)} {way}"
        f" {names.amount(each.asset, abs(each.rest_atoms))})"
    )


def _said(word: str, outcome: Outcome) -> str:
    before = " before" if outcome.is_repeat else ""
    return f"{word}{before}: {outcome.instructions} by decision {outcome.decision}"
