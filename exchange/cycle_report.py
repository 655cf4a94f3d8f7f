"""Settlement cycles written for people: plain lines, amounts in units."""

from collections import Counter, defaultdict

import msgspec

from exchange.ledger_names import LedgerNames
from settlement.cycle_queries import ModeRow, Obligation, OpenAmount, Standing, Unsettled
from settlement.cycle_terms import InstructionState, Party, SettlementMode
from settlement.cycles import Cycle

_INSTRUCTION_HEADING = (
    f"{'no':>4} {'cycle':>5} {'try':>3}  {'party':<27} {'amount':>28} {'left':>28}"
    "  state             age"
)
_HOUSE = {Party.FEES: "venue, fees", Party.PREFUNDED: "venue, prefunded"}


def party_name(names: LedgerNames, party: int, account: int) -> str:
    """Say whose obligation it is."""
    return _HOUSE.get(Party(party)) or names.account_name(account)


def obligation_lines(names: LedgerNames, rows: list[Obligation]) -> list[str]:
    """Write obligations, and that they sum to zero in each cycle and asset."""
    lines = [f"{'cycle':>5}  {'party':<18} {'obligation':>28} {'settled':>28}"]
    sums: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in rows:
        sums[row.cycle, row.asset] += row.amount_atoms
        lines.append(
            f"{row.cycle:>5}  {party_name(names, row.party, row.account):<18}"
            f" {names.amount(row.asset, row.amount_atoms):>28}"
            f" {names.amount(row.asset, row.confirmed_atoms):>28}"
        )
    lines += [
        f"{cycle:>5}  {'all listed':<18} {names.amount(asset, atoms):>28}"
        for (cycle, asset), atoms in sorted(sums.items())
    ]
    return lines if rows else ["no obligations"]


def open_cycle_lines(names: LedgerNames, rows: list[OpenAmount]) -> list[str]:
    """Write what the open cycle comes to so far."""
    lines = [f"{'party':<18} {'so far':>28}"]
    lines += [
        f"{party_name(names, row.party, row.account):<18}"
        f" {names.amount(row.asset, row.amount_atoms):>28}"
        for row in rows
    ]
    return lines if rows else ["nothing to settle in the open cycle so far"]


def instruction_lines(names: LedgerNames, rows: list[Standing]) -> list[str]:
    """Write instructions, where each stands and how old it is."""
    lines = [_INSTRUCTION_HEADING]
    for row in rows:
        way = "receives" if row.amount_atoms > 0 else "delivers"
        age = f"{row.age_cycles} cycles, {row.age_days} days"
        lines.append(
            f"{row.instruction:>4} {row.cycle:>5} {row.attempt:>3}"
            f"  {party_name(names, row.party, row.account):<18} {way:<8}"
            f" {names.amount(row.asset, abs(row.amount_atoms)):>28}"
            f" {names.amount(row.asset, abs(row.rest_atoms)):>28}"
            f"  {InstructionState(row.state).name.lower().replace('_', ' '):<17} {age}"
        )
    return lines if rows else ["no instructions"]


class CycleStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where settlement stands, at one moment."""

    ledger_position: int
    last_cycle: Cycle | None
    open_cycle: list[OpenAmount]
    unsettled: list[Unsettled]
    instructions: list[Standing]

    def by_age(self) -> dict[int, int]:
        """Count obligations that are not settled by the cycles closed since their own."""
        last = {
            (each.cycle, each.party, each.account, each.asset): each for each in self.instructions
        }
        ages = Counter(each.age_cycles for each in last.values() if each.rest_atoms)
        return dict(sorted(ages.items()))

    def by_state(self) -> dict[str, int]:
        """Count instructions by state."""
        counts = Counter(each.state for each in self.instructions)
        return {state.name.lower(): counts[state] for state in InstructionState}


def status_lines(names: LedgerNames, status: CycleStatus) -> list[str]:
    """Write where settlement stands."""
    last, position = status.last_cycle, status.ledger_position
    ended = "no cycle was closed yet"
    if last is not None:
        ended = f"cycle {last.cycle} of {last.business_date} ended with event {last.through_event}"
    lines = [f"{ended}; the ledger is at event {position}"]
    told = [f"{count} {state.replace('_', ' ')}" for state, count in status.by_state().items()]
    lines.append(f"instructions: {', '.join(told)}")
    if ages := status.by_age():
        told = [f"{count} of {age} cycles" for age, count in ages.items()]
        lines.append(f"not settled, by age: {', '.join(told)}")
    lines.append(f"the open cycle has {len(status.open_cycle)} amounts so far")
    lines += [
        f"unsettled  {party_name(names, row.party, row.account):<18}"
        f" {names.amount(row.asset, row.unsettled_atoms):>28}"
        for row in status.unsettled
    ]
    return lines


def mode_lines(
    names: LedgerNames, known: dict[int, ModeRow], wanted: dict[int, SettlementMode]
) -> list[str]:
    """Write how each account settles, and where its file says otherwise."""
    lines = []
    for number, account in sorted(names.accounts.items()):
        row = known.get(number)
        mode = SettlementMode(row.mode) if row else SettlementMode.GROSS
        if row is None:
            why = "prefunded"
        elif not row.decision:
            why = f"its credit line, event {row.after_event}"
        else:
            why = f"decision {row.decision}, after event {row.after_event}"
        line = f"{account.name:<18} {mode.name.lower():<6} {why}"
        if wanted.get(number, mode) is not mode:
            line += f"; its file says {wanted[number].name.lower()}: settlement set-mode"
        lines.append(line)
    return lines
