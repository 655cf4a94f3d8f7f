"""Entries between the venue's own ledger accounts: no client's money, so no command."""

from typing import Annotated

import msgspec

from exchange.admin.actions import Body, Decimal, Desk, Done, Hands, Plan, Word
from exchange.errors import CommandError
from settlement.house import CAUSES, KINDS, HouseEntry, HousePosting

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}$")]

KIND_NAMES = {kind.name.lower(): kind for kind in KINDS}
CAUSE_NAMES = {cause.name.lower(): cause for cause in CAUSES}


class PostHouse(Body, frozen=True):
    """Move an amount from one ledger account of the venue to another."""

    cause: _Name
    giver: _Name
    taker: _Name
    asset: Word
    amount: Decimal

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        for name, names in (
            (self.giver, KIND_NAMES),
            (self.taker, KIND_NAMES),
            (self.cause, CAUSE_NAMES),
        ):
            if name not in names:
                raise CommandError(f"no {name} here; there are {', '.join(names)}")
        if self.giver == self.taker:
            raise CommandError(f"{self.giver} has nothing to give itself")
        asset = desk.known.asset(self.asset)
        atoms = desk.known.atoms(asset, self.amount)
        entries = _entries(asset.asset, atoms, giver=self.giver, taker=self.taker)
        cause = CAUSE_NAMES[self.cause]
        said = f"house: {self.cause.replace('_', ' ')}, {desk.known.amount(asset, atoms)}"
        summary = f"{said} from {self.giver} to {self.taker}"

        async def perform(hands: Hands) -> Done:
            posting = HousePosting(
                cause=cause,
                entries=entries,
                operator=hands.operator,
                approver=hands.approver,
                reference=hands.reference.rstrip(b"\0").decode(),
                text=self.reason,
                time_ns=desk.now_ns(),
            )
            number = await desk.ledger.post(posting)
            return Done(said=f"{summary}: done, house posting {number}")

        return Plan(summary=summary, perform=perform)


def _entries(asset: int, atoms: int, *, giver: str, taker: str) -> list[HouseEntry]:
    return [
        HouseEntry(KIND_NAMES[giver], asset, -atoms),
        HouseEntry(KIND_NAMES[taker], asset, atoms),
    ]
