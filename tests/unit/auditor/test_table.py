"""The documented table is the one that runs, and each action goes where it says."""

from __future__ import annotations

import re
from pathlib import Path

from auditor.checks.commands import ANSWERS
from auditor.findings import CONSEQUENCES, Check, Consequence, Finding
from messages.trading.commands import COMMANDS, AdvanceTime, EnterQuote, LinkLost

NEWER_KINDS = 60
"""From here on kinds may come before their rows."""

DOCUMENT = Path(__file__).parents[3] / "docs" / "auditor.md"


def test_the_document_lists_every_check_with_its_consequence() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert {Check(name): Consequence[word] for name, word in rows} == CONSEQUENCES
    assert CONSEQUENCES.keys() == set(Check)


def test_what_names_no_instrument_stops_the_venue() -> None:
    finding = Finding(check=Check.BOOKS, number=1, sequence=1, time_ns=1, text="x")
    assert finding.consequence is Consequence.KILL_VENUE


def test_every_kind_of_command_has_an_answer_or_a_reason() -> None:
    without = {AdvanceTime, LinkLost, EnterQuote}
    before = {cls for kind, cls in COMMANDS.by_kind.items() if kind < NEWER_KINDS}
    assert before - without <= ANSWERS.keys()
