"""From times to events: the events of a venue are in the order of their stamps."""

from runtime.postgres import Connection

_FIRST_FROM = """
select event_number, time_ns from settlement.entries
where event_number >= $1 order by event_number limit 1
"""


async def last_event_before(connection: Connection, time_ns: int) -> int:
    """Return an event number with all entries stamped before a time at or below it.

    All entries of that time or later are above it. It is found by halving, in as many looks by
    the key as the last event has bits, however many entries there are.
    """
    newest = await connection.fetchval("select max(event_number) from settlement.entries")
    low, high = 0, (newest or 0) + 1
    # Entries at or below low are before the time; those at or above high are not.
    while high - low > 1:
        middle = (low + high) // 2
        found = await connection.fetchrow(_FIRST_FROM, middle)
        if found is None or found["time_ns"] >= time_ns:
            high = middle
        else:
            low = found["event_number"]
    return low
