"""Findings are acknowledged by an operator of the risk desk, who signs for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from auditor.findings import Check, Finding
from auditor.findings_file import Acknowledgement, FindingsFile
from exchange.__main__ import main
from exchange.admin.founding import found_operators
from exchange.admin.record import Record
from exchange.admin.roles import Role
from exchange.operators import Operators
from exchange.state import State
from exchange.withdrawal_gate import make_ready, stop_withdrawals, stopped
from runtime.chained_lines import ChainedLines
from runtime.process import EXIT_OK, EXIT_USAGE

WHY = "planted for a drill"


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.prepare()
    found_operators(state, ["ann", "ben"], now_ns=1)
    return state


def acknowledge(state: State, *words: str) -> int:
    return main(["audit", "acknowledge", "--why", WHY, *words, "--state", str(state.root)])


def test_an_operator_signs_for_what_was_seen(state: State) -> None:
    path = state.auditor / "findings.jsonl"
    found = Finding(check=Check.BALANCES, number=7, sequence=1, time_ns=1, text="wrong")
    FindingsFile(path).add([found])
    stop_withdrawals(state.auditor, "wrong")
    assert acknowledge(state, "--as", "ann") == EXIT_OK
    assert stopped(state.auditor) is None
    assert FindingsFile(path).open == []
    *_, line = ChainedLines(path).read()
    said = msgspec.json.decode(line.body, type=Acknowledgement)
    assert (said.acknowledged, said.by, said.why) == (1, "ann", WHY)
    ann, ben = (Operators(state.operators).named(name) for name in ("ann", "ben"))
    assert ann.has_signed(said.message(), said.signature)
    assert not ben.has_signed(said.message(), said.signature)
    other = msgspec.structs.replace(said, why="nothing")
    assert not ann.has_signed(other.message(), said.signature)
    entries = [entry for _, entry in Record(ChainedLines(state.admin_record)).entries()][-2:]
    assert [(each.step, each.operator, each.action, each.reason) for each in entries] == [
        ("asked", "ann", "audit.acknowledge", WHY),
        ("done", "ann", "audit.acknowledge", WHY),
    ]


def test_nobody_else_acknowledges(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RIALTO_OPERATOR", raising=False)
    make_ready(state.auditor)
    stop_withdrawals(state.auditor, "wrong")
    operators = Operators(state.operators)
    ben = operators.named("ben")
    operators.write(msgspec.structs.replace(ben, roles=(Role.TREASURY,)))
    token = str(operators.token_path("ben"))
    for words, said in (
        ((), "who decides?"),
        (("--as", "ben"), "operator ben has not the role risk, which decides about findings"),
        (("--as", "ann", "--token", token), "not the token of ann"),
        (("--as", "cid"), "cid"),
    ):
        assert acknowledge(state, *words) == EXIT_USAGE
        assert said in capsys.readouterr().err
        assert stopped(state.auditor) is not None
