"""What one session may have unanswered, and what another one waits for: counted, not timed."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from messages.trading.identity import event_number_of
from tests.integration.fix_gateway.fix_client import FixClient, text
from tests.integration.fix_gateway.test_guard import Front, eventually, name_of, order

UNANSWERED_MAX = 20
ORDERS = 200


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("front"))
    assert made.gateway.guard is not None
    limits = {"unanswered_max": UNANSWERED_MAX, "unanswered_seconds": 10.0}
    made.gateway.guard.arguments = (json.dumps({"limits": limits}),)
    try:
        made.start()
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def core_stopped(front: Front) -> Iterator[None]:
    """Let nothing be answered meanwhile."""
    os.kill(front.core.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(front.core.pid, signal.SIGCONT)


def held(front: Front) -> float:
    return front.metric("fix_guard_held_total")


LogOn = Callable[[str], FixClient]


@pytest.fixture
def log_on(front: Front) -> Iterator[LogOn]:
    made: list[FixClient] = []

    def make(name: str) -> FixClient:
        made.append(front.client(name))
        made[-1].logon(is_reset=True)
        return made[-1]

    yield make
    for client in made:
        client.abort()


def passed(front: Front) -> float:
    return front.metric("fix_guard_messages_received")


def reports(client: FixClient, count: int) -> list[tuple[str, int]]:
    """Return the names and event numbers of so many reports."""
    found: list[tuple[str, int]] = []
    for _ in range(count):
        report = client.receive()
        assert report is not None, f"{len(found)} of {count} reports came"
        assert text(report, 150) == "0", "nothing is refused"
        found.append((text(report, 11), event_number_of(text(report, 17))))
    return found


def test_a_session_is_read_until_so_much_is_unanswered_and_no_further(
    front: Front, log_on: LogOn
) -> None:
    eager, victim = log_on("INST1"), log_on("MM1")
    eventually(lambda: front.metric('fix_guard_connections{stage="live"}') == 2)
    before, held_before = passed(front), held(front)
    names = [name_of() for _ in range(ORDERS)]
    with core_stopped(front):
        for name in names:
            eager.send("D", order(name))
        eventually(lambda: passed(front) == before + UNANSWERED_MAX)
        assert held(front) == held_before + 1
        victim.send("D", order(asked := name_of()))
        eventually(lambda: passed(front) == before + UNANSWERED_MAX + 1)

    ((told, at),) = reports(victim, 1)
    assert told == asked
    answers = reports(eager, ORDERS)
    assert [name for name, _ in answers] == names, "in their order, each once"
    ahead = sum(number < at for _, number in answers)
    assert ahead <= UNANSWERED_MAX


def test_what_never_becomes_a_command_is_answered_too(log_on: LogOn) -> None:
    client = log_on("INST1")
    for _ in range(5 * UNANSWERED_MAX):
        client._transmit("1", [(112, "t")])
    for _ in range(5 * UNANSWERED_MAX):
        client.send("D", [(11, name_of())])  # lacks what the dictionary requires
    for _ in range(5 * UNANSWERED_MAX):
        assert text(client.receive(), 35) == "3"  # type: ignore[arg-type]
    client.send("D", order(asked := name_of()))
    ((told, _),) = reports(client, 1)
    assert told == asked


def test_a_gap_that_is_filled_lets_more_through_and_goes_on(log_on: LogOn) -> None:
    client = log_on("INST1")
    client.next_out += 1  # a number is left out: what follows waits for it
    names = [name_of() for _ in range(3 * UNANSWERED_MAX)]
    for name in names:
        client.send("D", order(name))
    assert [name for name, _ in reports(client, len(names))] == names
    assert client.resends_asked >= 1
    client.send("D", order(asked := name_of()))
    ((told, _),) = reports(client, 1)
    assert told == asked


def test_a_gateway_that_dies_while_a_session_is_held_takes_nothing_with_it(
    front: Front, log_on: LogOn
) -> None:
    client = log_on("INST1")
    before = held(front)
    with core_stopped(front):
        for _ in range(ORDERS):
            client.send("D", order(name_of()))
        eventually(lambda: held(front) == before + 1)
        front.gateway.kill()
        eventually(lambda: front.metric('fix_guard_connections{stage="live"}') == 0)
    front.gateway._serve()
    again = log_on("INST1")
    names = [name_of() for _ in range(3 * UNANSWERED_MAX)]
    for name in names:
        again.send("D", order(name))
    found: list[str] = []
    while len(found) < len(names):
        report = again.receive()
        assert report is not None
        found += [text(report, 11)] if text(report, 11) in names else []
    assert found == names
