"""Bring a venue to what its configuration says: all of it when new, differences later."""

import msgspec

from exchange.configuration import Configuration
from exchange.definitions import Difference, compare, outcome_of
from exchange.operator_link import Asking, OperatorLink, matching
from exchange.state import State
from exchange.wanted import wanted_definitions, wanted_phases
from fix_gateway.settings import SessionFile
from messages.trading import commands, events
from messages.trading.terms import Phase


async def seed_venue(
    state: State, configuration: Configuration, sessions: dict[str, SessionFile]
) -> list[Difference]:
    """Define a new venue by the configuration; say how an older one differs from it.

    Returns:
        What differs in a venue that was there already; nothing of it is applied.

    Raises:
        CommandError: the venue refused a definition, or does not answer.
    """
    async with OperatorLink.open(state) as operator:
        known = await operator.definitions()
        differences = compare(wanted_definitions(configuration, sessions), known)
        if any(isinstance(event, events.VenueConfigured) for event in known):
            return differences
        await apply_definitions(operator, configuration, differences)
        return []


async def apply_definitions(
    link: Asking,
    configuration: Configuration,
    differences: list[Difference],
    *,
    operator: int = 0,
    approver: int = 0,
) -> None:
    """Send the commands of the differences that have one, and open instruments that are new.

    Args:
        link: the way into the venue.
        configuration: says which phase a new instrument begins in.
        differences: what to bring about, in this order.
        operator: whose number the commands carry; zero while a new venue is seeded.
        approver: the second operator's.

    Raises:
        CommandError: the venue refused one; those before it are done.
    """
    phases = wanted_phases(configuration)
    opened: list[int] = []
    for difference in differences:
        command = difference.command
        if command is None:
            continue
        assert isinstance(command, commands.Command)
        await link.ask(_signed(command, operator, approver), outcome_of(command))
        if isinstance(command, commands.CreateInstrument):
            opened.append(command.instrument)
    for instrument in opened:
        phase = phases[instrument]
        if phase is not Phase.CLOSED:
            opening = commands.ChangePhase.make(instrument=instrument, phase=phase)
            await link.ask(
                _signed(opening, operator, approver),
                matching(events.PhaseChanged, instrument=instrument, phase=phase),
            )


def _signed(command: commands.Command, operator: int, approver: int) -> commands.Command:
    """Put operators' numbers on a command; what only creates carries none."""
    if not hasattr(command, "operator"):
        return command
    return msgspec.structs.replace(command, operator=operator, approver=approver)
