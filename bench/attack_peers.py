"""The hostile side of ``bench attacks``: one attack a process, over plain sockets.

``python -m bench.attack_peers NAME HOST PORT SECONDS KEYS`` attacks, and prints what came of it.
"""

import contextlib
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from exchange.demo.logon_proof import LogonKey, read_key

ATTACKER: Final = "BENCH2"
VICTIM: Final = "BENCH1"
TARGET: Final = "RIALTO"
_STORED_ORDERS: Final = 2000
_FULL_RATE: Final = 2000
_BATCH: Final = 20
_RETRY_SECONDS: Final = 0.001


class Peer:
    """One hostile connection."""

    def __init__(self, host: str, port: int, *, source: str = "127.0.0.1") -> None:
        self.line = socket.create_connection((host, port), timeout=5, source_address=(source, 0))
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = 0

    def message(
        self, kind: str, body: str = "", *, number: int = 0, sender: str = ATTACKER
    ) -> bytes:
        """Encode a message under the next number, or under another."""
        if not number:
            self.number += 1
        header = f"35={kind}|34={number or self.number}|49={sender}|52={now()}|56={TARGET}|"
        return framed(header + body)

    def log_on(self, key: LogonKey, *, sender: str = ATTACKER, is_reset: bool = True) -> bytes:
        """Send a Logon and return the answer."""
        self.line.sendall(logon(key, sender=sender, is_reset=is_reset))
        self.number = 1
        return self.line.recv(65536)

    def close(self) -> None:
        """Go away."""
        self.line.close()


def now() -> str:
    """Return the present as FIX writes it."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def framed(text: str) -> bytes:
    """Make a message of its fields; ``|`` stands for SOH."""
    body = text.replace("|", "\x01").encode("latin-1")
    head = b"8=FIX.4.4\x019=%d\x01" % len(body)
    return head + body + b"10=%03d\x01" % (sum(head + body) % 256)


def logon(key: LogonKey, *, sender: str = ATTACKER, is_reset: bool = True) -> bytes:
    """Make a Logon."""
    at = now()
    fields = key.fields(sender=sender, target=TARGET, number=1, sending_time=at)
    proof = "".join(f"{tag}={value}|" for tag, value in fields)
    reset = "141=Y|" if is_reset else ""
    return framed(f"35=A|34=1|49={sender}|52={at}|56={TARGET}|98=0|108=30|{reset}{proof}")


def order(name: str) -> str:
    """Make the body of an order that rests."""
    account = f"1={ATTACKER}-M|"
    return f"11={name}|{account}55=BTC-USD|54=1|38=0.001|40=2|44=58000.00|59=1|60={now()}|"


class Attack:
    """Where to, for how long, and with which key of the attacker's own session."""

    def __init__(self, host: str, port: int, seconds: float, keys: Path) -> None:
        self._place = host, port
        self._until = time.monotonic() + seconds
        self._key = read_key(keys / f"{ATTACKER}.json")
        self.done = 0

    def is_on(self) -> bool:
        """Say whether it is still time."""
        return time.monotonic() < self._until

    def peer(self, *, source: str = "127.0.0.1") -> Peer:
        """Connect."""
        return Peer(*self._place, source=source)

    def insider(self) -> Peer:
        """Connect and log on as the attacker's own session."""
        for _ in range(50):
            peer = self.peer()
            if b"\x0135=A\x01" in peer.log_on(self._key):
                return peer
            peer.close()
            time.sleep(0.1)
        raise SystemExit("the attacker's own session was not let in")

    def _each(self, act: Callable[[], None], *, pause: float) -> None:
        while self.is_on():
            with contextlib.suppress(OSError):
                act()
            self.done += 1
            time.sleep(pause)

    def connections(self) -> None:
        """Connect from many addresses and say nothing, 200 at a time."""
        held: list[Peer] = []
        while self.is_on():
            with contextlib.suppress(OSError):
                held.append(self.peer(source=f"127.0.1.{1 + self.done % 200}"))
            self.done += 1
            if len(held) > 200:
                held.pop(0).close()
            time.sleep(0.002)

    def drip(self) -> None:
        """Begin a Logon byte by byte on ten connections."""
        while self.is_on():
            peers = [self.peer(source=f"127.0.2.{n}") for n in range(1, 11)]
            for byte in b"8=FIX.4.4\x019=200\x0135=A\x01" + b"x" * 60:
                if not self.is_on():
                    break
                for peer in peers:
                    with contextlib.suppress(OSError):
                        peer.line.sendall(bytes([byte]))
                        self.done += 1
                time.sleep(0.1)
            for peer in peers:
                peer.close()

    def huge_length(self) -> None:
        """Announce two gigabytes, and send."""

        def act() -> None:
            peer = self.peer()
            with contextlib.closing(peer):
                peer.line.sendall(b"8=FIX.4.4\x019=2147483000\x01" + b"x" * 1_000_000)

        self._each(act, pause=0.01)

    def garbage(self) -> None:
        """Send bytes that are nothing."""

        def act() -> None:
            peer = self.peer()
            with contextlib.closing(peer):
                peer.line.sendall(bytes(range(256)) * 256)

        self._each(act, pause=0.01)

    def logon_flood(self) -> None:
        """Log on with signatures that are wrong, under names that are and are not there."""
        wrong = LogonKey("x-1", "ed25519", bytes(32))

        def act() -> None:
            peer = self.peer(source=f"127.0.3.{1 + self.done % 250}")
            with contextlib.closing(peer):
                peer.log_on(wrong, sender=VICTIM if self.done % 2 else f"X{self.done}")

        self._each(act, pause=0.002)

    def stolen_reset(self) -> None:
        """Ask for a reset of the victim's numbers without its key."""
        wrong = LogonKey(f"{VICTIM}-1", "hmac-sha256", bytes(32))

        def act() -> None:
            peer = self.peer(source=f"127.0.4.{1 + self.done % 250}")
            with contextlib.closing(peer):
                peer.log_on(wrong, sender=VICTIM)

        self._each(act, pause=0.01)

    def replayed_logon(self) -> None:
        """Send one recorded Logon again and again."""
        recorded = logon(self._key)

        def act() -> None:
            peer = self.peer(source=f"127.0.5.{1 + self.done % 250}")
            with contextlib.closing(peer):
                peer.line.sendall(recorded)
                peer.line.recv(4096)

        self._each(act, pause=0.01)

    def crowd_of_one_address(self) -> None:
        """Connect 200 times from one address and hold on, sending nothing."""
        held: list[Peer] = []
        while self.is_on():
            with contextlib.suppress(OSError):
                held.append(self.peer(source="127.0.6.1"))
            self.done += 1
            if len(held) > 200:
                held.pop(0).close()
            time.sleep(0.002)

    def before_the_logon(self) -> None:
        """Send orders and resets on connections that never log on."""

        def act() -> None:
            peer = self.peer(source=f"127.0.7.{1 + self.done % 250}")
            with contextlib.closing(peer):
                peer.line.sendall(peer.message("D", order("early"), sender=VICTIM))
                peer.line.sendall(peer.message("4", "36=1|", sender=VICTIM))
                peer.line.recv(4096)

        self._each(act, pause=0.005)

    def half_messages(self) -> None:
        """Log on, and leave a message unfinished."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                peer.line.sendall(peer.message("D", order("half"))[:-20])
                peer.line.recv(4096)

        self._each(act, pause=0.2)

    def wrong_checksums(self) -> None:
        """Log on, and send messages whose checksum is wrong."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                for _ in range(200):
                    peer.line.sendall(peer.message("D", order("bad"))[:-4] + b"999\x01")

        self._each(act, pause=0.2)

    def ten_thousand_fields(self) -> None:
        """Log on, and send a message of ten thousand fields."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                peer.line.sendall(peer.message("D", "58=x|" * 10_000))
                peer.line.recv(4096)

        self._each(act, pause=0.2)

    def gap_flood(self) -> None:
        """Log on, leave a gap of a million, and flood beyond it."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                for number in range(1_000_000, 1_010_000):
                    peer.line.sendall(peer.message("D", order(f"g{number}"), number=number))

        self._each(act, pause=0.2)

    def numbers_too_low(self) -> None:
        """Log on, and use a number that was used, again and again."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                peer.line.sendall(peer.message("0") + peer.message("0", number=1))
                peer.line.recv(4096)

        self._each(act, pause=0.05)

    def possible_duplicates(self) -> None:
        """Log on, and send one order again and again with PossDupFlag."""
        again = f"43=Y|122={now()}|"

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                peer.line.sendall(peer.message("D", order(f"d{time.time_ns()}")))
                while self.is_on():
                    peer.line.sendall(peer.message("D", again + order("d"), number=2) * 50)
                    self.done += 50

        self._each(act, pause=0.2)

    def possible_resends(self) -> None:
        """Log on, and send one order under ever new numbers with PossResend."""

        def act() -> None:
            peer, name = self.insider(), str(time.time_ns())
            with contextlib.closing(peer):
                while self.is_on():
                    for _ in range(100):
                        peer.line.sendall(peer.message("D", "97=Y|" + order(name)))
                        self.done += 1
                    peer.line.recv(1 << 20)

        self._each(act, pause=0.2)

    def resend_storm(self) -> None:
        """Log on, let reports gather, ask for all of them again and again, and do not read."""
        peer = self.insider()
        peer.line.settimeout(1)
        for number in range(_STORED_ORDERS):
            peer.line.sendall(peer.message("D", order(f"{time.time_ns()}-{number}")))
            if number % 100 == 99:
                with contextlib.suppress(TimeoutError):
                    peer.line.recv(1 << 20)
        with contextlib.suppress(OSError):
            while self.is_on():
                peer.line.sendall(peer.message("2", "7=1|16=0|"))
                self.done += 1
                time.sleep(0.005)
        peer.close()

    def replays(self) -> None:
        """Log on, and have the event log told from its beginning, again and again (BW)."""
        peer = self.insider()
        peer.line.settimeout(1)
        with contextlib.closing(peer), contextlib.suppress(ConnectionError):
            while self.is_on():
                self.done += 1
                request = f"1346=r{self.done}|1347=0|1351=1|1355=ORDERS|1182=0|1183=0|"
                peer.line.sendall(peer.message("BW", request))
                heard = b""
                while self.is_on() and b"\x0135=BY\x01" not in heard:
                    with contextlib.suppress(TimeoutError):
                        heard = heard[-64:] + peer.line.recv(1 << 20)

    def slow_reader(self) -> None:
        """Log on, ask a great deal, and read nothing of the answers."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                while self.is_on():
                    peer.line.sendall(peer.message("H", "11=none|55=BTC-USD|54=1|"))

        self._each(act, pause=0.2)

    def message_flood(self) -> None:
        """Log on, and send orders as fast as they are taken, reading the answers."""

        def act() -> None:
            peer = self.insider()
            with contextlib.closing(peer):
                while self.is_on():
                    for _ in range(100):
                        peer.line.sendall(peer.message("D", order(str(time.time_ns()))))
                        self.done += 1
                    peer.line.recv(1 << 20)

        self._each(act, pause=0.2)

    def full_rate(self) -> None:
        """Log on, and send 2000 orders a second evenly, reading the answers; no offence at all."""
        peer = self.insider()
        peer.line.settimeout(0)
        due = time.monotonic()
        with contextlib.closing(peer), contextlib.suppress(ConnectionError):
            while self.is_on():
                batch = b"".join(
                    peer.message("D", order(f"r{time.time_ns()}-{number}"))
                    for number in range(_BATCH)
                )
                self._send_reading(peer, batch)
                self.done += _BATCH
                due += _BATCH / _FULL_RATE
                time.sleep(max(0.0, due - time.monotonic()))

    def _send_reading(self, peer: Peer, data: bytes) -> None:
        """Send all, reading meanwhile: who did not would stop itself."""
        while data and self.is_on():
            with contextlib.suppress(BlockingIOError):
                while peer.line.recv(1 << 16):
                    pass
            with contextlib.suppress(BlockingIOError):
                data = data[peer.line.send(data) :]
            if data:
                time.sleep(_RETRY_SECONDS)


NAMES: Final = tuple(
    name for name, value in vars(Attack).items() if callable(value) and not name.startswith("_")
    and name not in ("is_on", "peer", "insider")
)  # fmt: skip


if __name__ == "__main__":
    name, host, port, seconds, keys = sys.argv[1:]
    attack = Attack(host, int(port), float(seconds), Path(keys))
    with contextlib.suppress(OSError):
        getattr(attack, name)()
    print(attack.done)
