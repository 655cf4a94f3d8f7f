"""Rows into a table by PostgreSQL's binary COPY, already encoded."""

import struct
from collections.abc import Iterable

import asyncpg

from runtime.postgres import Connection

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"

# A row of ``entries``: the number of fields, and before each its length.
_ENTRY = struct.Struct(">hiqihihihiqiqiqiq")


def encode_entries(rows: Iterable[tuple[int, int, int, int, int, int, int, int]]) -> bytes:
    """Encode rows of ``entries``, their fields in the table's order."""
    pack = _ENTRY.pack
    return b"".join(
        pack(8, 8, number, 2, leg, 2, kind, 2, cause, 8, account, 8, asset, 8, amount, 8, time_ns)
        for number, leg, kind, cause, account, asset, amount, time_ns in rows
    )


async def copy(
    connection: Connection,
    table: str,
    *,
    columns: Iterable[str],
    rows: Iterable[bytes],
    is_frozen: bool = False,
) -> None:
    """Add encoded rows to a table, in the caller's transaction, in one statement and message.

    Args:
        connection: in a transaction.
        table: its schema, a dot, and its name.
        columns: in the order of the rows' fields.
        rows: any number of parts, whole rows in each.
        is_frozen: whether this transaction made the table's file, so that nobody else sees it.

    Raises:
        asyncpg.InterfaceError: the connection was given up meanwhile, by another batch's failure.
            What the driver would raise then is no error that anybody expects of it.
    """
    if connection.is_closed():
        raise asyncpg.InterfaceError("connection is closed")
    schema, name = table.split(".")
    message = memoryview(b"".join((_HEADER, *rows, _TRAILER)))
    await connection.copy_to_table(
        name,
        source=message,  # type: ignore[arg-type]  # it takes a buffer, which its types do not say
        schema_name=schema,
        columns=list(columns),
        format="binary",
        freeze=is_frozen or None,
    )
