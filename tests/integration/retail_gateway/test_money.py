"""Deposits and withdrawals, read from a ledger that settlement has booked."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from messages.trading.events import BalanceChanged
from messages.trading.terms import BalanceCause
from retail_gateway.adapters.postgres import postgres_history
from retail_gateway.adapters.postgres_money import PostgresMoney
from retail_gateway.database import migrate
from retail_gateway.ports import MoneyRange, Movement, MovementState
from tests.integration.settlement.conftest import migrated, settle
from tests.unit.settlement.flow import BASES, QUOTE, Flow, flow_of

ALWAYS = MoneyRange(start_ns=0, end_ns=2**62, limit=1000)
ENDS = {
    BalanceCause.WITHDRAWAL_COMMITTED: MovementState.DONE,
    BalanceCause.WITHDRAWAL_RELEASED: MovementState.TAKEN_BACK,
}


@pytest.fixture
async def ledger(database: str) -> str:
    """A database with settlement's schema and ours."""
    await migrated(database)
    await migrate(database)
    return database


@pytest.fixture
async def money(ledger: str) -> AsyncIterator[PostgresMoney]:
    async with postgres_history(ledger, first=1, last=2) as (_, _, reading):
        yield PostgresMoney(reading)


def moved(flow: Flow, account: int) -> tuple[list[Movement], list[Movement]]:
    """Compute what came in and went out from the events; the first of equal ones ends first."""
    came: list[Movement] = []
    went: dict[object, Movement] = {}
    for event in flow.records:
        if not isinstance(event, BalanceChanged) or event.account != account:
            continue
        row = Movement(
            event_number=event.number,
            asset=event.asset,
            amount_atoms=event.amount_atoms,
            state=MovementState.DONE,
            began_at_ns=event.time_ns,
            ended_at_ns=event.time_ns,
        )
        cause = BalanceCause(event.cause)
        if cause is BalanceCause.CREDIT:
            came.append(row)
        elif cause is BalanceCause.DEBIT:
            went[event.number] = row
        elif cause is BalanceCause.WITHDRAWAL_RESERVED:
            went[event.reference] = with_end(row, MovementState.PENDING, 0)
        else:
            began = next(
                name
                for name, each in went.items()
                if each.state is MovementState.PENDING
                and (each.asset, each.amount_atoms) == (event.asset, event.amount_atoms)
            )
            went[began] = with_end(went[began], ENDS[cause], event.time_ns)
    return came[::-1], sorted(went.values(), key=lambda each: -each.event_number)


def with_end(row: Movement, state: MovementState, at_ns: int) -> Movement:
    return Movement(
        event_number=row.event_number,
        asset=row.asset,
        amount_atoms=row.amount_atoms,
        state=state,
        began_at_ns=row.began_at_ns,
        ended_at_ns=at_ns,
    )


async def test_what_came_in_and_went_out_is_what_the_events_say(
    ledger: str, money: PostgresMoney, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=300)
    # One of each end at least, in amounts that nothing else has.
    for ordinal, cause in enumerate((0, *ENDS)):
        amount, name = 777_000_000_001 + ordinal, b"w-%d" % ordinal
        flow.money(BalanceCause.CREDIT, 11, QUOTE, amount)
        flow.money(BalanceCause.WITHDRAWAL_RESERVED, 11, QUOTE, amount, name)
        if cause:
            flow.money(cause, 11, QUOTE, amount, name)
    flow.money(BalanceCause.DEBIT, 11, QUOTE, 5)
    await settle(ledger, flow.batches(commands_max=20))
    for account in flow.accounts:
        came, went = moved(flow, account)
        assert await money.deposits(account, ALWAYS) == came
        assert await money.withdrawals(account, ALWAYS) == went
        going: dict[int, int] = {}
        for each in went:
            if each.state is MovementState.PENDING:
                going[each.asset] = going.get(each.asset, 0) + each.amount_atoms
        assert await money.withdrawing(account) == going
    assert {each.state for each in moved(flow, 11)[1]} == set(MovementState)


async def test_a_page_is_of_a_range_a_coin_a_state_and_an_event(
    ledger: str, money: PostgresMoney, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    for ordinal in range(1, 8):
        asset = (QUOTE, *BASES)[ordinal % 3]
        flow.money(BalanceCause.CREDIT, 12, asset, ordinal)
        flow.money(BalanceCause.WITHDRAWAL_RESERVED, 12, asset, ordinal, b"w-%d" % ordinal)
        if ordinal % 2:
            flow.money(BalanceCause.WITHDRAWAL_COMMITTED, 12, asset, ordinal, b"w-%d" % ordinal)
    await settle(ledger, flow.batches(commands_max=5))
    came, went = moved(flow, 12)
    third = came[2]
    one = ALWAYS._replace(start_ns=third.began_at_ns, end_ns=third.began_at_ns)
    assert await money.deposits(12, one) == [third]
    assert await money.deposits(12, ALWAYS._replace(event_number=third.event_number)) == [third]
    assert await money.deposits(12, ALWAYS._replace(limit=2, offset=1)) == came[1:3]
    assert await money.deposits(12, ALWAYS._replace(asset=BASES[0])) == [
        each for each in came if each.asset == BASES[0]
    ]
    for state in (MovementState.PENDING, MovementState.DONE):
        fit = [each for each in went if each.state is state]
        assert fit
        assert await money.withdrawals(12, ALWAYS._replace(state=state)) == fit
    assert await money.withdrawals(13, ALWAYS) == []


async def test_of_equal_withdrawals_the_first_that_began_is_the_first_that_ended(
    ledger: str, money: PostgresMoney, chance: random.Random
) -> None:
    flow = flow_of(chance, steps=0)
    for name in (b"one", b"two"):
        flow.money(BalanceCause.WITHDRAWAL_RESERVED, 11, QUOTE, 9, name)
    flow.money(BalanceCause.WITHDRAWAL_COMMITTED, 11, QUOTE, 9, b"two")
    await settle(ledger, flow.batches(commands_max=5))
    newer, older = await money.withdrawals(11, ALWAYS)
    assert (newer.state, older.state) == (MovementState.PENDING, MovementState.DONE)
