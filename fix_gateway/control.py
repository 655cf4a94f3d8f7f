"""The guard's words to the gateway, on a Unix socket beside QuickFIX's.

A connection brings one line of JSON. A ``Farewell``, by which QuickFIX logs a client out under its
own numbers, and an ``Announcement`` get ``done`` or ``unknown``. After a ``Follow`` it stays, for
questions of one line each: an id, a session and a MsgSeqNum (34). The answer is the id, once all
of the session's messages through that number are answered, and what a message costs lately in
microseconds of processor time (``fix_gateway.progress``).
"""

import asyncio
import errno
import hmac
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog

from fix_gateway.guard.upstream import (
    CONTROL_BYTES_MAX,
    CONTROL_SECONDS_MAX,
    Farewell,
    Follow,
)
from fix_gateway.notices import Announcement
from fix_gateway.settings import Doors
from runtime.process import EXIT_DISK
from runtime.toml import SettingsError

log = structlog.get_logger()

_TRIES, _TRY_SECONDS = 60, 0.05

LogOut = Callable[[str, str], bool]
"""Logs a session out with a text; False when it is not logged on."""

Wait = Callable[[str, int, Callable[[int], None]], None]
"""Has the last argument called once a session's messages through a number are answered."""


class DiskFullError(Exception):
    """There is no room for the credential; the supervisor tries again."""

    exit_code = EXIT_DISK


def keep_credential(doors: Doors, credential: str) -> None:
    """Put the credential of this run where the guard finds it, readable by our user only.

    Raises:
        SettingsError: it cannot be written. DiskFullError: not now.
    """
    unfinished = doors.credential.with_suffix(f".{os.getpid()}")
    try:
        unfinished.unlink(missing_ok=True)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(credential + "\n")
        unfinished.replace(doors.credential)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(f"{doors.credential}: {error.strerror}") from error
        raise SettingsError(f"{doors.credential}: {error.strerror}") from error


@asynccontextmanager
async def control(
    doors: Doors,
    credential: str,
    log_out: LogOut,
    announce: Callable[[Announcement], None] | None = None,
    wait: Wait | None = None,
) -> AsyncIterator[None]:
    """Serve the guard, and the operator's announcements, while the block runs.

    Raises:
        SettingsError: the socket's path cannot be used.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONTROL_SECONDS_MAX):
                request = _read(await reader.readline())
            is_done = hmac.compare_digest(request.credential.encode(), credential.encode())
            if isinstance(request, Follow):
                if is_done and wait is not None:
                    await _follow(reader, writer, wait)
                return
            if isinstance(request, Farewell):
                is_done = is_done and await _logged_out(log_out, request)
                log.info("farewell_asked", is_done=is_done)
            elif announce is None:
                is_done = False
            elif is_done:
                announce(request)
            writer.write(b"done\n" if is_done else b"unknown\n")
        except (TimeoutError, ValueError, OSError):
            pass  # whoever does not keep to the form is owed no answer
        finally:
            writer.close()

    doors.control.unlink(missing_ok=True)
    try:
        server = await asyncio.start_unix_server(
            answer, str(doors.control), limit=CONTROL_BYTES_MAX
        )
    except OSError as error:
        raise SettingsError(f"{doors.control}: {error.strerror or error}") from error
    doors.control.chmod(0o600)
    try:
        yield
    finally:
        server.close()


async def _follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: Wait) -> None:
    """Answer questions until the guard hangs up.

    Raises:
        ValueError: a question has another form.
    """
    while line := await reader.readline():
        question, session, number = line.split()

        def answered(cost_us: int, question: bytes = question) -> None:
            if not writer.is_closing():
                writer.write(b"%b %d\n" % (question, cost_us))

        wait(session.decode("ascii"), int(number), answered)


def _read(line: bytes) -> Farewell | Follow | Announcement:
    """Read what is asked; ValueError for what has no form of ours."""
    fields = msgspec.json.decode(line, type=dict[str, object])
    if "session" in fields:
        return msgspec.convert(fields, Farewell)
    if "follow" in fields:
        return msgspec.convert(fields, Follow)
    return msgspec.convert(fields, Announcement)


async def _logged_out(log_out: LogOut, request: Farewell) -> bool:
    """Log a session out; one whose Logon QuickFIX has answered just now is not yet logged on."""
    for _ in range(_TRIES):
        if log_out(request.session, request.text):
            return True
        await asyncio.sleep(_TRY_SECONDS)
    return False
