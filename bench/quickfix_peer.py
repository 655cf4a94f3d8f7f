"""What QuickFIX alone takes for an order in Python: the yardstick beside ``bench fix``.

    python -m bench.quickfix_peer FOLDER

An acceptor as the library's own examples have it, with file store and dictionary: each order is
read by tags and answered by one execution report. It proves nobody, keeps no book, checks no risk,
syncs nothing and copies nothing. It prints its port, and ends with its standard input.
"""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Final

import quickfix as fix

from bench.fix_client import LoadClient, LoadError
from bench.fix_load import Workload
from bench.processor_time import process_times_ns

ROOT: Final = Path(__file__).resolve().parents[1]
SENDER: Final = "PEER"
CLIENT: Final = "LOAD"
IN_FLIGHT: Final = 256
_START_SECONDS_MAX: Final = 20.0
_ANSWER_SECONDS_MAX: Final = 30.0
_TAKEN: Final = (1, 11, 38, 40, 44, 54, 55, 59)
_SETTINGS: Final = """\
[DEFAULT]
ConnectionType=acceptor
SenderCompID={sender}
SocketAcceptPort={port}
SocketNodelay=Y
NonStopSession=Y
FileStorePath={store}
UseDataDictionary=Y
DataDictionary={dictionary}
[SESSION]
BeginString=FIX.4.4
TargetCompID={client}
"""


class _Acceptor(fix.Application):
    """Answers every order."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def onCreate(self, session: fix.SessionID) -> None:  # QuickFIX's names
        """Do nothing."""

    def onLogon(self, session: fix.SessionID) -> None:
        """Do nothing."""

    def onLogout(self, session: fix.SessionID) -> None:
        """Do nothing."""

    def toAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Do nothing."""

    def fromAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        """Do nothing."""

    def toApp(self, message: fix.Message, session: fix.SessionID) -> None:
        """Do nothing."""

    def fromApp(self, message: fix.Message, session: fix.SessionID) -> None:
        """Answer an order."""
        order = {tag: message.getField(tag) for tag in _TAKEN}
        self._count += 1
        report = fix.Message()
        report.getHeader().setField(35, "8")
        report.setField(37, str(self._count))
        report.setField(17, str(self._count))
        report.setField(150, "0")
        report.setField(39, "0")
        for tag, value in order.items():
            report.setField(tag, value)
        report.setField(151, order[38])
        report.setField(14, "0")
        report.setField(6, "0")
        fix.Session.sendToTarget(report, session)


class _NoProof:
    """A key that proves nothing: the peer asks for none."""

    def fields(
        self, *, sender: str, target: str, number: int, sending_time: str
    ) -> list[tuple[int, str]]:
        """Return no field."""
        del sender, target, number, sending_time
        return []


async def processor_us_per_order(folder: Path, count: int) -> float:
    """Return the processor microseconds that QuickFIX alone takes for an order and its report.

    Args:
        folder: for its settings and store.
        count: orders to send, so many in flight as when the venue is saturated.

    Raises:
        LoadError: it did not start, or did not answer.
    """
    peer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.quickfix_peer", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert peer.stdin is not None
    assert peer.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS_MAX):
            port = int(await peer.stdout.readline())
        return await _load(port, count, pid=peer.pid)
    finally:
        peer.stdin.close()
        await peer.wait()


async def _load(port: int, count: int, *, pid: int) -> float:
    answered = asyncio.Semaphore(IN_FLIGHT)
    client = LoadClient(CLIENT, SENDER, lambda _number, _ns: answered.release())
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: client, "127.0.0.1", port)
    client.log_on(_NoProof())
    await client.logged_on
    workload = Workload(is_trading=False)
    before = process_times_ns({"peer": pid})["peer"]
    async with asyncio.timeout(_ANSWER_SECONDS_MAX):
        for _ in range(count):
            await answered.acquire()
            client.send(b"D", workload.next_order(client, CLIENT)[1])
        while client.reports < count:
            if client.failure is not None:
                raise LoadError(f"QuickFIX alone: {client.failure}")
            await asyncio.sleep(0.001)
    used = process_times_ns({"peer": pid})["peer"] - before
    client.log_out()
    await client.closed
    return used / 1000 / count


def serve(folder: Path) -> None:
    """Serve until standard input ends."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = folder / "quickfix-peer.cfg"
    dictionary = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
    text = _SETTINGS.format(
        sender=SENDER,
        client=CLIENT,
        port=port,
        store=folder / "quickfix-peer-store",
        dictionary=dictionary,
    )
    path.write_text(text)
    settings = fix.SessionSettings(str(path))
    acceptor = fix.SocketAcceptor(_Acceptor(), fix.FileStoreFactory(settings), settings)
    acceptor.start()
    print(port, flush=True)
    sys.stdin.read()
    acceptor.stop()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
