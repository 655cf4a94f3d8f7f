"""What the gateway looks at in batches of events: all that may be told, and every answer."""

from __future__ import annotations

import random

import pytest

from core import _native
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.interest import PLACES, interest_of
from fix_gateway.translation.outbound import is_definition
from fix_gateway.watch import Watch
from messages.layout import Record
from messages.trading import commands as c
from messages.trading import events as e
from tests.property.flow import Flow
from venue.engines import create_engine

COMMANDS = 3_000
OF_THE_MARKET = (e.BookLevelChanged, e.IndicativePriceChanged, e.BalanceChanged)


def batches(chance: random.Random) -> list[bytes]:
    """The events of a flow, some commands in a batch, with its definitions among them."""
    flow = Flow(chance.getrandbits(32), calm=chance.random() < 0.5)
    told = [events for _, events in flow.run(create_engine("native"), COMMANDS)]
    cuts = sorted(chance.sample(range(1, len(told)), 400))
    bounds = zip([0, *cuts], [*cuts, len(told)], strict=True)
    return [b"".join(told[first:last]) for first, last in bounds]


def slowly_found(data: bytes, directory: Directory, sessions: list[int]) -> list[int]:
    found = []
    for offset, kind in e.EVENTS.walk(data):
        interest = interest_of(sessions, directory)
        is_plain = kind.KIND not in PLACES and kind not in OF_THE_MARKET
        if is_plain or (kind.KIND in PLACES and interest.may_concern(kind.KIND, data, offset)):
            found.append(offset)
        if is_definition(kind.KIND):
            directory.learn(kind.unpack(data, offset))
    return found


@pytest.mark.parametrize("sessions", [[], [1], [2, 3]])
def test_what_is_found_is_what_the_rights_of_its_moment_let_be_told(
    chance: random.Random, sessions: list[int]
) -> None:
    fast, slow = Directory(), Directory()
    watch = Watch(fast, sessions)
    passed_over = 0
    for data in batches(chance):
        found = []
        for offset in watch.found(data):
            found.append(offset)
            kind = e.EVENTS.by_kind[int.from_bytes(data[offset + 2 : offset + 4], "little")]
            if is_definition(kind.KIND):
                fast.learn(kind.unpack(data, offset))
        assert found == slowly_found(data, slow, sessions)
        passed_over += sum(1 for _ in e.EVENTS.walk(data)) - len(found)
    assert passed_over > 0


def test_every_request_of_a_session_has_an_event_that_is_found(chance: random.Random) -> None:
    directory, watches = Directory(), dict[int, Watch]()
    kinds = set()
    flow = Flow(chance.getrandbits(32), calm=True)
    for data, told in flow.run(create_engine("native"), COMMANDS):
        (_, kind), *_ = c.COMMANDS.walk(data)
        session: int = getattr(kind.unpack(data), "session", 0)
        for record in e.EVENTS.unpack(told):
            if is_definition(record.KIND):
                directory.learn(record)
        if session and told and issubclass(kind, Record):
            watch = watches.setdefault(session, Watch(directory, [session]))
            assert next(watch.found(told), None) is not None, kind
            kinds.add(kind)
    assert {c.PlaceOrder, c.CancelOrder, c.AmendOrder, c.MassCancel} <= kinds


def test_what_is_no_event_is_found_and_ends_the_search() -> None:
    level = e.BookLevelChanged.make(number=1).pack()
    search = _native.EventFilter()
    search.look_by(e.BookLevelChanged.KIND, accounts=(), sessions=())
    assert search.find(level * 3, 0) == []
    for damage in (level[:-1], level[:3], b"\0" * 8):
        assert search.find(level + damage, 0) == [len(level)]
        assert search.find(level + damage, len(level)) == [len(level)]
    assert search.find(level, len(level)) == []


def test_an_event_is_found_by_any_of_the_numbers_that_it_names() -> None:
    search = _native.EventFilter()
    accounts, sessions = PLACES[e.TradeExecuted.KIND]
    search.look_by(e.TradeExecuted.KIND, accounts=accounts, sessions=sessions)
    trades = [
        e.TradeExecuted.make(number=number, **named).pack()
        for number, named in enumerate(
            (
                {"maker_account": 7},
                {"taker_account": 7},
                {"maker_session": 9},
                {"taker_session": 9},
                {"maker_account": 9, "taker_session": 7, "trade_id": 7},
            )
        )
    ]
    data, size = b"".join(trades), len(trades[0])
    assert search.find(data, 0) == []
    search.want(accounts=(7,), sessions=())
    assert search.find(data, 0) == [0, size]
    search.want(accounts=(7,), sessions=(9,))
    assert search.find(data, size) == [size, 2 * size, 3 * size]
