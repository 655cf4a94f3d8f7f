"""A client that keeps its own place in the stream of what it is told, and asks for what is missing.

It knows docs/protocols/fix-recovery.md and nothing of the gateway's code.
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import simplefix

from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, now_text, text
from tests.integration.fix_gateway.processes import KEY

Pairs = list[tuple[int, str | int]]


class Stream:
    """What a session was told, by its numbers."""

    def __init__(self) -> None:
        self.told: dict[int, simplefix.FixMessage] = {}
        self.through = 0
        """Everything up to this number is here."""
        self.executions = 0
        self.again = 0
        """Messages that came in an answer (1352=Y)."""
        self.repeats = 0
        """Messages that were here already."""
        self.is_asking = False
        self.requests = 0
        self.refusals: list[str] = []
        self._early: list[tuple[int, int]] = []

    def take(self, message: simplefix.FixMessage) -> None:
        kind = text(message, 35)
        if kind == "BX":
            if text(message, 1348) != "0":
                self.refusals.append(text(message, 58))
                self.is_asking = False
        elif kind == "BY":
            self.is_asking = False
            self._whole_through(int(text(message, 1357)))
        elif number := text(message, 1181):
            self._numbered(message, int(number), int(text(message, 1350)))

    def _numbered(self, message: simplefix.FixMessage, number: int, after: int) -> None:
        self.again += text(message, 1352) == "Y"
        if number in self.told:
            self.repeats += 1
        else:
            self.executions += text(message, 150) == "F"
        self.told.setdefault(number, message)
        if number > self.through:
            self._early.append((after, number))
            self._whole_through(self.through)

    def _whole_through(self, number: int) -> None:
        self.through = max(self.through, number)
        for after, early in sorted(self._early):
            if after <= self.through:
                self.through = max(self.through, early)
        self._early = [each for each in self._early if each[1] > self.through]

    def request(self, *, is_due: bool = False) -> Pairs | None:
        """What to send to have the gap filled; None while there is none, or an answer comes."""
        if self.is_asking or not (self._early or is_due):
            return None
        self.is_asking = True
        self.requests += 1
        return [
            (1346, f"again-{self.requests}"),
            (1347, 0),
            (1351, 1),
            (1355, "ORDERS"),
            (1182, self.through + 1),
            (1183, 0),
        ]

    def execution_ids(self) -> Iterable[str]:
        return [
            text(message, 17) or text(message, 5002)
            for _, message in sorted(self.told.copy().items())
            if text(message, 35) in ("8", "9")
        ]


class Recovering(threading.Thread):
    """A session that trades, loses its connections, and holds what it is told against its place."""

    def __init__(
        self,
        name: str,
        directory: Path,
        chance: random.Random,
        *,
        orders: Pairs | None = None,
        orders_per_second: float = 400,
        cut_after: tuple[int, int] | None = None,
        begin_string: str = "FIX.4.4",
    ) -> None:
        """Keep what to do; ``orders`` of none only listens, ``cut_after`` of none stays.

        A connection is cut after so many messages, not seconds: however slow the machine is,
        something was told on each.
        """
        super().__init__(name=name, daemon=True)
        self.client = FixClient(
            sender=name, target="RIALTO", key=KEY, heartbeat_seconds=30, begin_string=begin_string
        )
        self.stream = Stream()
        self.connections = 0
        self.sent = 0
        self.must_reset = threading.Event()
        self.must_ask = threading.Event()
        self.quiet = threading.Event()
        self.done = threading.Event()
        self.failure: BaseException | None = None
        self._directory, self._chance = directory, chance
        self._orders, self._interval = orders, 1 / orders_per_second
        self._cut_after = cut_after

    def run(self) -> None:
        try:
            while not self.done.is_set():
                with contextlib.suppress(OSError, FixClientError, ValueError):
                    self._connect()
                    self._carry_on()
                self.stream.is_asking = False
                self.done.wait(0.02)
            self.client.logout()
        except BaseException as error:
            self.failure = error
            raise

    def _connect(self) -> None:
        port = int((self._directory / "guard.port").read_text())
        self.client.connect("127.0.0.1", port)
        self.client.logon(is_reset=self.must_reset.is_set())
        self.must_reset.clear()
        self.connections += 1

    def _carry_on(self) -> None:
        next_at, heard = time.monotonic(), 0
        cut_at = self._chance.randint(*self._cut_after) if self._cut_after else None
        while not self.done.is_set():
            now = time.monotonic()
            if cut_at is not None and heard >= cut_at and not self.quiet.is_set():
                self.client.abort()
                return
            if self._orders and now >= next_at and not self.quiet.is_set():
                self.sent += 1
                name = (11, f"{self.name}-{self.sent}")
                self.client.send("D", [name, *self._orders, (60, now_text())])
                next_at = max(next_at + self._interval, now - 0.1)
            while (message := self.client.receive(0.002)) is not None:
                self.stream.take(message)
                heard += 1
            asked = self.stream.request(is_due=self.must_ask.is_set())
            if asked is not None:
                self.must_ask.clear()
                self.client.send("BW", asked)
