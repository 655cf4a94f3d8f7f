"""Two operators of a demo's own: signed by their names, or by nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exchange.admin.client import AdminClient
from exchange.admin.founding import found_operators
from exchange.admin.pair import OperatorPair
from exchange.admin.record import Record
from exchange.demo.funding import FOUNDERS
from exchange.errors import CommandError, VenueAwayError
from exchange.operators import Operators
from exchange.state import State
from runtime.chained_lines import ChainedLines


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    made.prepare()
    return made


def test_nothing_is_done_in_the_name_of_operators_who_did_not_ask(state: State) -> None:
    found_operators(state, ["ann", "ben"], now_ns=1)
    with pytest.raises(CommandError, match="controller and treasurer would have to sign") as no:
        OperatorPair.of(state, FOUNDERS)
    assert "has the operators ann, ben" in str(no.value)
    assert [each.name for each in Operators(state.operators).all()] == ["ann", "ben"]


def test_where_there_is_nobody_both_are_founded_and_on_record(state: State) -> None:
    with pytest.raises(VenueAwayError, match="no venue runs"):
        OperatorPair.of(state, FOUNDERS)
    entries = [entry for _, entry in Record(ChainedLines(state.admin_record)).entries()]
    assert [(each.step, each.operator) for each in entries] == [
        ("founded", name) for name in FOUNDERS
    ]
    with pytest.raises(VenueAwayError):  # and not founded again
        OperatorPair.of(state, FOUNDERS)
    assert len(Operators(state.operators).all()) == 2


class Told(AdminClient):
    """Answers as a venue does, and keeps what it was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, ...]] = []

    def act(self, action: str, body: Any) -> dict[str, Any]:
        self.asked.append((action, body["reason"]))
        return self.answer

    def approve(self, proposal: str, digest: str, reason: str) -> dict[str, Any]:
        self.asked.append((proposal, digest, reason))
        return {"said": "done", "event": 7}


def test_the_second_agrees_to_what_the_first_proposed_and_to_nothing_else() -> None:
    first = Told({"said": "wait", "proposal": {"id": "4d9a"}, "digest": "ab12"})
    second = Told({})
    assert OperatorPair(first, second).carry_out("credit", {"reason": "a wire"})["event"] == 7
    assert (first.asked, second.asked) == ([("credit", "a wire")], [("4d9a", "ab12", "a wire")])
    alone = Told({"said": "killed", "event": 3})
    assert OperatorPair(alone, second).carry_out("kill", {"reason": "a drill"})["event"] == 3
    assert len(second.asked) == 1
