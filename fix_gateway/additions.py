"""Sessions that come while the gateway runs: an acceptor of their own, in line with the core.

QuickFIX 1.16.0 decides when an acceptor is made which sessions it has, and looks at no others
when a Logon comes. The sessions that stand in the files since the last look share a new one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from fix_gateway.acceptor import Callbacks, FixAcceptor
from fix_gateway.checkpoint import SessionMark
from fix_gateway.dictionary import Dictionaries, compose_dictionaries
from fix_gateway.pacemaker import Pacemaker
from fix_gateway.sessions import LiveSession, Positions, align, begin, last_told
from fix_gateway.settings import GatewaySettings, SessionFile
from fix_gateway.store import read_stores

log = structlog.get_logger()

ACCEPTORS_MAX = 64
"""Of one gateway: each has a thread. Above, new sessions wait for the next start."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway knows of where sessions stand."""

    positions: Positions
    """The core's, when the link was made."""
    marks: Mapping[int, SessionMark]
    epochs: Mapping[int, int]
    position: int
    """The last event that was published."""


@dataclass(frozen=True, slots=True)
class Addition:
    """One more acceptor with its sessions, ready to be started."""

    acceptor: FixAcceptor
    pacemaker: Pacemaker
    sessions: dict[str, LiveSession]


async def make_addition(
    files: Mapping[str, SessionFile],
    *,
    number: int,
    settings: GatewaySettings,
    callbacks: Callbacks,
    dictionaries: dict[str, Dictionaries],
    known: Known,
) -> Addition:
    """Make an acceptor for sessions that are new; nothing of theirs is heard before it starts.

    Args:
        files: the sessions', by comp id.
        number: which acceptor it will be, above zero.
        settings: the gateway's.
        callbacks: the gateway's.
        dictionaries: by the dialect's name; grows by those that are missing.
        known: where the sessions stand, should they have been here before.

    Raises:
        AheadOfVenue: a store knows of later events than the venue. OSError: the disk.
    """
    for dialect in {file.spoken for file in files.values()}:
        if dialect.name not in dictionaries:
            dictionaries[dialect.name] = await asyncio.to_thread(
                compose_dictionaries, dialect, ours=settings.dictionaries, target=settings.state
            )
    stored = await asyncio.to_thread(
        read_stores,
        settings.state / "store",
        comp_id=settings.comp_id,
        files=list(files.values()),
    )
    pacemaker = Pacemaker(comp_id=settings.comp_id, number=number)
    sessions = {
        name: LiveSession(file, settings.principal, messages_max=settings.bridge_messages_max)
        for name, file in files.items()
    }
    acceptor = FixAcceptor(
        settings,
        {name: file.spoken for name, file in files.items()},
        callbacks,
        dictionaries=dictionaries,
        pacemaker_secret=pacemaker.secret,
        number=number,
    )
    for name, channel in acceptor.channels.items():
        session, mark = sessions[name], known.marks.get(sessions[name].number)
        sender_next = begin(
            session,
            stored[name],
            mark=mark,
            epoch=known.epochs.get(session.number, 1),
            last_event=known.position,
            has_machine_crashed=False,
        )
        if sender_next != channel.sender_next:
            channel.sender_next = sender_next
        session.told = last_told(mark, position=known.position)
        expected = align(
            session,
            positions=known.positions,
            mark=None,
            expects=channel.target_next,
            is_start=True,
        )
        if expected is not None:
            channel.expect(expected)
        log.info("session_added", session=session.number, acceptor=number)
    return Addition(acceptor, pacemaker, sessions)
