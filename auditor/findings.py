"""What the auditor found: each finding names the check, the place and both values."""

from collections import Counter, deque
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

import msgspec

FINDINGS_KEPT = 1000
"""The last findings that are kept whole; all are counted, logged and acted on."""

TEXT_MAX = 400


class Check(StrEnum):
    """What is checked; docs/auditor.md has a row for each."""

    CONTIGUITY = "contiguity"
    COMMANDS_ANSWERED = "commands_answered"
    CONSERVATION = "conservation"
    BALANCES = "balances"
    CREDIT_LINES = "credit_lines"
    REFERENCES = "references"
    HOLDS = "holds"
    FEES = "fees"
    QUANTITIES = "quantities"
    TRADES = "trades"
    BOOKS = "books"
    PRIORITY = "priority"
    PRICES = "prices"
    SELF_TRADES = "self_trades"
    PHASES = "phases"
    KILL_SWITCHES = "kill_switches"
    ENGINE_FIGURES = "engine_figures"
    LEDGER_ENTRIES = "ledger_entries"
    LEDGER_BALANCES = "ledger_balances"
    LEDGER_TRADES = "ledger_trades"
    LEDGER_POSITION = "ledger_position"
    TRAIL = "trail"
    DRILL = "drill"


class Consequence(IntEnum):
    """What a finding leads to, the gravest last; each may be switched off by configuration."""

    ALARM = 0
    HALT_INSTRUMENT = 1
    STOP_WITHDRAWALS = 2
    KILL_VENUE = 3


CONSEQUENCES: dict[Check, Consequence] = {
    Check.CONTIGUITY: Consequence.KILL_VENUE,
    Check.COMMANDS_ANSWERED: Consequence.KILL_VENUE,
    Check.CONSERVATION: Consequence.KILL_VENUE,
    Check.BALANCES: Consequence.KILL_VENUE,
    Check.CREDIT_LINES: Consequence.KILL_VENUE,
    Check.REFERENCES: Consequence.STOP_WITHDRAWALS,
    Check.HOLDS: Consequence.KILL_VENUE,
    Check.FEES: Consequence.ALARM,
    Check.QUANTITIES: Consequence.HALT_INSTRUMENT,
    Check.TRADES: Consequence.KILL_VENUE,
    Check.BOOKS: Consequence.HALT_INSTRUMENT,
    Check.PRIORITY: Consequence.HALT_INSTRUMENT,
    Check.PRICES: Consequence.HALT_INSTRUMENT,
    Check.SELF_TRADES: Consequence.HALT_INSTRUMENT,
    Check.PHASES: Consequence.HALT_INSTRUMENT,
    Check.KILL_SWITCHES: Consequence.HALT_INSTRUMENT,
    Check.ENGINE_FIGURES: Consequence.KILL_VENUE,
    Check.LEDGER_ENTRIES: Consequence.STOP_WITHDRAWALS,
    Check.LEDGER_BALANCES: Consequence.STOP_WITHDRAWALS,
    Check.LEDGER_TRADES: Consequence.STOP_WITHDRAWALS,
    Check.LEDGER_POSITION: Consequence.STOP_WITHDRAWALS,
    Check.TRAIL: Consequence.STOP_WITHDRAWALS,
    Check.DRILL: Consequence.STOP_WITHDRAWALS,
}
"""The table of docs/auditor.md: a test compares the two."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it must be; the numbers of what it is about are zero if none."""

    check: Check
    number: int
    """The event at which it was found."""
    sequence: int
    time_ns: int
    instrument: int = 0
    account: int = 0
    asset: int = 0
    text: str

    @property
    def consequence(self) -> Consequence:
        """What it leads to; what would halt an instrument and names none stops the venue."""
        consequence = CONSEQUENCES[self.check]
        if consequence is Consequence.HALT_INSTRUMENT and not self.instrument:
            return Consequence.KILL_VENUE
        return consequence


class Place(Protocol):
    """Where the audit is: asked for a finding only, so that an event costs nothing."""

    @property
    def number(self) -> int:
        """The event that is being looked at."""
        ...

    @property
    def sequence(self) -> int:
        """Its command."""
        ...

    @property
    def time_ns(self) -> int:
        """Its stamp."""
        ...


class Spot(NamedTuple):
    """A place that stays; without figures, the one before anything was looked at."""

    number: int = 0
    sequence: int = 0
    time_ns: int = 0


class Findings:
    """Takes findings, at the place where the audit is."""

    def __init__(self) -> None:
        self.place: Place = Spot()
        self.counts: Counter[Check] = Counter()
        self.kept: deque[Finding] = deque(maxlen=FINDINGS_KEPT)
        self._fresh: list[Finding] = []

    def add(
        self, check: Check, text: str, *, instrument: int = 0, account: int = 0, asset: int = 0
    ) -> None:
        """Put a finding on record."""
        finding = Finding(
            check=check,
            number=self.place.number,
            sequence=self.place.sequence,
            time_ns=self.place.time_ns,
            instrument=instrument,
            account=account,
            asset=asset,
            text=text[:TEXT_MAX],
        )
        self.counts[check] += 1
        self.kept.append(finding)
        if len(self._fresh) < FINDINGS_KEPT:
            self._fresh.append(finding)

    def take(self) -> list[Finding]:
        """Return what was found since the last time."""
        fresh, self._fresh = self._fresh, []
        return fresh
