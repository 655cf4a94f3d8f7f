"""The Logon: read strictly, judged, and handed on without its proof.

Errors:
    LogonMalformedError: a first message that is no Logon that could be judged.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from fix_gateway.guard.framing import begin_string_of, frame
from fix_gateway.guard.keys import Key, KeyRing, is_proof
from fix_gateway.translation.times import timestamp_ns

_COMP_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_\-]{0,31}")
_KEY_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_NUMBER = re.compile(rb"[1-9][0-9]{0,17}")
_TIME = re.compile(rb"[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")
_TAG = re.compile(rb"[1-9][0-9]{0,5}")
_TRANSPORT = b"FIXT.1.1"
_REPEATING = frozenset({b"372", b"385"})
"""NoMsgTypes (384) is the one group that a Logon has."""

_KEPT_BACK = frozenset({b"95", b"96", b"553", b"554", b"925", b"93", b"89"})
"""Proofs, names and passwords, which are the guard's affair alone."""


class LogonMalformedError(Exception):
    """The first message is no Logon, or one without what a judgement needs."""


class SessionStatus(IntEnum):
    """SessionStatus (1409) of a Logout that refuses a Logon; the values are FIX 5.0 SP2's."""

    INVALID_PROOF = 5
    LOCKED = 6
    NOT_NOW = 7
    KEY_REVOKED = 8
    SEQUENCE_TOO_LOW = 9
    NEXT_EXPECTED_TOO_HIGH = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a Logon is refused: what the client is told, and under which name it is counted."""

    status: SessionStatus
    text: str
    reason: str


NOT_PROVED = "logon refused"
"""One sentence for every wrong name and proof: nothing tells which it was."""


@dataclass(frozen=True, slots=True)
class Logon:
    """What a Logon says, as its sender wrote it."""

    begin_string: bytes
    sender: str
    target: str
    number: int
    sending_time: str
    key_id: str
    proof: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    """From MsgType to the last before CheckSum."""

    @property
    def payload(self) -> bytes:
        """What the proof is made over: tags 35, 49, 56, 34 and 52, joined by SOH."""
        values = ("A", self.sender, self.target, str(self.number), self.sending_time)
        return "\x01".join(values).encode("ascii")


def parse_logon(message: bytes, body: int) -> Logon:
    """Read a whole message as a Logon.

    Args:
        message: one message, framed and summed.
        body: where its third field begins.

    Raises:
        LogonMalformedError: as the module says.
    """
    fields = tuple(
        _pair(text) for text in message[body : message.rindex(b"\x0110=")].split(b"\x01")
    )
    if fields[0] != (b"35", b"A"):
        raise LogonMalformedError("the first message is no Logon")
    values: dict[bytes, bytes] = {}
    for tag, value in fields:
        if tag in values and tag not in _REPEATING:
            raise LogonMalformedError(f"tag {tag.decode()} stands twice")
        values[tag] = value
    sender = _matching(values, b"49", _COMP_ID)
    target = _matching(values, b"56", _COMP_ID)
    number = int(_matching(values, b"34", _NUMBER))
    sending_time = _matching(values, b"52", _TIME)
    key_id = _matching(values, b"553", _KEY_ID)
    proof = values.get(b"96", b"")
    if values.get(b"95", b"") != b"%d" % len(proof) or not proof:
        raise LogonMalformedError("RawDataLength is not the length of RawData")
    begin_string = begin_string_of(message)
    if begin_string == _TRANSPORT and not values.get(b"1137"):
        raise LogonMalformedError("tag 1137 is missing")
    return Logon(begin_string, sender, target, number, sending_time, key_id, proof, fields)


def judge(
    logon: Logon, ring: KeyRing | None, *, now_ns: int, window_ns: int, not_before_ns: int
) -> Key | Refusal:
    """Say whether a Logon proves its sender.

    Times are judged after the proof: who cannot prove anything learns nothing of our clock.

    Args:
        logon: as it was read.
        ring: the session's keys; None for a session that does not exist.
        now_ns: our clock.
        window_ns: how far SendingTime may be from it, either way.
        not_before_ns: what was sent before this could be a repeat that we have forgotten.

    Returns:
        The key that it was proved by, or why it is refused.
    """
    key = ring.find(logon.key_id) if ring is not None else None
    if not is_proof(logon.proof, logon.payload, key) or key is None:
        return Refusal(SessionStatus.INVALID_PROOF, NOT_PROVED, "proof")
    if not key.is_live:
        return Refusal(SessionStatus.KEY_REVOKED, f"key {key.id} is revoked", "key_revoked")
    sent_at_ns = timestamp_ns(logon.sending_time)
    if sent_at_ns is None:
        return Refusal(SessionStatus.INVALID_PROOF, "SendingTime (52) is no time", "time")
    if abs(sent_at_ns - now_ns) > window_ns or sent_at_ns < not_before_ns:
        seconds = (sent_at_ns - now_ns) / 1e9
        text = f"SendingTime (52) is {seconds:+.3f} s from our clock; within {window_ns / 1e9:g} s"
        return Refusal(SessionStatus.INVALID_PROOF, text, "time")
    return key


def hand_over(logon: Logon, *, credential: str, numbers_to_skip: int) -> bytes:
    """Make the Logon that QuickFIX gets: the client's, with our word in the place of its proof.

    Args:
        logon: proved.
        credential: of this run of the gateway.
        numbers_to_skip: how many Logouts of ours this client was sent since it was last logged
            on. See ``fix_gateway.bridge``.
    """
    kept: Sequence[bytes] = [
        b"%b=%b\x01" % field for field in logon.fields if field[0] not in _KEPT_BACK
    ]
    ours = f"553={logon.sender}\x01554={credential}.{numbers_to_skip}\x01"
    return frame(b"".join(kept) + ours.encode("ascii"), begin_string=logon.begin_string)


def refusing_logout(
    *,
    begin_string: bytes,
    comp_id: str,
    counterparty: str,
    refusal: Refusal,
    sending_time: str,
) -> bytes:
    """Make the Logout that answers a refused Logon.

    It is numbered 1 whatever the session's numbers are: they are QuickFIX's, and would tell a
    stranger how busy the session is.
    """
    text = (
        f"35=5\x0134=1\x0149={comp_id}\x0152={sending_time}\x0156={counterparty}\x01"
        f"58={refusal.text}\x011409={int(refusal.status)}\x01"
    )
    return frame(text.encode("ascii"), begin_string=begin_string)


def with_session_status(message: bytes, body: int) -> bytes:
    """Add SessionStatus (1409) to a Logout of QuickFIX's that refuses a Logon."""
    status = SessionStatus.NOT_NOW
    if b"\x0158=MsgSeqNum too low" in message:
        status = SessionStatus.SEQUENCE_TOO_LOW
    elif b"\x0158=NextExpectedMsgSeqNum too high" in message:
        status = SessionStatus.NEXT_EXPECTED_TOO_HIGH
    fields = message[body : message.rindex(b"\x0110=") + 1]
    text = b"%b1409=%d\x01" % (fields, int(status))
    return frame(text, begin_string=begin_string_of(message))


def _pair(text: bytes) -> tuple[bytes, bytes]:
    tag, _, value = text.partition(b"=")
    if not _TAG.fullmatch(tag) or not value:
        # QuickFIX neither answers a Logon with an empty field nor lets go of its session.
        raise LogonMalformedError("a field without tag or value")
    return tag, value


def _matching(values: dict[bytes, bytes], tag: bytes, pattern: "re.Pattern[bytes]") -> str:
    value = values.get(tag, b"")
    if not pattern.fullmatch(value):
        raise LogonMalformedError(f"tag {tag.decode()} is missing or malformed")
    return value.decode("ascii")
