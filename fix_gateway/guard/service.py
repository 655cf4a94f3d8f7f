"""The guard as a service: it owns the public FIX ports, and lets in who proves a session.

Behind it QuickFIX listens on a Unix socket, and the market-data process on another. A connection
to one of them is opened for each Logon that was proved, and for nothing else. The order of
judgement: address, limits, framing, proof, time, the session's own addresses and certificate,
whether the session is live, whether the Logon is new.

Errors:
    SettingsError: an address, certificate or session file cannot be used.
"""

import asyncio
import contextlib
import ipaddress
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from fix_gateway.guard import refusals
from fix_gateway.guard.answers import Answers
from fix_gateway.guard.book import Book, read_book, stamp_of, trusted_pem
from fix_gateway.guard.connection import ClientConnection
from fix_gateway.guard.failures import Failures
from fix_gateway.guard.framing import BEGIN_STRINGS
from fix_gateway.guard.house import Stage
from fix_gateway.guard.key_files import KeyFileError, KeyFiles
from fix_gateway.guard.keys import Key
from fix_gateway.guard.listeners import listen
from fix_gateway.guard.logon import (
    Logon,
    LogonMalformedError,
    Refusal,
    SessionStatus,
    hand_over,
    judge,
    parse_logon,
    refusing_logout,
)
from fix_gateway.guard.metrics import GuardMetrics
from fix_gateway.guard.replays import ReplayCache
from fix_gateway.guard.settings import GuardSettings
from fix_gateway.guard.tls import (
    EarlyBytes,
    begin_tls,
    check_plain_host,
    has_shown,
    server_context,
)
from fix_gateway.guard.upstream import UpstreamConnection, ask_farewell, open_upstream
from fix_gateway.settings import networks
from fix_gateway.translation.times import timestamp_text
from runtime.toml import SettingsError

log = structlog.get_logger()

_SWEEP_SECONDS = 0.25
_HANDSHAKE_SECONDS_MAX = 5.0
_TLS_SHUTDOWN_SECONDS = 2.0
_SKIPS_MAX = 1000
_OPENING_PAUSE = 0.1
_SESSIONS_PER_ADDRESS = 10
"""Behind one address there may be so many sessions that fail as often as one may."""

_WORDS_PER_SWEEP = 4
"""Lines of the log about strangers; a flood is counted, not written down."""


class Guard:
    """Owns the public ports."""

    def __init__(self, settings: GuardSettings, registry: CollectorRegistry) -> None:
        """Put the parts together; nothing listens before ``run``.

        Raises:
            SettingsError: plain TCP would be served to a network.
        """
        check_plain_host(settings.host)
        self.limits = limits = settings.limits
        self.comp_id = settings.comp_id
        self._settings = settings
        self._networks = networks(
            Path("config/venue.toml"), "fix_guard.addresses", limits.addresses
        )
        self._metrics = GuardMetrics(registry)
        self._loop = asyncio.get_running_loop()
        self.answers = Answers(settings.doors)
        self._keys = KeyFiles(settings.keys)
        self._book: Book = {}
        self._trouble = ""
        self._tls: ssl.SSLContext | None = None
        self._clients: set[ClientConnection] = set()
        self._someone_left = asyncio.Event()
        self._by_address: Counter[str] = Counter()
        self._live: dict[str, ClientConnection] = {}
        self._opening: dict[ClientConnection, Logon] = {}
        self._skips: Counter[str] = Counter()
        """Logouts of ours that each session was sent since it was last let in."""
        self._replays = ReplayCache(entries_max=limits.logons_remembered)
        self._failures = Failures(
            count_max=limits.logon_failures_max,
            seconds=limits.logon_failures_seconds,
            keys_max=limits.logon_failures_remembered,
        )
        self._failures_here = Failures(
            count_max=_SESSIONS_PER_ADDRESS * limits.logon_failures_max,
            seconds=limits.logon_failures_seconds,
            keys_max=limits.logon_failures_remembered,
        )
        self._not_before_ns = time.time_ns()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passed = [0, 0]  # of connections that are gone
        self._words = _WORDS_PER_SWEEP
        self._is_open = False

    def health(self) -> dict[str, object]:
        """Say who is connected, and what is wrong with the files."""
        stages = Counter(client.stage.value for client in self._clients)
        return {
            "healthy": self._is_open and not self._trouble,
            "connections": len(self._clients),
            "live": stages[Stage.LIVE.value],
            **({"trouble": self._trouble} if self._trouble else {}),
        }

    async def run(
        self,
        stop: asyncio.Event,
        *,
        listening: Callable[[dict[str, str]], None] = lambda _addresses: None,
    ) -> None:
        """Let clients in until asked to stop, then have QuickFIX log them out.

        Args:
            stop: ends it.
            listening: told the addresses, ``fix`` and, where TLS is served, ``fixs``.

        Raises:
            SettingsError: as the module says.
        """
        stamp = await asyncio.to_thread(stamp_of, self._settings.sessions, self._keys)
        await self._read_book()
        if self._trouble:
            raise KeyFileError(self._trouble)
        servers, addresses = await listen(self._settings, partial(ClientConnection, self))
        self._is_open = True
        log.info("fix_guard_listening", **addresses)
        listening(addresses)
        self._loop.set_exception_handler(self._defect)
        stopping = asyncio.create_task(stop.wait(), name="fix_guard.stopping")
        answers = asyncio.create_task(self.answers.run(), name="fix_guard.answers")
        try:
            look_at = 0.0
            while not stopping.done():
                await asyncio.wait([stopping, answers], timeout=_SWEEP_SECONDS)
                if answers.done():
                    answers.result()
                self._sweep()
                if self._loop.time() >= look_at:
                    stamp = await self._reload(stamp)
                    look_at = self._loop.time() + self.limits.reload_seconds
        finally:
            stopping.cancel()
            for server in servers:
                server.close()
            await self._log_everyone_out()
            answers.cancel()
            self._is_open = False
        log.info("fix_guard_stopped")

    # --- what connections ask of us: see ``connection.House`` ---

    def arrived(self, client: ClientConnection) -> bool:
        """Say whether a connection may stay."""
        limits = self.limits
        address = ipaddress.ip_address(client.address)
        if not any(address in network for network in self._networks):
            return self._turned_away(client, "address")
        if len(self._clients) >= limits.connections_max:
            return self._turned_away(client, "connections")
        if self._by_address[client.address] >= limits.connections_per_address_max:
            return self._turned_away(client, "connections_per_address")
        new = [each for each in self._clients if each.stage is Stage.NEW]
        here = [each for each in new if each.address == client.address]
        if len(here) >= limits.unauthenticated_per_address_max:
            return self._turned_away(client, "unauthenticated_per_address")
        if len(new) >= limits.unauthenticated_max:
            # The one that has had the most time makes room, or who is quiet could keep all out.
            oldest = min(new, key=lambda each: each.since)
            self.cut(oldest, "unauthenticated")
            oldest.abort()
        self._clients.add(client)
        self._by_address[client.address] += 1
        if client.is_securing:
            early = EarlyBytes(client)
            client.transport.set_protocol(early)
            self._begin(client, self._secure(client, early))
        return True

    def logon_came(self, client: ClientConnection, message: bytes, body: int) -> None:
        """Judge a whole first message."""
        now = self._loop.time()
        try:
            logon = parse_logon(message, body)
        except LogonMalformedError as error:
            self._failures_here.note(client.address, now)
            self.cut(client, "malformed_logon", str(error))
            client.abort()
            return
        who = (client.address, logon.sender)
        if self._failures.is_too_many(who, now) or self._failures_here.is_too_many(
            client.address, now
        ):
            self._refuse(client, logon, refusals.LOCKED)
            return
        verdict = self._judge(client, logon)
        if isinstance(verdict, Key):
            self._failures.forget(who)
            client.opening(logon, key_id=verdict.id, known=self._book[logon.sender])
            self._live[logon.sender] = client
            self._opening[client] = logon
            self._begin(client, self._open(client, logon))
            return
        if verdict.status is SessionStatus.INVALID_PROOF:
            self._failures.note(who, now)
            self._failures_here.note(client.address, now)
        self._refuse(client, logon, verdict)

    def logged_on(self, client: ClientConnection) -> None:
        """Take note that QuickFIX let a client in."""
        self._skips.pop(client.session, None)
        self._opening.pop(client, None)
        self._metrics.logons.labels("accepted").inc()
        log.info("fix_logged_on", session=client.session, key=client.key_id, at=client.address)

    def not_answered(self, client: ClientConnection) -> None:
        """Hand a Logon on again that QuickFIX hung up on, or tell the client in the end.

        It does so without having read the Logon while it has not noticed yet that the client's
        last connection is gone, or while the session is closed for a moment.
        """
        if self._loop.time() - client.since < self.limits.opening_seconds:
            self._begin(client, self._open(client, self._opening[client], after=_OPENING_PAUSE))
            return
        self._away(client)

    def _away(self, client: ClientConnection) -> None:
        self._metrics.logons.labels("unavailable").inc()
        log.warning("logon_not_answered", session=client.session)
        begin_string = self._opening[client].begin_string
        self._answer(client, client.session, refusals.AWAY, begin_string=begin_string)

    def cut(self, client: ClientConnection, reason: str, detail: str = "") -> None:
        """Count and log that a connection is ended."""
        self._metrics.cut.labels(reason).inc()
        if self._may_speak():
            log.warning(
                "fix_connection_cut",
                reason=reason,
                detail=detail,
                session=client.session,
                at=client.address,
            )

    def held(self) -> None:
        """Count that a client is read no further until it is answered."""
        self._metrics.held.inc()

    def say_farewell(self, client: ClientConnection, text: str) -> None:
        """Have QuickFIX log a client out."""
        self._begin(client, self._farewell(client, text))

    def left(self, client: ClientConnection) -> None:
        """Forget a connection."""
        if client not in self._clients:
            return
        self._clients.discard(client)
        self._opening.pop(client, None)
        self._someone_left.set()
        self._by_address[client.address] -= 1
        if not self._by_address[client.address]:
            del self._by_address[client.address]
        if self._live.get(client.session) is client:
            del self._live[client.session]
        self._passed[0] += client.received
        self._passed[1] += client.sent

    # --- judging ---

    def _judge(self, client: ClientConnection, logon: Logon) -> Key | Refusal:
        known = self._book.get(logon.sender) if logon.target == self.comp_id else None
        now_ns, window_ns = time.time_ns(), int(self.limits.logon_window_seconds * 1e9)
        verdict = judge(
            logon,
            known.ring if known is not None else None,
            now_ns=now_ns,
            window_ns=window_ns,
            not_before_ns=self._not_before_ns,
        )
        if isinstance(verdict, Refusal) or known is None:
            return verdict
        form = refusals.of_form(logon, known.begin_string)
        if (refusal := form or refusals.of_hours(known, now_ns)) is not None:
            return refusal
        address = ipaddress.ip_address(client.address)
        if known.networks and not any(address in network for network in known.networks):
            return refusals.ADDRESS
        if known.certificates and not has_shown(client.transport, known.certificates):
            return refusals.CERTIFICATE
        if logon.sender in self._live:
            return refusals.LIVE
        is_first = self._replays.is_first(
            logon.sender, logon.payload, now_ns=now_ns, until_ns=now_ns + 2 * window_ns
        )
        return verdict if is_first else refusals.REPLAYED

    def _refuse(self, client: ClientConnection, logon: Logon, refusal: Refusal) -> None:
        self._metrics.logons.labels(refusal.reason).inc()
        if self._may_speak():
            log.warning("logon_refused", reason=refusal.reason, at=client.address)
        is_ours = logon.begin_string in BEGIN_STRINGS
        begin_string = logon.begin_string if is_ours else BEGIN_STRINGS[0]
        self._answer(client, logon.sender, refusal, begin_string=begin_string)

    def _answer(
        self, client: ClientConnection, session: str, refusal: Refusal, *, begin_string: bytes
    ) -> None:
        if session in self._book:
            self._skips[session] = min(self._skips[session] + 1, _SKIPS_MAX)
        client.answer_and_close(
            refusing_logout(
                begin_string=begin_string,
                comp_id=self.comp_id,
                counterparty=session,
                refusal=refusal,
                sending_time=timestamp_text(time.time_ns()),
            )
        )

    def _turned_away(self, client: ClientConnection, reason: str) -> bool:
        self.cut(client, reason)
        return False

    # --- towards QuickFIX ---

    async def _open(self, client: ClientConnection, logon: Logon, *, after: float = 0.0) -> None:
        """Connect to QuickFIX and hand the Logon on."""
        await asyncio.sleep(after)
        doors = self._settings.doors_of(is_market_data=client.is_market_data)
        upstream = UpstreamConnection(client)
        try:
            credential = await open_upstream(upstream, doors, logon.sender)
        except (OSError, ValueError):
            if client in self._clients:
                self._away(client)
            return
        if client.stage is not Stage.OPENING:
            upstream.close()
            return
        client.upstream = upstream
        upstream.write(
            hand_over(
                logon,
                credential=credential,
                numbers_to_skip=self._skips[logon.sender],
            )
        )

    async def _farewell(self, client: ClientConnection, text: str) -> None:
        doors = self._settings.doors_of(is_market_data=client.is_market_data)
        if not await ask_farewell(doors, session=client.session, text=text):
            log.warning("farewell_not_said", session=client.session)
            client.abort()

    async def _secure(self, client: ClientConnection, early: EarlyBytes) -> None:
        assert self._tls is not None, "there is a TLS port"
        if client.transport.is_closing():  # it has had to make room meanwhile
            return
        try:
            transport = await begin_tls(
                client.transport,
                client,
                self._tls,
                early,
                handshake_seconds=_HANDSHAKE_SECONDS_MAX,
                shutdown_seconds=_TLS_SHUTDOWN_SECONDS,
            )
        except OSError as error:  # ssl.SSLError is one, and so is a lost connection
            self.cut(client, "tls", str(error))
            client.abort()
            return
        if transport is None:  # it hung up as the handshake ended
            client.abort()
            return
        client.secured(transport)

    # --- time ---

    def _sweep(self) -> None:
        """Look at every connection's clock, and count."""
        self._words = _WORDS_PER_SWEEP
        now = self._loop.time()
        now_ns = time.time_ns()
        for client in list(self._clients):
            client.look_at_clock(now)
        for session, client in list(self._live.items()):
            refusal = refusals.of_live(self._book.get(session), client.key_id, now_ns)
            if refusal is not None and client.stage is not Stage.LEAVING:
                self.cut(client, refusal.reason)
                client.leave(refusal.text, is_deaf=True)
        stages = Counter(client.stage for client in self._clients)
        for stage in Stage:
            self._metrics.connections.labels(stage.value).set(stages[stage])
        received = self._passed[0] + sum(client.received for client in self._clients)
        sent = self._passed[1] + sum(client.sent for client in self._clients)
        self._metrics.received.set(received)
        self._metrics.sent.set(sent)
        waiting = sum(client.waiting_bytes for client in self._clients)
        self._metrics.output.set(waiting)

    async def _reload(self, stamp: tuple[object, ...]) -> tuple[object, ...]:
        """Read sessions and keys again when they changed."""
        now = await asyncio.to_thread(stamp_of, self._settings.sessions, self._keys)
        if now == stamp:
            return stamp
        try:
            await self._read_book()
        except (SettingsError, OSError) as error:
            # What was read last stays in force: half a change must not shut everybody out.
            self._trouble = str(error)
            log.error("sessions_not_read", reason=self._trouble)  # noqa: TRY400
            return now
        return now

    async def _read_book(self) -> None:
        settings = self._settings
        book = await asyncio.to_thread(read_book, settings.sessions, self._keys)
        if settings.tls_host:
            self._tls = server_context(
                settings.certificate_file, settings.key_file, trusted_pem=trusted_pem(book)
            )
        self._book = book
        self._trouble = "; ".join(known.trouble for known in book.values() if known.trouble)
        log.info("sessions_read", sessions=len(book))

    async def _log_everyone_out(self) -> None:
        for client in list(self._clients):
            client.leave("the venue's front is stopping")
        deadline = self._loop.time() + self.limits.farewell_seconds
        while self._clients and self._loop.time() < deadline:
            self._someone_left.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._someone_left.wait()
        for client in list(self._clients):
            client.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, client: ClientConnection, work: Coroutine[Any, Any, None]) -> None:
        """Work for one client beside the loop's callbacks; it ends with the guard at the latest."""
        task = self._loop.create_task(work, name="fix_guard.work")
        self._tasks.add(task)

        def ended(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self._defect(self._loop, {"message": "work for a client", "exception": error})
                client.abort()

        task.add_done_callback(ended)

    def _defect(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note what broke; its client alone is cut off, for a fault must not shut the door."""
        self._metrics.cut.labels("defect").inc()
        log.error("defect", about=context["message"], exc_info=context.get("exception"))

    def _may_speak(self) -> bool:
        self._words -= 1
        return self._words >= 0
