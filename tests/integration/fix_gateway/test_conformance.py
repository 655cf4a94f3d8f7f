"""The session's test cases, in both dialects, against the public port of a whole venue."""

import re
from functools import cache

import pytest
import uvloop

from exchange.certify.scenarios import play_scenarios, scenarios
from exchange.certify.stage import certification_venue
from fix_gateway.conformance.cases import DIALECTS
from fix_gateway.conformance.verdicts import Outcome, Verdict
from tests.integration.fix_gateway.processes import CONFIG, SESSIONS

PLAYED = [
    (dialect, case.id) for dialect in DIALECTS for case in scenarios() if dialect in case.dialects
]


@cache
def verdicts() -> dict[tuple[str, str], Verdict]:
    """Play every case once, on one venue."""

    async def play() -> list[Verdict]:
        async with certification_venue(CONFIG, SESSIONS) as stage:
            return await play_scenarios(stage, scenarios())

    return {(each.dialect, each.case): each for each in uvloop.run(play())}


@pytest.mark.parametrize(("dialect", "case"), PLAYED)
def test_the_venue_does_as_the_session_case_says(dialect: str, case: str) -> None:
    verdict = verdicts()[dialect, case]
    shown = "\n".join(map(str, verdict.evidence))
    assert verdict.outcome is Outcome.PASSED, f"{verdict.title}: {verdict.reason}\n{shown}"
    assert verdict.evidence


def test_the_cases_cover_the_clauses_of_the_standard() -> None:
    clauses = {re.match(r"[0-9]+", case.id)[0] for case in scenarios()}  # type: ignore[index]
    wanted = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20}
    assert {int(clause) for clause in clauses} >= wanted
    assert all(sum(dialect == each for each, _ in PLAYED) >= 60 for dialect in DIALECTS)
