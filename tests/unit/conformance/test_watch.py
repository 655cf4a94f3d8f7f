"""A watch lets a client do as it likes within a case, and fails what the case rules out."""

import pytest

from fix_gateway.conformance.cases import ME, Act, Case, Step
from fix_gateway.conformance.engine import ClientEngine
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.player import Do
from fix_gateway.conformance.speaker import Identity, Speaker
from fix_gateway.conformance.verdicts import Outcome
from fix_gateway.conformance.watch import Watch
from fix_gateway.conformance.wire import Message, encoded, parsed, timestamp

NOW = 1_800_000_000_000_000_000


def names(*, is_watching: bool = True) -> Names:
    return Names({"account": "ACC"}, run="r", now_ns=lambda: NOW, is_watching=is_watching)


def step(sign: str, kind: str, *fields: tuple[str, str], party: str = ME) -> Step:
    return Step(act=Act(sign), text=f"{sign} {kind}", kind=kind, fields=fields, party=party)


def watch(*steps: Step, never: tuple[Step, ...] = ()) -> Watch:
    case = Case(id="O1", clause="D", title="t", steps=steps, never=never)
    return Watch(case, dialect="FIX.4.4", names=names())


def message(kind: str, *fields: tuple[str, str], number: int = 1) -> Message:
    head = (("8", "FIX.4.4"), ("9", "#"), ("35", kind), ("34", str(number)))
    dated = (("49", "RIALTO"), ("52", timestamp(NOW)), ("56", "ME"))
    return parsed(encoded([*head, *dated, *fields, ("10", "#")]))


ORDER, ACCEPTED = (
    step(">", "D", ("11", "@a"), ("40", "2")),
    step("<", "8", ("11", "@a"), ("150", "0")),
)


def test_the_client_chooses_its_ids_and_does_other_things_in_between() -> None:
    watching = watch(ORDER, ACCEPTED)
    watching.client_said(message("0"))
    watching.client_said(message("D", ("11", "mine"), ("40", "1")))  # not what is due
    assert watching.step is ORDER
    watching.client_said(message("D", ("11", "mine"), ("40", "2")))
    watching.venue_said(message("8", ("11", "other"), ("150", "8")))  # about something else
    assert watching.next().do is Do.WAIT
    watching.venue_said(message("8", ("11", "mine"), ("150", "0")))
    assert watching.next().do is Do.DONE
    assert watching.verdict.outcome is Outcome.PASSED


def test_another_answer_to_the_message_that_was_due_fails() -> None:
    watching = watch(ORDER, ACCEPTED)
    watching.client_said(message("D", ("11", "mine"), ("40", "2")))
    watching.venue_said(message("8", ("11", "mine"), ("150", "8")))
    assert watching.next().do is Do.DONE
    assert "150=8, 0 was expected" in watching.verdict.reason


def test_what_must_never_come_fails_and_so_does_time() -> None:
    forbidden = watch(ORDER, never=(step(">", "5"),))
    forbidden.client_said(message("5"))
    late = watch(ORDER)
    late.client_said(message("D", ("11", "mine"), ("40", "1")))
    late.timed_out()
    assert "must not come" in forbidden.verdict.reason
    assert "40=1, 2 was expected" in late.verdict.reason


def test_lines_that_come_and_go_are_steps() -> None:
    connect, closed = Step(act=Act.CONNECT, text="connect"), Step(act=Act.CLOSED, text="closed")
    watching = watch(connect, closed, connect)
    watching.venue_left()
    assert watching.step is connect, "it has to come first"
    watching.connected()
    watching.venue_left()
    watching.connected()
    assert watching.next().do is Do.DONE


def test_what_the_desk_does_is_asked_for_in_order() -> None:
    mine = step(">", "D", party="peer")
    watching = watch(step("!", "lose > D"), mine, ORDER)
    assert [watching.next().do for _ in range(3)] == [Do.DESK, Do.SEND, Do.WAIT]


@pytest.fixture
def engine() -> ClientEngine:
    identity = Identity(dialect="FIX.4.4", sender="ME", target="RIALTO", prove=lambda *_: [])
    made = ClientEngine(Speaker(identity, names(is_watching=False)))
    made.connected()
    made.compose(step(">", "A", ("141", "Y")))
    assert made.take(message("A", ("141", "Y"))) == []
    return made


def said(replies: list[bytes]) -> list[tuple[str, str, str]]:
    return [(each.kind, each["34"], each["43"]) for each in map(parsed, replies)]


def test_our_own_client_answers_what_a_client_has_to(engine: ClientEngine) -> None:
    assert said(engine.take(message("1", ("112", "x"), number=2))) == [("0", "2", "")]
    engine.compose(step(">", "D", ("11", "@a")))
    engine.heartbeat()
    asked = message("2", ("7", "2"), ("16", "0"), number=3)
    assert said(engine.take(asked)) == [("4", "2", "Y"), ("D", "3", "Y"), ("4", "4", "Y")]
    assert said(engine.take(message("5", number=4))) == [("5", "5", "")]


def test_our_own_client_asks_for_a_gap_once_and_drops_what_it_has(engine: ClientEngine) -> None:
    early = engine.take(message("8", number=4))
    assert [(each.kind, each["7"], each["16"]) for each in map(parsed, early)] == [("2", "2", "3")]
    assert engine.take(message("8", number=5)) == []
    engine.take(message("4", ("123", "Y"), ("36", "4"), ("43", "Y"), number=2))
    assert engine.speaker.next_in == 6
    assert engine.take(message("1", ("112", "x"), ("43", "Y"), number=3)) == []


def test_an_example_fills_in_what_may_be_anything(engine: ClientEngine) -> None:
    due = Step(
        act=Act.SEND,
        text="",
        kind="D",
        fields=(("11", "@a"), ("126", "*"), ("34", "$lost"), ("1", "{account}")),
        examples=(("126", "now"), ("40", "2")),
    )
    sent = parsed(engine.compose(due))
    assert (sent["11"], sent["126"], sent["34"], sent["1"]) == ("r-a", timestamp(NOW), "2", "ACC")
