"""What became of a case, with the messages that show it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Outcome(Enum):
    """Of a case or a clause."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Line:
    """One message or event, as evidence."""

    party: str
    sign: str
    """``>`` to the venue, ``<`` from it, ``!`` something else."""
    text: str

    def __str__(self) -> str:
        """Write it as a case does."""
        party = "" if self.party == "me" else self.party
        return f"{party}{self.sign} {self.text}"


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What became of one case."""

    case: str
    clause: str
    title: str
    dialect: str
    outcome: Outcome
    reason: str = ""
    evidence: list[Line] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "case": self.case,
            "clause": self.clause,
            "title": self.title,
            "dialect": self.dialect,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "evidence": [str(line) for line in self.evidence],
        }


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count verdicts by outcome."""
    found = {outcome.value: 0 for outcome in Outcome}
    for verdict in verdicts:
        found[verdict.outcome.value] += 1
    return found


def report_text(verdicts: list[Verdict], *, with_evidence: bool) -> str:
    """Write verdicts for people, case by case.

    Args:
        verdicts: in the order that they are to be shown in.
        with_evidence: show the messages of every case; otherwise of those that failed.
    """
    lines = []
    for verdict in verdicts:
        lines.append(
            f"{verdict.outcome.value:<8}{verdict.case:<12}{verdict.dialect:<12}{verdict.title}"
        )
        if verdict.reason:
            lines.append(f"{'':<8}{verdict.reason}")
        if with_evidence or verdict.outcome is Outcome.FAILED:
            lines += [f"{'':<12}{line}" for line in verdict.evidence]
    total = counts(verdicts)
    lines.append(", ".join(f"{count} {name}" for name, count in total.items()))
    return "\n".join(lines)
