"""Session cases and certification, in both dialects, against the public port of a whole venue."""

import re
from functools import cache

import pytest
import uvloop

from exchange.certify.cast import own_cast
from exchange.certify.certification import certification_cases, certify_own_client
from exchange.certify.scenarios import play_scenarios, scenarios
from exchange.certify.stage import certification_venue
from fix_gateway.conformance.cases import DIALECTS, KINDS
from fix_gateway.conformance.verdicts import Outcome, Verdict
from tests.integration.fix_gateway.places import CONFIG, SESSIONS

PLAYED = [
    (dialect, case.id) for dialect in DIALECTS for case in scenarios() if dialect in case.dialects
]
CASTS = [own_cast(dialect, kind) for dialect in DIALECTS for kind in KINDS]
CERTIFIED = [
    (cast.client, cast.dialect, case.id) for cast in CASTS for case in certification_cases(cast)
]


@cache
def verdicts() -> dict[tuple[str, str, str], Verdict]:
    """Play every case once, on one venue."""

    async def play() -> list[tuple[str, Verdict]]:
        async with certification_venue(CONFIG, SESSIONS, CASTS) as stage:
            found = [("scenario", each) for each in await play_scenarios(stage, scenarios())]
            for cast in CASTS:
                cases = certification_cases(cast)
                played = await certify_own_client(stage, cast, cases, lambda _verdict: None)
                found += [(cast.client, each) for each in played]
            return found

    return {(where, each.dialect, each.case): each for where, each in uvloop.run(play())}


@pytest.mark.parametrize(("dialect", "case"), PLAYED)
def test_the_venue_does_as_the_session_case_says(dialect: str, case: str) -> None:
    has_passed(verdicts()["scenario", dialect, case])


@pytest.mark.parametrize(("client", "dialect", "case"), CERTIFIED)
def test_our_own_client_is_certified(client: str, dialect: str, case: str) -> None:
    has_passed(verdicts()[client, dialect, case])


def has_passed(verdict: Verdict) -> None:
    shown = "\n".join(map(str, verdict.evidence))
    assert verdict.outcome is Outcome.PASSED, f"{verdict.title}: {verdict.reason}\n{shown}"
    assert verdict.evidence


def test_the_cases_cover_the_clauses_of_the_standard() -> None:
    clauses = {re.match(r"[0-9]+", case.id)[0] for case in scenarios()}  # type: ignore[index]
    wanted = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19, 20}
    assert {int(clause) for clause in clauses} >= wanted
    assert all(sum(dialect == each for each, _ in PLAYED) >= 60 for dialect in DIALECTS)
