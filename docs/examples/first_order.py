"""A first order by hand: log on as INST1, buy a little, read the answers, leave.

    .venv/bin/python docs/examples/first_order.py [HOST PORT [STATE]]

Every run begins its numbers anew (141=Y), because it keeps none; a real client keeps them.
"""

import base64
import hashlib
import hmac
import json
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from simplefix import FixMessage, FixParser

HOST, PORT, STATE = [*sys.argv[1:4], *["127.0.0.1", "9878", ".rialto"][len(sys.argv[1:4]) :]]


class FirstClient:
    """Just enough of FIX for one order."""

    def __init__(self) -> None:
        self._line = socket.create_connection((HOST, int(PORT)), timeout=10)
        self._parser = FixParser()
        self._number = 0

    def send(self, kind: str, *fields: tuple[int, str]) -> None:
        """Send a message with its header."""
        self._number += 1
        number, time = str(self._number), now()
        header = [(8, "FIX.4.4"), (35, kind), (49, "INST1"), (56, "RIALTO")]
        if kind == "A":
            fields += tuple(proof("A", "INST1", "RIALTO", number, time))
        message = FixMessage()
        for tag, value in [*header, (34, number), (52, time), *fields]:
            message.append_pair(tag, value)
        self._line.sendall(message.encode())

    def receive(self) -> None:
        """Wait for a message and show it."""
        while (message := self._parser.get_message()) is None:
            data = self._line.recv(4096)
            if not data:
                sys.exit("the venue closed the connection")
            self._parser.append_buffer(data)
        sys.stdout.write(f"{message}\n")


def now() -> str:
    """Return the time as FIX writes it."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def proof(*signed: str) -> list[tuple[int, str]]:
    """Prove a Logon by the shared secret that the venue made for INST1 at its first start."""
    ring = json.loads(Path(STATE, "secrets", "fix", "INST1.json").read_text())
    key = [key for key in ring["keys"] if not key["revoked_at_ns"]][-1]
    secret, payload = base64.b64decode(key["material"]), "\x01".join(signed).encode()
    text = base64.b64encode(hmac.new(secret, payload, hashlib.sha256).digest()).decode()
    return [(553, key["id"]), (95, str(len(text))), (96, text)]


def main() -> None:
    """Log on, order, log out."""
    client = FirstClient()
    client.send("A", (98, "0"), (108, "30"), (141, "Y"))
    client.receive()
    client.send(
        "D",
        (11, f"first-{now()}"),
        (55, "BTC-USD"),
        (54, "1"),  # buy
        (38, "0.01"),
        (40, "2"),  # limit
        (44, "60000"),
        (59, "1"),  # good till cancel
        (60, now()),
    )
    client.receive()
    client.send("5")
    client.receive()


if __name__ == "__main__":
    main()
