"""The open orders that a drop copy is told after its Logon, and where they stand in the stream."""

import asyncio

import msgspec
import pytest

from messages.trading import events
from messages.trading.identity import client_id
from messages.trading.terms import OrderStatus, Side
from runtime.link_frames import Answer
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import COPY, TRADER
from tests.unit.fix_gateway.telling import Sessions, accepted
from tests.unit.fix_gateway.test_retransmission import Venue, until

PAGE = "fix_gateway.open_orders.OPEN_ORDERS_PAGE_MAX"


def is_open(order_id: int, *, leaves: int = 7) -> events.OrderReported:
    return events.OrderReported.make(
        time_ns=1_790_000_000_000_000_000,
        account=11,
        session=TRADER,
        instrument=1,
        order_id=order_id,
        side=Side.BUY,
        order_type=1,
        time_in_force=2,
        status=OrderStatus.NEW,
        price_ticks=100,
        quantity_lots=9,
        leaves_lots=leaves,
        client_order_id=client_id(f"o-{order_id}"),
    )


def listed(venue: Venue) -> list[dict[int, str]]:
    """What the copy was told of open orders; every message fits the description."""
    texts = venue.again[COPY].texts
    return [fields for fields, _ in map(fields_of, texts)]


async def told(venue: Venue) -> list[dict[int, str]]:
    venue.recovery.list_open_orders(venue.sessions.sessions[COPY], 5)
    async with venue.running():
        await until(lambda: any("\x01912=Y\x01" in text for text in venue.again[COPY].texts))
    return listed(venue)


@pytest.mark.parametrize("page", [1, 2, 3, 2000])
async def test_each_open_order_is_told_once_and_flagged(
    monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(PAGE, page)
    venue = Venue()
    venue.publish(accepted(), accepted(), accepted())
    venue.core.open_orders = [is_open(number) for number in (2, 5, 9)]
    found = await told(venue)
    assert [(each[37], each[17], each[912]) for each in found] == [
        ("2", "OPEN-3-2", "N"),
        ("5", "OPEN-3-5", "N"),
        ("9", "OPEN-3-9", "Y"),
    ]
    for each in found:
        assert (each[150], each[39], each[911], each[797], each[5002]) == ("I", "0", "3", "Y", "3")
        assert (each[11], each[151], each[38]) == (f"o-{each[37]}", "0.0007", "0.0009")
        assert 1181 not in each, "it is told of no event"
    assert venue.sessions.sessions[COPY].touched is None, "nothing is noted for ever"


async def test_no_open_orders_are_said_too() -> None:
    venue = Venue()
    venue.publish(accepted())
    (found,) = await told(venue)
    assert (found[37], found[39], found[911], found[912]) == ("NONE", "8", "0", "Y")
    assert (found[17], found[58]) == ("OPEN-1-0", "no open orders")


async def test_an_order_of_which_something_newer_was_told_is_left_out() -> None:
    venue = Venue()
    venue.publish(accepted())
    venue.core.open_orders = [is_open(5), is_open(6), is_open(7)]
    session = venue.sessions.sessions[COPY]
    venue.recovery.list_open_orders(session, 5)
    # What the page says of order 5 is old once this is told; the page stands as after event 1.
    stale = venue.core.page(11, after=0, limit=10)
    cancelled = msgspec.structs.replace(
        events.OrderCancelled.make(account=11, session=TRADER, instrument=1, order_id=5),
        client_order_id=client_id("o-5"),
    )
    venue.publish(cancelled)

    async def query(_what: str, _account: int, after: int, _limit: int) -> Answer:
        return stale if after == 0 else Answer(1, 1, 1, b"")

    task = asyncio.create_task(venue.recovery.run(venue.core.connect, query))
    await until(lambda: any("\x01912=Y\x01" in text for text in venue.again[COPY].texts))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [each[37] for each in listed(venue)] == ["6", "7"]


async def test_a_page_waits_until_what_it_stands_after_was_told() -> None:
    sessions = Sessions()
    reached = asyncio.create_task(sessions.publisher.reached(2))
    sessions.publish(accepted())
    await asyncio.sleep(0)
    assert not reached.done()
    sessions.publish(accepted())
    await asyncio.wait_for(reached, 120)


async def test_who_has_gone_is_told_no_more_orders() -> None:
    venue = Venue()
    venue.publish(accepted())
    venue.core.open_orders = [is_open(5)]
    session = venue.sessions.sessions[COPY]
    venue.recovery.list_open_orders(session, 5)
    session.is_open = False
    async with venue.running():
        await until(lambda: session.touched is None)
    assert venue.again[COPY].texts == []
