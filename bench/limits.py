"""What the machine itself takes: nothing that syncs or speaks over a socket can be quicker."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from exchange.demo.latency import LatencyHistogram

SYNC_BYTES: Final = 4096
MESSAGE_BYTES: Final = 200

_ECHO: Final = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(4096):
            connection.sendall(data)
"""


def bare_sync(folder: Path, count: int) -> LatencyHistogram:
    """Write and fdatasync 4 KiB, again and again, into a file that has its size already."""
    latency = LatencyHistogram()
    path = folder / "bare-sync"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, bytes(count * SYNC_BYTES))
        os.fsync(descriptor)
        for number in range(count):
            begun = time.perf_counter_ns()
            os.pwrite(descriptor, b"x" * SYNC_BYTES, number * SYNC_BYTES)
            os.fdatasync(descriptor)
            latency.record(time.perf_counter_ns() - begun)
    finally:
        os.close(descriptor)
        path.unlink()
    return latency


def bare_round_trip(count: int) -> LatencyHistogram:
    """Bounce bytes of an order's size off a process that does nothing else, over loopback TCP."""
    latency = LatencyHistogram()
    with subprocess.Popen([sys.executable, "-c", _ECHO], stdout=subprocess.PIPE) as echo:
        assert echo.stdout is not None
        port = int(echo.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                begun = time.perf_counter_ns()
                connection.sendall(b"x" * MESSAGE_BYTES)
                left = MESSAGE_BYTES
                while left:
                    left -= len(connection.recv(left))
                latency.record(time.perf_counter_ns() - begun)
    return latency
