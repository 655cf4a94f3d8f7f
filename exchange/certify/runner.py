"""Plays cases against a FIX port: the sockets of ``fix_gateway.conformance``."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Mapping
from typing import Final

from fix_gateway.conformance.cases import Case
from fix_gateway.conformance.player import Action, Do, Player
from fix_gateway.conformance.speaker import Identity
from fix_gateway.conformance.verdicts import Verdict
from fix_gateway.conformance.wire import BrokenStreamError, Reader

ANSWER_SECONDS_MAX: Final = 15.0
_GOODBYE_SECONDS_MAX: Final = 3.0
_READ_BYTES: Final = 65536


class _Line:
    """One party's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.messages = Reader()


async def play(
    case: Case,
    *,
    host: str,
    port: int,
    identities: Mapping[str, Identity],
    constants: Mapping[str, str],
) -> Verdict:
    """Play one case to its end and say what became of it."""
    player = Player(
        case,
        identities=identities,
        constants=constants,
        run=f"{case.id[:12]}-{secrets.token_hex(4)}".replace("|", "-"),
        now_ns=time.time_ns,
    )
    lines: dict[str, _Line] = {}
    try:
        while (action := player.next()).do is not Do.DONE:
            await _act(player, action, lines, host, port)
        await _leave(lines)
    finally:
        for line in lines.values():
            line.writer.transport.abort()
    return player.verdict


async def _act(
    player: Player, action: Action, lines: dict[str, _Line], host: str, port: int
) -> None:
    party = action.party
    if action.do is Do.CONNECT:
        await _drop(lines, party)
        lines[party] = _Line(*await asyncio.open_connection(host, port))
    elif action.do is Do.CUT:
        await _drop(lines, party)
    elif action.do is Do.SEND:
        lines[party].writer.write(action.data)
        with contextlib.suppress(OSError):  # that it was cut off, reading tells
            await lines[party].writer.drain()
    elif action.do is Do.WAIT:
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await _read(player, party, lines[party])
        except TimeoutError:
            player.timed_out()


async def _read(player: Player, party: str, line: _Line) -> None:
    try:
        data = await line.reader.read(_READ_BYTES)
    except OSError:
        data = b""
    if not data:
        player.lost(party)
        return
    try:
        for message in line.messages.feed(data):
            player.received(party, message)
    except BrokenStreamError as error:
        player.broken(str(error))


async def _drop(lines: dict[str, _Line], party: str) -> None:
    line = lines.pop(party, None)
    if line is not None:
        line.writer.close()
        with contextlib.suppress(OSError):
            await line.writer.wait_closed()


async def _leave(lines: dict[str, _Line]) -> None:
    """Hang up, and give the venue the time to notice before the session's next case."""
    for party in list(lines):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS_MAX):
                await _drop(lines, party)
