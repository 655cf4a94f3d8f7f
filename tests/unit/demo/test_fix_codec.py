from __future__ import annotations

import random

import pytest

from exchange.demo.fix_codec import Decoder, Framer, MalformedStreamError, encode, utc_timestamp
from tests.unit.demo.fake_acceptor import wire

MESSAGES = [
    wire([(35, "8"), (34, str(number)), (58, "text " * number), (150, "F")])
    for number in range(1, 20)
]


def test_a_stream_cut_anywhere_gives_the_same_messages(chance: random.Random) -> None:
    stream = b"".join(MESSAGES)
    framer, found, at = Framer(), [], 0
    while at < len(stream):
        step = chance.randint(1, 40)
        found += framer.feed(stream[at : at + step])
        at += step
    assert found == MESSAGES


@pytest.mark.parametrize(
    "damaged",
    [
        b"GET / HTTP/1.1\r\n",
        MESSAGES[0].replace(b"text", b"tixt"),
        b"8=FIX.4.4\x019=12345678\x01",
        b"8=FIX.4.4\x019=999999\x01",
        b"8=FIX.4.4\x019=-1\x01",
        b"8=FIX.4.2\x019=5\x01",
    ],
)
def test_what_is_not_fix_is_refused(damaged: bytes) -> None:
    with pytest.raises(MalformedStreamError):
        Framer().feed(damaged)


def test_what_is_written_can_be_read() -> None:
    data = encode(
        "D",
        [(11, "a-1"), (44, "1.50")],
        sender="MM1",
        target="RIALTO",
        number=7,
        sending_time="20260102-03:04:05.678",
        original_sending_time="20260102-03:04:04.000",
    )
    (message,) = Framer().feed(data)
    fields = Decoder().decode(message)
    assert fields[35] == "D"
    assert fields[34] == "7"
    assert fields[43] == "Y"
    assert fields[49] == "MM1"
    assert fields[56] == "RIALTO"
    assert fields[122] == "20260102-03:04:04.000"
    assert fields[44] == "1.50"


def test_times_are_written_in_milliseconds() -> None:
    assert utc_timestamp(1_767_323_045_678_999_999) == "20260102-03:04:05.678"
