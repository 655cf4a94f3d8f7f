"""The actions on fees: assign a schedule to an account, and recompute everybody's tier."""

from typing import Annotated

import msgspec

from exchange.admin.actions import Body, Desk, Done, Hands, Plan, Word, listed
from exchange.errors import CommandError
from exchange.fee_tiers import Change, changes, window
from exchange.operator_link import matching
from messages.trading import commands, events


class AssignFees(Body, frozen=True):
    """Let later orders of an account use a schedule; without an instrument for all of them."""

    account: Word
    schedule: Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
    instrument: Word | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        known = desk.known
        account = known.account(self.account)
        instrument = known.instrument(self.instrument) if self.instrument else 0
        rates = [
            event
            for event in known.records
            if isinstance(event, events.FeeScheduleDefined) and event.fee_schedule == self.schedule
        ]
        if not rates:
            raise CommandError(f"no fee schedule {self.schedule}")

        async def perform(hands: Hands) -> Done:
            event = await _assign(hands, account, instrument, self.schedule)
            return Done(said=f"{self.account} has fee schedule {self.schedule}", event=event.number)

        where = self.instrument or "all instruments"
        return Plan(
            summary=(
                f"give {known.name('account', account)} fee schedule {self.schedule} (maker "
                f"{rates[0].maker_ppm}, taker {rates[0].taker_ppm} ppm) in {where}"
            ),
            perform=perform,
        )


class RecomputeFees(Body, frozen=True):
    """Give every account the schedule of its firm's volume, by ``config/fees.toml``."""

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        found, until = await recomputed(desk)
        said = listed([say(change) for change in found])

        async def perform(hands: Hands) -> Done:
            event = 0
            for change in found:
                event = (await _assign(hands, change.account, 0, change.fee_schedule)).number
            return Done(said=f"{len(found)} schedules changed: {said}", event=event)

        return Plan(
            summary=f"fees by volume until {until}: {said}",
            perform=perform,
            changes_nothing=not found,
        )


async def recomputed(desk: Desk) -> tuple[list[Change], int]:
    """Say what recomputing would change, and until when it looks.

    Raises:
        CommandError: there are no tiers, or the ledger is behind. VenueAwayError: it is away.
    """
    configuration, _ = desk.read()
    fees = configuration.fees
    if fees.volume is None:
        raise CommandError("config/fees.toml has no [volume] and no tiers")
    asset = desk.known.asset(fees.volume.asset)
    venue = next(e for e in desk.known.records if isinstance(e, events.VenueConfigured))
    since, until = window(desk.now_ns(), day_offset_ns=venue.day_offset_ns, days=fees.volume.days)
    rows = await desk.ledger.volumes(since, until)
    volumes = {row.firm: row.notional_atoms for row in rows if row.asset == asset.asset}
    return changes(fees, desk.known.records, volumes, scale=asset.scale), until


def say(change: Change) -> str:
    """Say a change in words."""
    was = change.was or "the instruments' own"
    return f"{change.name} from {was} to {change.fee_schedule} ({change.why})"


async def _assign(hands: Hands, account: int, instrument: int, schedule: int) -> events.Event:
    command = commands.AssignFeeSchedule.make(
        account=account, instrument=instrument, fee_schedule=schedule
    )
    wanted = matching(
        events.FeeScheduleAssigned, account=account, instrument=instrument, fee_schedule=schedule
    )
    return await hands.send(command, wanted)
