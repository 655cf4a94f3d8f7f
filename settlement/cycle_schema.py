"""The tables of settlement cycles: modes, decisions, cycles, obligations, instructions.

All of them only grow. What an instruction's state is follows from what was decided about it
(``settlement.instructions``); what a cycle's obligations are follows from entries, modes and the
cycle's bounds (``settlement.netting``), and reconciliation computes them again.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from settlement.schema import assets, metadata


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _party_key() -> tuple[Column[int], ...]:
    return (
        _key("cycle"),
        Column("party", SmallInteger, primary_key=True, autoincrement=False),
        _key("account"),
    )


decisions = Table(
    "decisions",
    metadata,
    _key("decision"),
    Column("kind", SmallInteger, nullable=False),
    # 0 is the venue's schedule.
    _number("operator"),
    Column("reference", Text, nullable=False, unique=True),
    Column("reason", Text, nullable=False),
    # What was asked for, as canonical JSON: the same reference with the same request is a repeat.
    Column("request", Text, nullable=False),
    # The last event in the ledger when it was decided.
    _number("at_event"),
    _number("decided_at_ns"),
    # Who agreed, where it took two; otherwise 0.
    Column("approver", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("kind between 1 and 4", name="kind_is_known"),
    CheckConstraint("reference <> ''", name="has_a_reference"),
)
"""Every decision that settlement rests on beside the events, in their order, without gaps."""

account_modes = Table(
    "account_modes",
    metadata,
    _key("account"),
    _key("after_event"),
    # 0 when an event made it so: the first credit line.
    _key("decision"),
    Column("mode", SmallInteger, nullable=False),
    CheckConstraint("mode in (1, 2)", name="mode_is_known"),
)
"""How an account settles what it trades after an event; without a row, gross."""

cycles = Table(
    "cycles",
    metadata,
    _key("cycle"),
    _number("after_event"),
    _number("through_event"),
    Column("business_date", Date, nullable=False),
    # Of a cycle that the schedule closed: entries before this stamp are in it.
    Column("cutoff_ns", BigInteger, nullable=True),
    Column(
        "decision",
        BigInteger,
        ForeignKey(decisions.c.decision),
        nullable=False,
        unique=True,
    ),
    CheckConstraint("after_event <= through_event", name="is_forwards"),
)
"""A cycle is the entries after one event and through another; cycles leave nothing between them."""

obligations = Table(
    "obligations",
    metadata,
    *_party_key(),
    Column("asset", BigInteger, ForeignKey(assets.c.asset), primary_key=True, autoincrement=False),
    # Above zero the party receives, below zero it delivers.
    _number("amount_atoms"),
    ForeignKeyConstraint(["cycle"], [cycles.c.cycle]),
    CheckConstraint("amount_atoms <> 0", name="moves_something"),
    CheckConstraint("party in (1, 2, 3)", name="party_is_known"),
    CheckConstraint("(party = 1) = (account <> 0)", name="account_fits_party"),
)
"""What a cycle's trades come to for each party and asset; of all parties together, zero."""

instructions = Table(
    "instructions",
    metadata,
    _key("instruction"),
    _number("cycle"),
    Column("party", SmallInteger, nullable=False),
    _number("account"),
    _number("asset"),
    Column("attempt", Integer, nullable=False),
    # The cycle whose close issued it: the obligation's own, or a later one after a fail.
    Column("issued_in", BigInteger, ForeignKey(cycles.c.cycle), nullable=False),
    _number("amount_atoms"),
    ForeignKeyConstraint(
        ["cycle", "party", "account", "asset"],
        [
            obligations.c.cycle,
            obligations.c.party,
            obligations.c.account,
            obligations.c.asset,
        ],
        name="instructions_obligation_fk",
    ),
    UniqueConstraint(
        "cycle", "party", "account", "asset", "attempt", name="instructions_attempt_once"
    ),
    CheckConstraint("amount_atoms <> 0", name="moves_something"),
    CheckConstraint("attempt > 0", name="attempt_counts"),
)
"""What a party was asked to do about an obligation; after a fail it is asked again for the rest."""

instruction_events = Table(
    "instruction_events",
    metadata,
    Column("decision", BigInteger, ForeignKey(decisions.c.decision), primary_key=True),
    Column("instruction", BigInteger, ForeignKey(instructions.c.instruction), primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    # What was confirmed, with the instruction's sign; of a fail, zero.
    _number("amount_atoms"),
    CheckConstraint("kind in (1, 2)", name="kind_is_known"),
    CheckConstraint("(kind = 1) = (amount_atoms <> 0)", name="amount_fits_kind"),
    Index(None, "instruction"),
)
"""What was decided about an instruction: confirmed, in part or whole, or failed."""
