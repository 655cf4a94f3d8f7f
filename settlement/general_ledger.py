"""The general ledger as lines, in order, however long it is: entries of events, and of the house.

Read with ``settlement.database.READER_ROLE`` or better, inside a transaction: rows come through a
cursor, a page at a time, so that neither side holds more than a page.
"""

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from runtime.postgres import Connection
from settlement.balances_as_of import BEGINNING, END
from settlement.moments import last_event_before

PAGE_ROWS: Final = 5_000

_NO_TIME: Final = -(1 << 63)

_LINES = """
select event_number, 0::bigint as posting, leg, kind, cause, account, asset, amount_atoms, time_ns,
    ''::text as reference, 0::bigint as operator, 0::bigint as approver, ''::text as text
from settlement.entries
where event_number between $1 and $2
order by event_number, leg
"""

_HOUSE_LINES = """
select after_event as event_number, posting, leg, kind, cause, 0::bigint as account, asset,
    amount_atoms, time_ns, reference, operator, approver, text
from settlement.house_entries join settlement.house_postings using (posting)
where after_event between $1 and $2 and time_ns >= $3 and time_ns < $4
order by posting, leg
"""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries: events and stamps from the first, stamps before ``until_ns``."""

    first_event: int = BEGINNING
    last_event: int = END
    from_ns: int = _NO_TIME
    until_ns: int = END


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. ``posting`` is zero for what an event caused; then nobody's names are on it.

    An entry of the house lies after event ``event_number``, and says who made it and why.
    """

    event_number: int
    posting: int
    leg: int
    kind: int
    cause: int
    account: int
    asset: int
    amount_atoms: int
    time_ns: int
    reference: str
    operator: int
    approver: int
    text: str


async def lines(connection: Connection, span: Span) -> AsyncIterator[Line]:
    """Yield the entries of events by number and leg, then those of the house by posting."""
    # Stamps follow event numbers, which have an index.
    first, last = span.first_event, span.last_event
    if span.from_ns > _NO_TIME:
        first = max(first, await last_event_before(connection, span.from_ns) + 1)
    if span.until_ns < END:
        last = min(last, await last_event_before(connection, span.until_ns))
    async for row in connection.cursor(_LINES, first, last, prefetch=PAGE_ROWS):
        yield Line(**row)
    bounds = (span.first_event, span.last_event, span.from_ns, span.until_ns)
    async for row in connection.cursor(_HOUSE_LINES, *bounds, prefetch=PAGE_ROWS):
        yield Line(**row)
