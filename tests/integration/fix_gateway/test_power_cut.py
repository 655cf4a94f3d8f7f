"""Numbers that went back on the disk, and numbers that a stranger set back: neither is a reset."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.demo.logon_proof import LogonKey
from messages.layout import plain_text
from messages.trading import events
from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, now_text, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed

# No checkpoint of the gateway's own comes between what the tests do to its files.
RARELY = '{"checkpoint_seconds": 60}'
ORDERS = 30
NOBODY = LogonKey("nobody", "hmac-sha256", bytes(32))


class Venue:
    """A core, a gateway and one client that keeps its own numbers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.core = Process("core", directory)
        self.gateway = Process("gateway", directory, RARELY)
        self.client = FixClient(sender="INST1", target="RIALTO", key=KEY)
        self.placed = 0

    @property
    def state(self) -> Path:
        return self.directory / "fix"

    def log_on(self, *, is_reset: bool = False) -> None:
        port = int((self.directory / "guard.port").read_text())
        self.client.connect("127.0.0.1", port)
        self.client.logon(is_reset=is_reset)

    def trade(self, count: int) -> None:
        for _ in range(count):
            self.placed += 1
            name = f"o-{self.placed}"
            self.client.send(
                "D",
                [
                    (11, name),
                    (55, "BTC-USD"),
                    (54, "1"),
                    (38, "0.01"),
                    (40, 2),
                    (44, "59000.00"),
                    (59, 1),
                    (60, now_text()),
                ],
            )
            self.expect_report(name)

    def expect_report(self, name: str) -> None:
        while (answer := self.client.receive()) is not None:
            if text(answer, 11) == name:
                assert text(answer, 150) == "0"
                return
        raise AssertionError(f"{name} was not answered")

    def check_nothing_ran_twice(self) -> None:
        runs = Counter(
            plain_text(event.client_order_id)
            for event in asyncio.run(history(self.directory))
            if isinstance(event, events.OrderAccepted | events.OrderRejected)
        )
        assert runs == {f"o-{number}": 1 for number in range(1, self.placed + 1)}

    def epochs(self) -> dict[str, int]:
        marks = json.loads((self.state / "checkpoint.json").read_text())["sessions"]
        return {number: mark["epoch"] for number, mark in marks.items()}


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    prepare(tmp_path)
    made = Venue(tmp_path)
    try:
        made.core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        made.gateway.start()
        yield made
    finally:
        made.client.abort()
        made.gateway.close()
        made.core.close()


def test_a_power_cut_that_sets_the_store_back_runs_nothing_twice(venue: Venue) -> None:
    venue.log_on()
    venue.trade(ORDERS)
    venue.gateway.kill()
    venue.client.abort()
    shutil.copytree(venue.state, venue.directory / "older")
    venue.gateway.start()
    venue.log_on()
    venue.trade(ORDERS)
    venue.gateway.kill()
    venue.client.abort()
    # What was synced last is what the machine comes up with; the journal was synced per batch.
    shutil.rmtree(venue.state)
    shutil.copytree(venue.directory / "older", venue.state)
    checkpoint = venue.state / "checkpoint.json"
    checkpoint.write_text(json.dumps(json.loads(checkpoint.read_text()) | {"boot": "another"}))
    venue.gateway.start()
    venue.log_on()
    venue.trade(1)
    assert venue.client.resent == 0, "the client was asked for orders that had been sequenced"
    venue.check_nothing_ran_twice()
    assert venue.gateway.stop() == 0
    assert set(venue.epochs().values()) == {1}


def test_a_strangers_reset_and_a_restart_run_nothing_twice(venue: Venue) -> None:
    venue.log_on()
    venue.trade(ORDERS)
    venue.client.logout()
    stranger = FixClient(sender="INST1", target="RIALTO", key=NOBODY)
    stranger.connect("127.0.0.1", int((venue.directory / "guard.port").read_text()))
    with pytest.raises(FixClientError, match="logon refused"):
        stranger.logon(is_reset=True)
    venue.gateway.kill()
    venue.gateway.start()
    # Neither side's numbers moved: nothing of a stranger's reaches QuickFIX.
    first_new = venue.client.next_out
    venue.log_on()
    venue.trade(1)
    # The new one itself may be, where it overtook the gateway's asking for the Logout before it.
    again = {number for number in venue.client.resent_numbers if number < first_new}
    assert not again, "the client was asked for orders that had been sequenced"
    venue.check_nothing_ran_twice()


def test_a_reset_survives_a_crash_at_once(venue: Venue) -> None:
    venue.log_on()
    venue.trade(3)
    venue.client.logout()
    venue.log_on(is_reset=True)
    venue.gateway.kill()
    venue.client.abort()
    venue.gateway.start()
    venue.log_on()
    venue.trade(3)
    venue.check_nothing_ran_twice()
    assert venue.gateway.stop() == 0
    assert max(venue.epochs().values()) == 2
