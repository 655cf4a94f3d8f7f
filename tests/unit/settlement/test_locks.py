"""Every writer of the database has advisory locks that no other one takes."""

from services.market_data import store as market_data
from services.surveillance import store as surveillance
from settlement import cycle_decisions, locks
from settlement.chart import Consumer


def test_no_two_writers_have_the_same_lock() -> None:
    taken = [
        *(
            (locks.LOCK_SPACE, locks.lane_key(consumer, lane))
            for consumer in Consumer
            for lane in range(locks.LANES_MAX)
        ),
        (cycle_decisions.LOCK_SPACE, cycle_decisions.DECISIONS_LOCK),
        surveillance.LOCK,
        market_data.LOCK,
    ]
    assert len(set(taken)) == len(taken)
    assert locks.TURN_SPACE not in {space for space, _ in taken}
