"""Rows into a table by PostgreSQL's binary COPY, already encoded."""

import io
import struct
from collections.abc import Iterable

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
    connection: Connection, table: str, *, columns: Iterable[str], rows: bytes, schema: str
) -> None:
    """Add encoded rows to a table, in the caller's transaction and in one statement."""
    # Closed, because what sent it holds it in a cycle: it would stay until a collection finds that.
    with io.BytesIO(b"".join((_HEADER, rows, _TRAILER))) as source:
        await connection.copy_to_table(
            table,
            source=source,
            schema_name=schema,
            columns=list(columns),
            format="binary",
        )
