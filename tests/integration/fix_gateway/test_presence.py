"""The end of a connection: what a Logon may choose, and the fence behind it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fix_gateway.settings import Doors
from messages.layout import plain_text
from messages.trading import events
from messages.trading.terms import CancelOnDisconnect
from tests.integration.fix_gateway.fix_client import FixClient, FixClientError, now_text, text
from tests.integration.fix_gateway.front_places import doors, session_files
from tests.integration.fix_gateway.processes import KEY, Process, history, prepare, seed

GATEWAY = '{"checkpoint_seconds": 0.5, "files": {"MM2": {"disconnect_grace_seconds_max": 1}}}'
IN_FLIGHT = 1000
HEARTBEAT_SECONDS = 30
"""Of a client, which nobody waits for to know that its connection is gone."""
SETTLED_SECONDS_MAX = 180.0


class Venue(NamedTuple):
    """A running core and gateway."""

    directory: Path
    core: Process
    gateway: Process

    def client(self, name: str, *terms: tuple[int, str]) -> FixClient:
        """A client that is logged on by these terms; numbers start anew."""
        made = FixClient(sender=name, target="RIALTO", key=KEY, heartbeat_seconds=HEARTBEAT_SECONDS)
        made.connect("127.0.0.1", int((self.directory / "guard.port").read_text()))
        made.logon(is_reset=True, extra=terms)
        return made

    def told(self) -> list[events.Event]:
        return asyncio.run(history(self.directory))

    def connection(self, name: str) -> int:
        """Return the connection that an order came over."""
        return next(
            event.connection
            for event in self.told()
            if isinstance(event, events.OrderAccepted) and plain_text(event.client_order_id) == name
        )

    def fence(self, session: int, connection: int, *, after: int = 0) -> events.SessionFenced:
        """Wait until a connection is fenced off, for the second time ``after`` one."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while True:
            found = [
                event
                for event in self.told()
                if isinstance(event, events.SessionFenced)
                and (event.session, event.connection) == (session, connection)
            ]
            if len(found) > after:
                return found[after]
            assert time.monotonic() < deadline, "never fenced"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    directory = tmp_path_factory.mktemp("presence")
    prepare(directory)
    made = Venue(directory, Process("core", directory), Process("gateway", directory, GATEWAY))
    try:
        made.core.start()
        asyncio.run(seed(directory, sessions=session_files()))
        made.gateway.start()
        yield made
    finally:
        made.gateway.close()
        made.core.close()


def order(name: str) -> list[tuple[int, str | int]]:
    return [
        (11, name),
        (55, "BTC-USD"),
        (54, "1"),
        (38, "0.01"),
        (40, "2"),
        (44, "59000.00"),
        (59, "1"),
        (60, now_text()),
    ]


def answer_of(client: FixClient, tag: int) -> str:
    answer = client.receive()
    assert answer is not None
    return text(answer, tag)


def report_of(client: FixClient, name: str) -> str:
    """Wait for what an order is told first; say its ExecType (150)."""
    while (answer := client.receive()) is not None:
        if text(answer, 11) == name:
            return text(answer, 150)
    raise AssertionError(f"{name} was not answered")


def left_open(told: list[events.Event], session: int, connection: int) -> set[int]:
    """Return the orders accepted on a connection that nothing ended."""
    found: set[int] = set()
    for event in told:
        if isinstance(event, events.OrderAccepted):
            if (event.session, event.connection) == (session, connection):
                found.add(event.order_id)
        elif isinstance(event, events.OrderCancelled | events.OrderExpired):
            found.discard(event.order_id)
    return found


def test_a_logon_chooses_within_its_file_what_its_end_does(venue: Venue) -> None:
    client = venue.client("INST1", (8013, "S"))
    assert (text(client.logon_answer, 8013), text(client.logon_answer, 5070)) == ("S", "0")
    client.send("D", order("a1"))
    assert report_of(client, "a1") == "0"
    client.abort()
    fence = venue.fence(3, venue.connection("a1"))
    assert (fence.cancel_on_disconnect, fence.cancelled) == (CancelOnDisconnect.SESSION, 1)
    assert fence.last_source_sequence == 2
    plain = venue.client("INST1")
    assert text(plain.logon_answer, 8013) == "N"
    plain.send("D", order("a2"))
    assert report_of(plain, "a2") == "0"
    plain.abort()
    fence = venue.fence(3, venue.connection("a2"))
    assert (fence.cancel_on_disconnect, fence.cancelled) == (CancelOnDisconnect.NONE, 0)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ((8013, "N"), "GATEWAY_DISCONNECT_MODE_NOT_ALLOWED (1080): CancelOnDisconnect (8013) is N"),
        ((5070, "2"), "GATEWAY_DISCONNECT_GRACE_NOT_ALLOWED (1081): DisconnectGracePeriod (5070)"),
        ((5070, "-1"), "may be 0 to 1 seconds"),
    ],
)
def test_what_the_file_does_not_allow_refuses_the_logon(
    venue: Venue, terms: tuple[int, str], why: str
) -> None:
    with pytest.raises(FixClientError, match="disconnected") as refused:
        venue.client("MM2", terms)
    assert why in str(refused.value)


def test_a_chosen_grace_keeps_orders_for_the_client_that_comes_back(venue: Venue) -> None:
    client = venue.client("MM2", (5070, "1"))
    client.send("D", order("b1"))
    assert report_of(client, "b1") == "0"
    client.abort()
    connection = venue.connection("b1")
    assert venue.fence(2, connection).grace_until_ns > 0
    settled = venue.fence(2, connection, after=1)
    assert (settled.grace_until_ns, settled.cancelled) == (0, 1)


@pytest.mark.parametrize("killed", ["connection", "gateway", "core"])
def test_nothing_rests_of_a_connection_that_ended_amid_a_thousand_orders(
    venue: Venue, killed: str
) -> None:
    client = venue.client("MM1")
    for number in range(IN_FLIGHT):
        client.send("D", order(f"{killed}-{number}"))
    assert report_of(client, f"{killed}-0") == "0"  # the others are on their way now
    ended_at_ns = time.time_ns()
    if killed == "gateway":
        venue.gateway.kill()
    elif killed == "core":
        venue.core.kill()
        venue.core.start()
    client.abort()
    connection = venue.connection(f"{killed}-0")
    fence = venue.fence(1, connection)
    told = venue.told()
    assert left_open(told, 1, connection) == set()
    late = [
        event
        for event in told
        if event.number > fence.number
        and isinstance(event, events.OrderAccepted)
        and (event.session, event.connection) == (1, connection)
    ]
    assert not late
    seconds = (fence.time_ns - ended_at_ns) / 1e9
    if killed == "gateway":
        venue.gateway.start()
    if killed != "core":
        assert seconds < HEARTBEAT_SECONDS, "its end is seen, not missed heartbeats"


def test_a_stop_is_announced_counted_down_and_taken_back(venue: Venue) -> None:
    client = venue.client("INST1")
    control = doors(venue.directory)
    announce(control, stop_in_seconds=1, text="upgrade")
    while (told := client.receive()) is not None and text(told, 35) != "B":
        pass  # what was still to come of the orders before
    assert told is not None
    assert text(told, 148) == "VENUE STOP in 1 s"
    assert "upgrade" in ended(client)
    with pytest.raises(FixClientError, match="upgrade"):
        venue.client("INST1")
    announce(control, stop_in_seconds=None, text="")
    come_back(venue, "INST1")


def ended(client: FixClient) -> str:
    """Return why a client's connection ended."""
    try:
        while client.receive() is not None:
            pass
    except FixClientError as error:
        return str(error)
    return "still there"


def come_back(venue: Venue, name: str) -> None:
    """Log on once it is let in again."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            venue.client(name).abort()
        except FixClientError:
            continue
        return
    raise AssertionError(f"{name} is still kept out")


def announce(control: Doors, *, stop_in_seconds: int | None, text: str) -> None:
    request = {
        "credential": control.credential.read_text().strip(),
        "stop_in_seconds": stop_in_seconds,
        "text": text,
    }
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(control.control))
        line.sendall(json.dumps(request).encode() + b"\n")
        assert line.recv(64) == b"done\n"


def test_who_does_not_know_the_credential_announces_nothing(venue: Venue) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(doors(venue.directory).control))
        line.sendall(b'{"credential": "guessed", "stop_in_seconds": 0}\n')
        assert line.recv(64) == b"unknown\n"
    client = venue.client("INST1")
    client.send("D", order("n1"))
    assert report_of(client, "n1") == "0"
    client.abort()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("is_suspended = true\n", "the session is suspended"),
        ("schedule = { days = [] }\n", "the session may be logged on from 00:00 to 24:00 UTC"),
    ],
)
def test_a_suspended_session_and_one_outside_its_hours_is_logged_out_and_kept_out(
    venue: Venue, more: str, why: str
) -> None:
    client = venue.client("MM1")
    path = venue.directory / "sessions" / "MM1.toml"
    before = path.read_text()
    path.write_text(more + before)
    assert why in ended(client)
    with pytest.raises(FixClientError, match=why):
        venue.client("MM1")
    path.write_text(before)
    come_back(venue, "MM1")
