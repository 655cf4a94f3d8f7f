"""Receipts and digests as clients get them: through QuickFIX, signed, and again after a loss."""

import asyncio
import base64
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import simplefix
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from exchange.demo.state_digest import HEADER_TAGS, TRAILER_TAGS
from exchange.digest_explanation import explain, read_log, read_messages
from fix_gateway.statements.signing import read_signer
from tests.integration.fix_gateway.fix_client import FixClient, text
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import Process, prepare, seed
from tests.integration.fix_gateway.test_presence import Venue, answer_of, order

GATEWAY = (
    '{"checkpoint_seconds": 0.5, "files": {'
    '"INST1-DC": {"drop_copy": {"firms": ["INST1"], "state_digest_seconds": 1}},'
    '"INST1": {"disconnect_receipt": "always"}}}'
)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    prepare(tmp_path)
    made = Venue(tmp_path, Process("core", tmp_path), Process("gateway", tmp_path, GATEWAY))
    try:
        made.core.start()
        asyncio.run(seed(tmp_path, sessions=session_files()))
        made.gateway.start()
        yield made
    finally:
        made.gateway.close()
        made.core.close()


def wait_for(client: FixClient, kind: str, *, containing: str = "") -> simplefix.FixMessage:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = client.receive()
        if message is not None and text(message, 35) == kind and containing in str(message):
            return message
    raise AssertionError(f"no {kind} with {containing!r} came")


def check_signature(venue: Venue, message: simplefix.FixMessage) -> str:
    """Check a statement as a client would, by the bytes that came; return what was signed."""
    key = read_signer(venue.directory / "venue-signing.key").public_key
    came = message.encode(raw=True).decode().rstrip("\x01").split("\x01")
    skipped = {str(tag) for tag in HEADER_TAGS | TRAILER_TAGS}
    body = [f"{field}\x01" for field in came if field.partition("=")[0] not in skipped]
    assert body[-1].startswith("5073=")
    signed = f"35={text(message, 35)}\x01{''.join(body[:-1])}"
    signature = base64.b64decode(text(message, 5073))
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key)).verify(signature, signed.encode())
    return signed


def test_a_receipt_waits_for_the_session_and_is_on_the_drop_copy_at_once(venue: Venue) -> None:
    copy = venue.client("INST1-DC")
    client = venue.client("INST1", (8013, "S"))
    for number in range(3):
        client.send("D", order(f"r{number}"))
        assert answer_of(client, 150) == "0"
    client.abort()
    copied = wait_for(copy, "N")
    assert (text(copied, 68), text(copied, 5071), text(copied, 431)) == ("3", "4", "6")
    signed = check_signature(venue, copied)
    client.connect("127.0.0.1", int((venue.directory / "guard.port").read_text()))
    client.logon()
    again = wait_for(client, "N")
    assert check_signature(venue, again) == signed
    assert signed.count("cancelled by disconnect at event") == 3
    client.logout()
    copy.logout()


def test_a_receipt_is_the_same_after_the_loss_of_the_gateways_whole_state(venue: Venue) -> None:
    copy = venue.client("INST1-DC")
    client = venue.client("INST1", (8013, "Y"))
    client.send("D", order("l1"))
    assert answer_of(client, 150) == "0"
    client.abort()
    signed = check_signature(venue, wait_for(copy, "N"))
    copy.abort()
    venue.gateway.kill()
    shutil.rmtree(venue.directory / "fix")
    venue.gateway.start()
    fresh = FixClient(sender="INST1", target="RIALTO", key=client.key)
    fresh.next_out = client.next_out + 1
    fresh.connect("127.0.0.1", int((venue.directory / "guard.port").read_text()))
    fresh.logon()
    assert check_signature(venue, wait_for(fresh, "N")) == signed
    fresh.abort()


def test_a_client_computes_the_digest_from_its_own_drop_copy(venue: Venue) -> None:
    copy, client, maker = venue.client("INST1-DC"), venue.client("INST1"), venue.client("MM1")
    first = wait_for(copy, "B")
    check_signature(venue, first)
    assert b"orders 0 digest 0000000000000000" in first.encode()
    maker.send("D", [*order("m1")[:2], (54, "2"), *order("m1")[3:]])
    assert answer_of(maker, 150) == "0"
    for number in range(3):
        client.send("D", order(f"d{number}"))
    came = [first]
    while b"orders 2 digest" not in came[-1].encode():
        message = copy.receive()
        assert message is not None
        came.append(message)
    check_signature(venue, came[-1])
    assert re.search(rb"money USD balance [0-9.]+ held 118[0-9]\.", came[-1].encode())
    log = read_log(read_messages(written(came)))
    assert explain(log, log.digests[-1]) == []
    reports = [each for each in came if text(each, 35) == "8"]
    for lost, said in ((reports[-1], "open orders: "), (reports[1], "execution ")):
        log = read_log(read_messages(written(each for each in came if each is not lost)))
        assert any(line.startswith(said) for line in explain(log, log.digests[-1])), lost
    for each in (client, copy, maker):
        each.abort()


def written(messages: Iterable[simplefix.FixMessage]) -> str:
    return "\n".join(each.encode(raw=True).decode("ascii") for each in messages)
