"""Both engines over so many remembered orders that the native one's tables have to grow."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bench.core_records import COMMAND_GAP_NS, Encoder, borders, venue_commands
from bench.core_workloads import make_steps
from messages.trading.commands import ConfigureVenue
from messages.trading.events import EVENTS, OrderAccepted
from tests.native.comparison import Pair

COMMANDS = 40_000


def crowded_stream(*, remembered: int, seed: int) -> Iterator[bytes]:
    """Yield the records of many orders; who is done stays known for that many commands."""
    fill, steps = make_steps("simple", count=COMMANDS, seed=seed)
    window = {"client_id_window_ns": remembered * COMMAND_GAP_NS}
    venue = [
        (kind, fields | (window if kind is ConfigureVenue else {}))
        for kind, fields in venue_commands()
    ]
    encoder = Encoder()
    data = encoder.set_up(venue) + encoder.records([*fill, *steps])
    for at, end in pairwise(borders(data)):
        yield data[at:end]


@pytest.mark.parametrize(("remembered", "known_min"), [(24_000, 12_000), (1_000, 1_500)])
def test_both_engines_remember_and_forget_many_orders_alike(
    chance: random.Random, remembered: int, known_min: int
) -> None:
    """Many known at once, or few known among many numbers."""
    pair, accepted = Pair(), 0
    seed = chance.getrandbits(32)
    for step, command in enumerate(crowded_stream(remembered=remembered, seed=seed)):
        events = pair.give(command)
        accepted += sum(kind is OrderAccepted for _, kind in EVENTS.walk(events))
        if step == COMMANDS - 1000:
            snapshot = pair.check()
            assert len(snapshot) > 200 * known_min
            pair.exchange_states()
    pair.check()
    assert accepted > COMMANDS * 0.4
