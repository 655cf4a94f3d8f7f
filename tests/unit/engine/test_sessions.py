"""Promises of sessions: connections, the fence around them, and what goes with a lost one."""

from __future__ import annotations

import pytest

from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import source_number
from messages.trading.terms import CancelOnDisconnect
from tests.unit.engine.scenario import (
    ALAN,
    ALICE,
    GATEWAY,
    SECOND,
    Market,
    without_levels,
)


@pytest.fixture
def market() -> Market:
    return Market()


def test_a_closed_connection_is_fenced_and_a_new_one_must_be_numbered_higher(
    market: Market,
) -> None:
    market.buy(1, at=90)
    assert market.close(1) == ["closed 1 on 1 cancelled 0", "fenced 1 on 1 NONE cancelled 0"]
    assert market.buy(1, at=90) == ["rejected SESSION_CLOSED 0 1"]
    assert market.cancel(1) == ["cancel rejected SESSION_CLOSED 0 1"]
    assert market.open(1, connection=3) == ["opened 1 on 3"]
    assert market.cancel(1, connection=1) == ["cancel rejected SESSION_CLOSED 3 1"]
    assert market.cancel(1, connection=3)[0] == "cancelled 1 REQUESTED"


def test_a_new_connection_closes_the_former(market: Market) -> None:
    assert market.open(1, connection=2) == [
        "closed 1 on 1 cancelled 0",
        "fenced 1 on 1 NONE cancelled 0",
        "opened 1 on 2",
    ]


@pytest.mark.parametrize(("mode", "gone"), [(0, []), (1, [1, 2]), (2, [1, 2, 3])])
def test_cancel_on_disconnect(market: Market, mode: int, gone: list[int]) -> None:
    market.grant(ALICE, session=4)
    market.open(4, connection=1)
    market.grant(ALAN, cancel_on_disconnect=mode)
    market.buy(1, at=90)
    market.buy(1, at=90, account=ALAN)
    market.buy(1, at=90, session=4)
    lines = [f"cancelled {each} DISCONNECT" for each in gone]
    assert without_levels(market.close(1)) == [
        *lines,
        f"closed 1 on 1 cancelled {len(gone)}",
        f"fenced 1 on 1 {CancelOnDisconnect(mode).name} cancelled {len(gone)}",
    ]


@pytest.mark.parametrize("returns", [True, False])
def test_within_its_grace_a_session_may_come_back_for_its_orders(
    market: Market, returns: bool
) -> None:
    market.grant(ALICE, cancel_on_disconnect=1, disconnect_grace_ns=5 * SECOND)
    market.buy(1, at=90)
    assert market.close(1) == [
        "closed 1 on 1 cancelled 0",
        "fenced 1 on 1 SESSION cancelled 0 waits",
    ]
    assert market.later(5 * SECOND - 1) == []
    if returns:
        market.open(1, connection=2)
    lines = without_levels(market.later(1))
    ran_out = ["cancelled 1 DISCONNECT", "fenced 1 on 1 SESSION cancelled 1"]
    assert lines == ([] if returns else ran_out)


@pytest.mark.parametrize(("granted", "chosen", "gone"), [(0, 1, 1), (0, 2, 2), (1, 0, 0)])
def test_what_a_connection_chose_holds_until_the_next(
    market: Market, granted: int, chosen: int, gone: int
) -> None:
    market.grant(ALICE, cancel_on_disconnect=granted)
    market.buy(1, at=90)
    market.grant(ALICE, session=4)
    market.open(4, connection=1)
    market.buy(1, at=90, session=4)
    opened = without_levels(market.open_on_terms(1, connection=2, mode=chosen))
    assert opened[-1] == "opened 1 on 2"
    mode = CancelOnDisconnect(chosen).name
    closed = without_levels(market.close(1, connection=2))
    assert closed[-1] == f"fenced 1 on 2 {mode} cancelled {gone}"
    market.open(1, connection=3)
    mode = CancelOnDisconnect(granted).name
    assert without_levels(market.close(1, connection=3))[-1].startswith(f"fenced 1 on 3 {mode} ")


def test_a_chosen_grace_stands_in_the_place_of_the_granted(market: Market) -> None:
    market.grant(ALICE, cancel_on_disconnect=1)
    market.open_on_terms(1, connection=2, mode=1, grace_ns=SECOND)
    market.buy(1, at=90, connection=2)
    assert market.close(1, connection=2)[-1] == "fenced 1 on 2 SESSION cancelled 0 waits"
    ran_out = ["cancelled 1 DISCONNECT", "fenced 1 on 2 SESSION cancelled 1"]
    assert without_levels(market.later(SECOND)) == ran_out


def test_a_lost_drop_copy_takes_the_orders_with_it_that_it_watched(market: Market) -> None:
    market.grant(ALICE, session=4, rights=2, cancel_on_disconnect=2)
    market.open(4, connection=1)
    market.buy(1, at=90)
    market.buy(1, at=90, account=ALAN)
    assert without_levels(market.close(4)) == [
        "cancelled 1 DISCONNECT",
        "closed 4 on 1 cancelled 1",
        "fenced 4 on 1 ACCOUNT cancelled 1",
    ]


def test_the_fence_says_the_last_request_that_was_sequenced(market: Market) -> None:
    source = source_number(GATEWAY, 1)
    market.open(1, connection=2)
    market.buy(1, at=90, connection=2, source=source, epoch=7, source_sequence=41)
    market.buy(1, at=90, connection=2, source=source, epoch=7, source_sequence=42)
    market.send(c.CloseSession, session=1, connection=2, source=source_number(GATEWAY, 99))
    fenced = market.records[-1]
    assert isinstance(fenced, e.SessionFenced)
    assert (fenced.epoch, fenced.last_source_sequence) == (7, 42)


def test_a_lost_link_closes_the_sessions_it_carried(market: Market) -> None:
    market.send(
        c.OpenSession,
        session=2,
        connection=9,
        source=source_number(GATEWAY + 1, 2),
        source_sequence=1,
    )
    assert market.send(c.LinkLost, principal=GATEWAY) == [
        "closed 1 on 1 cancelled 0",
        "fenced 1 on 1 NONE cancelled 0",
        "closed 3 on 1 cancelled 0",
        "fenced 3 on 1 NONE cancelled 0",
    ]


def test_rights_can_be_taken_away(market: Market) -> None:
    market.grant(ALICE, rights=2)
    assert market.buy(1, at=90) == ["rejected SESSION_NOT_ENTITLED 1 2"]
    market.grant(ALICE, rights=0)
    assert market.buy(1, at=90) == ["rejected SESSION_NOT_ENTITLED 1 0"]
