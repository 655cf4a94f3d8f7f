"""What the set-up says while it works: lines and progress on standard error."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

REFRESH_SECONDS = 1.0
PLAIN_LINE_SECONDS = 15.0


class SetupError(Exception):
    """The machine, the network or the compiler did not give what the set-up needs."""


def say(line: str) -> None:
    """Write one line about the set-up."""
    sys.stderr.write(f"rialto: {line}\n")
    sys.stderr.flush()


class Progress:
    """A count and a clock: one moving line on a terminal, a few plain lines elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._moving = sys.stderr.isatty()
        self._stopped = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        self._show()
        self._clock.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._clock.join()
        self._show()
        if self._moving:
            sys.stderr.write("\n")

    def advance(self) -> None:
        """Count one more step as done."""
        self._done += 1

    def _tick(self) -> None:
        while not self._stopped.wait(REFRESH_SECONDS if self._moving else PLAIN_LINE_SECONDS):
            self._show()

    def _show(self) -> None:
        elapsed = int(time.monotonic() - self._started)
        line = f"{self._what}: {self._done} of {self._total}, {elapsed} s"
        if self._moving:
            sys.stderr.write(f"\r\x1b[Krialto: {line}")
            sys.stderr.flush()
        else:
            say(line)
