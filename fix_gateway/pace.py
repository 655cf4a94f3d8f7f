"""Work beside the orders, in slices: at most a share of the time, at most so many messages."""

import asyncio
import time

SLICE_SECONDS = 0.0005
"""How long the loop, or QuickFIX's thread, waits for us at most before orders have their turn."""


class Pace:
    """Lets a task go on for a slice, then makes it wait until its share allows the next one."""

    def __init__(self, *, share: float, messages_per_second: int) -> None:
        """Begin a slice.

        Args:
            share: of the time, above zero and below one.
            messages_per_second: at most.
        """
        self._pause_by_work = 1 / share - 1
        self._seconds_a_message = 1 / messages_per_second
        self.begin()

    def begin(self) -> None:
        """Begin a slice."""
        self._messages, self._spent, self._worked = 0, 0.0, 0.0
        self.go_on()

    def hold(self) -> None:
        """Interrupt a slice: what is waited for from here on is not work."""
        self._spent += time.perf_counter() - self._began
        self._worked += time.thread_time() - self._work_began

    def go_on(self) -> None:
        """Go on with a slice that was interrupted."""
        self._began = time.perf_counter()
        # Of a busy machine's other processes our share is not to be paid.
        self._work_began = time.thread_time()

    def sent(self) -> None:
        """Take note of a message."""
        self._messages += 1

    @property
    def is_over(self) -> bool:
        """Whether the slice is used up."""
        return self._spent + time.perf_counter() - self._began >= SLICE_SECONDS

    async def rest(self) -> None:
        """Let the others have their time, and begin the next slice."""
        self.hold()
        by_rate = self._messages * self._seconds_a_message - self._worked
        await asyncio.sleep(max(self._worked * self._pause_by_work, by_rate))
        self.begin()
