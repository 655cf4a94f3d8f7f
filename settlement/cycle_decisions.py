"""Decisions about settlement: one at a time, each once, and all of one or nothing of it.

Whatever settlement rests on beside the events is a row of ``decisions``: who, when, why, after
which event, and what was asked. A decision and its effects commit together. Its reference makes a
repeat harmless: the same request under the same reference changes nothing, another is refused.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

from runtime.postgres import Connection
from settlement.chart import Consumer
from settlement.cycle_terms import (
    RESERVED_REFERENCES,
    SCHEDULE,
    TEXT_CHARACTERS_MAX,
    DecisionKind,
    SettlementCode,
)
from settlement.errors import SettlementRefusedError

LOCK_SPACE = 0x52494C54
"""The first key of our advisory locks (``settlement.consumer``); the second of decisions:"""

DECISIONS_LOCK = 1000

Isolation = Literal["repeatable_read", "read_committed"]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides, under which reference, when and why."""

    operator: int
    approver: int = 0
    """Who agreed, where a decision took two."""
    reference: str
    decided_at_ns: int
    reason: str = ""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on record."""

    decision: int
    at_event: int
    is_repeat: bool
    """It was on record before, and nothing was done now."""


@asynccontextmanager
async def deciding(
    connection: Connection, *, isolation: Isolation = "repeatable_read"
) -> AsyncIterator[None]:
    """Hold the right to decide, in a transaction of its own that commits when the block ends.

    The lock is taken before the transaction begins, so that what a repeatable read sees is all
    that was decided before.
    """
    await connection.execute(f"select pg_advisory_lock({LOCK_SPACE}, {DECISIONS_LOCK})")
    try:
        async with connection.transaction(isolation=isolation):
            yield
    finally:
        if not connection.is_closed():
            await connection.execute(f"select pg_advisory_unlock({LOCK_SPACE}, {DECISIONS_LOCK})")


async def record(
    connection: Connection, ask: Ask, kind: DecisionKind, request: dict[str, Any]
) -> Recorded:
    """Put a decision on record, within ``deciding``.

    Raises:
        SettlementRefusedError: its reference is another decision's or not for operators, or a
            text is too long.
    """
    if ask.operator != SCHEDULE and ask.reference.startswith(RESERVED_REFERENCES):
        raise SettlementRefusedError(
            SettlementCode.REFERENCE_RESERVED,
            f"{ask.reference[:20]} begins like a reference of the venue's own",
        )
    for text in (ask.reference, ask.reason):
        if len(text) > TEXT_CHARACTERS_MAX:
            raise SettlementRefusedError(
                SettlementCode.TEXT_TOO_LONG,
                f"{text[:20]}... has too many characters",
                limit=TEXT_CHARACTERS_MAX,
                usage=len(text),
            )
    wanted = msgspec.json.encode(request, order="deterministic").decode()
    found = await connection.fetchrow(
        "select decision, kind, request, at_event from settlement.decisions where reference = $1",
        ask.reference,
    )
    if found is not None:
        if (found["kind"], found["request"]) != (kind, wanted):
            raise SettlementRefusedError(
                SettlementCode.REFERENCE_IN_USE,
                f"{ask.reference} is the reference of decision {found['decision']}, which says"
                f" {DecisionKind(found['kind']).name} {found['request']}",
                usage=found["decision"],
            )
        return Recorded(decision=found["decision"], at_event=found["at_event"], is_repeat=True)
    at_event = await ledger_position(connection)
    decision: int = await connection.fetchval(
        "insert into settlement.decisions (decision, kind, operator, reference, reason, request,"
        " at_event, decided_at_ns, approver)"
        " select coalesce(max(decision), 0) + 1, $1::smallint, $2::bigint, $3::text, $4::text,"
        " $5::text, $6::bigint, $7::bigint, $8::bigint from settlement.decisions"
        " returning decision",
        kind,
        ask.operator,
        ask.reference,
        ask.reason,
        wanted,
        at_event,
        ask.decided_at_ns,
        ask.approver,
    )
    return Recorded(decision=decision, at_event=at_event, is_repeat=False)


async def ledger_position(connection: Connection, *, is_held: bool = False) -> int:
    """Return the last event in the ledger.

    Args:
        connection: in a transaction.
        is_held: let no event be booked before the transaction ends.
    """
    query = "select event_number from settlement.positions where consumer = $1"
    if is_held:
        query += " for share"
    found = await connection.fetchval(query, Consumer.LEDGER)
    return int(found or 0)
