"""A Logon is read strictly, judged in order, and handed on without its proof."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from exchange.demo.logon_proof import LogonKey, read_key
from fix_gateway.guard.failures import Failures
from fix_gateway.guard.framing import frame, read_frame
from fix_gateway.guard.key_files import KeyFileError, KeyFiles
from fix_gateway.guard.keys import (
    Key,
    KeyRing,
    KeyRingError,
    is_proof,
    next_key_id,
    with_key,
    without_key,
)
from fix_gateway.guard.logon import (
    Logon,
    LogonMalformedError,
    Refusal,
    SessionStatus,
    hand_over,
    judge,
    parse_logon,
    refusing_logout,
    with_session_status,
)
from fix_gateway.guard.replays import ReplayCache
from fix_gateway.translation.times import timestamp_text

NOW = 1_800_000_000_000_000_000
WINDOW = 5_000_000_000
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = LogonKey("ed", "ed25519", bytes(range(32)))
SHARER = LogonKey("hm", "hmac-sha256", b"s" * 32)


def key(key_id: str, kind: str, material: bytes, **more: int) -> Key:
    return Key(id=key_id, kind=kind, material=base64.b64encode(material).decode(), **more)  # type: ignore[arg-type]


RING = KeyRing(
    session="MM1",
    keys=(
        key("ed", "ed25519", PRIVATE.public_key().public_bytes_raw(), added_at_ns=1),
        key("hm", "hmac-sha256", SHARER.material, added_at_ns=2),
        key("old", "hmac-sha256", b"o" * 32, added_at_ns=0, revoked_at_ns=1),
    ),
)


def logon_text(
    signer: LogonKey, *, sender: str = "MM1", number: int = 1, at: int = NOW, extra: str = ""
) -> bytes:
    sent_at = timestamp_text(at)
    proof = signer.fields(sender=sender, target="RIALTO", number=number, sending_time=sent_at)
    fields = [(34, number), (49, sender), (52, sent_at), (56, "RIALTO"), (98, 0), (108, 30), *proof]
    text = "35=A\x01" + "".join(f"{tag}={value}\x01" for tag, value in fields) + extra
    return frame(text.encode())


def parsed(message: bytes) -> Logon:
    body, end = read_frame(message, 0, bytes_max=8192) or (0, 0)
    assert end == len(message)
    return parse_logon(message, body)


def judged(message: bytes, ring: KeyRing | None = RING, *, now: int = NOW) -> Key | Refusal:
    return judge(parsed(message), ring, now_ns=now, window_ns=WINDOW, not_before_ns=0)


@pytest.mark.parametrize("signer", [SIGNER, SHARER])
def test_who_proves_a_session_is_let_in(signer: LogonKey) -> None:
    verdict = judged(logon_text(signer))
    assert isinstance(verdict, Key)
    assert verdict.id == signer.id


def test_the_worked_example_of_the_document() -> None:
    """The bytes in docs/protocols/fix.md are those that the guard accepts."""
    text = (Path(__file__).parents[3] / "docs" / "protocols" / "fix.md").read_text()
    example = json.loads(text.partition("```json\n")[2].partition("```")[0])
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(example["private_key"]))
    payload = example["signed"].replace("|", "\x01").encode()
    assert base64.b64encode(private.sign(payload)).decode() == example["proof_ed25519"]
    public = key("k", "ed25519", private.public_key().public_bytes_raw(), added_at_ns=1)
    shared = key("k", "hmac-sha256", base64.b64decode(example["secret"]), added_at_ns=1)
    assert is_proof(example["proof_ed25519"].encode(), payload, public)
    assert is_proof(example["proof_hmac"].encode(), payload, shared)


WRONG = [
    LogonKey("ed", "ed25519", bytes(32)),
    LogonKey("hm", "hmac-sha256", bytes(32)),
    LogonKey("none", "ed25519", SIGNER.material),
    LogonKey("ed", "hmac-sha256", SHARER.material),
    LogonKey("hm", "ed25519", SIGNER.material),
]


@pytest.mark.parametrize("signer", WRONG)
def test_a_wrong_proof_and_an_unknown_session_look_alike(signer: LogonKey) -> None:
    assert judged(logon_text(signer)) == judged(logon_text(SIGNER), None)


def test_a_revoked_key_is_told_only_to_who_has_it() -> None:
    verdict = judged(logon_text(LogonKey("old", "hmac-sha256", b"o" * 32)))
    assert isinstance(verdict, Refusal)
    assert verdict.status is SessionStatus.KEY_REVOKED
    guess = judged(logon_text(LogonKey("old", "hmac-sha256", bytes(32))))
    assert isinstance(guess, Refusal)
    assert guess.status is SessionStatus.INVALID_PROOF


@pytest.mark.parametrize("away", [WINDOW + 1_000_000, -WINDOW - 1_000_000])
def test_a_time_outside_the_window_is_refused_and_told(away: int) -> None:
    inside = away - 1_000_000 if away > 0 else away + 1_000_000
    assert isinstance(judged(logon_text(SIGNER, at=NOW + inside)), Key)
    verdict = judged(logon_text(SIGNER, at=NOW + away))
    assert isinstance(verdict, Refusal)
    assert verdict.reason == "time"
    assert "from our clock" in verdict.text


def test_what_was_sent_before_the_guard_began_is_refused() -> None:
    logon = parsed(logon_text(SIGNER, at=NOW - 1_000_000_000))
    for not_before, is_let_in in ((NOW, False), (NOW - 2_000_000_000, True)):
        verdict = judge(logon, RING, now_ns=NOW, window_ns=WINDOW, not_before_ns=not_before)
        assert isinstance(verdict, Key) == is_let_in


@given(st.integers(0, 4), st.text("ABC019", min_size=1, max_size=5))
def test_a_proof_is_for_its_own_words_only(place: int, other: str) -> None:
    values = ["A", "MM1", "RIALTO", "7", "20270115-08:00:00.000"]
    payload = "\x01".join(values)
    changed = [*values[:place], other, *values[place + 1 :]]
    for signer in (SIGNER, SHARER):
        (_, _, (_, proof)) = signer.fields(
            sender="MM1", target="RIALTO", number=7, sending_time=values[4]
        )
        ours = RING.find(signer.id)
        assert is_proof(proof.encode(), payload.encode(), ours)
        if changed != values:
            assert not is_proof(proof.encode(), "\x01".join(changed).encode(), ours)


@given(st.binary(max_size=120))
def test_no_bytes_are_a_proof_by_chance(proof: bytes) -> None:
    for each in (*RING.keys, None):
        assert not is_proof(proof, b"A\x01MM1", each)


MALFORMED = [
    (b"35=A\x01", b"35=D\x01", "no Logon"),
    (b"\x0149=MM1\x01", b"\x0149=M M\x01", "tag 49"),
    (b"\x0149=MM1\x01", b"\x01", "tag 49"),
    (b"\x0134=1\x01", b"\x0134=01\x01", "tag 34"),
    (b"\x0134=1\x01", b"\x0134=9999999999999999999\x01", "tag 34"),
    (b"\x0198=0\x01", b"\x0198=0\x0149=MM2\x01", "tag 49 stands twice"),
    (b"\x0198=0\x01", b"\x0198=0\x01553=hm\x01", "tag 553 stands twice"),
    (b"\x0198=0\x01", b"\x0198=0\x01141=Y\x01141=Y\x01", "tag 141 stands twice"),
    (b"\x0198=0\x01", b"\x0198=\x01", "without tag or value"),
    (b"\x0198=0\x01", b"\x0198=0\x01boom\x01", "without tag or value"),
    (b"\x0198=0\x01", b"\x0198=0\x010=x\x01", "without tag or value"),
    (b"\x0195=44\x01", b"\x0195=9\x01", "length of RawData"),
    (b"\x0195=44\x01", b"\x01", "length of RawData"),
    (b"\x01553=hm\x01", b"\x01553=a b\x01", "tag 553"),
    (b"\x0152=2", b"\x0152=x", "tag 52"),
]


@pytest.mark.parametrize(("old", "new", "said"), MALFORMED)
def test_a_logon_that_cannot_be_judged_is_none(old: bytes, new: bytes, said: str) -> None:
    message = logon_text(SHARER)
    body = message[message.index(b"35=A") : message.rindex(b"10=")]
    assert old in b"\x01" + body
    broken = frame((b"\x01" + body).replace(old, new)[1:])
    with pytest.raises(LogonMalformedError, match=said):
        parsed(broken)


def test_what_is_handed_on_has_our_word_and_no_proof() -> None:
    logon = parsed(logon_text(SHARER, extra="141=Y\x01789=5\x01554=guess\x01925=new\x01"))
    text = hand_over(logon, credential="word", numbers_to_skip=3)
    assert read_frame(text, 0, bytes_max=8192) is not None
    fields = [field.split(b"=", 1) for field in text.split(b"\x01")[:-1]]
    values = {int(tag): value for tag, value in fields}
    assert len(values) == len(fields)
    assert values[553] == b"MM1"
    assert values[554] == b"word.3"
    assert values[141] == b"Y"
    assert values[789] == b"5"
    assert not {95, 96, 925} & set(values)


def test_refusals_say_their_status_and_quickfix_refusals_get_one() -> None:
    refusal = Refusal(SessionStatus.LOCKED, "wait", "locked")
    text = refusing_logout(
        begin_string=b"FIXT.1.1",
        comp_id="RIALTO",
        counterparty="MM1",
        refusal=refusal,
        sending_time=timestamp_text(NOW),
    )
    assert b"\x011409=6\x01" in text
    assert b"\x0158=wait\x01" in text
    assert text.startswith(b"8=FIXT.1.1\x019=")
    for said, status in (
        (b"MsgSeqNum too low, expecting 9 but received 2", b"9"),
        (b"NextExpectedMsgSeqNum too high, expecting 1", b"10"),
        (b"HeartBtInt (108) must be 5 to 300", b"7"),
    ):
        message = frame(b"35=5\x0134=1\x0158=" + said + b"\x01")
        answer = with_session_status(message, message.index(b"35="))
        assert b"\x011409=" + status + b"\x01" in answer
        assert read_frame(answer, 0, bytes_max=8192) is not None


# --- key rings ---


def test_two_keys_live_at_a_time_and_revoked_ones_are_kept_for_a_while() -> None:
    ring = KeyRing(session="MM1")
    for number in range(1, 31):
        made = key(next_key_id(ring), "hmac-sha256", bytes([number]) * 32, added_at_ns=number)
        assert made.id == f"MM1-{number}"
        ring = with_key(ring, made)
        if len(ring.live) == 2:
            with pytest.raises(KeyRingError, match="revoke one"):
                with_key(ring, key("third", "hmac-sha256", b"t" * 32, added_at_ns=1))
            ring = without_key(ring, ring.live[0].id, now_ns=number)
    assert len(ring.live) == 1
    assert len(ring.keys) == 9


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (key("a b", "hmac-sha256", b"x" * 32, added_at_ns=1), "no key id"),
        (key("a", "hmac-sha256", b"x" * 31, added_at_ns=1), "at least 32 bytes"),
        (key("a", "ed25519", b"x" * 31, added_at_ns=1), "32 bytes in base64"),
        (Key(id="a", kind="ed25519", material="!", added_at_ns=1), "32 bytes in base64"),
        (key("ed", "hmac-sha256", b"x" * 32, added_at_ns=1), "ids are used once"),
    ],
)
def test_a_key_that_is_none_is_not_added(made: Key, said: str) -> None:
    with pytest.raises(KeyRingError, match=said):
        with_key(without_key(RING, "hm", now_ns=1), made)


def test_a_ring_is_read_back_by_us_and_by_clients_and_by_nobody_else(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "keys")
    assert files.read("MM1") == KeyRing(session="MM1")
    before = files.stamp()
    files.write(RING)
    assert files.stamp() != before
    assert files.read("MM1") == RING
    assert read_key(files.path("MM1")) == SHARER
    assert files.path("MM1").stat().st_mode & 0o077 == 0
    files.path("MM1").chmod(0o640)
    with pytest.raises(KeyFileError, match="others may read it"):
        files.read("MM1")
    files.path("MM2").write_text("{")
    files.path("MM2").chmod(0o600)
    with pytest.raises(KeyFileError):
        files.read("MM2")


# --- replays and failures ---


def test_a_payload_opens_a_session_once_within_its_time() -> None:
    cache = ReplayCache(entries_max=3)
    assert cache.is_first("MM1", b"a", now_ns=0, until_ns=10)
    assert not cache.is_first("MM1", b"a", now_ns=1, until_ns=10)
    assert cache.is_first("MM2", b"a", now_ns=1, until_ns=10)
    assert cache.is_first("MM1", b"b", now_ns=1, until_ns=10)
    assert cache.is_first("MM1", b"c", now_ns=1, until_ns=12)
    assert not cache.is_first("MM1", b"d", now_ns=10, until_ns=20), "none is forgotten early"
    assert cache.is_first("MM1", b"d", now_ns=11, until_ns=20)
    assert not cache.is_first("MM1", b"c", now_ns=11, until_ns=20)


def test_failures_are_forgiven_with_time_and_remembered_in_bounds() -> None:
    failures = Failures(count_max=3, seconds=60, keys_max=10)
    for _ in range(3):
        assert not failures.is_too_many("a", 0.0)
        failures.note("a", 0.0)
    assert failures.is_too_many("a", 60.0)
    failures.note("c", 0.0)
    failures.forget("c")
    for _ in range(2):
        failures.note("c", 0.0)
    assert not failures.is_too_many("c", 0.0)
    assert not failures.is_too_many("a", 60.1)
    assert not failures.is_too_many("b", 0.0)
    for number in range(1000):
        failures.note(number, 1.0)
    assert len(failures) == 10
