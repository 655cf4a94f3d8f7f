"""QuickFIX: its settings, its callbacks, and its one socket, which no network reaches.

Errors:
    StoreError: what must be kept could not be written; a report would be lost, so we stop.
"""

import contextlib
import hmac
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import quickfix as fix

from fix_gateway.composer import Composer
from fix_gateway.dialects.names import FIX_44, FIX_50_SP2, Dialect
from fix_gateway.dictionary import Dictionaries
from fix_gateway.more_doors import number_door
from fix_gateway.pacemaker import is_pacemaker, pacemaker_id
from fix_gateway.settings import GatewaySettings
from fix_gateway.store_index import StoreIndex, trim_store
from fix_gateway.translation.standard import Standard
from runtime.process import EXIT_DISK
from runtime.toml import SettingsError

_PARK_SECONDS_MAX = 2.0
_BACKLOG = 128

Answer = TypeVar("Answer")


class StoreError(Exception):
    """QuickFIX refused to take a message, or the checkpoint could not be written."""

    exit_code = EXIT_DISK


ACCEPTED = ""
"""What an accepted Logon is refused with."""


class Callbacks(Protocol):
    """What the gateway does when QuickFIX calls, on QuickFIX's thread."""

    def failed(self, error: Exception) -> None:
        """End the process: a callback broke an invariant."""
        ...

    def logon_asked(self, counterparty: str, message: str) -> str | None:
        """Judge a Logon; text refuses it, and is all that the client learns."""
        ...

    def logon_answered(self, counterparty: str) -> Mapping[int, str]:
        """Say what our own Logon carries beside QuickFIX's fields."""
        ...

    def logout_received(self, counterparty: str) -> None:
        """Take note that the client says goodbye."""
        ...

    def logged_on(self, counterparty: str) -> None:
        """Take note of a live connection."""
        ...

    def logged_out(self, counterparty: str) -> None:
        """Take note that a connection is gone."""
        ...

    def received(self, counterparty: str, message: str) -> bool:
        """Take an application message; False for what the venue does not offer."""
        ...


class FixApplication(fix.Application):
    """QuickFIX's callbacks: the raw text is handed on, and nothing waits here."""

    def __init__(
        self,
        callbacks: Callbacks,
        *,
        standards: Mapping[str, Standard],
        pacemaker_secret: str,
    ) -> None:
        """Keep whom to call.

        Args:
            callbacks: the gateway's.
            standards: what each dialect's standard has, by BeginString.
            pacemaker_secret: the password of our own session.
        """
        super().__init__()
        self._callbacks = callbacks
        self._standards = standards
        self._pacemaker_secret = pacemaker_secret
        self.channels: dict[str, Channel] = {}

    def onCreate(self, session: fix.SessionID) -> None:  # QuickFIX's names
        """Do nothing: sessions are known from their files."""

    def onLogon(self, session: fix.SessionID) -> None:
        """Hand on a live connection."""
        counterparty = session.getTargetCompID().getString()
        if not is_pacemaker(counterparty):
            self._guarded(lambda: self._callbacks.logged_on(counterparty))

    def onLogout(self, session: fix.SessionID) -> None:
        """Hand on a lost connection."""
        counterparty = session.getTargetCompID().getString()
        if not is_pacemaker(counterparty):
            self._guarded(lambda: self._callbacks.logged_out(counterparty))

    def toAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Send administrative messages as QuickFIX made them, but for what it calls unknown.

        A Logon says beside it what the end of the connection does.
        """
        header = message.getHeader()
        kind, counterparty = header.getField(35), session.getTargetCompID().getString()
        if kind == "A" and not is_pacemaker(counterparty):
            said = self._guarded(lambda: self._callbacks.logon_answered(counterparty)) or {}
            for tag, text in said.items():
                message.setField(tag, text)
        if kind != "3":
            return
        changes = self._standards[session.getBeginString().getString()].corrected(
            reason=_field(message, 373), tag=_field(message, 371), message_type=_field(message, 372)
        )
        for tag, value in changes.items():
            if tag == 35 and value is not None:
                header.setField(tag, value)
            elif value is not None:
                message.setField(tag, value)
            elif message.isSetField(tag):
                message.removeField(tag)

    def toApp(self, message: fix.Message, session: fix.SessionID) -> None:
        """Send application messages as they are."""

    def fromAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Judge Logons; everything else of the session layer is QuickFIX's."""
        kind = message.getHeader().getField(35)
        counterparty = session.getTargetCompID().getString()
        if is_pacemaker(counterparty):
            self._paced(kind, message)
        elif kind == "A":
            if session.isFIXT() and _field(message, 1137) != FIX_50_SP2.version:
                raise fix.RejectLogon("DefaultApplVerID (1137) must be 9, FIX 5.0 SP2")
            text = message.toString()
            refusal = self._guarded(
                lambda: self._callbacks.logon_asked(counterparty, text) or ACCEPTED
            )
            if refusal != ACCEPTED:
                # None: the judgement broke, and that lets nobody in.
                raise fix.RejectLogon(refusal or "logon refused")
        elif kind == "5":
            self._guarded(lambda: self._callbacks.logout_received(counterparty))

    def fromApp(self, message: fix.Message, session: fix.SessionID) -> None:
        """Hand on the raw text, with who QuickFIX says that it is from."""
        counterparty, text = session.getTargetCompID().getString(), message.toString()
        if self._guarded(lambda: self._callbacks.received(counterparty, text)) is False:
            raise fix.UnsupportedMessageType

    def _guarded(self, callback: Callable[[], Answer]) -> Answer | None:
        """Call, and tell of a failure: one that reached QuickFIX would leave its thread hanging.

        Returns:
            None when the callback broke.
        """
        try:
            return callback()
        except Exception as error:  # noqa: BLE001  # the thread's edge: the process ends by it
            self._callbacks.failed(error)
            return None

    def _paced(self, kind: str, message: fix.Message) -> None:
        if kind == "A":
            password = message.getField(554) if message.isSetField(554) else ""
            if not hmac.compare_digest(password.encode(), self._pacemaker_secret.encode()):
                raise fix.RejectLogon("logon refused")
        for channel in self.channels.values():
            channel.look_at_clock()
        self._guarded(self._trim_a_store)

    def _trim_a_store(self) -> None:
        """Cut one session's store at most: everybody waits for it some milliseconds."""
        next((channel for channel in self.channels.values() if channel.trim_store()), None)


def _field(message: fix.Message, tag: int) -> str:
    return message.getField(tag) if message.isSetField(tag) else ""


class Channel:
    """QuickFIX's end of one session."""

    def __init__(self, session_id: fix.SessionID, header: Path, *, resend_messages: int) -> None:
        session = fix.Session.lookupSession(session_id)
        assert session is not None, session_id.toString()
        self._session = session
        self._session_id = session_id  # the session refers to it
        self._index = StoreIndex(
            header, messages_max=resend_messages, sender_next=session.getExpectedSenderNum()
        )
        self._lock = threading.Lock()
        """Nobody sends while the store is cut; see ``store_index``."""
        self._composers: dict[int, Composer] = {}
        """One for each thread: QuickFIX's own sends too, and both may be at it."""

    def send(self, text: str) -> None:
        """Give a message to QuickFIX: stored and numbered now, sent now or by a later resend.

        Raises:
            StoreError: as the module says.
        """
        thread = threading.get_ident()
        composer = self._composers.get(thread)
        if composer is None:
            composer = self._composers[thread] = Composer()
        with self._lock:
            is_stored = self._session.send(composer.compose(text))
        if not is_stored:
            raise StoreError("QuickFIX could not store a message: is the disk full?")

    def look_at_clock(self) -> None:
        """Let QuickFIX do what is due in this session; on QuickFIX's own thread only."""
        self._session.next(fix.UtcTimeStamp.now())

    def trim_store(self) -> bool:
        """Cut the store if its time has come, and say so; on QuickFIX's own thread only.

        Raises:
            StoreError: the disk failed.
        """
        with self._lock:
            try:
                return self._index.look(self.sender_next, self._session.refresh)
            except OSError as error:
                raise StoreError(f"a store could not be cut: {error.strerror}") from error

    @property
    def stored(self) -> int:
        """How many messages can be sent again, at most."""
        return self._index.messages(self.sender_next)

    def close(self, reason: str) -> None:
        """Log the client out, and accept no Logon until ``open``."""
        self._session.logout(reason)

    def open(self) -> None:
        """Accept Logons."""
        self._session.logon()

    def disconnect(self) -> None:
        """Cut the connection of a client that does not answer a Logout."""
        self._session.disconnect()

    @property
    def is_logged_on(self) -> bool:
        """Whether a client is connected and logged on."""
        return self._session.isLoggedOn()

    @property
    def sender_next(self) -> int:
        """The MsgSeqNum of our next message."""
        return self._session.getExpectedSenderNum()

    @sender_next.setter
    def sender_next(self, number: int) -> None:
        self._session.setNextSenderMsgSeqNum(number)

    @property
    def target_next(self) -> int:
        """The MsgSeqNum expected next from the client."""
        return self._session.getExpectedTargetNum()

    def expect(self, number: int) -> None:
        """Expect this MsgSeqNum next from the client."""
        self._session.setNextTargetMsgSeqNum(number)


class FixAcceptor:
    """A SocketAcceptor for some sessions, listening on one Unix socket only."""

    def __init__(
        self,
        settings: GatewaySettings,
        dialects: Mapping[str, Dialect],
        callbacks: Callbacks,
        *,
        dictionaries: Mapping[str, Dictionaries],
        pacemaker_secret: str,
        number: int = 0,
    ) -> None:
        """Make the sessions, closed; nothing listens yet.

        Args:
            settings: where to listen and to keep state.
            dialects: what each counterparty speaks, by comp id.
            callbacks: the gateway's.
            dictionaries: by the dialect's name; FIX 4.4's too, which our own session speaks.
            pacemaker_secret: the password of our own session.
            number: which acceptor of the gateway this is: zero for the first.
        """
        self.door = number_door(settings.doors, number)
        self._application = FixApplication(
            callbacks,
            standards={
                dialect.begin_string: dictionaries[dialect.name].standard
                for dialect in (FIX_44, *dialects.values())
            },
            pacemaker_secret=pacemaker_secret,
        )
        self._inner_port = _free_port()
        path = settings.state / f"acceptor{number or ''}.cfg"
        path.write_text(
            _settings_text(settings, dialects, dictionaries, self._inner_port, pacemaker_id(number))
        )
        self._quickfix_settings = fix.SessionSettings(str(path))
        most = settings.resend_messages
        headers = {name: _header(settings, dialects[name], name) for name in dialects}
        for header in headers.values():
            trim_store(header, messages_max=most, refresh=lambda: None)
        self._store_factory = fix.FileStoreFactory(self._quickfix_settings)
        self._acceptor = fix.SocketAcceptor(
            self._application, self._store_factory, self._quickfix_settings
        )
        self.channels = {
            counterparty: Channel(
                fix.SessionID(dialect.begin_string, settings.comp_id, counterparty),
                headers[counterparty],
                resend_messages=most,
            )
            for counterparty, dialect in dialects.items()
        }
        # Its own: QuickFIX's thread may look at the clocks of no other acceptor's sessions.
        self._application.channels = dict(self.channels)
        self.is_listening = False
        self._listener = 0
        self._other_end: socket.socket | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: the socket's path cannot be used.
        """
        path = self.door
        path.unlink(missing_ok=True)
        outer = socket.socket(socket.AF_UNIX)
        try:
            outer.bind(str(path))
            path.chmod(0o600)
            outer.listen(_BACKLOG)
        except OSError as error:
            outer.close()
            raise SettingsError(f"{path}: {error.strerror or error}") from error
        outer.setblocking(False)
        self._acceptor.start()
        self._listener = _replace_listener(self._inner_port, outer)
        outer.close()
        self.is_listening = True

    def park(self) -> None:
        """Stop listening, once every session is logged out; the process is expected to end.

        QuickFIX's own ``stop`` frees its server while its thread may still be using it, and
        closes descriptors twice (1.16.0; seen as a segmentation fault on every other stop). So
        its listener is replaced by a socket on which nothing ever happens, and acceptor and
        thread are left asleep.
        """
        if self._listener == 0:
            return
        idle, self._other_end = socket.socketpair()
        os.dup2(idle.fileno(), self._listener)
        idle.close()
        self._listener = 0
        self._acceptor.thisown = False
        # After a failure clients may still be there. QuickFIX must be done with them, and with
        # us, before the interpreter ends under its thread.
        for _descriptor, connection in _sockets_at(str(self.door)):
            with connection, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _PARK_SECONDS_MAX
        while time.monotonic() < deadline and any(
            channel.is_logged_on for channel in self.channels.values()
        ):
            time.sleep(0.01)


def _header(settings: GatewaySettings, dialect: Dialect, counterparty: str) -> Path:
    name = f"{dialect.begin_string}-{settings.comp_id}-{counterparty}.header"
    return settings.state / "store" / name


def _settings_text(
    settings: GatewaySettings,
    dialects: Mapping[str, Dialect],
    dictionaries: Mapping[str, Dictionaries],
    port: int,
    pacemaker: str,
) -> str:
    lines = [
        "[DEFAULT]",
        "ConnectionType=acceptor",
        f"SenderCompID={settings.comp_id}",
        f"SocketAcceptPort={port}",
        "SocketReuseAddress=Y",
        "SocketNodelay=Y",
        # Around the clock: a daily window would reset the numbers each night.
        "NonStopSession=Y",
        "ResetOnLogon=N",
        "ResetOnLogout=N",
        "ResetOnDisconnect=N",
        "PersistMessages=Y",
        f"FileStorePath={settings.state / 'store'}",
        "UseDataDictionary=Y",
        "ValidateUserDefinedFields=Y",
        "ValidateLengthAndChecksum=Y",
        "CheckCompID=Y",
        "CheckLatency=Y",
        f"MaxLatency={settings.latency_seconds_max}",
        "TimestampPrecision=6",
        "LogonTimeout=5",
        "LogoutTimeout=2",
    ]
    for counterparty, dialect in dialects.items():
        lines += _session_lines(counterparty, dialect, dictionaries[dialect.name])
    lines += [*_session_lines(pacemaker, FIX_44, dictionaries[FIX_44.name]), "PersistMessages=N"]
    return "\n".join([*lines, ""])


def _session_lines(counterparty: str, dialect: Dialect, dictionaries: Dictionaries) -> list[str]:
    lines = [
        "[SESSION]",
        f"TargetCompID={counterparty}",
        f"BeginString={dialect.begin_string}",
    ]
    if not dialect.version:
        return [*lines, f"DataDictionary={dictionaries.transport}"]
    return [
        *lines,
        f"DefaultApplVerID={dialect.name}",
        f"TransportDataDictionary={dictionaries.transport}",
        f"AppDataDictionary={dictionaries.application}",
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _replace_listener(inner_port: int, outer: socket.socket) -> int:
    """Put our Unix listener in the place of QuickFIX's, which is open to every network.

    QuickFIX 1.16.0 always binds INADDR_ANY. It knows its listener by descriptor number, so we
    put ours under that number and the wide one is closed. Its thread may still be waiting on the
    old one: a connection wakes it. Ours does not block, so an accept that finds nobody returns.

    Returns:
        The descriptor number under which QuickFIX listens.
    """
    for descriptor, probe in _sockets_at(inner_port):
        with probe:
            if not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
        os.dup2(outer.fileno(), descriptor)
        with socket.socket() as waker:
            waker.setblocking(False)
            waker.connect_ex(("127.0.0.1", inner_port))
        return descriptor
    raise AssertionError(f"QuickFIX does not listen on port {inner_port}")


def _sockets_at(place: int | str) -> Iterator[tuple[int, socket.socket]]:
    """Yield our descriptors of sockets on a local TCP port, or of a Unix listener's path.

    Each comes with a duplicate to close.
    """
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            found = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue  # closed since it was listed
        name = found.getsockname()
        if (name[1] if found.family == socket.AF_INET else name) == place:
            yield descriptor, found
        else:
            found.close()
