"""The drill: errors are planted in a shadow, one at a time, and each must be found."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from auditor.drill.plants import PLANTS
from auditor.drill.shadow import Shadow
from auditor.findings import Check

FOUND_SECONDS_MAX = 5.0
"""Of processor time, for one error."""


class Outcome(NamedTuple):
    """What became of one planted error."""

    name: str
    check: Check
    was_planted: bool
    is_found: bool
    seconds: float


class DirtyShadowError(Exception):
    """The recorded venue is not clean before anything is planted."""

    exit_code = 70


def run_drill(shadow: Shadow) -> Iterator[Outcome]:
    """Plant each error in a copy of a true venue, audit it, and say whether it was found.

    Raises:
        DirtyShadowError: something is found already where nothing was planted.
    """
    clean = shadow.audit()
    if clean.kept:
        raise DirtyShadowError(f"nothing was planted, and found was: {clean.kept[0].text}")
    for plant in PLANTS:
        twin = shadow.copy()
        was_planted = plant.plant(twin)
        started = time.thread_time()  # a machine that stands still finds nothing, nor misses
        is_found = was_planted and plant.check in twin.audit().counts
        seconds = time.thread_time() - started
        yield Outcome(plant.name, plant.check, was_planted, is_found, seconds)
