"""Every planted error is found, by the check that is there for it, within five seconds of work."""

from __future__ import annotations

import pytest

from auditor.drill.drill import FOUND_SECONDS_MAX, DirtyShadowError, run_drill
from auditor.drill.plants import PLANTS
from auditor.drill.shadow import Shadow
from auditor.findings import Check
from exchange.drill_day import drill_day


@pytest.fixture(scope="module")
def shadow() -> Shadow:
    day = drill_day()
    return Shadow(day.events, day.commands)


def test_every_planted_error_is_found(shadow: Shadow) -> None:
    outcomes = list(run_drill(shadow))
    assert len(outcomes) == len(PLANTS) >= 20
    for outcome in outcomes:
        assert outcome.was_planted, outcome
        assert outcome.is_found, outcome
        assert outcome.seconds < FOUND_SECONDS_MAX, outcome


def test_every_check_has_a_planted_error() -> None:
    # What is done to the trail itself is tested with it, on files.
    assert {plant.check for plant in PLANTS} == set(Check) - {Check.TRAIL, Check.DRILL}


def test_a_shadow_that_is_not_clean_is_refused(shadow: Shadow) -> None:
    dirty = shadow.copy()
    PLANTS[0].plant(dirty)
    with pytest.raises(DirtyShadowError, match="nothing was planted"):
        next(run_drill(dirty))
