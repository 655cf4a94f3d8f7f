"""The actions on settlement cycles: close one, confirm and fail instructions, set a mode."""

from typing import Annotated, ClassVar, Literal

import msgspec

from exchange.admin.actions import Body, Count, Decimal, Desk, Done, Hands, Plan, Reference, Word
from exchange.settlement_desk import CycleOrder
from settlement.cycle_decisions import Ask

Numbers = Annotated[tuple[Count, ...], msgspec.Meta(max_length=1000)]


class _Decision(Body, frozen=True):
    """What all of them are: a decision on record in the ledger's database; no venue need run."""

    NEEDS_VENUE: ClassVar[bool] = False

    def order(self) -> CycleOrder:
        """Say what is wanted."""
        raise NotImplementedError

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        summary, order = await desk.ledger.cycle_plan(self.order())

        async def perform(hands: Hands) -> Done:
            ask = Ask(
                operator=hands.operator,
                approver=hands.approver,
                reference="",
                decided_at_ns=desk.now_ns(),
                reason=self.reason,
            )
            return Done(said=await desk.ledger.decide(order, ask))

        return Plan(summary=summary, perform=perform)


class CloseCycle(_Decision, frozen=True):
    """End the open settlement cycle with all that is in the ledger."""

    reference: Reference

    def order(self) -> CycleOrder:
        """See ``_Decision.order``."""
        return CycleOrder(kind="close", reference=self.reference)


class ConfirmInstructions(_Decision, frozen=True):
    """Say that settlement instructions were carried out."""

    instructions: Numbers = ()
    cycle: Count | None = None
    account: Word | None = None
    amount: Decimal | None = None
    reference: Reference | None = None

    def order(self) -> CycleOrder:
        """See ``_Decision.order``."""
        return CycleOrder(
            kind="confirm",
            instructions=self.instructions,
            cycle=self.cycle,
            account=self.account,
            amount=self.amount,
            reference=self.reference or "",
        )


class FailInstructions(_Decision, frozen=True):
    """Say that nothing more comes of settlement instructions."""

    instructions: Numbers = ()
    cycle: Count | None = None
    account: Word | None = None
    reference: Reference | None = None

    def order(self) -> CycleOrder:
        """See ``_Decision.order``."""
        return CycleOrder(
            kind="fail",
            instructions=self.instructions,
            cycle=self.cycle,
            account=self.account,
            reference=self.reference or "",
        )


class SetMode(_Decision, frozen=True):
    """Let an account settle gross or net from the next event on."""

    account: Word
    mode: Literal["gross", "net"]
    reference: Reference

    def order(self) -> CycleOrder:
        """See ``_Decision.order``."""
        return CycleOrder(
            kind="mode", account=self.account, mode=self.mode, reference=self.reference
        )
