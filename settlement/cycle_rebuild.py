"""Settlement made again: from a ledger that was rebuilt, and the decisions as they were recorded.

Entries follow from events and modes from both; cycles, obligations, instructions and what became
of them follow from entries and decisions. So a copy of the decisions beside the event log is all
that has to outlive a lost database.
"""

from collections.abc import Sequence

import msgspec

from runtime.postgres import Connection
from settlement.cycle_decisions import deciding, ledger_position
from settlement.cycle_terms import DecisionKind, SettlementCode, SettlementMode
from settlement.cycles import enact_close
from settlement.errors import SettlementRefusedError
from settlement.instructions import Chosen, enact_confirm, enact_fail
from settlement.modes import enact_mode


class RecordedDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A decision as it is on record; its request is canonical JSON."""

    decision: int
    kind: int
    operator: int
    reference: str
    reason: str
    request: str
    at_event: int
    decided_at_ns: int
    approver: int


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that a request may say."""

    cutoff_ns: int | None = None
    instructions: tuple[int, ...] = ()
    cycle: int | None = None
    account: int | None = None
    amount_atoms: int | None = None
    mode: str = ""


async def recorded_decisions(connection: Connection) -> list[RecordedDecision]:
    """Return all decisions, in their order: what a copy of them holds."""
    rows = await connection.fetch("select * from settlement.decisions order by decision")
    return [msgspec.convert(dict(row), RecordedDecision) for row in rows]


async def rebuild(connection: Connection, decisions: Sequence[RecordedDecision]) -> int:
    """Make settlement again in a ledger without decisions, all of it or nothing.

    Args:
        connection: without a transaction, as the application's role.
        decisions: all of them, in their order.

    Returns:
        How many there were.

    Raises:
        SettlementRefusedError: there are decisions already, or the ledger has not all events that
            they were made after.
    """
    async with deciding(connection):
        if await connection.fetchval("select exists (select from settlement.decisions)"):
            raise SettlementRefusedError(
                SettlementCode.NOT_EMPTY,
                "this ledger has decisions already; while it is made again, settlement runs"
                ' with close = "rebuild"',
            )
        stands = await ledger_position(connection)
        last = max((each.at_event for each in decisions), default=0)
        if last > stands:
            raise SettlementRefusedError(
                SettlementCode.LEDGER_TOO_SHORT,
                f"a decision was made after event {last}",
                limit=stands,
                usage=last,
            )
        for each in decisions:
            await connection.execute(
                "insert into settlement.decisions (decision, kind, operator, reference, reason,"
                " request, at_event, decided_at_ns, approver)"
                " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                *msgspec.structs.astuple(each),
            )
            await _enact(connection, each)
    return len(decisions)


async def _enact(connection: Connection, each: RecordedDecision) -> None:
    request = msgspec.json.decode(each.request, type=_Request)
    number = each.decision
    chosen = Chosen(numbers=request.instructions, cycle=request.cycle, account=request.account)
    match DecisionKind(each.kind):
        case DecisionKind.CLOSE_CYCLE:
            await enact_close(
                connection,
                decision=number,
                at_event=each.at_event,
                decided_at_ns=each.decided_at_ns,
                cutoff_ns=request.cutoff_ns,
            )
        case DecisionKind.CONFIRM:
            await enact_confirm(
                connection, number, chosen, amount_atoms=request.amount_atoms, is_covered=True
            )
        case DecisionKind.FAIL:
            await enact_fail(connection, number, chosen)
        case DecisionKind.SET_MODE:
            assert request.account is not None, each
            await enact_mode(
                connection,
                request.account,
                after_event=each.at_event,
                decision=number,
                mode=SettlementMode[request.mode],
            )
