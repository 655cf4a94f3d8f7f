"""The gateway's sessions while it runs: who comes, who changes, who goes."""

from collections.abc import Callable

import structlog

from fix_gateway import additions
from fix_gateway.acceptor import Callbacks, Channel, FixAcceptor
from fix_gateway.checkpoint import CheckpointFile, ResetFile
from fix_gateway.dictionary import Dictionaries
from fix_gateway.inquiries import Inquiries
from fix_gateway.more_doors import keep_doors
from fix_gateway.outbox import Outbox
from fix_gateway.pacemaker import Pacemaker
from fix_gateway.publisher import Publisher
from fix_gateway.session_watch import Changes, SessionWatch, is_same_session
from fix_gateway.sessions import LiveSession, Positions
from fix_gateway.settings import GatewaySettings, SessionFile

log = structlog.get_logger()


class Roster:
    """Takes over what changes among the sessions' files."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        sessions: dict[str, LiveSession],
        callbacks: Callbacks,
        dictionaries: dict[str, Dictionaries],
        resets: ResetFile,
        checkpoint: CheckpointFile,
        outbox: Outbox,
        start: Callable[[FixAcceptor, Pacemaker], None],
    ) -> None:
        """Keep what a session has to be known to.

        Args:
            settings: the gateway's.
            sessions: by comp id; those that come are put in here.
            callbacks: the gateway's, for QuickFIX.
            dictionaries: by the dialect's name.
            resets: each session's count of resets.
            checkpoint: where sessions stood.
            outbox: answers sessions.
            start: lets an acceptor listen.
        """
        self._settings = settings
        self._sessions = sessions
        self._callbacks = callbacks
        self._dictionaries = dictionaries
        self._resets = resets
        self._checkpoint = checkpoint
        self._outbox = outbox
        self._start = start
        self._doors: dict[str, int] = {}
        self.positions: Positions = {}
        """The core's, when the present link was made."""

    async def run(
        self, channels: dict[str, Channel], publisher: Publisher, inquiries: Inquiries
    ) -> None:
        """Watch the files until cancelled.

        Args:
            channels: QuickFIX's ends by comp id; those of new sessions are put in here.
            publisher: tells sessions of events.
            inquiries: answers their requests for old ones.

        Raises:
            AheadOfVenue, OSError, SettingsError: a new session cannot be taken up.
        """
        assert self._settings.sessions is not None
        watch = SessionWatch(
            self._settings.sessions, seconds=self._settings.reload_seconds, known=self._files
        )
        while True:
            changes = await watch.next_changes()
            fresh = self._take_over(changes, channels)
            if fresh:
                await self._add(fresh, channels, publisher, inquiries)
            inquiries.tell_captures(self._sessions.values())

    def _files(self) -> dict[str, SessionFile]:
        return {
            name: session.file
            for name, session in list(self._sessions.items())
            if not session.is_removed
        }

    def _take_over(self, changes: Changes, channels: dict[str, Channel]) -> dict[str, SessionFile]:
        """Do what needs no new acceptor, and return the sessions that need one."""
        for name in changes.removed:
            log.warning("session_removed", session=self._sessions[name].number)
            self._sessions[name].is_removed = True
            channels[name].close("the session has ended")
        for name in changes.kept_back:
            log.warning("session_changes_at_next_start", session=self._sessions[name].number)
        for name, file in changes.changed.items():
            log.info("session_changed", session=file.id)
            self._sessions[name].take_file(file)
        fresh = {}
        numbers = {session.number: name for name, session in self._sessions.items()}
        for name, file in changes.added.items():
            before = self._sessions.get(name)
            is_other = before is not None and not is_same_session(before.file, file)
            if is_other or numbers.get(file.id, name) != name:
                # Of who was here under this name or number, feed and core still go on.
                log.error("session_waits_for_start", session=file.id, name=name)
            elif before is None:
                fresh[name] = file
            else:
                log.info("session_returned", session=file.id)
                before.take_file(file)
                channels[name].open()
        return fresh

    async def _add(
        self,
        files: dict[str, SessionFile],
        channels: dict[str, Channel],
        publisher: Publisher,
        inquiries: Inquiries,
    ) -> None:
        """Let new sessions log on, beside those that are there."""
        number = 1 + max(self._doors.values(), default=0)
        if number > additions.ACCEPTORS_MAX:
            limit = additions.ACCEPTORS_MAX
            log.error("sessions_wait_for_start", limit=limit, sessions=sorted(files))
            return
        last = self._checkpoint.last
        addition = await additions.make_addition(
            files,
            number=number,
            settings=self._settings,
            callbacks=self._callbacks,
            dictionaries=self._dictionaries,
            known=additions.Known(
                positions=self.positions,
                marks=last.sessions if last else {},
                epochs=self._resets.epochs,
                position=publisher.position,
            ),
        )
        for name, session in addition.sessions.items():
            channel = addition.acceptor.channels[name]
            self._sessions[name], channels[name] = session, channel
            self._outbox.add(session)
            publisher.add(session, channel)
            inquiries.add(session)
            channel.open()
            self._doors[name] = number
        self._start(addition.acceptor, addition.pacemaker)
        keep_doors(self._settings.doors, self._doors)
