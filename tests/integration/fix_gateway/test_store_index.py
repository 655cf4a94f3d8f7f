"""QuickFIX's stores are cut while sessions trade: what is left can be sent again."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fix_gateway.fix_client import FixClient, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed
from tests.integration.fix_gateway.test_guard import eventually, name_of, order

KEPT = 40


class Venue:
    def __init__(self, directory: Path) -> None:
        prepare(directory)
        self.directory = directory
        self.core = Process("core", directory)
        options = json.dumps({"resend_messages": KEPT, "checkpoint_seconds": 0.5})
        self.gateway = Process("gateway", directory, options)

    def client(self, name: str) -> FixClient:
        made = FixClient(sender=name, target="RIALTO", key=KEY, heartbeat_seconds=30)
        made.connect("127.0.0.1", int((self.directory / "guard.port").read_text()))
        made.logon()
        return made

    def stored(self, name: str) -> list[int]:
        """The numbers of what a session's store holds."""
        header = self.directory / "fix" / "store" / f"FIX.4.4-RIALTO-{name}.header"
        return [int(entry.split(b",")[0]) for entry in header.read_bytes().split()]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = Venue(tmp_path)
    try:
        made.core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        made.gateway.start()
        yield made
    finally:
        made.gateway.close()
        made.core.close()


def names_told(client: FixClient, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        report = client.receive()
        assert report is not None, f"{len(found)} of {count}"
        if text(report, 35) == "8":
            found.append(text(report, 11))
    return found


def test_a_store_is_cut_under_load_and_nothing_else_is_noticed(venue: Venue) -> None:
    client = venue.client("INST1")
    try:
        names: list[str] = []
        sent = 0
        # Looked at each second: it goes on until the store was cut at least twice on the way.
        while len(cuts(venue)) < 2:
            some = [name_of() for _ in range(KEPT)]
            for name in some:
                client.send("D", order(name))
            names += names_told(client, len(some))
            sent += len(some)
            assert sent < 200 * KEPT, "it was never cut"
        assert len(set(names)) == len(names) == sent
        eventually(lambda: len(venue.stored("INST1")) == KEPT)
        kept = venue.stored("INST1")
        assert kept == list(range(kept[0], kept[0] + KEPT)), "none was lost while it was cut"

        client.next_in = 1  # as if all had been lost
        client._transmit("2", [(7, 1), (16, 0)])
        client.send("D", order(marker := name_of()))
        again: list[str] = []
        while marker not in again:
            again += names_told(client, 1)
        assert again[:-1] == names[1 - len(again) :]
        assert len(again) > KEPT // 2, "most of what is kept are reports"

        venue.gateway.kill()
        venue.gateway._serve()
        client.connect("127.0.0.1", int((venue.directory / "guard.port").read_text()))
        client.logon()
        client.send("D", order(last := name_of()))
        assert names_told(client, 1) == [last], "neither lost nor told twice"
    finally:
        client.abort()


def cuts(venue: Venue) -> list[str]:
    return [line for line in venue.gateway.log().splitlines() if "store_trimmed" in line]
