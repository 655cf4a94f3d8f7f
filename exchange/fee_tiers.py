"""Which fee schedule each account should have, by its firm's volume: a pure decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from exchange.configuration import FeesFile, scaled
from exchange.errors import CommandError
from messages.layout import Record, plain_text
from messages.trading import events

DAY_NS: Final = 86_400 * 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An account whose schedule is another by now; ``was`` is zero for the instruments' own."""

    account: int
    name: str
    was: int
    fee_schedule: int
    why: str


def window(now_ns: int, *, day_offset_ns: int, days: int) -> tuple[int, int]:
    """Return the whole trading days that count: from the first stamp, until the one after the last.

    The window ends with the last day that ended, so asked at any time of one day it is the same.
    """
    until = (now_ns - day_offset_ns) // DAY_NS * DAY_NS + day_offset_ns
    return until - days * DAY_NS, until


def changes(
    fees: FeesFile, known: Iterable[Record], volumes: Mapping[int, int], *, scale: int
) -> list[Change]:
    """Say which accounts get another schedule.

    Args:
        fees: the tiers, the firms that are above them, and the accounts that are pinned.
        known: the venue's definitions.
        volumes: in atoms of the volume's asset, by firm; zero for who is not there.
        scale: of that asset.

    Returns:
        One change for each account whose schedule is not what its firm's volume, or the firm's
        override, asks for. An account that ``[[assignment]]`` names for all
        instruments is left alone.

    Raises:
        CommandError: the venue does not know a schedule that an account should get.
    """
    records = list(known)
    firms = {e.firm: plain_text(e.name) for e in records if isinstance(e, events.FirmCreated)}
    schedules = {e.fee_schedule for e in records if isinstance(e, events.FeeScheduleDefined)}
    own = {e.fee_schedule for e in records if isinstance(e, events.InstrumentCreated)}
    assigned = {
        event.account: event.fee_schedule
        for event in records
        if isinstance(event, events.FeeScheduleAssigned) and event.instrument == 0
    }
    pinned = {each.account for each in fees.assignment if not each.instrument}
    found = []
    for account in records:
        if not isinstance(account, events.AccountCreated):
            continue
        name = plain_text(account.name)
        if name in pinned:
            continue
        wanted, why = _schedule(fees, firms[account.firm], volumes.get(account.firm, 0), scale)
        was = assigned.get(account.account, 0)
        is_so_already = was == wanted or (was == 0 and own <= {wanted})
        if wanted == 0 or is_so_already:
            continue
        if wanted not in schedules:
            raise CommandError(f"the venue has no fee schedule {wanted}: ./rialto admin apply")
        found.append(
            Change(account=account.account, name=name, was=was, fee_schedule=wanted, why=why)
        )
    return sorted(found, key=lambda change: change.account)


def _schedule(fees: FeesFile, firm: str, volume_atoms: int, scale: int) -> tuple[int, str]:
    """Return the schedule of a firm, and why; zero where nothing says."""
    for override in fees.override:
        if override.firm == firm:
            return override.schedule, f"{firm} is overridden"
    reached = (0, "no tiers")
    for tier in fees.tier:
        least = scaled(tier.volume_min, scale)
        assert least is not None, "checked when it was read"
        if volume_atoms >= least:
            reached = tier.schedule, f"{firm} traded {volume_atoms} atoms, tier {tier.volume_min}"
    return reached
