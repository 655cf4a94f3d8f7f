"""QuickFIX: its settings, its callbacks, and its one socket, kept on loopback.

Errors:
    StoreError: what must be kept could not be written; a report would be lost, so we stop.
"""

import contextlib
import hmac
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import quickfix as fix

from fix_gateway.pacemaker import COMP_ID as PACEMAKER
from fix_gateway.settings import GatewaySettings
from runtime.process import EXIT_DISK
from runtime.toml import SettingsError

BEGIN_STRING = "FIX.4.4"
_PARK_SECONDS_MAX = 2.0

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

    def __init__(self, callbacks: Callbacks, *, pacemaker_secret: str) -> None:
        super().__init__()
        self._callbacks = callbacks
        self._pacemaker_secret = pacemaker_secret
        self.channels: dict[str, Channel] = {}

    def onCreate(self, session: fix.SessionID) -> None:  # QuickFIX's names
        """Do nothing: sessions are known from their files."""

    def onLogon(self, session: fix.SessionID) -> None:
        """Hand on a live connection."""
        counterparty = session.getTargetCompID().getString()
        if counterparty != PACEMAKER:
            self._guarded(lambda: self._callbacks.logged_on(counterparty))

    def onLogout(self, session: fix.SessionID) -> None:
        """Hand on a lost connection."""
        counterparty = session.getTargetCompID().getString()
        if counterparty != PACEMAKER:
            self._guarded(lambda: self._callbacks.logged_out(counterparty))

    def toAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Send administrative messages as QuickFIX made them."""

    def toApp(self, message: fix.Message, session: fix.SessionID) -> None:
        """Send application messages as they are."""

    def fromAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Judge Logons; everything else of the session layer is QuickFIX's."""
        kind = message.getHeader().getField(35)
        counterparty = session.getTargetCompID().getString()
        if counterparty == PACEMAKER:
            self._paced(kind, message)
        elif kind == "A":
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


class Channel:
    """QuickFIX's end of one session."""

    def __init__(self, session_id: fix.SessionID) -> None:
        session = fix.Session.lookupSession(session_id)
        assert session is not None, session_id.toString()
        self._session = session
        self._session_id = session_id  # the session refers to it

    def send(self, text: str) -> None:
        """Give a message to QuickFIX: stored and numbered now, sent now or by a later resend.

        Raises:
            StoreError: as the module says.
        """
        message = fix.Message(f"8={BEGIN_STRING}\x019=0\x01{text}10=000\x01", False)
        if not self._session.send(message):
            raise StoreError("QuickFIX could not store a message: is the disk full?")

    def look_at_clock(self) -> None:
        """Let QuickFIX do what is due in this session; on QuickFIX's own thread only."""
        self._session.next(fix.UtcTimeStamp.now())

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
    """A SocketAcceptor for some sessions, listening on one loopback address only."""

    def __init__(
        self,
        settings: GatewaySettings,
        counterparties: Iterable[str],
        callbacks: Callbacks,
        *,
        pacemaker_secret: str,
    ) -> None:
        """Make the sessions, closed; nothing listens yet.

        Raises:
            SettingsError: the address is not loopback.
        """
        if not ipaddress.ip_address(settings.host).is_loopback:
            raise SettingsError(
                f"[fix] host {settings.host}: QuickFIX listens on loopback only; "
                "the network's side is the guard's"
            )
        self._settings = settings
        self._counterparties = list(counterparties)
        self._application = FixApplication(callbacks, pacemaker_secret=pacemaker_secret)
        self._inner_port = _free_port()
        path = settings.state / "acceptor.cfg"
        path.write_text(_settings_text(settings, self._counterparties, self._inner_port))
        self._quickfix_settings = fix.SessionSettings(str(path))
        self._store_factory = fix.FileStoreFactory(self._quickfix_settings)
        self._acceptor = fix.SocketAcceptor(
            self._application, self._store_factory, self._quickfix_settings
        )
        self.channels = {
            counterparty: Channel(fix.SessionID(BEGIN_STRING, settings.comp_id, counterparty))
            for counterparty in self._counterparties
        }
        self._application.channels = self.channels
        self.port = 0
        self._listener = 0
        self._other_end: socket.socket | None = None

    def start(self) -> int:
        """Listen, and return the port.

        Raises:
            SettingsError: the address is in use or not ours to listen on.
        """
        host, port = self._settings.host, self._settings.port
        try:
            outer = socket.create_server((host, port), backlog=128)
        except OSError as error:
            raise SettingsError(
                f"config/venue.toml: [fix] port {port} on {host}: {error.strerror}"
            ) from error
        outer.setblocking(False)
        self.port = int(outer.getsockname()[1])
        self._acceptor.start()
        self._listener = _replace_listener(self._inner_port, outer)
        outer.close()
        return self.port

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
        for _descriptor, connection in _sockets_on(self.port):
            with connection, contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + _PARK_SECONDS_MAX
        while time.monotonic() < deadline and any(
            channel.is_logged_on for channel in self.channels.values()
        ):
            time.sleep(0.01)


def _settings_text(settings: GatewaySettings, counterparties: list[str], port: int) -> str:
    lines = [
        "[DEFAULT]",
        "ConnectionType=acceptor",
        f"BeginString={BEGIN_STRING}",
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
        f"DataDictionary={settings.state / 'FIX44.xml'}",
        "ValidateUserDefinedFields=Y",
        "ValidateLengthAndChecksum=Y",
        "CheckCompID=Y",
        "CheckLatency=Y",
        f"MaxLatency={settings.latency_seconds_max}",
        "TimestampPrecision=6",
        "LogonTimeout=5",
        "LogoutTimeout=2",
    ]
    for counterparty in counterparties:
        lines += ["[SESSION]", f"TargetCompID={counterparty}"]
    lines += ["[SESSION]", f"TargetCompID={PACEMAKER}", "PersistMessages=N"]
    return "\n".join([*lines, ""])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _replace_listener(inner_port: int, outer: socket.socket) -> int:
    """Put our loopback listener in the place of QuickFIX's, which is open to every network.

    QuickFIX 1.16.0 always binds INADDR_ANY. It knows its listener by descriptor number, so we
    put ours under that number and the wide one is closed. Its thread may still be waiting on the
    old one: a connection wakes it. Ours does not block, so an accept that finds nobody returns.

    Returns:
        The descriptor number under which QuickFIX listens.
    """
    for descriptor, probe in _sockets_on(inner_port):
        with probe:
            if not probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                continue
        os.dup2(outer.fileno(), descriptor)
        with socket.socket() as waker:
            waker.setblocking(False)
            waker.connect_ex(("127.0.0.1", inner_port))
        return descriptor
    raise AssertionError(f"QuickFIX does not listen on port {inner_port}")


def _sockets_on(port: int) -> Iterator[tuple[int, socket.socket]]:
    """Yield our descriptors of TCP sockets on a local port, each with a duplicate to close."""
    for entry in list(Path("/proc/self/fd").iterdir()):
        descriptor = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            found = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue  # closed since it was listed
        if found.family == socket.AF_INET and found.getsockname()[1] == port:
            yield descriptor, found
        else:
            found.close()
