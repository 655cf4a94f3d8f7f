"""The time of the present turn of the loop: one look at the clock for all that is sent in it."""

import time

from fix_gateway.market_data.session import stamp_of


class TurnClock:
    """The time as a number, and as SendingTime (52)."""

    def __init__(self) -> None:
        self.read()

    def read(self) -> None:
        """Look at the clock."""
        self.now_ns = time.time_ns()
        self.stamp = stamp_of(self.now_ns)
