"""The FIX gateway as a service: one link to the core, one QuickFIX acceptor, and the way between.

There is one recovery path. Whenever a link is made, at the start as after a loss, every session
is logged out, its expected number set to what the core has sequenced plus one, and the feed read
on from the last event published. A lost link logs every client out: a venue that cannot hear
must not look as if it listened.

Errors:
    WrongSecretError: the core does not accept our secret; the operator's fault.
    StrangeVenueError (``checkpoint``): the core is not the one whose events we hold.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from fix_gateway.acceptor import FixAcceptor, StoreError
from fix_gateway.bridge import Bridge
from fix_gateway.checkpoint import (
    Checkpoint,
    CheckpointFile,
    ResetFile,
    SessionMark,
    boot_identity,
    check_lineage,
)
from fix_gateway.connecting import connected
from fix_gateway.control import control, keep_credential
from fix_gateway.dialects.names import FIX_44
from fix_gateway.dictionary import Dictionaries, compose_dictionaries
from fix_gateway.farewells import Farewells
from fix_gateway.inquiries import Inquiries
from fix_gateway.metrics import Metrics
from fix_gateway.more_doors import keep_doors
from fix_gateway.notices import Notices
from fix_gateway.outbox import Outbox
from fix_gateway.pacemaker import Pacemaker
from fix_gateway.ports import CommandLink, LinkFactory, is_transient
from fix_gateway.progress import Progress
from fix_gateway.publisher import Publisher
from fix_gateway.roster import Roster
from fix_gateway.sessions import LiveSession, align, begin, last_told
from fix_gateway.settings import GatewaySettings, SessionFile
from fix_gateway.statements.keeper import Keeper
from fix_gateway.store import Stored, read_stores
from fix_gateway.translation.directory import Directory
from messages.trading import events
from runtime.link import LinkError, LinkLost, LinkRefused
from runtime.link_frames import Welcome

log = structlog.get_logger()

_LINK_LOST = "the venue is not available; unanswered messages will be asked for at the next logon"


class Gateway:
    """Carries FIX sessions between clients and the core."""

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        sessions: Mapping[str, SessionFile],
        registry: CollectorRegistry,
    ) -> None:
        """Put the parts together; nothing happens before ``run``.

        Args:
            settings: where to listen and to keep state.
            sessions: the counterparties' files, by any name.
            registry: gets the gateway's metrics.
        """
        self._settings = settings
        self._metrics = Metrics(registry)
        self._listening: Callable[[], None] = lambda: None
        self._history: LinkFactory | None = None
        self._credential = secrets.token_hex(32)
        """What the guard is known by; new with each of our starts."""
        most = settings.bridge_messages_max
        self._sessions = {
            file.sender_comp_id: LiveSession(file, settings.principal, messages_max=most)
            for file in sessions.values()
        }
        capturing = (each.number for each in self._sessions.values() if each.file.trade_captures)
        self._directory = Directory(market=settings.market, capturing=frozenset(capturing))
        self._loop = asyncio.get_running_loop()
        self._statements = Keeper(
            settings, directory=self._directory, sessions=self._sessions.values()
        )
        self._resets = ResetFile(settings.state)
        self._checkpoint = CheckpointFile(settings.state)
        self._dictionaries: dict[str, Dictionaries] = {}
        self._progress = Progress(self._sessions)
        self._outbox = Outbox(
            settings,
            sessions=self._sessions.values(),
            metrics=self._metrics,
            progress=self._progress,
            loop=self._loop,
            fail=self._fail,
        )
        self._bridge = self._make_bridge()
        self._roster = Roster(
            settings,
            sessions=self._sessions,
            callbacks=self._bridge,
            dictionaries=self._dictionaries,
            resets=self._resets,
            checkpoint=self._checkpoint,
            outbox=self._outbox,
            start=self._start,
        )
        self._failure: asyncio.Future[None] = self._loop.create_future()
        """Fails when a callback, of QuickFIX or of the loop, broke an invariant."""
        self._acceptor: FixAcceptor | None = None
        self._publisher: Publisher | None = None
        self._inquiries: Inquiries | None = None
        self._venue = b""
        self._boot = boot_identity()
        self._acceptors: list[FixAcceptor] = []
        """The first, and those of sessions that came later."""
        self._pacemakers = [Pacemaker(comp_id=settings.comp_id)]
        self._paces: list[asyncio.Task[None]] = []
        self._farewells = Farewells(
            pacemakers=self._pacemakers, logout_seconds_max=settings.logout_seconds_max
        )
        self._notices = Notices(self._bridge, self._farewells, settings.sequence_warning)

    def _make_bridge(self) -> Bridge:
        return Bridge(
            sessions=self._sessions,
            directory=self._directory,
            loop=self._loop,
            messages_max=self._settings.bridge_messages_max,
            session_messages_max=self._settings.session_messages_max,
            credential=self._credential,
            keep_reset=self._resets.write,
            skip_numbers=self._outbox.skip_numbers,
            wake=self._woken,
            answer=self._outbox.answer,
            fail=self._fail,
        )

    def health(self) -> dict[str, object]:
        """Say whether the core is there, and where each session stands."""
        channels = self._acceptor.channels if self._acceptor is not None else {}
        sessions = {
            name: {
                "kind": self._sessions[name].file.kind,
                "is_logged_on": channel.is_logged_on,
                "expects_sequence": channel.target_next,
                "next_sequence": channel.sender_next,
            }
            for name, channel in channels.items()
        }
        return {
            "healthy": self._outbox.link is not None,
            "through_event": self._publisher.position if self._publisher is not None else 0,
            "waiting_requests": len(self._bridge),
            "sessions": sessions,
        }

    async def run(
        self,
        connect: LinkFactory,
        stop: asyncio.Event,
        *,
        history: LinkFactory | None = None,
        listening: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect, carry, and begin again after each lost link, until asked to stop.

        Args:
            connect: makes one link to the core.
            stop: set to log everyone out, finish what is in hand, and return.
            history: makes a link that reads old events; ``connect`` unless told otherwise.
            listening: called once clients may log on.

        Raises:
            SettingsError: configuration. DamagedCheckpointError, StrangeVenueError, AheadOfVenue,
            EventGap, ForeignVenue: never retried. StoreError, OSError: the disk.
        """
        # QuickFIX's thread waits for the interpreter while the loop works: five milliseconds, the
        # default, is longer than an order should take.
        sys.setswitchinterval(self._settings.thread_switch_seconds)
        self._listening = listening
        self._history = history or connect
        self._prepare()
        stopping = asyncio.create_task(stop.wait(), name="fix_gateway.stopping")
        try:
            async with control(
                self._settings.doors,
                self._credential,
                self._log_out,
                self._notices.take,
                self._progress.wait,
            ):
                await self._carry_on(connect, stopping)
        finally:
            stopping.cancel()
            for pace in self._paces:
                pace.cancel()
            self._bridge.is_available = False
            for acceptor in self._acceptors:
                acceptor.park()
        log.info("fix_gateway_stopped", through=self._publisher.position if self._publisher else 0)

    async def _carry_on(self, connect: LinkFactory, stopping: "asyncio.Task[bool]") -> None:
        """Carry over one link after another until asked to stop."""
        while not stopping.done():
            link = await connected(
                connect, stopping, settings=self._settings, refused=self._outbox.refused
            )
            if link is None:
                return
            try:
                await self._resume(link)
                await self._carry(link, stopping)
            except (LinkLost, LinkRefused) as error:
                await self._suspend(error)
            finally:
                self._outbox.link = None
                await link.close()

    def _prepare(self) -> None:
        state = self._settings.state
        (state / "store").mkdir(parents=True, exist_ok=True)
        # FIX 4.4 always: the pacemaker speaks it.
        for dialect in {FIX_44, *(each.file.spoken for each in self._sessions.values())}:
            self._dictionaries[dialect.name] = compose_dictionaries(
                dialect, ours=self._settings.dictionaries, target=state
            )
        self._checkpoint.read()
        keep_doors(self._settings.doors, {})
        keep_credential(self._settings.doors, self._credential)

    async def _resume(self, link: CommandLink) -> None:
        """Bring every session in line with the core, then let clients log on."""
        welcome = link.welcome
        position = self._publisher.position if self._publisher else 0
        check_lineage(welcome, mark=self._checkpoint.last, known=self._venue, position=position)
        self._venue = welcome.venue
        answer = await link.query("definitions")
        self._directory.learn_all(events.EVENTS.unpack(answer.payload))
        # Those of the last stop: beginning writes new ones.
        marks = self._checkpoint.last.sessions if self._checkpoint.last else {}
        if self._publisher is None:
            stored = read_stores(
                self._settings.state / "store",
                comp_id=self._settings.comp_id,
                files=[session.file for session in self._sessions.values()],
            )
            await self._begin(welcome, stored)
        assert self._publisher is not None
        assert self._acceptor is not None
        positions = {source: (epoch, number) for source, epoch, number in welcome.positions}
        self._roster.positions = positions
        is_start = not self._acceptor.is_listening
        for name, channel in self._acceptor.channels.items():
            session = self._sessions[name]
            expected = align(
                session,
                positions=positions,
                mark=marks.get(session.number),
                expects=channel.target_next,
                is_start=is_start,
            )
            if expected is not None:
                channel.expect(expected)
            log.info(
                "session_aligned",
                session=session.number,
                epoch=session.epoch,
                expected_sequence=channel.target_next,
                next_sequence=channel.sender_next,
            )
        self._outbox.closing.clear()
        self._metrics.feed_behind.set(welcome.last_event - self._publisher.position)
        self._outbox.link = link
        self._bridge.is_available = True
        for name, channel in self._acceptor.channels.items():
            if not self._sessions[name].is_removed:
                channel.open()
        if is_start:
            self._start(self._acceptor, self._pacemakers[0])
            log.info("fix_gateway_listening", after=self._publisher.position)
            self._listening()

    async def _begin(self, welcome: Welcome, stored: dict[str, Stored]) -> None:
        """Make the acceptor and the publisher, and find where to go on."""
        checkpoint = self._checkpoint.last
        has_crashed = (
            checkpoint is not None and checkpoint.boot != self._boot and not checkpoint.is_clean
        )
        acceptor = FixAcceptor(
            self._settings,
            {name: session.file.spoken for name, session in self._sessions.items()},
            self._bridge,
            dictionaries=self._dictionaries,
            pacemaker_secret=self._pacemakers[0].secret,
        )
        publisher = Publisher(
            directory=self._directory,
            sessions=self._sessions.values(),
            channels=acceptor.channels,
            metrics=self._metrics,
            issuer=self._statements.issuer,
            progress=self._progress,
            closing=self._outbox.closing,
            connection_refused=self._outbox.connection_refused,
        )
        epochs = self._resets.read()
        for name, channel in acceptor.channels.items():
            session, found = self._sessions[name], stored[name]
            mark = checkpoint.sessions.get(session.number) if checkpoint else None
            number = begin(
                session,
                found,
                mark=mark,
                epoch=epochs.get(session.number, 1),
                last_event=welcome.last_event,
                has_machine_crashed=has_crashed,
            )
            if number != channel.sender_next:
                channel.sender_next = number
        if checkpoint is not None:
            publisher.position = checkpoint.event
        else:
            sent = [found.last.event for found in stored.values() if found.last.event]
            publisher.position = min(sent, default=welcome.last_event + 1) - 1
        for session in self._sessions.values():
            mark = checkpoint.sessions.get(session.number) if checkpoint else None
            session.told = last_told(mark, position=publisher.position)
        if has_crashed:
            publisher.possibly_resent_through = welcome.last_event
        await self._statements.begin(
            venue=welcome.venue,
            through=publisher.position,
            has_lost_all=checkpoint is None and not any(each.is_there for each in stored.values()),
        )
        self._acceptor, self._publisher = acceptor, publisher
        self._inquiries = Inquiries(
            self._settings.recovery,
            sessions=self._sessions.values(),
            channels=acceptor.channels,
            directory=self._directory,
            metrics=self._metrics,
            publisher=publisher,
            issuer=self._statements.issuer,
        )
        self._outbox.channels = self._progress.channels = acceptor.channels
        await self._write_checkpoint()

    async def _carry(self, link: CommandLink, stopping: "asyncio.Task[bool]") -> None:
        """Publish the feed and mark positions until the link is lost or we are asked to stop."""
        assert self._inquiries is not None
        assert self._history is not None
        feed = asyncio.create_task(self._follow(link), name="fix_gateway.feed")
        marks = asyncio.create_task(self._mark(), name="fix_gateway.checkpoint")
        told = asyncio.create_task(
            self._inquiries.run(self._history, link.query), name="fix_gateway.inquiries"
        )
        assert self._publisher is not None
        digests = asyncio.create_task(
            self._statements.run(self._publisher, self._inquiries.statements),
            name="fix_gateway.statements",
        )
        assert self._acceptor is not None
        work = self._notices.run(self._acceptor.channels)
        notices = asyncio.create_task(work, name="fix_gateway.notices")
        tasks = [feed, marks, told, digests, notices]
        if self._settings.sessions is not None:
            work = self._roster.run(self._acceptor.channels, self._publisher, self._inquiries)
            tasks.append(asyncio.create_task(work, name="fix_gateway.sessions"))
        try:
            waited: set[asyncio.Future[Any]] = {*tasks, stopping, self._failure}
            waited.update(self._paces)
            done, _pending = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            if stopping.done():
                await self._log_everyone_out(feed)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, link: CommandLink) -> None:
        assert self._publisher is not None
        async for batch in link.events(self._statements.first_event(self._publisher)):
            self._statements.publish(batch, self._publisher)
            self._metrics.bridge_depth.set(len(self._bridge))
            # History comes without a pause; requests of clients have their turn in between.
            await asyncio.sleep(0)

    async def _mark(self) -> None:
        while True:
            await asyncio.sleep(self._settings.checkpoint_seconds)
            self._metrics.take_over(
                self._bridge, silence_seconds=self._loop.time() - self._pacemakers[0].answered_at
            )
            await self._write_checkpoint()

    async def _write_checkpoint(self, *, is_clean: bool = False) -> None:
        """Say how far every session has come."""
        assert self._publisher is not None
        assert self._acceptor is not None
        marks = {
            session.number: SessionMark(
                epoch=session.epoch,
                connection=session.connection,
                sender_next=self._acceptor.channels[name].sender_next,
                target_next=self._acceptor.channels[name].target_next if is_clean else 0,
                told=session.told,
            )
            for name, session in self._sessions.items()
        }
        channels = self._acceptor.channels.values()
        self._metrics.store_messages.set(sum(channel.stored for channel in channels))
        checkpoint = Checkpoint(
            venue=self._venue.hex(),
            boot=self._boot,
            event=self._publisher.position,
            is_clean=is_clean,
            sessions=marks,
        )
        reading = self._statements.reading(
            venue=self._venue, event=checkpoint.event, is_last=is_clean
        )
        try:
            await self._checkpoint.write(checkpoint)
            await self._statements.save(reading)
        except OSError as error:
            raise StoreError(f"{self._settings.state}: {error.strerror}") from error

    async def _log_everyone_out(self, feed: "asyncio.Task[None]") -> None:
        """Stop the acceptor and wait until the core has closed every connection."""
        assert self._acceptor is not None
        assert self._publisher is not None
        await self._farewells.log_out_all(self._acceptor.channels, "the venue is stopping")
        self._drain()
        deadline = self._loop.time() + self._settings.logout_seconds_max
        while self._outbox.closing and not feed.done() and self._loop.time() < deadline:
            await asyncio.wait([feed], timeout=0.02)
        await self._write_checkpoint(is_clean=not self._outbox.closing)

    async def _suspend(self, error: LinkError) -> None:
        """Log everyone out after a lost link; what QuickFIX still took is forgotten on purpose."""
        if not is_transient(error):
            raise error
        log.warning("core_lost", reason=str(error))
        self._outbox.link = None
        self._bridge.is_available = False
        self._progress.forget()
        self._metrics.link_losses.inc()
        if self._acceptor is None:
            return
        await self._farewells.log_out_all(self._acceptor.channels, _LINK_LOST)
        self._bridge.take()

    def _log_out(self, name: str, text: str) -> bool:
        """Log one client out for the guard; it may come back once it is gone."""
        channel = self._acceptor.channels.get(name) if self._acceptor is not None else None
        if channel is None or not channel.is_logged_on:
            return False
        self._farewells.log_out(channel, text)
        return True

    def _start(self, acceptor: FixAcceptor, pacemaker: Pacemaker) -> None:
        acceptor.start()
        self._acceptors.append(acceptor)
        if pacemaker not in self._pacemakers:
            self._pacemakers.append(pacemaker)
        self._paces.append(
            self._loop.create_task(pacemaker.run(acceptor.door), name="fix_gateway.pacemaker")
        )

    def _woken(self) -> None:
        """Send to the core what waits; called on the loop, once a burst."""
        try:
            self._drain()
        except Exception as error:  # noqa: BLE001  # the callback's edge: the process ends by it
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    def _drain(self) -> None:
        self._farewells.changed.set()
        self._outbox.carry(self._bridge.take())
        for inquiry in self._bridge.take_inquiries():
            assert self._inquiries is not None
            self._inquiries.ask(inquiry)
