"""The link's frames: any cut of the stream gives the same frames, and nothing huge is kept."""

from __future__ import annotations

import random
import struct

import pytest

from runtime.link_frames import (
    EventBatch,
    FrameError,
    FrameReader,
    FrameType,
    Refusal,
    TcpAddress,
    UnixAddress,
    events_frame,
    frame,
    parse_address,
    parse_events,
    parse_read,
    parse_refusals,
    proof_of,
    read_frame,
)


def test_any_cut_of_the_stream_gives_the_same_frames(chance: random.Random) -> None:
    sent = [
        (chance.choice(list(FrameType)), chance.randbytes(chance.randint(0, 200)))
        for _ in range(100)
    ]
    stream = b"".join(frame(kind, payload) for kind, payload in sent)
    for _ in range(50):
        reader, found, at = FrameReader(256), [], 0
        while at < len(stream):
            step = chance.choice((1, 3, 5, 64, 1000))
            found += [(k, bytes(payload)) for k, payload in reader.feed(stream[at : at + step])]
            at += step
        assert found == sent


def test_a_frame_in_many_parts_is_whole_with_the_last_of_them() -> None:
    payload = memoryview(bytes(range(250)))
    sent = frame(FrameType.ANSWER, bytes(payload))
    reader = FrameReader(256)
    for at in range(len(sent) - 1):
        assert reader.feed(sent[at : at + 1]) == []
    assert reader.feed(sent[-1:] + sent + sent[:3]) == [(FrameType.ANSWER, payload)] * 2
    assert reader.feed(sent[3:]) == [(FrameType.ANSWER, payload)]


def test_a_bad_head_in_parts_is_refused_like_a_whole_one() -> None:
    for bad in (frame(FrameType.COMMANDS, bytes(101)), b"\x01\x00\x00\x00\x63", bytes(5)):
        for cut in range(1, 5):
            reader = FrameReader(100)
            assert reader.feed(bad[:cut]) == []
            with pytest.raises(FrameError):
                reader.feed(bad[cut:])


def test_many_records_are_sent_without_being_copied() -> None:
    large = EventBatch(1, 2, bytes(100_000))
    assert events_frame(large)[1] is large.data
    assert len(events_frame(EventBatch(1, 1, bytes(100)))) == 1
    ((_, payload),) = FrameReader(200_000).feed(b"".join(events_frame(large)))
    assert parse_events(payload) == large


def test_a_length_above_the_limit_is_refused_at_once() -> None:
    FrameReader(100).feed(frame(FrameType.COMMANDS, bytes(100)))
    with pytest.raises(FrameError, match="limit"):
        FrameReader(100).feed(frame(FrameType.COMMANDS, bytes(101))[:5])
    with pytest.raises(FrameError, match="limit"):
        FrameReader().feed(bytes(5))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(FrameError, match="type 99"):
        FrameReader().feed(b"\x01\x00\x00\x00\x63")


def test_payloads_come_back_as_they_were() -> None:
    batch = EventBatch(5, 9, b"records")
    ((_, payload),) = FrameReader().feed(b"".join(events_frame(batch)))
    assert parse_events(payload) == batch
    ((_, payload),) = FrameReader().feed(read_frame(77))
    assert parse_read(payload) == 77
    refusals = [Refusal(1, 2, 3, 404, 1), Refusal(4, 5, 1 << 60, 400, 60000)]
    packed = b"".join(struct.pack("<IIQHH4x", *refusal) for refusal in refusals)
    ((_, payload),) = FrameReader().feed(frame(FrameType.REFUSED, packed))
    assert parse_refusals(payload) == refusals


def test_payloads_of_the_wrong_size_are_refused() -> None:
    for parse in (parse_read, parse_events, parse_refusals):
        with pytest.raises(FrameError):
            parse(b"short")


def test_addresses_are_unix_or_tcp() -> None:
    assert parse_address("unix:/run/core.sock") == UnixAddress("/run/core.sock")
    assert parse_address("tcp:127.0.0.1:80") == TcpAddress("127.0.0.1", 80)
    assert parse_address("tcp:[::1]:80") == TcpAddress("::1", 80)
    for text in ("", "unix:", "tcp:host", "tcp::80", "tcp:host:65536", "tcp:host:-1", "/a", "u:x"):
        with pytest.raises(ValueError, match="not unix:"):
            parse_address(text)


def test_a_proof_depends_on_all_that_it_proves() -> None:
    proofs = {
        proof_of(b"token", nonce=b"n", principal="a"),
        proof_of(b"other", nonce=b"n", principal="a"),
        proof_of(b"token", nonce=b"m", principal="a"),
        proof_of(b"token", nonce=b"n", principal="b"),
    }
    assert len(proofs) == 4
