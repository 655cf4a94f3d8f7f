"""A QuickFIX initiator as a process of its own: an independent client with its own session layer.

Its arguments are port, comp id, directory, count and dialect. It sends orders, waits for
their reports, cancels them all, and prints what it was told as JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path

import quickfix as fix

from tests.integration.fix_gateway.processes import KEY

SETTINGS = """[DEFAULT]
ConnectionType=initiator
SenderCompID={name}
TargetCompID=RIALTO
SocketConnectHost=127.0.0.1
SocketConnectPort={port}
HeartBtInt=5
ReconnectInterval=1
NonStopSession=Y
ResetOnLogon=Y
FileStorePath={directory}/store
UseDataDictionary=Y
ValidateUserDefinedFields=Y
[SESSION]
"""
DICTIONARIES = Path(__file__).parents[3] / "sessions" / "dictionary"
DIALECTS = {
    "FIX.4.4": f"""BeginString=FIX.4.4
DataDictionary={DICTIONARIES}/RIALTO44.xml
""",
    "FIX.5.0SP2": f"""BeginString=FIXT.1.1
DefaultApplVerID=FIX.5.0SP2
TransportDataDictionary={DICTIONARIES}/RIALTOT11.xml
AppDataDictionary={DICTIONARIES}/RIALTO50SP2.xml
""",
}


class Client(fix.Application):
    """Keeps what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.logged_on = threading.Event()
        self.told: list[dict[str, str]] = []
        self.rejected: list[str] = []

    def onCreate(self, session: fix.SessionID) -> None: ...
    def onLogon(self, session: fix.SessionID) -> None:
        self.logged_on.set()

    def onLogout(self, session: fix.SessionID) -> None: ...
    def toAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        kind = message.getHeader().getField(35)
        if kind == "A":
            header = message.getHeader()
            proof = KEY.fields(
                sender=self._name,
                target="RIALTO",
                number=int(header.getField(34)),
                sending_time=header.getField(52),
            )
            for tag, value in proof:
                message.setField(tag, value)
        elif kind == "3":
            self.rejected.append(message.toString())

    def fromAdmin(self, message: fix.Message, session: fix.SessionID) -> None: ...
    def toApp(self, message: fix.Message, session: fix.SessionID) -> None: ...
    def fromApp(self, message: fix.Message, session: fix.SessionID) -> None:
        fields = (field.partition("=") for field in message.toString().split("\x01") if field)
        self.told.append({tag: value for tag, _, value in fields})


def order(begin: str, name: str, kind: str, fields: dict[int, str]) -> fix.Message:
    stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    body = {11: name, 55: "ETH-USD", 54: "1", 60: stamp} | fields
    text = "".join(f"{tag}={value}\x01" for tag, value in body.items())
    return fix.Message(f"8={begin}\x019=0\x0135={kind}\x01{text}10=000\x01", False)


def main(*arguments: str) -> int:
    port, name, directory, count, dialect = arguments
    path = Path(directory) / "initiator.cfg"
    path.write_text(
        SETTINGS.format(
            name=name,
            port=port,
            directory=directory,
        )
        + DIALECTS[dialect]
    )
    settings = fix.SessionSettings(str(path))
    client = Client(name)
    initiator = fix.SocketInitiator(client, fix.FileStoreFactory(settings), settings)
    initiator.start()
    assert client.logged_on.wait(60), "no logon"
    begin = "FIX.4.4" if dialect == "FIX.4.4" else "FIXT.1.1"
    session = fix.SessionID(begin, name, "RIALTO")
    for number in range(int(count)):
        fields = {38: "0.01", 40: "2", 44: "2900.00", 59: "1"}
        fix.Session.sendToTarget(order(begin, f"qf-{number}", "D", fields), session)
    for number in range(int(count)):
        fields = {41: f"qf-{number}"}
        fix.Session.sendToTarget(order(begin, f"qf-c-{number}", "F", fields), session)
    deadline = time.monotonic() + 60
    while len(client.told) < 2 * int(count) and time.monotonic() < deadline:
        time.sleep(0.02)
    print(json.dumps({"told": client.told, "rejected": client.rejected}), flush=True)  # noqa: T201
    initiator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
