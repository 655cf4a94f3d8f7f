"""The contract between market data and the doors: frames, questions, names, merging."""

import random
from itertools import pairwise

import msgspec
import pytest

from messages.market_data import (
    ASK_BYTES_MAX,
    AskCandles,
    AskDepth,
    AskTicker24Hours,
    AskTickerPrice,
    ContractError,
    Delivery,
    DepthUpdate,
    Frame,
    Kind,
    Splitter,
    answer,
    ask,
    ask_number,
    book_checksum,
    follow,
    merge,
    published,
    read_answer,
    read_ask,
    read_published,
    stream_of,
)


def _only(data: bytes) -> Frame:
    (frame,) = Splitter().feed(data)
    return frame


def test_frames_arrive_whole_however_they_are_cut() -> None:
    chance = random.Random(7)
    sent = [
        follow(),
        published(Delivery.LATEST, "btcusd@bookTicker", b"{}"),
        published(Delivery.EVERY, "btcusd@trade", b"x" * 70_000),
        answer(7, 404, b"[]"),
        published(Delivery.DELTA, "", b""),
    ] * 3
    data = b"".join(sent)
    whole = [(frame.kind, bytes(frame.body)) for frame in Splitter().feed(data)]
    assert [kind for kind, _ in whole[:5]] == [1, 3, 3, 4, 3]
    for _ in range(50):
        cuts = sorted({0, len(data), *chance.choices(range(len(data)), k=chance.randint(0, 40))})
        splitter = Splitter()
        came = [
            (frame.kind, bytes(frame.body))
            for begin, end in pairwise(cuts)
            for frame in splitter.feed(data[begin:end])
        ]
        assert came == whole


def test_frames_come_byte_by_byte() -> None:
    splitter = Splitter()
    data = answer(1, 200, b'{"a":1}') + follow()
    came = [frame for each in data for frame in splitter.feed(bytes([each]))]
    assert [frame.kind for frame in came] == [Kind.ANSWER, Kind.FOLLOW]
    assert read_answer(came[0].body) == (1, 200, b'{"a":1}')


def test_a_frame_at_the_bound_passes_and_one_byte_more_is_refused() -> None:
    at_bound = answer(1, 200, b"x" * (ASK_BYTES_MAX - 7))
    assert len(Splitter(ASK_BYTES_MAX).feed(at_bound)) == 1
    with pytest.raises(ContractError, match=f"{ASK_BYTES_MAX + 1} bytes"):
        Splitter(ASK_BYTES_MAX).feed(answer(1, 200, b"x" * (ASK_BYTES_MAX - 6))[:5])


@pytest.mark.parametrize("data", [b"\0\0\0\0\1", b"\1\0\0\0\0", b"\1\0\0\0\5", b"\xff" * 5])
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        Splitter().feed(data)


def test_a_payload_comes_back_as_it_was_published() -> None:
    frame = _only(published(Delivery.DELTA, "btcusd@depth@100ms", b'{"u":1}'))
    assert frame.kind is Kind.PUBLISHED
    assert read_published(frame.body) == (Delivery.DELTA, "btcusd@depth@100ms", b'{"u":1}')


@pytest.mark.parametrize("body", [b"", b"\1", b"\1\2a", b"\0\0", b"\4\0", b"\1\1\xff"])
def test_a_malformed_payload_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError):
        read_published(memoryview(body))


def test_questions_come_back_as_they_were_asked() -> None:
    for question in (
        AskDepth(symbol="BTCUSD", limit=5000),
        AskCandles(symbol="BTCUSD", interval="1M", start_time=0, time_zone="-1:00"),
        AskTicker24Hours(symbols=("BTCUSD", "ETHUSD"), type="MINI"),
        AskTickerPrice(),
    ):
        frame = _only(ask(0xFFFFFFFF, question))
        assert frame.kind is Kind.ASK
        assert ask_number(frame.body) == 0xFFFFFFFF
        assert read_ask(frame.body) == question


def test_a_question_has_its_rest_names() -> None:
    body = bytes(_only(ask(1, AskCandles(symbol="A", interval="1m", start_time=5))).body)[4:]
    said = msgspec.json.decode(body)
    assert said == {"what": "klines", "symbol": "A", "interval": "1m", "startTime": 5}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"what":"depth"}',
        b'{"what":"nothing","symbol":"A"}',
        b'{"what":"depth","symbol":"A","limit":0}',
        b'{"what":"depth","symbol":"A","limit":5001}',
        b'{"what":"depth","symbol":"A","limit":1e3}',
        b'{"what":"depth","symbol":"a"}',
        b'{"what":"depth","symbol":"A","more":1}',
        b'{"what":"klines","symbol":"A","interval":"2m"}',
        b'{"what":"klines","symbol":"A","interval":"1m\\n"}',
        b'{"what":"ticker","symbol":"A","windowSize":"60m"}',
        b'{"what":"trades","symbol":"A","limit":1001}',
        b'{"what":"trades","symbol":"A\\n"}',
    ],
)
def test_a_wrong_question_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_ask(memoryview(b"\0\0\0\0" + body))


@pytest.mark.parametrize(
    ("name", "understood"),
    [
        ("btcusd@trade", ("BTCUSD", "trade")),
        ("btcusd@aggTrade", ("BTCUSD", "aggTrade")),
        ("btcusd@depth", ("BTCUSD", "depth")),
        ("btcusd@depth@100ms", ("BTCUSD", "depth@100ms")),
        ("btcusd@depth20", ("BTCUSD", "depth20")),
        ("btcusd@depth5@100ms", ("BTCUSD", "depth5@100ms")),
        ("1inchusd@kline_1M", ("1INCHUSD", "kline_1M")),
        ("btcusd@ticker_4h", ("BTCUSD", "ticker_4h")),
        ("!ticker@arr", ("", "!ticker@arr")),
        ("!bookTicker", ("", "!bookTicker")),
    ],
)
def test_names_of_streams_are_understood(name: str, understood: tuple[str, str]) -> None:
    assert stream_of(name) == understood


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "btcusd",
            "@trade",
            "BTCUSD@trade",
            "btcusd@trades",
            "btcusd@depth1",
            "btcusd@depth@1ms",
        ),
        *("btcusd@kline_2m", "btcusd@kline_1D", "btcusd@trade\n", "!symbols", "a" * 33 + "@trade"),
        *("btc-usd@trade", "btcusd@ticker_2h", "btcusd@trade@100ms", "\u0661@trade", "!trade@arr"),
    ],
)
def test_other_names_are_of_no_stream(name: str) -> None:
    assert stream_of(name) is None


def _random_updates(chance: random.Random, count: int) -> list[DepthUpdate]:
    updates, last = [], 100
    for number in range(count):
        first, last = last + 1, last + chance.randint(1, 9)
        sides = [
            [(str(price), str(chance.randint(0, 3))) for price in chance.sample(range(20), 5)]
            for _ in range(2)
        ]
        updates.append(
            DepthUpdate(
                E=number, s="A", U=first, u=last, b=sides[0], a=sides[1], T=number, cs=number
            )
        )
    return updates


def _applied(updates: list[DepthUpdate]) -> tuple[dict[str, str], dict[str, str]]:
    bids: dict[str, str] = {}
    asks: dict[str, str] = {}
    for update in updates:
        bids.update(update.b)
        asks.update(update.a)
    return (
        {price: quantity for price, quantity in bids.items() if quantity != "0"},
        {price: quantity for price, quantity in asks.items() if quantity != "0"},
    )


def test_merged_updates_do_what_they_did_one_by_one() -> None:
    chance = random.Random(11)
    for _ in range(200):
        updates = _random_updates(chance, chance.randint(2, 8))
        merged = updates[0]
        for update in updates[1:]:
            merged = merge(merged, update)
        assert _applied([merged]) == _applied(updates)
        assert (merged.U, merged.u) == (updates[0].U, updates[-1].u)
        assert (merged.cs, merged.E, merged.T) == (updates[-1].cs, updates[-1].E, updates[-1].T)
        assert len({price for price, _ in merged.b}) == len(merged.b)


def test_an_update_is_rendered_in_the_order_that_clients_know() -> None:
    update = DepthUpdate(E=2, s="BTCUSD", U=5, u=7, b=[("1.50", "0.00")], a=[], T=1, cs=9)
    rendered = msgspec.json.encode(update)
    assert rendered == (
        b'{"e":"depthUpdate","E":2,"s":"BTCUSD","U":5,"u":7,"b":[["1.50","0.00"]],"a":[],'
        b'"T":1,"cs":9}'
    )
    assert msgspec.json.decode(rendered, type=DepthUpdate) == update


def test_the_checksum_is_the_one_of_krakens_documentation() -> None:
    asks = [(f"0.0{price}", "0.00000500") for price in range(5005, 5055, 5)]
    prices = (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)
    bids = [(f"0.0{price}", "0.00000500") for price in prices]
    assert book_checksum(bids, asks) == 974947235
    assert book_checksum([*bids, ("0.01", "1")], [*asks, ("9.0", "1")]) == 974947235
    assert book_checksum(asks, bids) != 974947235
    assert book_checksum([], []) == 0
