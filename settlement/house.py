"""Entries that the house makes between accounts of its own: who, who agreed, when and why.

Whatever touches a client's money is a sequenced command. What the ledger alone may move is the
venue's own: where custody lies, what funds insurance and rewards, what explains a suspense. The
database refuses every other account, an unbalanced posting, and one that a single person made.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg
import msgspec

from runtime.postgres import Connection
from settlement.chart import EntryCause, LedgerAccountKind
from settlement.errors import SettlementError

ENTRIES_MAX: Final = 100
"""Of one posting."""

TEXT_MAX: Final = 500
"""Characters of a posting's reason."""

_BOOKKEEPERS = 0x52494C55
"""The key of the lock under which postings follow one another."""

CAUSES: Final = (
    EntryCause.CUSTODY_MOVED,
    EntryCause.INSURANCE_FUNDED,
    EntryCause.REWARDS_FUNDED,
    EntryCause.HOUSE_ADJUSTMENT,
)


KINDS: Final = (
    LedgerAccountKind.REWARDS,
    LedgerAccountKind.FEES_TAKEN,
    LedgerAccountKind.CLEARING,
    LedgerAccountKind.CUSTODY_HOT,
    LedgerAccountKind.CUSTODY_COLD,
    LedgerAccountKind.CUSTODY_IN_TRANSIT,
    LedgerAccountKind.INSURANCE,
    LedgerAccountKind.CAPITAL,
    LedgerAccountKind.SUSPENSE,
    LedgerAccountKind.ROUNDING,
)
"""What the house may move; a check of the database says the same."""


class HouseRefusedError(SettlementError):
    """The operator's: a posting that the rules of the house do not allow."""

    exit_code = 65


class HouseEntry(NamedTuple):
    """One line: positive adds to the ledger account."""

    kind: LedgerAccountKind
    asset: int
    amount_atoms: int


class HousePosting(msgspec.Struct, frozen=True, kw_only=True):
    """A balanced set of entries, and why it is made; ``reference`` is honoured once."""

    cause: EntryCause
    entries: Sequence[HouseEntry]
    operator: int
    approver: int
    reference: str
    text: str
    time_ns: int


async def post(connection: Connection, posting: HousePosting) -> int:
    """Add a posting, once.

    Args:
        connection: as ``database.BOOKKEEPER_ROLE``, without a transaction.
        posting: entries that sum to zero in each asset, between accounts of the house.

    Returns:
        Its number; that of the first time, when the same posting was made before.

    Raises:
        HouseRefusedError: a rule of the house or of the ledger is broken, or the reference was
            used for something else.
    """
    _require_sound(posting)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _BOOKKEEPERS)
            known = await connection.fetchrow(_KNOWN, posting.reference)
            if known is not None:
                await _require_same(connection, posting, known)
                return int(known["posting"])
            return await _add(connection, posting)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError) as error:
        raise HouseRefusedError(f"the ledger refuses the posting: {error}") from error


_KNOWN = "select * from settlement.house_postings where reference = $1"

# The database gives it its number and its place among the events.
_ADD = """
insert into settlement.house_postings values (0, 0, $1, $2, $3, $4, $5, $6) returning posting
"""

# One statement: it must balance by itself.
_ADD_ENTRIES = """
insert into settlement.house_entries select * from
    unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::bigint[], $5::bigint[])
"""


async def _add(connection: Connection, posting: HousePosting) -> int:
    number = await connection.fetchval(
        _ADD,
        posting.time_ns,
        posting.cause,
        posting.operator,
        posting.approver,
        posting.reference,
        posting.text,
    )
    rows = [(number, leg, *entry) for leg, entry in enumerate(posting.entries, start=1)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    await connection.execute(_ADD_ENTRIES, *columns)
    return int(number)


async def _require_same(
    connection: Connection, posting: HousePosting, known: asyncpg.Record
) -> None:
    rows = await connection.fetch(
        "select kind, asset, amount_atoms from settlement.house_entries"
        " where posting = $1 order by leg",
        known["posting"],
    )
    entries = [HouseEntry(*row) for row in rows]
    if known["cause"] != posting.cause or entries != list(posting.entries):
        raise HouseRefusedError(
            f"reference {posting.reference} was used for posting {known['posting']}, which is"
            " another"
        )


def _require_sound(posting: HousePosting) -> None:
    if posting.cause not in CAUSES:
        raise HouseRefusedError(f"no cause of the house: {posting.cause}")
    if not 2 <= len(posting.entries) <= ENTRIES_MAX:
        raise HouseRefusedError(
            f"a posting has 2 to {ENTRIES_MAX} entries, not {len(posting.entries)}"
        )
    if not 0 < len(posting.text) <= TEXT_MAX:
        raise HouseRefusedError(f"a posting says why, in 1 to {TEXT_MAX} characters")
    if posting.operator == posting.approver:
        raise HouseRefusedError(f"a posting takes two operators, not {posting.operator} twice")
