"""Bring a venue to what its configuration says: all of it when new, differences later."""

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
    link: Asking, configuration: Configuration, differences: list[Difference]
) -> None:
    """Send the commands of the differences that have one, and open instruments that are new.

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
        await link.ask(command, outcome_of(command))
        if isinstance(command, commands.CreateInstrument):
            opened.append(command.instrument)
    for instrument in opened:
        phase = phases[instrument]
        if phase is not Phase.CLOSED:
            await link.ask(
                commands.ChangePhase.make(instrument=instrument, phase=phase),
                matching(events.PhaseChanged, instrument=instrument, phase=phase),
            )
