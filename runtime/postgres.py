"""PostgreSQL for processes that must outlive its outages.

A connection that fails in the middle of a transaction says nothing about its outcome: whoever
gets an outage here drops the connection, connects again and looks.
"""

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

IDLE_TRANSACTION_MILLISECONDS_MAX = 60_000
"""After this the server itself ends a transaction whose client fell silent, freeing its locks."""

FAILURES = (
    OSError,
    TimeoutError,
    EOFError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""All that a connection may raise; ``is_outage`` tells which of them may pass."""

_LOGIN_CLASSES = ("28", "3D")
"""Refused passwords and rights to connect; databases that do not exist."""

_TRANSIENT_CLASSES = frozenset(
    {
        "08",  # the connection
        "40",  # rolled back: serialization, deadlock
        "53",  # out of disk, memory or connections
        "57",  # shut down, starting up, ended by an operator
        "58",  # the server's own system calls
    }
)


def is_outage(error: BaseException) -> bool:
    """Say whether an error means that the server is away or lost, rather than that we are wrong.

    After an outage the outcome of the transaction in hand is unknown. A disk that is full, a
    server that starts up and a deadlock count as outages: each passes without our doing.
    """
    if isinstance(error, asyncpg.PostgresError):
        return state_of(error)[:2] in _TRANSIENT_CLASSES
    if isinstance(error, asyncpg.InterfaceError):
        # Said of a connection that went away unnoticed, or of the rollback behind the statement
        # that it was lost in; all else of this class is misuse by us.
        behind = error.__context__
        is_of_loss = "closed" in str(error) or (behind is not None and is_outage(behind))
        return type(error) is asyncpg.InterfaceError and is_of_loss
    # A connection that was cut inside a message is a protocol error to asyncpg.
    return isinstance(error, OSError | TimeoutError | EOFError | asyncpg.InternalClientError)


def state_of(error: BaseException) -> str:
    """Return the SQLSTATE that the server sent; empty for what is none of its errors."""
    return str(getattr(error, "sqlstate", None) or "")


def lets_nobody_in(error: BaseException) -> bool:
    """Say whether the server refused a password or the right to connect, or has no such database.

    Waiting does not mend that.
    """
    return state_of(error)[:2] in _LOGIN_CLASSES


async def connect(
    dsn: str,
    *,
    role: str | None = None,
    application: str = "rialto",
    seconds_max: float = 10.0,
) -> Connection:
    """Open one connection that works as ``role`` and commits durably.

    Args:
        dsn: as asyncpg reads it.
        role: taken on from the first statement; ``None`` keeps the login's own.
        application: what the server shows of us.
        seconds_max: for the whole of connecting.

    Raises:
        OSError, asyncpg.PostgresError: ``is_outage`` tells which may pass.
    """
    return await asyncpg.connect(
        dsn, timeout=seconds_max, server_settings=_server_settings(role, application)
    )


def _server_settings(role: str | None, application: str) -> dict[str, str]:
    settings = {
        "application_name": application,
        # A server may have been configured to lose the last commits in a power cut; money not.
        "synchronous_commit": "on",
        "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_MILLISECONDS_MAX),
        # A client that vanished without a word (a cut cable) is noticed and its locks freed.
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        # A batch's statements are few and large: compiling their plans costs more than it saves.
        "jit": "off",
    }
    return settings if role is None else settings | {"role": role}


def drop(connection: Connection) -> None:
    """Give a connection up at once, without waiting for a server that may be gone."""
    if not connection.is_closed():
        connection.terminate()
