"""Whether a state directory's record and its venue's events explain each other, read from both."""

from dataclasses import dataclass

from exchange.admin.record import Record
from exchange.admin.record_check import event_findings, record_findings
from exchange.directory import Directory
from exchange.operator_link import ADMIN, connect, told
from exchange.operators import Operators
from exchange.state import State
from exchange.venue_identity import venue_identity
from messages.trading.events import EVENTS
from runtime.chained_lines import ChainedLines


@dataclass(frozen=True, slots=True)
class Explained:
    """How much was looked at, and what is not explained."""

    entries: int
    events: int
    findings: tuple[str, ...]

    def __str__(self) -> str:
        """Say it on one line."""
        said = f"{len(self.findings)} findings" if self.findings else "clean"
        return f"{self.entries} entries, {self.events} events: {said}"


async def explained(state: State) -> Explained:
    """Hold the record against its signatures, and every event against the record.

    Raises:
        ChainBrokenError: the record was changed. VenueAwayError: no core answers.
    """
    operators = Operators(state.operators).all()
    entries = list(Record(ChainedLines(state.admin_record)).entries())
    found = record_findings(entries, operators, venue=venue_identity(state))
    recorded = {event: entry for _, entry in entries for event in entry.events}
    names = {each.number: each.name for each in operators}
    proposed = {entry.proposal: entry for _, entry in entries if entry.step == "proposed"}
    known = await _known(state)
    count = 0
    async for batch in told(state):
        found.extend(event_findings(batch, recorded, names, proposed, known))
        count += len(batch)
    return Explained(len(entries), count, tuple(found))


async def _known(state: State) -> Directory:
    link = await connect(state, ADMIN)
    try:
        return Directory(EVENTS.unpack((await link.query("definitions")).payload))
    finally:
        await link.close()
