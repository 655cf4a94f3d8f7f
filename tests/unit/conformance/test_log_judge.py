"""A log that keeps the rules passes every clause; each fault is found by its own clause."""

import pytest

from fix_gateway.conformance.log_judge import judge_log
from fix_gateway.conformance.verdicts import Outcome
from fix_gateway.conformance.wire import encoded, timestamp

START = 1_800_000_000_000_000_000
Fields = tuple[tuple[str, str], ...]
ORDER: Fields = (("11", "a"), ("55", "BTC"), ("54", "1"), ("60", "x"), ("40", "2"))
PROOF: Fields = (("98", "0"), ("108", "10"), ("553", "k"), ("95", "1"), ("96", "p"))


class Talk:
    """Writes both sides of a session down."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.at = START
        self.next = {"ME": 1, "RIALTO": 1}

    def says(self, who: str, kind: str, *fields: tuple[str, str], after: float = 1.0) -> None:
        self.at += int(after * 1e9)
        given = dict(fields)
        number = given.pop("34", str(self.next[who]))
        self.next[who] = max(self.next[who], int(number) + 1)
        head = [("8", "FIX.4.4"), ("9", "#"), ("35", kind), ("34", number), ("49", who)]
        head += [("52", timestamp(self.at)), ("56", "RIALTO" if who == "ME" else "ME")]
        body = [pair for pair in fields if pair[0] != "34"]
        self.lines.append(encoded([*head, *body, ("10", "#")]))

    def me(self, kind: str, *fields: tuple[str, str], after: float = 1.0) -> None:
        self.says("ME", kind, *fields, after=after)

    def venue(self, kind: str, *fields: tuple[str, str]) -> None:
        self.says("RIALTO", kind, *fields)

    @property
    def data(self) -> bytes:
        return b"".join(b"20270115 08:00:00 main: " + line + b"\n" for line in self.lines)


def good() -> Talk:
    talk = Talk()
    talk.me("A", *PROOF)
    talk.venue("A")
    talk.venue("1", ("112", "t"))
    talk.me("0", ("112", "t"))
    talk.me("D", *ORDER)
    talk.venue("8", ("34", "5"))
    talk.me("2", ("7", "3"), ("16", "4"))
    talk.venue("4", ("34", "3"), ("43", "Y"), ("122", "x"), ("123", "Y"), ("36", "5"))
    talk.venue("2", ("7", "3"), ("16", "3"))
    talk.me("D", ("34", "3"), ("43", "Y"), ("122", timestamp(START)), *ORDER)
    talk.venue("5")
    talk.me("5")
    return talk


def failed(data: bytes) -> set[str]:
    return {each.clause for each in judge_log(data) if each.outcome is Outcome.FAILED}


def test_a_log_that_keeps_the_rules_passes_every_clause() -> None:
    verdicts = judge_log(good().data)
    assert {each.outcome for each in verdicts} == {Outcome.PASSED}, [
        each.reason for each in verdicts if each.outcome is not Outcome.PASSED
    ]
    assert len(verdicts) == 14


@pytest.mark.parametrize("sign", [b"|", b"^A"])
def test_other_ways_to_write_the_delimiter_are_read(sign: bytes) -> None:
    assert not failed(good().data.replace(b"\x01", sign))


def add_before_logon(talk: Talk) -> None:
    talk.lines.insert(0, talk.lines.pop(3))


def use_proof_twice(talk: Talk) -> None:
    talk.me("A", *PROOF)


def leave_a_hole(talk: Talk) -> None:
    talk.me("D", ("34", "9"), ("11", "b"), *ORDER[1:])


def ignore_a_gap(talk: Talk) -> None:
    talk.lines = [line for line in talk.lines if b"\x0135=2\x0134=4" not in line]
    talk.lines = [line for line in talk.lines if b"\x017=3\x0116=4" not in line]


def speak_as_another(talk: Talk) -> None:
    talk.lines.append(talk.lines[3].replace(b"49=ME", b"49=YOU"))


def spoil_the_sum(talk: Talk) -> None:
    talk.lines[3] = talk.lines[3][:-4] + b"%03d\x01" % ((int(talk.lines[3][-4:-1]) + 1) % 256)


def spoil_the_length(talk: Talk) -> None:
    talk.lines[3] = talk.lines[3].replace(b"\x019=", b"\x019=1")


def fall_silent(talk: Talk) -> None:
    talk.lines.pop()
    talk.me("D", ("11", "b"), *ORDER[1:], after=40)


def ignore_a_test_request(talk: Talk) -> None:
    talk.venue("1", ("112", "unanswered"))


def be_rejected(talk: Talk) -> None:
    talk.venue("3", ("373", "5"), ("371", "54"))


def ignore_a_resend_request(talk: Talk) -> None:
    talk.venue("2", ("7", "2"), ("16", "0"))


def resend_a_heartbeat(talk: Talk) -> None:
    talk.me("0", ("34", "2"), ("43", "Y"), ("122", timestamp(START)))


def come_from_the_future(talk: Talk) -> None:
    talk.me("D", ("34", "3"), ("43", "Y"), ("122", timestamp(START + 10**13)), *ORDER)


def ignore_a_logout(talk: Talk) -> None:
    talk.lines.pop()
    talk.me("A", *PROOF[:-1], ("96", "q"))


def leave_out_a_tag(talk: Talk) -> None:
    talk.me("D", ("11", "b"))


def use_a_name_twice(talk: Talk) -> None:
    talk.me("D", *ORDER)


@pytest.mark.parametrize(
    ("spoil", "clause"),
    [
        (add_before_logon, "1, Logon"),
        (use_proof_twice, "1 d, Logon"),
        (leave_a_hole, "2 a, MsgSeqNum"),
        (ignore_a_gap, "2 b, gap"),
        (speak_as_another, "2 k, CompIDs"),
        (spoil_the_sum, "2 t, framing"),
        (spoil_the_length, "2 t, framing"),
        (fall_silent, "4 a, Heartbeat"),
        (ignore_a_test_request, "4 b, TestRequest"),
        (be_rejected, "7, Reject"),
        (ignore_a_resend_request, "8, ResendRequest"),
        (resend_a_heartbeat, "8 e, PossDup"),
        (come_from_the_future, "8 e, PossDup"),
        (ignore_a_logout, "13, Logout"),
        (leave_out_a_tag, "14 b, required tags"),
        (use_a_name_twice, "19, ClOrdID"),
    ],
)
def test_each_fault_is_found_by_its_clause(spoil: object, clause: str) -> None:
    talk = good()
    spoil(talk)  # type: ignore[operator]
    verdicts = {each.clause: each for each in judge_log(talk.data)}
    assert clause in failed(talk.data), verdicts[clause].reason
    assert verdicts[clause].evidence


def test_a_log_of_nothing_judges_nothing() -> None:
    assert {each.outcome for each in judge_log(b"nothing here")} == {Outcome.NOT_RUN}
