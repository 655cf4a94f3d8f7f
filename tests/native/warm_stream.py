"""A stream whose later part needs no more memory than its earlier one."""

from __future__ import annotations

from bench.core_books import ADD, CANCEL, MOVE, Step
from bench.core_records import BUYERS, COMMAND_GAP_NS, MID_TICKS, Encoder, venue_commands
from bench.core_workloads import make_steps
from messages.trading.commands import ConfigureVenue
from messages.trading.terms import Side

REMEMBERED = 2_000
MOST_RESTING = 8_000
"""More than ever rest at a time in the workloads, and with their moves more ids than are known."""
MEASURED = 10_000


def warm_stream(name: str, *, seed: int) -> tuple[bytes, int]:
    """Return commands that place, cancel, move and take, and how many of them are the warm-up."""
    fill, steps = make_steps(name, count=3 * MEASURED, seed=seed)
    crowd = [_resting(order_id) for order_id in range(1, MOST_RESTING + 1)]
    moved = [
        step._replace(action=MOVE, price_ticks=step.price_ticks + by)
        for by in (1, 0, 1)
        for step in crowd
    ]
    gone = [Step(CANCEL, step.side, step.order_id, 0, 0) for step in crowd]
    later = [step._replace(order_id=step.order_id + MOST_RESTING) for step in (*fill, *steps)]
    window = {"client_id_window_ns": REMEMBERED * COMMAND_GAP_NS}
    venue = [
        (kind, fields | (window if kind is ConfigureVenue else {}))
        for kind, fields in venue_commands()
    ]
    encoder = Encoder()
    data = encoder.set_up(venue) + encoder.records([*crowd, *moved, *gone, *later])
    return data, encoder.count - MEASURED


def _resting(order_id: int) -> Step:
    side = Side.BUY if order_id // len(BUYERS) % 2 else Side.SELL
    away = 2 + order_id % 100
    return Step(ADD, side, order_id, MID_TICKS + (-away if side == Side.BUY else away), 1)
