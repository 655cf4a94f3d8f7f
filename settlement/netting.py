"""What a cycle's entries come to for each party: multilateral netting, as a pure function.

This is the specification. ``settlement.cycles`` does the same in the database, in one statement;
a property test holds the two together, and reconciliation computes every cycle again.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from settlement.chart import VENUE
from settlement.cycle_terms import FEE_CAUSES, NETTED_CAUSES, Party, SettlementMode


class JournalLine(NamedTuple):
    """What netting looks at of an entry."""

    event_number: int
    cause: int
    account: int
    asset: int
    amount_atoms: int


class ModeChange(NamedTuple):
    """From the event after ``after_event`` on, an account settles so."""

    after_event: int
    decision: int
    mode: int


class Owed(NamedTuple):
    """Whose obligation it is, and in what."""

    party: int
    account: int
    asset: int


Modes = Mapping[int, Iterable[ModeChange]]
"""The changes of each account, in any order; an account without any settles gross."""


def mode_at(modes: Modes, account: int, event_number: int) -> SettlementMode:
    """Say how an account settles what an event moved.

    What a credit line said (decision 0) counts only where nobody had said a word before.
    """
    changes = list(modes.get(account, ()))
    words = [change.after_event for change in changes if change.decision]
    before = [
        change
        for change in changes
        if change.after_event < event_number
        and (change.decision or not any(word <= change.after_event for word in words))
    ]
    return SettlementMode(max(before).mode) if before else SettlementMode.GROSS


def party_of(line: JournalLine, modes: Modes) -> Owed | None:
    """Say whose obligation an entry is part of; None for what no cycle settles.

    An account that settles net has its own. One that settles gross has none: it was settled when
    the entry was made, so the venue stands in for it. Its trade legs are what the venue took from
    or gave to the prefunded; its fees are fees that the venue has already.

    Source:
        docs/settlement-cycles.md, "What is netted".
    """
    if line.cause not in NETTED_CAUSES:
        return None
    if line.account != VENUE and (
        mode_at(modes, line.account, line.event_number) is SettlementMode.NET
    ):
        return Owed(Party.ACCOUNT, line.account, line.asset)
    if line.account == VENUE or line.cause in FEE_CAUSES:
        return Owed(Party.FEES, VENUE, line.asset)
    return Owed(Party.PREFUNDED, VENUE, line.asset)


def net(lines: Iterable[JournalLine], modes: Modes) -> dict[Owed, int]:
    """Net a cycle's entries.

    Args:
        lines: the entries of the cycle: whole events, so that they sum to zero in each asset.
        modes: every change of mode so far.

    Returns:
        What each party receives (above zero) or delivers (below), in atoms, without zeros. In
        each asset they sum to zero.
    """
    sums: defaultdict[Owed, int] = defaultdict(int)
    for line in lines:
        owed = party_of(line, modes)
        if owed is not None:
            sums[owed] += line.amount_atoms
    assert is_balanced(sums), sums
    return {owed: atoms for owed, atoms in sums.items() if atoms}


def is_balanced(sums: Mapping[Owed, int]) -> bool:
    """Say whether obligations sum to zero in each asset."""
    totals: defaultdict[int, int] = defaultdict(int)
    for owed, atoms in sums.items():
        totals[owed.asset] += atoms
    return not any(totals.values())
