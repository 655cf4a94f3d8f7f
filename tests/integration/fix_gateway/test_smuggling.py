"""Fields hidden inside other fields: nobody acts as another, logs on as another, or ends anything.

QuickFIX reads data fields (XmlData, Signature, EncodedText, …) by a length that the sender gives,
so a separator inside one once carried further fields past it.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.demo.logon_proof import LogonKey
from tests.integration.fix_gateway.fix_client import now_text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import KEY, Process, prepare, seed

SOH = "\x01"
SECONDS_MAX = 60.0
REFUSED = ("3", "j", "5", "2", "")
NOBODY = LogonKey("nobody", "hmac-sha256", bytes(32))


class RawClient:
    """Sends what no client would: header, body and trailer as given, framing right."""

    def __init__(self, port: int, sender: str) -> None:
        self._sender = sender
        self._line = socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX)
        self._number = 0
        self._data = b""

    def send(
        self,
        kind: str,
        body: str,
        *,
        header: str = "",
        trailer: str = "",
        key: LogonKey | None = None,
    ) -> None:
        self._number += 1
        sent_at = now_text()
        if key is not None:
            names = {"sender": self._sender, "target": "RIALTO"}
            proof = key.fields(**names, number=self._number, sending_time=sent_at)
            body += "".join(f"{tag}={value}|" for tag, value in proof)
        text = (
            f"35={kind}|34={self._number}|49={self._sender}|52={sent_at}|56=RIALTO|"
            f"{header}{body}{trailer}"
        ).replace("|", SOH)
        data = f"8=FIX.4.4{SOH}9={len(text)}{SOH}{text}".encode("latin-1")
        self._line.sendall(data + f"10={sum(data) % 256:03d}{SOH}".encode())

    def log_on(self, *, trailer: str = "", key: LogonKey = KEY) -> None:
        self.send("A", "98=0|108=30|141=Y|", trailer=trailer, key=key)

    def order(self, name: str, *, header: str = "", trailer: str = "", extra: str = "") -> None:
        body = f"11={name}|55=BTC-USD|54=1|38=0.01|40=2|44=50000.00|59=1|60={now_text()}|{extra}"
        self.send("D", body, header=header, trailer=trailer)

    def receive(self) -> dict[str, str]:
        """The next message that is no heartbeat; empty when all is over."""
        while True:
            end = self._data.find(f"{SOH}10=".encode())
            stop = self._data.find(SOH.encode(), end + 1)
            if end >= 0 and stop >= 0:
                message, self._data = self._data[: stop + 1], self._data[stop + 1 :]
                fields = dict(
                    field.split("=", 1) for field in message.decode("latin-1").split(SOH) if field
                )
                if fields["35"] not in ("0", "1"):
                    return fields
                continue
            data = b""
            with contextlib.suppress(ConnectionError):
                data = self._line.recv(65536)
            if not data:
                return {}
            self._data += data

    def verdict(self) -> str:
        """The type of what is said of the message before; empty for nothing, or an end.

        FIX lets an unreadable message be ignored as if it had been lost on the way: then the
        order that follows it is beyond a gap, and the venue asks for what is missing (2).
        """
        name = f"after-{self._number}"
        with contextlib.suppress(ConnectionError):
            self.order(name)
        answer = self.receive()
        return "" if answer.get("11") == name else answer.get("35", "")

    def close(self) -> None:
        self._line.close()


class Stage:
    """A core and a gateway, and the clients of one test."""

    def __init__(self, directory: Path) -> None:
        prepare(directory)
        self.directory = directory
        self.core, self.gateway = Process("core", directory), Process("gateway", directory)
        self.clients: list[RawClient] = []

    def client(self, sender: str, *, is_logged_on: bool = True) -> RawClient:
        port = int((self.directory / "guard.port").read_text())
        made = RawClient(port, sender)
        self.clients.append(made)
        if is_logged_on:
            made.log_on()
            assert made.receive()["35"] == "A"
        return made

    def prove_alive(self, client: RawClient) -> None:
        """Show that the gateway still trades for an honest client."""
        name = f"alive-{time.time_ns()}"
        client.order(name)
        answer = client.receive()
        assert (answer["35"], answer["150"], answer["11"]) == ("8", "0", name)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("smuggling"))
    try:
        stage.core.start()
        asyncio.run(seed(stage.directory, sessions=session_files()))
        stage.gateway.start()
        yield stage
    finally:
        stage.gateway.close()
        stage.core.close()


@pytest.fixture
def stage(running: Stage) -> Iterator[Stage]:
    running.clients.clear()
    yield running
    for client in running.clients:
        client.close()


def data_field(length_tag: int, tag: int, inside: str) -> str:
    return f"{length_tag}={len(inside)}|{tag}={inside}|"


HIDING_PLACES = [
    pytest.param({"header": (212, 213)}, id="XmlData"),
    pytest.param({"header": (90, 91)}, id="SecureData"),
    pytest.param({"trailer": (93, 89)}, id="Signature"),
    pytest.param({"extra": (354, 355)}, id="EncodedText"),
    pytest.param({"extra": (95, 96)}, id="RawData"),
]


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_hidden_sender_never_acts(stage: Stage, place: dict[str, tuple[int, int]]) -> None:
    victim, attacker = stage.client("MM1"), stage.client("INST1")
    ((where, (length_tag, tag)),) = place.items()
    hidden = data_field(length_tag, tag, f"zz{SOH}49=MM1{SOH}34=77777")
    if where == "header":
        attacker.order("stolen", header=hidden)
    elif where == "trailer":
        attacker.order("stolen", trailer=hidden)
    else:
        attacker.order("stolen", extra=hidden)
    assert attacker.verdict() in REFUSED
    stage.prove_alive(victim)  # which hears of its own order and of nothing before it


@pytest.mark.parametrize("sender", ["MM2", "INST1-DC"])
def test_a_hidden_name_and_proof_do_not_log_on(stage: Stage, sender: str) -> None:
    attacker = stage.client(sender, is_logged_on=False)
    pairs = KEY.fields(sender="INST1", target="RIALTO", number=1, sending_time=now_text())
    proof = SOH.join(f"{tag}={value}" for tag, value in pairs)
    attacker.log_on(trailer=data_field(93, 89, f"zz{SOH}49=INST1{SOH}{proof}"), key=NOBODY)
    assert attacker.receive().get("35") != "A"
    stage.prove_alive(stage.client("MM1"))


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_what_is_not_fields_ends_nothing(stage: Stage, place: dict[str, tuple[int, int]]) -> None:
    attacker = stage.client("INST1")
    ((where, (length_tag, tag)),) = place.items()
    hidden = data_field(length_tag, tag, f"zz{SOH}boom")
    attacker.order(
        "boom",
        header=hidden if where == "header" else "",
        trailer=hidden if where == "trailer" else "",
        extra=hidden if where == "extra" else "",
    )
    stage.prove_alive(stage.client("MM1"))


def test_a_logon_that_cannot_be_read_is_no_logon(stage: Stage) -> None:
    attacker = stage.client("MM2", is_logged_on=False)
    attacker.log_on(trailer=data_field(93, 89, f"zz{SOH}boom"), key=NOBODY)
    assert attacker.receive().get("35") != "A"
    stage.prove_alive(stage.client("MM1"))


@pytest.mark.parametrize("twice", ["49=MM1|", "11=other|", "44=1.00|", "1=MM1|1=INST1|"])
def test_a_field_that_stands_twice_is_refused(stage: Stage, twice: str) -> None:
    attacker = stage.client("INST1")
    attacker.order("twice", extra=twice)
    assert attacker.verdict() in REFUSED
    stage.prove_alive(stage.client("MM1"))
