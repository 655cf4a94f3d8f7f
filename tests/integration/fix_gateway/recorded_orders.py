"""Plays the examples of docs/protocols/fix-orders.md on a real venue, and writes them there.

``python -m tests.integration.fix_gateway.recorded_orders`` writes the messages as they went over
the wire; ``test_recorded_orders`` plays them again and compares all but times and numbers.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.fix_gateway.fix_client import FixClient, Pairs, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.places import ROOT
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

PAGE = ROOT / "docs" / "protocols" / "fix-orders.md"
BLOCK = re.compile(r"(<!-- recorded: ([a-z-]+) -->\n```\n)(.*?)(\n```\n)", re.DOTALL)
GATEWAY = '{"checkpoint_seconds": 0.5, "dialects": {"MM2": "FIX.5.0SP2"}}'
BEGIN = {"MM2": "FIXT.1.1"}

Sent = list[tuple[int, str | int]]

PASSING = (9, 10, 34, 52, 60, 769, 17, 37, 880, 1181, 1350, 1369, 2319, 5002, 5032)
"""Tags whose values are of a run: lengths, sums, times, and numbers of events and orders."""

_PASSING = re.compile(rf"(?<=\|)({'|'.join(map(str, PASSING))})=[^|]*\|")


class Recorder(FixClient):
    """A client that keeps every application message of a section, both ways."""

    def __init__(self, name: str, lines: list[str]) -> None:
        super().__init__(
            sender=name,
            target="RIALTO",
            key=KEY,
            begin_string=BEGIN.get(name, "FIX.4.4"),
        )
        self.lines = lines
        self._last = b""

    def encoded(
        self, message_type: str, pairs: Pairs, *, number: int, sent_again: str = ""
    ) -> bytes:
        self._last = super().encoded(message_type, pairs, number=number, sent_again=sent_again)
        return self._last

    def ask(self, kind: str, count: int, *pairs: tuple[int, str | int]) -> list[str]:
        """Send a message, take so many answers, and return their types."""
        self.send(kind, pairs)
        self._keep(">", self._last)
        return [self.take() for _ in range(count)]

    def take(self) -> str:
        """Take the next answer, and return its type."""
        message = self.receive()
        assert message is not None, self.lines
        self._keep("<", message.encode(raw=True))
        return text(message, 35)

    def _keep(self, way: str, data: bytes) -> None:
        shown = data.decode("ascii").replace("\x01", "|")
        self.lines.append(f"{self.sender:<5} {way} {shown}")


class Play:
    """The sections of the page, each played where the one before it left off."""

    def __init__(self, port: int) -> None:
        self.lines: list[str] = []
        self.institution, self.maker = Recorder("INST1", self.lines), Recorder("MM2", self.lines)
        for client in (self.institution, self.maker):
            client.connect("127.0.0.1", port)
            client.logon(is_reset=True)

    def close(self) -> None:
        for client in (self.institution, self.maker):
            client.logout()

    def cash(self) -> None:
        self.maker.ask("D", 1, *order("ask-1", side=2, price="60000.00", quantity="0.01"))
        self.lines.clear()
        buy: Sent = [(11, "cash-1"), (55, "BTC-USD"), (54, 1), (152, "300.50"), (40, 1), (59, 3)]
        kinds = self.institution.ask("D", 2, *buy, (60, now_text()))
        assert kinds == ["8", "8"]
        self.maker.take()
        del self.lines[-1]

    def lists(self) -> None:
        for number, price in enumerate(("58000.00", "58001.00"), 1):
            self.institution.ask("D", 1, *order(f"list-{number}", price=price))
        self.lines.clear()
        assert self.institution.ask("AF", 2, (584, "all"), (585, 7)) == ["8", "8"]

    def suspension(self) -> None:
        action: Sent = [(1374, 7), (54, 1), (60, now_text())]
        assert self.institution.ask("CA", 2, (11, "s-1"), (1373, 1), *action) == ["BZ", "BZ"]
        assert self.institution.ask("D", 1, *order("s-2")) == ["8"]
        assert self.institution.ask("CA", 2, (11, "s-3"), (1373, 2), *action) == ["BZ", "BZ"]
        cancel: Sent = [(1373, 3), (1374, 7), (60, now_text())]
        kinds = self.institution.ask("CA", 4, (11, "s-4"), *cancel)
        assert kinds == ["BZ", "8", "8", "BZ"]

    def dry_run(self) -> None:
        dry: Sent = [(2320, 0), (2321, 0)]
        assert self.institution.ask("DF", 1, *dry, *order("dry-1")) == ["DG"]
        assert self.institution.ask("DF", 1, *dry, *order("dry-2", price="90000.00")) == ["DG"]

    def self_trade(self) -> None:
        self.institution.ask("D", 1, *order("own-1", side=2, price="59500.00"))
        self.lines.clear()
        kinds = self.institution.ask("D", 2, *order("own-2", price="59500.00"), (2964, 1))
        assert kinds == ["8", "8"]

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each section's name and its lines."""
        played: dict[str, Callable[[], None]] = {
            "cash": self.cash,
            "lists": self.lists,
            "suspension": self.suspension,
            "dry-run": self.dry_run,
            "self-trade": self.self_trade,
        }
        for name, play in played.items():
            self.lines.clear()
            play()
            yield name, list(self.lines)


def order(
    name: str, *, side: int = 1, price: str = "59000.00", quantity: str = "0.01"
) -> list[tuple[int, str | int]]:
    return [
        (11, name),
        (55, "BTC-USD"),
        (54, side),
        (38, quantity),
        (40, 2),
        (44, price),
        (59, 1),
        (60, now_text()),
    ]


@contextmanager
def venue(directory: Path) -> Iterator[int]:
    """Run a core, a gateway and a guard; yields the port."""
    prepare(directory)
    core, gateway = Process("core", directory), Process("gateway", directory, GATEWAY)
    try:
        core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        yield gateway.start()
    finally:
        gateway.close()
        core.close()


def play(directory: Path) -> dict[str, str]:
    """Play all sections on a venue of their own; return their text by name."""
    with venue(directory) as port:
        played = Play(port)
        try:
            return {name: "\n".join(lines) for name, lines in played.sections()}
        finally:
            played.close()


def without_run(block: str) -> str:
    """Leave out of a section what differs from run to run."""
    return _PASSING.sub(r"\1=|", block)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        found = play(Path(directory))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        BLOCK.sub(lambda block: block[1] + found[block[2]] + block[4], page), encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
