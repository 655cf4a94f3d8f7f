"""A first order by hand: log on as INST1, buy a little, read the answers, leave.

    .venv/bin/python docs/examples/first_order.py [HOST PORT [STATE]]

Every run begins its numbers anew (141=Y), because it keeps none; a real client keeps them.
"""

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
        header = [(8, "FIX.4.4"), (35, kind), (49, "INST1"), (56, "RIALTO")]
        message = FixMessage()
        for tag, value in [*header, (34, str(self._number)), (52, now()), *fields]:
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


def main() -> None:
    """Log on, order, log out."""
    secret = Path(STATE, "secrets", "fix-INST1.secret").read_text().strip()
    client = FirstClient()
    client.send("A", (98, "0"), (108, "30"), (141, "Y"), (553, "INST1"), (554, secret))
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
