"""What waits for slow readers: bounded, in order, and no less than they need."""

import random

import msgspec
import pytest

from messages.market_data import Delivery, DepthUpdate
from retail_gateway.streams.backlog import DELTA_PIECES_MAX, Backlog
from retail_gateway.streams.message import Message, text_frame

A_LOT = 1_000_000


def _every(name: str, text: str) -> Message:
    return Message(Delivery.EVERY, name, text.encode())


def _latest(name: str, text: str) -> Message:
    return Message(Delivery.LATEST, name, text.encode())


def _delta(number: int, *, first: int = 0, levels: int = 1) -> Message:
    bids = [(str(number * 100 + level), "1") for level in range(levels)]
    update = DepthUpdate(
        E=number, s="A", U=first or number, u=number, b=bids, a=[], T=number, cs=number
    )
    return Message(Delivery.DELTA, "a@depth", msgspec.json.encode(update))


def _taken(backlog: Backlog) -> list[str]:
    taken = []
    while (message := backlog.take()) is not None:
        taken.append(message.payload.decode())
    return taken


def test_every_trade_waits_and_only_the_latest_state_does() -> None:
    backlog = Backlog(A_LOT)
    for number in range(3):
        assert backlog.put(_every("a@trade", f"t{number}"))
        assert backlog.put(_latest("a@ticker", f"k{number}"))
        assert backlog.put(_latest("b@ticker", f"l{number}"))
    assert _taken(backlog) == ["t0", "k2", "l2", "t1", "t2"]
    assert not backlog
    assert backlog.bytes == 0


def test_a_candle_that_closes_comes_instead_of_what_it_was_and_before_the_next() -> None:
    backlog = Backlog(A_LOT)
    backlog.put(_latest("a@kline_1m", "running"))
    backlog.put(_every("a@kline_1m", "closed"))
    backlog.put(_latest("a@kline_1m", "next"))
    backlog.put(_latest("a@kline_1m", "next, later"))
    assert _taken(backlog) == ["closed", "next, later"]


@pytest.mark.parametrize("count", [2, DELTA_PIECES_MAX, DELTA_PIECES_MAX + 1, 100])
def test_updates_of_one_book_become_one(count: int) -> None:
    backlog = Backlog(A_LOT)
    for number in range(1, count + 1):
        assert backlog.put(_delta(number))
    (text,) = _taken(backlog)
    update = msgspec.json.decode(text, type=DepthUpdate)
    assert (update.U, update.u, update.cs, len(update.b)) == (1, count, count, count)
    assert backlog.bytes == 0


def test_what_lies_before_a_gap_is_left_out() -> None:
    backlog = Backlog(A_LOT)
    for number in (1, 2, 5, 6):
        backlog.put(_delta(number))
    (text,) = _taken(backlog)
    update = msgspec.json.decode(text, type=DepthUpdate)
    assert (update.U, update.u) == (5, 6)
    assert [price for price, _ in update.b] == ["500", "600"]


def test_an_update_alone_goes_out_as_it_came() -> None:
    backlog = Backlog(A_LOT)
    message = _delta(7)
    backlog.put(message)
    assert backlog.take() is message


def test_the_bound_is_met_exactly() -> None:
    backlog = Backlog(10)
    assert backlog.put(_every("a@trade", "12345"))
    assert backlog.put(_every("a@trade", "12345"))
    assert not backlog.put(_every("a@trade", "1"))
    assert backlog.is_overfull


def test_before_the_bound_is_met_updates_are_merged() -> None:
    one = len(_delta(1).payload)
    backlog = Backlog(3 * one)
    for number in range(1, 1 + DELTA_PIECES_MAX):
        # The same level again and again: merged they take no more than one.
        again = DepthUpdate(E=1, s="A", U=number, u=number, b=[("1", "1")], a=[], T=1, cs=1)
        message = Message(Delivery.DELTA, "a@depth", msgspec.json.encode(again))
        assert backlog.put(message)
    assert backlog.bytes <= 3 * one


def test_nothing_waits_of_a_stream_that_is_not_wanted_any_more() -> None:
    backlog = Backlog(A_LOT)
    for name in ("a@trade", "b@trade"):
        backlog.put(_every(name, name))
    backlog.put(Message(Delivery.LATEST, "!bookTicker", b"a", key="a@bookTicker"))
    backlog.put(Message(Delivery.LATEST, "!bookTicker", b"b", key="b@bookTicker"))
    backlog.forget("!bookTicker")
    backlog.forget("a@trade")
    backlog.forget("never")
    assert _taken(backlog) == ["b@trade"]


def test_the_account_of_bytes_is_kept_whatever_comes() -> None:
    chance = random.Random(3)
    for _ in range(50):
        backlog = Backlog(A_LOT)
        for number in range(1, chance.randint(2, 200)):
            kind = chance.randrange(5)
            if kind == 0:
                backlog.put(_every("a@trade", "x" * chance.randint(1, 50)))
            elif kind == 1:
                backlog.put(_latest(chance.choice("abc"), "x" * chance.randint(1, 50)))
            elif kind == 4:
                backlog.take()
            else:
                backlog.put(_delta(number, levels=chance.randint(1, 3)))
        waiting = [piece for pieces in backlog._waiting.values() for piece in pieces]
        assert backlog.bytes == sum(len(piece.payload) for piece in waiting)
        _taken(backlog)
        assert backlog.bytes == 0


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_have_the_head_of_their_size(size: int) -> None:
    framed = text_frame(b"x" * size)
    assert framed[0] == 0x81
    if size <= 125:
        assert (framed[1], len(framed)) == (size, size + 2)
    elif size <= 65_535:
        assert (framed[1], int.from_bytes(framed[2:4], "big"), len(framed)) == (126, size, size + 4)
    else:
        long = int.from_bytes(framed[2:10], "big")
        assert (framed[1], long, len(framed)) == (127, size, size + 10)
