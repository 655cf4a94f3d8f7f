"""Finding events in C++ does what its slow twin does, in sound events and in damaged ones."""

from __future__ import annotations

import random

import pytest

from core.event_finder import EventFinder
from messages.trading.events import EVENTS
from tests.property.flow import Flow
from tests.twins.events import slow_find
from venue.reference.engine import ReferenceEngine

COMMANDS = 400
DAMAGES = 2000


def found_by(wanted: frozenset[int], data: bytes, first: int) -> object:
    try:
        return EventFinder(wanted).find(data, first)
    except ValueError as error:
        return str(error)


@pytest.fixture
def told(chance: random.Random) -> list[bytes]:
    flow = Flow(chance.getrandbits(32), calm=False)
    return [told for _, told in flow.run(ReferenceEngine(), COMMANDS) if told]


def some_kinds(chance: random.Random) -> frozenset[int]:
    return frozenset(chance.sample(sorted(EVENTS.by_kind), chance.randrange(len(EVENTS.by_kind))))


def test_events_of_some_kinds_are_found(chance: random.Random, told: list[bytes]) -> None:
    first, kinds = 1, {kind.KIND for each in told for _, kind in EVENTS.walk(each)}
    assert len(kinds) > 5
    for each in told:
        wanted = some_kinds(chance)
        last, time_ns, found = EventFinder(wanted).find(each, first)
        assert (last, time_ns, found) == slow_find(each, first, wanted)
        assert found == [(kind.KIND, at) for at, kind in EVENTS.walk(each) if kind.KIND in wanted]
        first = last + 1
    assert EventFinder(kinds).find(b"", first) == (first - 1, 0, [])


def test_damage_is_named(chance: random.Random, told: list[bytes]) -> None:
    first, whole = 1, b"".join(told)
    wanted, words = some_kinds(chance), set()
    for _ in range(DAMAGES):
        data = bytearray(whole[: chance.randrange(4096)])
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(data) + 1)
            data[at : at + 1] = chance.randbytes(chance.randrange(3))
        expected = slow_find(bytes(data), first, wanted)
        assert found_by(wanted, bytes(data), first) == expected
        if isinstance(expected, str):
            words.add(expected.split()[-1 if "cut" in expected else 0])
    assert words == {"short", "expected", "event"}, "each fault came"


def test_events_of_another_place_are_refused(told: list[bytes]) -> None:
    assert found_by(frozenset(), told[0], 2) == "expected event 2, found 1"
