"""Judges a client's own log of FIX messages, clause by clause. Bytes in, verdicts out.

A log is read as any engine writes it: lines with timestamps or names before the message are fine,
and SOH may be written as ``|``, ``^A`` or itself. Messages are taken in the file's order, from one
session; who is the client is told, or is who sent the first Logon.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from fix_gateway.conformance.verdicts import Line, Outcome, Verdict
from fix_gateway.conformance.wire import SOH, Message, in_order, parsed, time_ns

_MESSAGE = re.compile(r"8=FIX(?:T\.1\.1|\.[0-9]\.[0-9]).*?[\x01]10=[0-9]{3}(?:\x01|$)", re.DOTALL)
_CARET = re.compile(r"\^A|\|")
_ORDERS = frozenset(("D", "F", "G", "q"))
_REQUIRED = {
    "A": ("98", "108", "553", "95", "96"),
    "D": ("11", "55", "54", "60", "40"),
    "F": ("11", "54", "60"),
    "G": ("11", "54", "60", "40"),
    "H": ("54",),
    "q": ("11", "530", "60"),
    "1": ("112",),
    "2": ("7", "16"),
    "4": ("36",),
}
_HEADER = ("8", "9", "35", "34", "49", "52", "56")
_EVIDENCE_MAX = 6
_HEARTBEATS_LATE = 1.5
"""How many intervals may pass without a message before that is a fault."""


@dataclass(slots=True)
class _Log:
    """The messages of one log, by who sent them."""

    messages: list[Message]
    sender: str
    raw: list[bytes]

    def of_client(self) -> Iterator[Message]:
        return (message for message in self.messages if message["49"] == self.sender)

    def is_client(self, message: Message) -> bool:
        return message["49"] == self.sender


@dataclass(slots=True)
class _Finding:
    """What a clause's check saw."""

    looked_at: int = 0
    faults: list[tuple[str, list[Message]]] = field(default_factory=list)

    def fault(self, text: str, *messages: Message) -> None:
        self.faults.append((text, list(messages)))


def judge_log(data: bytes, *, sender: str = "") -> list[Verdict]:
    """Judge a log.

    Args:
        data: the file's bytes.
        sender: the client's comp id; empty for who sent the first Logon.

    Returns:
        One verdict for each clause; a clause that nothing in the log is about was not run.
    """
    log = _read(data, sender)
    found = []
    for clause, title, check in _CHECKS:
        finding = _Finding()
        check(log, finding)
        found.append(_verdict(log, clause, title, finding))
    return found


def _read(data: bytes, sender: str) -> _Log:
    text = data.decode("latin-1")
    if SOH not in text:
        text = _CARET.sub(SOH, text)
    raw = [
        found.group().encode("latin-1").rstrip(b"\x01") + b"\x01"
        for found in _MESSAGE.finditer(text)
    ]
    messages = [parsed(each) for each in raw]
    first = next((message["49"] for message in messages if message.kind == "A"), "")
    return _Log(messages, sender or first, raw)


def _verdict(log: _Log, clause: str, title: str, finding: _Finding) -> Verdict:
    first = log.messages[0]["8"] if log.messages else ""
    dialect = {"FIX.4.4": "FIX.4.4", "FIXT.1.1": "FIX.5.0SP2"}.get(first, "-")
    outcome = Outcome.PASSED if finding.looked_at else Outcome.NOT_RUN
    reason = (
        f"{finding.looked_at} looked at" if finding.looked_at else "nothing in the log is about it"
    )
    evidence: list[Line] = []
    if finding.faults:
        outcome = Outcome.FAILED
        more = f" (and {len(finding.faults) - 1} more)" if len(finding.faults) > 1 else ""
        reason = finding.faults[0][0] + more
        for _, messages in finding.faults[:_EVIDENCE_MAX]:
            for message in messages:
                sign = ">" if log.is_client(message) else "<"
                evidence.append(Line("me", sign, str(message)))
    return Verdict(
        case=f"L{clause.partition(',')[0].replace(' ', '')}",
        clause=clause,
        title=title,
        dialect=dialect,
        outcome=outcome,
        reason=reason,
        evidence=evidence,
    )


# --- the clauses ---


def _is_one_session(log: _Log, found: _Finding) -> None:
    for message in log.messages:
        found.looked_at += 1
        pair = {message["49"], message["56"]}
        if log.sender not in pair or len(pair) != 2:
            found.fault(f"a message between {message['49']} and {message['56']}", message)


def _is_framed(log: _Log, found: _Finding) -> None:
    for message, raw in zip(log.messages, log.raw, strict=True):
        if not log.is_client(message):
            continue
        found.looked_at += 1
        counted = [(tag, "#" if tag == "9" else value) for tag, value in message.fields]
        length = parsed(in_order(counted))["9"]
        total = f"{sum(raw[: raw.rindex(b'10=')]) % 256:03d}"
        for tag, name, right in (("9", "BodyLength", length), ("10", "CheckSum", total)):
            if message[tag] != right:
                found.fault(f"{name} ({tag}) is {message[tag]}, and {right} is right", message)
        if [tag for tag, _ in message.fields[:3]] != ["8", "9", "35"]:
            found.fault("a message does not begin with 8, 9, 35", message)


def _has_its_fields(log: _Log, found: _Finding) -> None:
    for message in log.of_client():
        found.looked_at += 1
        for tag in (*_HEADER, *_REQUIRED.get(message.kind, ())):
            if not message[tag]:
                found.fault(f"35={message.kind} without tag {tag}", message)
        if message.is_again and not message["122"]:
            found.fault("43=Y without OrigSendingTime (122)", message)


def _counts_on(log: _Log, found: _Finding) -> None:
    expected = 0
    for message in log.of_client():
        if message.kind == "A" and message["141"] == "Y":
            expected = message.number
        if message.is_again:
            continue
        found.looked_at += 1
        if expected and message.number != expected:
            found.fault(f"MsgSeqNum is {message.number}, and {expected} was next", message)
        expected = message.number + 1
        if message.kind == "4" and message["123"] != "Y" and message["36"].isdecimal():
            expected = int(message["36"])


def _begins_with_logon(log: _Log, found: _Finding) -> None:
    is_in = False
    for message in log.messages:
        if message.kind == "A":
            is_in = True
        elif log.is_client(message) and not is_in and message.kind != "5":
            found.looked_at += 1
            found.fault(f"35={message.kind} before the Logon was answered", message)
        if message.kind == "5":
            is_in = False
        found.looked_at += message.kind == "A" and log.is_client(message)


def _proves_once(log: _Log, found: _Finding) -> None:
    proofs: dict[str, Message] = {}
    for message in log.of_client():
        if message.kind == "A":
            found.looked_at += 1
            if (before := proofs.get(message["96"])) is not None:
                found.fault("a Logon was sent twice, with the same proof", before, message)
            proofs[message["96"]] = message


def _answers_test_requests(log: _Log, found: _Finding) -> None:
    waiting: dict[str, Message] = {}
    for message in log.messages:
        if message.kind == "1" and not log.is_client(message):
            found.looked_at += 1
            waiting[message["112"]] = message
        elif message.kind == "0" and log.is_client(message):
            waiting.pop(message["112"], None)
    for request in waiting.values():
        found.fault(
            f"TestRequest {request['112']} was not answered by a Heartbeat with its id", request
        )


def _keeps_alive(log: _Log, found: _Finding) -> None:
    interval = last = 0
    before: Message | None = None
    for message in log.of_client():
        at = time_ns(message["52"])
        if at is None:
            continue
        if message.kind == "A" and message["108"].isdecimal():
            interval, last = int(message["108"]) * 1_000_000_000, 0
        if interval and last and before is not None:
            found.looked_at += 1
            if at - last > _HEARTBEATS_LATE * interval:
                seconds = (at - last) / 1e9
                found.fault(
                    f"{seconds:.0f} s without a message, and 108={interval // 10**9}",
                    before,
                    message,
                )
        last, before = at, message
        if message.kind == "5":
            interval = 0


def _asks_for_gaps(log: _Log, found: _Finding) -> None:
    expected, missed = 0, 0
    gap: Message | None = None
    for message in log.messages:
        if log.is_client(message):
            begins = int(message["7"]) if message["7"].isdecimal() else 0
            if message.kind == "2" and begins <= missed:
                missed = 0
            continue
        if message.kind == "A" and message["141"] == "Y":
            expected = message.number
        if message.kind == "5" and "1409" in message:
            continue
        if expected and message.number > expected and not missed and not message.is_again:
            found.looked_at += 1
            missed, gap = expected, message
        if message.number >= expected:
            is_fill = message.kind == "4" and message["36"].isdecimal()
            expected = int(message["36"]) if is_fill else message.number + 1
    if missed and gap is not None:
        found.fault(f"numbers from {missed} were missing, and never asked for", gap)


def _answers_resends(log: _Log, found: _Finding) -> None:
    owed: tuple[int, Message] | None = None
    for message in log.messages:
        if not log.is_client(message) and message.kind == "2" and message["7"].isdecimal():
            found.looked_at += 1
            owed = int(message["7"]), message
        elif log.is_client(message) and owed is not None:
            is_fill = message.kind == "4"
            if (message.number <= owed[0] and (message.is_again or is_fill)) or message.kind == "5":
                owed = None
    if owed is not None:
        found.fault(f"the ResendRequest from {owed[0]} on was not answered", owed[1])


def _resends_as_such(log: _Log, found: _Finding) -> None:
    for message in log.of_client():
        if message.is_again:
            found.looked_at += 1
            if message.is_administrative and message.kind not in ("4", "3"):
                found.fault(
                    f"35={message.kind} was sent again: administrative messages are gap-filled",
                    message,
                )
            sent, before = time_ns(message["52"]), time_ns(message["122"])
            if sent is not None and before is not None and before > sent:
                found.fault("OrigSendingTime (122) is after SendingTime (52)", message)


def _names_once(log: _Log, found: _Finding) -> None:
    seen: dict[str, Message] = {}
    for message in log.of_client():
        if message.kind not in _ORDERS or message.is_again:
            continue
        found.looked_at += 1
        name = message["11"]
        if (before := seen.get(name)) is not None and message["97"] != "Y":
            found.fault(f"ClOrdID {name} was used twice", before, message)
        seen.setdefault(name, message)


def _says_goodbye(log: _Log, found: _Finding) -> None:
    asked: Message | None = None
    for message in log.messages:
        if message.kind == "5" and not log.is_client(message) and "1409" not in message:
            found.looked_at += 1
            asked = message
        elif message.kind in ("5", "A") and log.is_client(message):
            if message.kind == "A" and asked is not None:
                found.fault("the venue's Logout was not answered by one", asked)
            asked = None
            found.looked_at += message.kind == "5"


def _is_not_rejected(log: _Log, found: _Finding) -> None:
    for message in log.messages:
        if not log.is_client(message):
            found.looked_at += message.kind not in ("0", "1")
            if message.kind == "3":
                found.fault(
                    f"the venue rejected a message: 373={message['373']} 371={message['371']}",
                    message,
                )


_CHECKS: tuple[tuple[str, str, Callable[[_Log, _Finding], None]], ...] = (
    ("1, Logon", "The first message of a connection is a Logon", _begins_with_logon),
    ("1 d, Logon", "Each Logon has a proof of its own", _proves_once),
    ("2 a, MsgSeqNum", "Numbers go on one by one, without a hole or a repeat", _counts_on),
    ("2 b, gap", "A gap in the venue's numbers is asked for", _asks_for_gaps),
    ("2 k, CompIDs", "All messages are of one session", _is_one_session),
    ("2 t, framing", "BodyLength, CheckSum and the first three fields are right", _is_framed),
    ("4 a, Heartbeat", "No silence of more than the interval and a half", _keeps_alive),
    ("4 b, TestRequest", "Every TestRequest is answered with its id", _answers_test_requests),
    ("7, Reject", "No message was rejected by the venue", _is_not_rejected),
    (
        "8, ResendRequest",
        "Every ResendRequest is answered from its first number on",
        _answers_resends,
    ),
    ("8 e, PossDup", "What is sent again is marked and dated as such", _resends_as_such),
    ("13, Logout", "A Logout is answered by a Logout", _says_goodbye),
    ("14 b, required tags", "No required tag is missing", _has_its_fields),
    ("19, ClOrdID", "No ClOrdID is used twice", _names_once),
)
