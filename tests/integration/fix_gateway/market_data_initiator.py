"""A QuickFIX initiator that listens: its arguments are port, comp id, directory and dialect.

It validates what it gets by the venue's own dictionaries, and prints it as JSON.
"""

import json
import sys
import time
from pathlib import Path

import quickfix as fix

from tests.integration.fix_gateway.initiator import DIALECTS, DICTIONARIES, SETTINGS, Client


class Listener(Client):
    """Keeps whole messages: groups would be lost in a mapping."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: list[tuple[str, str]] = []

    def fromApp(self, message: fix.Message, session: fix.SessionID) -> None:
        text = message.toString()
        kind = text.partition("\x0135=")[2].partition("\x01")[0]
        self.heard.append((kind, text.replace("\x01", "|")))


def request(begin: str, kind: str, body: str) -> fix.Message:
    # Without a dictionary QuickFIX would take a group's entries for fields of the message.
    name = "RIALTO44" if begin == "FIX.4.4" else "RIALTO50SP2"
    dictionary = fix.DataDictionary(str(DICTIONARIES / f"{name}.xml"))
    return fix.Message(f"8={begin}\x019=0\x0135={kind}\x01{body}10=000\x01", dictionary, False)


def main(*arguments: str) -> int:
    port, name, directory, dialect = arguments
    path = Path(directory) / "listener.cfg"
    path.write_text(SETTINGS.format(name=name, port=port, directory=directory) + DIALECTS[dialect])
    settings = fix.SessionSettings(str(path))
    client = Listener(name)
    initiator = fix.SocketInitiator(client, fix.FileStoreFactory(settings), settings)
    initiator.start()
    assert client.logged_on.wait(60), "no logon"
    begin = "FIX.4.4" if dialect == "FIX.4.4" else "FIXT.1.1"
    session = fix.SessionID(begin, name, "RIALTO")
    wanted = (
        "262=q\x01263=1\x01264=0\x01265=1\x01267=2\x01269=0\x01269=1\x01146=1\x0155=BTC-USD\x01"
    )
    requests = [
        ("V", wanted),
        ("x", "320=x\x01559=4\x01"),
        ("e", "324=e\x0155=BTC-USD\x01263=1\x01"),
    ]
    for number, (kind, body) in enumerate(requests, 1):
        fix.Session.sendToTarget(request(begin, kind, body), session)
        deadline = time.monotonic() + 60
        while len(client.heard) < number and time.monotonic() < deadline:
            time.sleep(0.02)
    print(json.dumps({"told": client.heard, "rejected": client.rejected}), flush=True)  # noqa: T201
    initiator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
