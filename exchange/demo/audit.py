"""What an auditor would sign of the demo's day: four looks, each by code that traded nothing.

The auditor has recomputed every event and every row of the ledger; the operators' record and the
events explain each other; the auditor would have noticed, for it finds what is planted in a
shadow; and journal and records are as the signed heads say, which cover all of it.
"""

import asyncio
import time
from typing import Any, Final

from auditor.drill.drill import FOUND_SECONDS_MAX, run_drill
from auditor.drill.shadow import Shadow
from auditor.findings_file import FindingsFile
from auditor.service import FINDINGS_NAME
from exchange.admin.explained import explained
from exchange.audit_trail import verify
from exchange.commands.status import venue_report
from exchange.configuration import Configuration
from exchange.demo.proof import Check
from exchange.demo.stage import DemoError
from exchange.drill_day import drill_day
from exchange.state import State

CAUGHT_UP_SECONDS_MAX: Final = 120.0
_POLL_SECONDS: Final = 0.2


async def audit_day(configuration: Configuration, state: State) -> list[Check]:
    """Audit all that a running venue has done.

    Raises:
        DemoError: the auditor did not catch up. CommandError: the venue is away.
    """
    return [
        await _recomputed(state),
        await _explained(state),
        await asyncio.to_thread(_drill),
        await _trail(configuration, state),
    ]


async def _recomputed(state: State) -> Check:
    """Wait until the auditor has had every event and row, and read what it found."""
    deadline = time.monotonic() + CAUGHT_UP_SECONDS_MAX
    report = await asyncio.to_thread(venue_report, state)
    through = report["venue"]["last_event"] if report["venue"] else 0
    while not _has_reached(health := report["processes"]["auditor"].get("health", {}), through):
        if time.monotonic() > deadline:
            raise DemoError(f"the auditor is not at event {through} yet: {health}")
        await asyncio.sleep(_POLL_SECONDS)
        report = await asyncio.to_thread(venue_report, state)
    found = FindingsFile(state.auditor / FINDINGS_NAME).open
    return Check(
        "the auditor has no findings",
        f"{health['event']} events recomputed, ledger compared through event"
        f" {health['ledger_event']}; findings: {len(found) or 'none'}",
        tuple(f"{each.check} at event {each.number}: {each.text}" for each in found),
    )


def _has_reached(health: dict[str, Any], through: int) -> bool:
    reached: int = min(health.get("event", 0), health.get("ledger_event", 0))
    return 0 < through <= reached


async def _explained(state: State) -> Check:
    found = await explained(state)
    name = "record and events explain each other"
    return Check(name, str(found), found.findings)


async def _trail(configuration: Configuration, state: State) -> Check:
    """Check the trail once a signed head covers all that was asked for, or after some time."""
    deadline = time.monotonic() + 3 * configuration.venue.auditor.heads_seconds
    while True:
        found = await asyncio.to_thread(
            verify, configuration, state, key="", known="", is_running=True
        )
        if not found.unsigned_commands or time.monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return Check(
        "the trail is as it was written",
        f"{found.signed_commands} of {found.commands} commands under {found.heads} signed heads;"
        f" {sum(found.lines.values())} lines of records",
        tuple(found.problems),
    )


def _drill() -> Check:
    day = drill_day()
    outcomes = list(run_drill(Shadow(day.events, day.commands)))
    missed = [o for o in outcomes if not o.is_found or o.seconds > FOUND_SECONDS_MAX]
    slowest = max(outcome.seconds for outcome in outcomes)
    return Check(
        "the auditor would notice",
        f"{len(outcomes) - len(missed)} of {len(outcomes)} planted errors found, the slowest in"
        f" {slowest:.3f} s",
        tuple(f"missed: {outcome.name}" for outcome in missed),
    )
