"""The guard before a real gateway: who is let in, who is cut off, and what the others notice."""

import asyncio
import base64
import contextlib
import itertools
import json
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exchange.demo.logon_proof import LogonKey
from fix_gateway.guard.framing import frame
from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.guard.keys import Key, with_key, without_key
from tests.integration.fix_gateway.fix_client import (
    PATIENCE_SECONDS,
    FixClient,
    FixClientError,
    now_text,
    text,
)
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.guard_child import PATIENT
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

LIMITS: dict[str, Any] = {
    "gap_messages_max": 50,
    "unauthenticated_max": 8,
    "unauthenticated_per_address_max": 6,
    "connections_per_address_max": 12,
    "garbled_max": 3,
    "output_bytes_max": 65536,
    "resend_page_messages": 10,
    "logon_failures_max": 12,
    "logon_failures_seconds": 3600,
    "reload_seconds": 0.1,
}
HASTY: dict[str, Any] = {"logon_seconds": 0.8, "half_message_seconds": 0.8}
"""Limits on time, for the tests of them alone: who is honest may be slow as well."""

DRIPPING = b"8=FIX.4.4\x019=30000\x0135=D\x0134=2\x0158="
"""A message that takes minutes, a byte at a time."""


class Front:
    """A core, a gateway and a guard with low limits."""

    def __init__(self, directory: Path, limits: dict[str, Any] = LIMITS) -> None:
        prepare(directory)
        self.directory = directory
        self.core = Process("core", directory)
        # So low that it is met however slowly messages come.
        files = {"MM1": {"throttle": {"messages": 100, "seconds": 10}}}
        self.gateway = Process("gateway", directory, json.dumps({"files": files}))
        assert self.gateway.guard is not None
        self.gateway.guard.arguments = (json.dumps({"limits": limits}),)
        self.keys = KeyFiles(directory / "keys")
        self.port = 0

    def start(self) -> None:
        self.core.start()
        asyncio.run(seed(self.directory, sessions=session_files()))
        self.port = self.gateway.start()

    def close(self) -> None:
        self.gateway.close()
        self.core.close()

    def client(self, name: str, *, key: LogonKey = KEY, source: str = "") -> FixClient:
        made = FixClient(sender=name, target="RIALTO", key=key, heartbeat_seconds=30)
        made.connect("127.0.0.1", self.port, source=source)
        return made

    def raw(self, *, source: str = "127.0.0.1") -> socket.socket:
        line = socket.create_connection(
            ("127.0.0.1", self.port), timeout=PATIENCE_SECONDS, source_address=(source, 0)
        )
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return line

    def reread(self, change: Callable[[], None]) -> None:
        """Change sessions or keys, and wait until the guard has read them again."""

        def readings() -> int:
            assert self.gateway.guard is not None
            return self.gateway.guard.log().count("sessions_read")

        before = readings()
        change()
        eventually(lambda: readings() > before)

    def metric(self, name: str) -> float:
        port = int((self.directory / "guard.metrics_port").read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            found = re.search(rf"^{re.escape(name)} (\S+)$", page.read().decode(), re.MULTILINE)
        return float(found.group(1)) if found else 0.0

    def cut(self, reason: str) -> float:
        return self.metric(f'fix_guard_cut_total{{reason="{reason}"}}')


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("front"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One that gives nobody time."""
    made = Front(tmp_path_factory.mktemp("hasty"), HASTY)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def front(running: Front) -> Iterator[Front]:
    """The front, and a victim that trades before and after whatever is done."""
    victim = running.client("MM2")
    victim.logon(is_reset=True)
    trades(victim)
    yield running
    trades(victim)
    victim.logout()


@pytest.fixture
def client(front: Front) -> Iterator[Callable[..., FixClient]]:
    made: list[FixClient] = []

    def make(name: str) -> FixClient:
        one = front.client(name)
        one.logon(is_reset=True)
        made.append(one)
        return one

    yield make
    for one in made:
        with contextlib.suppress(FixClientError, OSError):
            one.logout()


_NUMBERS = itertools.count()


def name_of() -> str:
    return f"g-{time.time_ns()}-{next(_NUMBERS)}"


HEADED = b"35=%b\x0134=2\x0149=INST1\x0152=20260101-00:00:00\x0156=RIALTO\x01%b"
"""Type and body of a message; its time does not matter to the guard."""


def order(name: str) -> list[tuple[int, str | int]]:
    return [
        (11, name),
        (55, "BTC-USD"),
        (54, "1"),
        (38, "0.001"),
        (40, 2),
        (44, "58000.00"),
        (59, 1),
        (60, now_text()),
    ]


def trades(client: FixClient) -> None:
    """Show that a client's order is answered."""
    name = name_of()
    client.send("D", order(name))
    while (answer := client.receive()) is not None:
        if text(answer, 11) == name:
            assert text(answer, 150) == "0"
            return
    raise AssertionError("an order was not answered")


def said_at_the_end(line: socket.socket) -> bytes:
    """Read until the other side closes."""
    line.settimeout(PATIENCE_SECONDS)
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while data := line.recv(65536):
            said += data
    return said


def is_ended(client: FixClient) -> str:
    """Read until the venue ends the session, and return what it said of why."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(FixClientError):
        while time.monotonic() < deadline:
            client.receive(0.2)
        raise AssertionError("the session goes on")
    return client.last_text


def eventually(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


# --- before the Logon ---


@pytest.mark.parametrize(
    "junk",
    [
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"8=FIX.4.4\x019=2147483000\x01",
        b"8=FIX.4.4\x019=-5\x0135=A\x0110=000\x01",
        b"8=FIX.4.4\x019=005\x0135=A\x0110=000\x01",
        frame(b"35=A\x0134=1\x01")[:-4] + b"000\x01",
        frame(b"35=D\x0134=1\x0149=MM1\x0156=RIALTO\x01"),
        frame(b"35=A\x0134=1\x0149=MM1\x0156=RIALTO\x0152=20270101-00:00:00\x01"),
        frame(b"35=A\x01" + b"58=x\x01" * 300),
        frame(b"35=A\x0158=" + b"x" * 2000 + b"\x01"),
    ],
)
def test_who_is_not_heard_of_is_cut_off_at_once_without_a_word(front: Front, junk: bytes) -> None:
    with front.raw() as line:
        began = time.monotonic()
        line.sendall(junk)
        assert said_at_the_end(line) == b""
        assert time.monotonic() - began < PATIENT["logon_seconds"], "it did not wait for more"


@pytest.mark.parametrize("data", [b"", b"8=FIX.4.4\x019=100\x0135=A\x01"])
def test_a_logon_that_is_not_whole_in_time_is_cut_off(hasty: Front, data: bytes) -> None:
    before = hasty.cut("no_logon")
    with hasty.raw() as line:
        line.sendall(data)
        assert said_at_the_end(line) == b""
    eventually(lambda: hasty.cut("no_logon") == before + 1)


def drip(write: Callable[[bytes], None]) -> None:
    """Send a message byte by byte until nobody takes it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with contextlib.suppress(OSError, FixClientError):
        for byte in itertools.chain(DRIPPING, itertools.repeat(ord("x"))):
            write(bytes([byte]))
            assert time.monotonic() < deadline, "it was never cut off"
            time.sleep(0.05)


def test_dripping_does_not_prolong_the_time_to_a_logon(hasty: Front) -> None:
    before = hasty.cut("no_logon")
    with hasty.raw() as line:
        drip(line.sendall)
    eventually(lambda: hasty.cut("no_logon") == before + 1)


def test_strangers_make_room_for_one_another_and_not_for_clients(front: Front) -> None:
    lines = [front.raw(source=f"127.0.0.{2 + number % 3}") for number in range(12)]
    try:
        inst = front.client("INST1")
        inst.logon(is_reset=True)
        trades(inst)
        inst.logout()
        eventually(lambda: front.cut("unauthenticated") > 0)
    finally:
        for line in lines:
            line.close()


def test_one_address_has_its_share_of_connections(front: Front) -> None:
    before = front.cut("unauthenticated_per_address")
    lines = [front.raw(source="127.0.0.9") for _ in range(10)]
    eventually(lambda: front.cut("unauthenticated_per_address") >= before + 4)
    for line in lines:
        line.close()


# --- the Logon ---


def refusal_of(client: FixClient, *, is_reset: bool = False) -> tuple[str, str]:
    """Log on, be refused, and return SessionStatus and text."""
    kept: list[tuple[str, str]] = []
    deliver = client._take

    def take(message: object) -> None:
        if text(message, 35) == "5":  # type: ignore[arg-type]
            kept.append((text(message, 1409), text(message, 58)))  # type: ignore[arg-type]
        deliver(message)  # type: ignore[arg-type]

    client._take = take  # type: ignore[method-assign]
    with pytest.raises(FixClientError):
        client.logon(is_reset=is_reset)
    client.abort()
    return kept[0]


def test_a_stolen_comp_id_resets_nothing_and_burns_no_number(front: Front) -> None:
    inst = front.client("INST1")
    inst.logon(is_reset=True)
    trades(inst)
    inst.logout()
    thief = front.client("INST1", key=LogonKey(KEY.id, KEY.kind, bytes(32)))
    assert refusal_of(thief, is_reset=True) == ("5", "logon refused")
    inst.connect("127.0.0.1", front.port)
    inst.logon()
    trades(inst)
    assert inst.resends_asked == 0, "the venue knows the numbers as they were"
    inst.logout()


def test_a_client_that_counts_every_logout_stays_in_step(front: Front) -> None:
    """QuickFIX's own initiator raises its number by any Logout, also by a refusing one."""
    inst = front.client("INST1")
    inst.logon(is_reset=True)
    trades(inst)
    inst.logout()
    right = inst.key
    for _ in range(3):
        inst.key = LogonKey(KEY.id, KEY.kind, bytes(32))
        inst.connect("127.0.0.1", front.port)
        refusal_of(inst)
        inst.next_in += 1  # as QuickFIX does
        inst.next_out -= 1  # and the venue never had it
    inst.key = right
    inst.connect("127.0.0.1", front.port)
    inst.logon()
    trades(inst)
    assert inst.gaps == 0
    inst.logout()


def test_an_unknown_session_and_a_wrong_proof_look_alike(front: Front) -> None:
    wrong = LogonKey(KEY.id, KEY.kind, bytes(32))
    told = {refusal_of(front.client(name, key=wrong)) for name in ("INST1-DC", "NOBODY")}
    assert told == {("5", "logon refused")}


def test_a_replayed_logon_is_refused(front: Front) -> None:
    inst = FixClient(sender="INST1", target="RIALTO", key=KEY)
    logon = inst.encoded("A", [(98, 0), (108, 30), (141, "Y")], number=1)
    with front.raw() as line:
        line.sendall(logon)
        assert b"\x0135=A\x01" in line.recv(4096)
    eventually(lambda: front.metric('fix_guard_connections{stage="live"}') == 1)
    with front.raw() as line:
        line.sendall(logon)
        said = said_at_the_end(line)
    assert b"\x011409=5\x01" in said
    assert b"used before" in said


def test_a_logon_from_another_time_is_refused_with_the_difference(front: Front) -> None:
    old = "20200101-00:00:00.000"
    proof = KEY.fields(sender="INST1", target="RIALTO", number=1, sending_time=old)
    fields = [(34, 1), (49, "INST1"), (52, old), (56, "RIALTO"), (98, 0), (108, 30), *proof]
    with front.raw() as line:
        line.sendall(frame(("35=A\x01" + "".join(f"{t}={v}\x01" for t, v in fields)).encode()))
        said = said_at_the_end(line)
    assert b"from our clock; within 60 s" in said


def test_another_begin_string_is_answered(front: Front) -> None:
    inst = front.client("INST1")
    logon = inst.encoded("A", [(98, 0), (108, 30)], number=1)
    body = logon[logon.index(b"35=A") : logon.rindex(b"10=")]
    inst.abort()
    with front.raw() as line:
        line.sendall(frame(body, begin_string=b"FIX.4.2"))
        assert b"BeginString (8) must be FIX.4.4" in said_at_the_end(line)


def test_a_second_logon_elsewhere_is_refused_and_disturbs_nothing(
    front: Front, client: Callable[..., FixClient]
) -> None:
    first = client("INST1")
    second = front.client("INST1")
    assert refusal_of(second, is_reset=True) == ("7", "the session is logged on already")
    trades(first)


def test_a_second_logon_on_the_same_connection_ends_it_with_the_reason(
    client: Callable[..., FixClient],
) -> None:
    inst = client("INST1")
    inst.send_bytes(inst.encoded("A", [(98, 0), (108, 30), (141, "Y")], number=1))
    assert "logged on; log out first" in is_ended(inst)


def test_too_many_failures_lock_who_failed_and_nobody_else(front: Front) -> None:
    wrong = LogonKey(KEY.id, KEY.kind, bytes(32))
    here = "127.0.0.5"
    told = [refusal_of(front.client("MM1", key=wrong, source=here)) for _ in range(13)]
    assert [status for status, _ in told] == ["5"] * 12 + ["6"]
    right = front.client("MM1", source=here)
    assert refusal_of(right)[0] == "6", "nor with the right key, from there"
    for name, source in (("INST1", here), ("MM1", "")):
        other = front.client(name, source=source)
        other.logon(is_reset=True)
        other.logout()


def test_a_flood_of_logons_with_wrong_proofs(front: Front) -> None:
    wrong = LogonKey(KEY.id, "ed25519", bytes(32))
    for number in range(130):
        thief = FixClient(sender=f"X{number}", target="RIALTO", key=wrong)
        with front.raw(source="127.0.0.7") as line:
            line.sendall(thief.encoded("A", [(98, 0), (108, 30), (141, "Y")], number=1))
            assert b"\x011409=" in said_at_the_end(line)
    assert front.metric('fix_guard_logons_total{outcome="locked"}') > 0


# --- keys ---


def test_keys_are_rotated_and_revoked_while_the_session_lives(front: Front) -> None:
    private = bytes(range(32))
    signer = LogonKey("ed-2", "ed25519", private)
    public = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
    ring = front.keys.read("INST1-DC")
    added = with_key(ring, Key(id="ed-2", kind="ed25519", material=public, added_at_ns=1))
    old = front.client("INST1-DC")
    old.logon(is_reset=True)
    front.reread(lambda: front.keys.write(added))
    old.logout()
    new = front.client("INST1-DC", key=signer)
    new.logon(is_reset=True)
    front.reread(lambda: front.keys.write(without_key(added, "ed-2", now_ns=time.time_ns())))
    assert is_ended(new) == "key ed-2 is revoked"
    again = front.client("INST1-DC", key=signer)
    assert refusal_of(again) == ("8", "key ed-2 is revoked")
    front.reread(lambda: front.keys.write(ring))


# --- afterwards ---


def test_a_wrong_checksum_is_ignored_and_the_number_asked_for_again(
    client: Callable[..., FixClient],
) -> None:
    inst = client("INST1")
    spoilt = inst.encoded("D", order(name_of()), number=inst.next_out)
    inst.send_bytes(spoilt[:-4] + b"%03d\x01" % ((int(spoilt[-4:-1]) + 1) % 256))
    trades(inst)
    assert inst.resends_asked == 0, "its number was never taken"


def test_garbage_between_messages_is_skipped_so_often_and_no_more(
    front: Front, client: Callable[..., FixClient]
) -> None:
    inst = client("INST1")
    for _ in range(LIMITS["garbled_max"]):
        inst.send_bytes(b"garbage\x01\x01")
        trades(inst)
    inst.send_bytes(b"garbage\x01")
    inst.send_bytes(b"8=FIX.4.4\x01")
    assert "does not begin" in is_ended(inst)
    assert front.cut("garbled") > 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"8=FIX.4.4\x019=2147483000\x01", "too many digits"),
        (b"8=FIX.4.4\x019=99999\x0135=D\x01", "at most 32768"),
        (frame(b"35=D\x0134=2\x01" + b"58=x\x01" * 1300), "more than 1280 fields"),
        (frame(b"35=D\x0134=2\x0158=" + b"x" * 1500 + b"\x01"), "a field of 1503 bytes"),
        (frame(b"35=D\x0149=INST1\x0156=RIALTO\x01"), "missing or no number"),
        (frame(b"35=D\x0134=18446744073709551617\x01"), "missing or no number"),
        (frame(b"35=D\x0134=2\x0156=RIALTO\x01"), "SenderCompID (49) is missing"),
        (frame(b"35=D\x0134=2\x0149=INST1\x01"), "TargetCompID (56) is missing"),
        (frame(b"35=D\x0134=2\x0149=INST1\x0156=RIALTO\x01"), "SendingTime (52) is missing"),
        (frame(HEADED % (b"4", b"36=x\x01")), "NewSeqNo"),
    ],
)
def test_what_is_beyond_the_limits_ends_the_session_with_the_reason(
    client: Callable[..., FixClient], data: bytes, said: str
) -> None:
    inst = client("INST1")
    inst.send_bytes(data)
    assert said in is_ended(inst)


def test_ten_thousand_fields_end_the_session(client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    inst.send_bytes(frame(b"35=D\x0134=2\x01" + b"1=\x01" * 10_000))
    assert "more than 1280 fields" in is_ended(inst)


def test_a_message_that_is_not_finished_in_time_ends_the_session(hasty: Front) -> None:
    inst = hasty.client("INST1")
    inst.logon(is_reset=True)
    inst.send_bytes(b"8=FIX.4.4\x019=100\x0135=D\x0134=2\x01")
    assert "not finished in time" in is_ended(inst)


def test_dripping_afterwards_ends_the_session(hasty: Front) -> None:
    before = hasty.cut("half_message")
    inst = hasty.client("MM2")
    inst.logon(is_reset=True)
    drip(inst.send_bytes)
    eventually(lambda: hasty.cut("half_message") == before + 1)
    inst.abort()


def test_messages_beyond_a_gap_are_bounded(client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    inst._sent.clear()
    first = 1_000_000
    with contextlib.suppress(FixClientError, OSError):
        # One more than may wait: what comes after the Logout could have it thrown away unread.
        for number in range(first, first + LIMITS["gap_messages_max"] + 1):
            inst.send_bytes(inst.encoded("H", [(11, "x"), (55, "BTC-USD")], number=number))
    assert "beyond a gap" in is_ended(inst)


def test_a_number_too_low_is_answered_and_ends_the_session(
    client: Callable[..., FixClient],
) -> None:
    inst = client("INST1")
    trades(inst)
    inst.send_bytes(inst.encoded("D", order(name_of()), number=1))
    assert "MsgSeqNum too low" in is_ended(inst)


def test_a_possible_duplicate_without_its_first_time_is_rejected(
    client: Callable[..., FixClient],
) -> None:
    inst = client("INST1")
    trades(inst)
    message = inst.encoded("D", order(name_of()), number=2)
    body = message[message.index(b"35=D") : message.rindex(b"10=")]
    inst.send_bytes(frame(body.replace(b"\x0134=2\x01", b"\x0134=2\x0143=Y\x01")))
    answer = inst.receive()
    assert answer is not None
    assert (text(answer, 35), text(answer, 373), text(answer, 371)) == ("3", "1", "122")
    trades(inst)


def test_any_range_is_resent_page_by_page(client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    names = []
    for _ in range(57):
        names.append(name_of())
        inst.send("D", order(names[-1]))
    told = [text(inst.receive(), 11) for _ in names]  # type: ignore[arg-type]
    assert told == names
    inst.next_in = 1  # as if all had been lost
    inst._transmit("2", [(7, 1), (16, 0)])
    again = [text(inst.receive(), 11) for _ in names]  # type: ignore[arg-type]
    assert again == names
    trades(inst)


def test_a_storm_of_resend_requests_is_answered_in_pages(client: Callable[..., FixClient]) -> None:
    inst = client("INST1")
    for _ in range(40):
        inst.send("D", order(name_of()))
    for _ in range(40):
        assert inst.receive() is not None
    for _ in range(200):
        inst._transmit("2", [(7, 1), (16, 0)])
    trades(inst)
    assert inst.resends_asked == 0, "every number arrived"
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        inst.receive(0.1)
    assert inst.duplicates < 2000, "200 storms of 40 messages would be 8000"


def test_a_logout_is_answered_whatever_comes_after_it(front: Front) -> None:
    for _ in range(10):
        inst = front.client("INST1")
        inst.logon(is_reset=True)
        line, first = inst._socket, inst.next_out
        assert line is not None
        answer = b""
        with contextlib.suppress(ConnectionError):  # it may be closed before all are sent
            line.sendall(inst.encoded("5", [], number=first))
            for number in range(first + 1, first + 100):
                line.sendall(inst.encoded("H", [(11, "x"), (55, "BTC-USD")], number=number))
        with contextlib.suppress(ConnectionError):
            while data := line.recv(65536):
                answer += data
        assert answer.count(b"\x0135=5\x01") == 1
        assert b"\x0135=8\x01" not in answer
        inst.abort()


def test_the_reason_of_an_end_is_told_in_the_middle_of_a_flood(front: Front) -> None:
    inquiry = [(11, "none"), (55, "BTC-USD"), (54, "1")]
    for _ in range(10):
        inst = front.client("INST1")
        inst.logon(is_reset=True)
        line = inst._socket
        assert line is not None
        answer = b""
        with contextlib.suppress(ConnectionError):
            for number in [2, 1, *range(3, 100)]:
                line.sendall(inst.encoded("H", inquiry, number=number))
        with contextlib.suppress(ConnectionError):
            while data := line.recv(65536):
                answer += data
        assert b"MsgSeqNum too low" in answer
        inst.abort()


def _ask(inst: FixClient, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        inst.send("H", [(11, "none"), (55, "BTC-USD"), (54, "1")])


def test_who_does_not_read_is_cut_off(front: Front) -> None:
    inst = front.client("INST1")
    inst.abort()
    inst._socket = socket.socket()
    # Before it connects: shrunk later, a full window makes the kernel drop acknowledgements too.
    inst._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    # A large one, once full, takes no more until a third of it is read, which may take long.
    inst._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    inst._socket.connect(("127.0.0.1", front.port))
    inst.logon(is_reset=True)
    before = front.cut("slow_reader")
    with pytest.raises(FixClientError, match="connection lost while sending"):
        _ask(inst, seconds=120)
    assert front.cut("slow_reader") == before + 1
    inst.abort()


def test_the_throttle_says_its_limit_and_lets_cancels_through(
    client: Callable[..., FixClient],
) -> None:
    inst = client("MM1")
    body = inst.encoded("H", [(11, "none"), (55, "BTC-USD"), (54, "1")], number=1)
    fields = body[body.index(b"35=H") : body.rindex(b"10=")]
    burst = b"".join(
        frame(fields.replace(b"\x0134=1\x01", b"\x0134=%d\x01" % number))
        for number in range(inst.next_out, inst.next_out + 2500)
    )
    inst.next_out += 2500
    inst.send_bytes(burst)
    inst.send("F", [(11, name_of()), (41, "none"), (55, "BTC-USD"), (54, "1"), (60, now_text())])
    kinds: dict[str, int] = {}
    throttled = None
    while (answer := inst.receive()) is not None:
        kind = text(answer, 35)
        kinds[kind] = kinds.get(kind, 0) + 1
        if text(answer, 380) == "8":
            throttled = answer
        if kind == "9":
            break
    assert throttled is not None
    assert kinds["j"] + kinds["8"] == 2500
    assert kinds["9"] == 1
    assert (text(throttled, 380), text(throttled, 5001)) == ("8", "170")
    assert (text(throttled, 1610), text(throttled, 1613), text(throttled, 1614)) == (
        "1",
        "100",
        "10",
    )
    assert "limit 100 in 10 s" in text(throttled, 58)


def test_the_gateways_door_opens_to_nobody_without_its_word(front: Front) -> None:
    inst = FixClient(sender="INST1", target="RIALTO", key=None)

    def answer_to(password: str) -> bytes:
        pairs: list[tuple[int, str | int]] = [(98, 0), (108, 30), (553, "INST1")]
        pairs += [(554, password)] if password else []
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(front.directory / "fix.sock"))
            line.sendall(inst.encoded("A", pairs, number=10**6))
            return said_at_the_end(line)

    for password in ("", "guess", "guess.0"):
        # QuickFIX hangs up unread while it has not noticed that the one before is gone.
        eventually(lambda password=password: b"logon refused" in answer_to(password))  # type: ignore[misc]


def test_without_the_gateway_clients_are_told_and_come_back(tmp_path: Path) -> None:
    front = Front(tmp_path)
    try:
        front.start()
        inst = front.client("INST1")
        inst.logon(is_reset=True)
        trades(inst)
        front.gateway.kill()
        is_ended(inst)
        inst.connect("127.0.0.1", front.port)
        assert refusal_of(inst) == ("7", "the venue is not available, try again")
        inst.next_out -= 1
        front.gateway.start()
        inst.connect("127.0.0.1", front.port)
        inst.logon()
        trades(inst)
        guard = front.gateway.guard
        assert guard is not None
        guard.terminate()
        assert is_ended(inst) == "the venue's front is stopping"
        assert guard.wait() == 0
    finally:
        front.close()


def put(path: Path, data: bytes) -> None:
    """Replace a file at once: half of it is never read."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(data)
    fresh.replace(path)


def test_a_broken_ring_lets_nobody_in_by_it_and_keeps_who_is_there(front: Front) -> None:
    inst = front.client("INST1")
    inst.logon(is_reset=True)
    ring = front.keys.path("INST1")
    good = ring.read_bytes()
    front.reread(lambda: put(ring, base64.b64encode(good)))
    try:
        trades(inst)
        inst.logout()
        other = front.client("INST1")
        assert refusal_of(other, is_reset=True) == ("5", "logon refused")
    finally:
        front.reread(lambda: put(ring, good))
    inst.connect("127.0.0.1", front.port)
    inst.logon(is_reset=True)
    inst.logout()
