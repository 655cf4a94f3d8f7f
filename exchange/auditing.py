"""The auditor of a state directory: what it reads there, and what it may do."""

import asyncio
import sys

import structlog
from prometheus_client import CollectorRegistry

from auditor.service import Auditor
from auditor.settings import AuditorSettings
from exchange.audit_trail import make_keeper
from exchange.configuration import Configuration
from exchange.database import database_dsn
from exchange.errors import VenueAwayError
from exchange.places import Places
from exchange.withdrawal_gate import make_ready, stop_withdrawals
from runtime.feed import LinkFeed
from runtime.link import Link

log = structlog.get_logger()


def make_auditor(
    configuration: Configuration, places: Places, *, address: str, registry: CollectorRegistry
) -> Auditor:
    """Make the auditor's service; ``address`` is the core's."""
    state, table = places.state, configuration.venue.auditor
    token = state.token("auditor")
    is_here = not configuration.venue.core.address
    settings = AuditorSettings(
        directory=state.auditor,
        journal=state.venue / "journal" if is_here else None,
        may_halt=table.may_halt,
        may_stop_withdrawals=table.may_stop_withdrawals,
        may_kill=table.may_kill,
        figures_seconds=table.figures_seconds,
        ledger_seconds=table.ledger_seconds,
        picture_seconds=table.picture_seconds,
        silence_seconds_max=table.silence_seconds_max,
        heads_seconds=table.heads_seconds,
    )

    def ledger_dsn() -> str:
        try:
            return database_dsn(configuration, state)
        except VenueAwayError as error:
            raise ConnectionError(str(error)) from error

    try:
        make_ready(state.auditor)
    except OSError as error:
        log.warning("gate_not_made_ready", reason=str(error))
    return Auditor(
        settings,
        make_feed=lambda known: LinkFeed(address, "auditor", token, venue=known),
        dial=lambda: Link.connect(address, "auditor", token),
        registry=registry,
        stop_withdrawals=lambda why: stop_withdrawals(state.auditor, why),
        ledger_dsn=ledger_dsn,
        drill=_drill,
        make_keeper=(lambda: make_keeper(configuration, places)) if is_here else None,
    )


async def _drill() -> str:
    """Run the drill in a process of its own, for it takes the processor for seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "exchange", "audit", "drill"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return ""
    lines = output.decode(errors="replace").splitlines()
    missed = [line for line in lines if line.startswith("MISSED")] or lines[-1:]
    return "; ".join(missed) or f"the drill ended with {process.returncode}"
