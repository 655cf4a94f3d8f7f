"""A player passes a venue that does as a case says, and fails one that does anything else."""

from pathlib import Path

import pytest

from fix_gateway.conformance.cases import ME, Act, Case, CaseFileError, read_cases
from fix_gateway.conformance.player import Do, Player
from fix_gateway.conformance.speaker import Identity
from fix_gateway.conformance.verdicts import Outcome
from fix_gateway.conformance.wire import (
    BrokenStreamError,
    Message,
    Reader,
    encoded,
    parsed,
    time_ns,
    timestamp,
)

NOW = 1_800_000_000_000_000_000
CASE = """
[templates]
status = "11=@a 1={account}"
[[case]]
id = "x"
clause = "1"
title = "t"
steps = '''
> A 141=Y
< A 108=30
x2 > H &status 55=BTC
< 8 11=@a 37=$order "58=~no such"
< 8 11=@a 37=$order 41=-
'''
"""


def one_case(tmp_path: Path, text: str = CASE) -> Case:
    path = tmp_path / "cases.toml"
    path.write_text(text)
    (case,) = read_cases(path)
    return case


def player(case: Case, dialect: str = "FIX.4.4") -> Player:
    identity = Identity(
        dialect=dialect,
        sender="CLIENT",
        target="RIALTO",
        prove=lambda *_: [("553", "k"), ("95", "1"), ("96", "p")],
    )
    return Player(
        case,
        identities={ME: identity},
        constants={"account": "ACC"},
        run="r1",
        now_ns=lambda: NOW,
    )


def answer(kind: str, number: int, *fields: tuple[str, str], sender: str = "RIALTO") -> Message:
    head = [("8", "FIX.4.4"), ("9", "#"), ("35", kind), ("34", str(number))]
    head += [("49", sender), ("52", timestamp(NOW)), ("56", "CLIENT")]
    return parsed(encoded([*head, *fields, ("10", "#")]))


def sent(playing: Player) -> list[Message]:
    """Do what is asked until something has to come; return what was sent."""
    found = []
    while (action := playing.next()).do in (Do.CONNECT, Do.SEND):
        if action.do is Do.SEND:
            found.append(parsed(action.data))
    return found


def begun(tmp_path: Path) -> Player:
    playing = player(one_case(tmp_path))
    (logon,) = sent(playing)
    assert (logon["34"], logon["141"], logon["98"], logon["96"]) == ("1", "Y", "0", "p")
    playing.received(ME, answer("A", 1, ("108", "30"), ("141", "Y")))
    first, second = sent(playing)
    assert (first["11"], first["1"], first["34"], second["34"]) == ("r1-a", "ACC", "2", "3")
    return playing


def report(number: int, *fields: tuple[str, str], order: str = "7") -> Message:
    return answer("8", number, ("11", "r1-a"), ("37", order), *fields)


def test_a_venue_that_does_as_the_case_says_passes(tmp_path: Path) -> None:
    playing = begun(tmp_path)
    playing.received(ME, answer("0", 2))  # a Heartbeat may always come
    playing.received(ME, report(3, ("58", "there is no such order")))
    playing.received(ME, report(4))
    assert playing.next().do is Do.DONE
    assert playing.verdict.outcome is Outcome.PASSED
    assert [line.sign for line in playing.verdict.evidence] == list("!><>><<<")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (report(2, ("58", "other text")), "58=other text does not contain"),
        (report(2), "58 is missing"),
        (report(3, ("58", "no such")), "34=3, 2 was expected"),
        (answer("8", 2, ("11", "r1-b"), ("58", "no such")), "11=r1-b, r1-a was expected"),
        (answer("3", 2), "35=3 came"),
        (answer("8", 2, ("11", "r1-a"), ("58", "no such"), sender="X"), "49=X, RIALTO"),
        (report(2, ("58", "no such"), ("43", "Y")), "without OrigSendingTime"),
    ],
)
def test_a_venue_that_answers_otherwise_fails(
    tmp_path: Path, message: Message, reason: str
) -> None:
    playing = begun(tmp_path)
    playing.received(ME, message)
    assert playing.next().do is Do.DONE
    assert playing.verdict.outcome is Outcome.FAILED
    assert reason in playing.verdict.reason


def test_a_captured_value_has_to_come_again(tmp_path: Path) -> None:
    playing = begun(tmp_path)
    playing.received(ME, report(2, ("58", "no such")))
    playing.received(ME, report(3, order="8"))
    assert "37=8, 7 was expected" in playing.verdict.reason


def test_silence_a_lost_line_and_one_message_more_fail(tmp_path: Path) -> None:
    silent, lost, loud = begun(tmp_path), begun(tmp_path), begun(tmp_path)
    silent.timed_out()
    lost.lost(ME)
    loud.received(ME, report(2, ("58", "no such")))
    loud.received(ME, report(3))
    loud.received(ME, report(4))
    assert "did not come in time" in silent.verdict.reason
    assert "ended the connection" in lost.verdict.reason
    assert "and 'the end' was due" in loud.verdict.reason


def test_what_is_written_is_counted_and_summed_and_what_is_read_is_checked() -> None:
    data = answer("0", 2).fields
    whole = encoded(data)
    reader = Reader()
    assert reader.feed(whole[:30]) == []
    assert [message.kind for message in reader.feed(whole[30:] + whole)] == ["0", "0"]
    for spoilt in (
        whole.replace(b"34=2", b"34=3"),
        whole.replace(b"\x019=", b"\x019=1"),
        b"nonsense" * 8,
    ):
        with pytest.raises(BrokenStreamError):
            Reader().feed(spoilt + b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01" * 20)


def test_times_are_written_and_read() -> None:
    assert timestamp(NOW) == "20270115-08:00:00.000"
    assert time_ns("20270115-08:00:00.123456789") == NOW + 123_456_789
    assert [time_ns(text) for text in ("", "20270115", "20270115-08:00:00.x")] == [None] * 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("jump", "no such step"),
        ("> D &nothing", "nothing"),
        ("> D 11", "is no field"),
        ("again two", "invalid literal"),
    ],
)
def test_a_line_that_is_no_step_is_refused_with_its_place(
    tmp_path: Path, line: str, reason: str
) -> None:
    text = CASE.replace("x2 > H", f"{line}\n> H")
    with pytest.raises(CaseFileError, match=f"cases.toml: case x: .*{reason}"):
        one_case(tmp_path, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [('clause = "1"', ""), ("title", "tittle"), ('id = "x"', 'id = "x"\ndialects = ["FIX.4.2"]')],
)
def test_a_case_with_unknown_or_missing_keys_is_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(CaseFileError):
        one_case(tmp_path, CASE.replace(old, new, 1))


def test_steps_say_what_they_are(tmp_path: Path) -> None:
    text = CASE.replace("x2 > H &status 55=BTC", "twin> D 40=2 -- 38=1\ntwin:cut\n! lose 8 count=2")
    steps = one_case(tmp_path, text).steps
    assert [(step.act, step.party) for step in steps[2:5]] == [
        (Act.SEND, "twin"),
        (Act.CUT, "twin"),
        (Act.DESK, ME),
    ]
    assert (steps[2].fields, steps[2].examples) == ((("40", "2"),), (("38", "1"),))
    assert (steps[4].kind, steps[4].fields) == ("lose 8", (("count", "2"),))
