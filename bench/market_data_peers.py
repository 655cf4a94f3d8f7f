"""The subscribers of ``./rialto bench market-data``, in a process of their own.

    python -m bench.market_data_peers HOST PORT KEYS SESSIONS SYMBOLS

Logs every session on, subscribes each to every symbol, says ``ready``, and answers each line on
its input with the messages, updates and bytes received so far.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

from exchange.demo.logon_proof import LogonKey, read_key

_LOGON_SECONDS_MAX = 30.0


class Subscriber(asyncio.Protocol):
    """One session that counts what it is told."""

    def __init__(self, name: str, symbols: list[str], key: LogonKey) -> None:
        self.messages = self.entries = self.bytes = 0
        self.whole = asyncio.get_running_loop().create_future()
        """Done when a book of every symbol has come."""
        self._name, self._symbols, self._key = name, symbols, key
        self._number = self._books = 0
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log on and subscribe at once."""
        self._transport = cast(asyncio.Transport, transport)
        self._send("A", "98=0\x01108=300\x01141=Y\x01")

    def data_received(self, data: bytes) -> None:
        """Count whole messages, entries by their sequences."""
        data = self._rest + data
        end = data.rfind(b"\x0110=")
        if end < 0 or len(data) < end + 8:
            end = data.rfind(b"\x0110=", 0, max(end, 0))
        taken = data[: end + 8] if end >= 0 else b""
        self._rest = data[len(taken) :]
        if not taken:
            return
        self.bytes += len(taken)
        self.messages += taken.count(b"\x0110=")
        self.entries += taken.count(b"\x01279=")
        if not self.whole.done():
            self._begin(taken)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Fail whoever waits."""
        if not self.whole.done():
            self.whole.set_exception(ConnectionError(f"{self._name} was cut off"))

    def _begin(self, taken: bytes) -> None:
        if b"\x0135=A\x01" in taken:
            symbols = "".join(f"55={symbol}\x01" for symbol in self._symbols)
            self._send(
                "V",
                "262=all\x01263=1\x01264=0\x01265=1\x01267=3\x01269=0\x01269=1\x01269=2\x01"
                f"146={len(self._symbols)}\x01{symbols}",
            )
        self._books += taken.count(b"\x0135=W\x01")
        if self._books >= len(self._symbols):
            self.whole.set_result(None)

    def _send(self, kind: str, body: str) -> None:
        self._number += 1
        now = time.time_ns()
        stamp = time.strftime("%Y%m%d-%H:%M:%S.", time.gmtime(now // 10**9))
        stamp += f"{now // 10**6 % 1000:03d}"
        if kind == "A":
            proof = self._key.fields(
                sender=self._name, target="RIALTO", number=self._number, sending_time=stamp
            )
            body += "".join(f"{tag}={value}\x01" for tag, value in proof)
        text = (
            f"35={kind}\x0149={self._name}\x0156=RIALTO\x0134={self._number}\x01"
            f"52={stamp}\x01{body}"
        )
        framed = f"8=FIX.4.4\x019={len(text)}\x01{text}".encode()
        assert self._transport is not None, "connected"
        self._transport.write(b"%b10=%03d\x01" % (framed, sum(framed) & 255))


async def serve(host: str, port: int, keys: Path, sessions: int, symbols: list[str]) -> None:
    """Subscribe, and answer until the input ends."""
    loop = asyncio.get_running_loop()
    subscribers: list[Subscriber] = []
    for number in range(1, sessions + 1):
        name = f"MD{number:03d}"
        one = Subscriber(name, symbols, read_key(keys / f"{name}.json"))
        await loop.create_connection(lambda one=one: one, host, port)  # type: ignore[misc]
        subscribers.append(one)
        async with asyncio.timeout(_LOGON_SECONDS_MAX):
            await one.whole
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        counts = {
            "messages": sum(each.messages for each in subscribers),
            "entries": sum(each.entries for each in subscribers),
            "bytes": sum(each.bytes for each in subscribers),
        }
        print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    where, at, ring, count, *names = sys.argv[1:]
    uvloop.run(serve(where, int(at), Path(ring), int(count), names))
