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
CLOCK_READS: Final = 200_000

_ECHO: Final = """
import socket, sys
if len(sys.argv) > 1:
    server = socket.socket(socket.AF_UNIX)
    server.bind(sys.argv[1])
    server.listen()
    print(0, flush=True)
else:
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
with connection:
    if len(sys.argv) == 1:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(4096):
        connection.sendall(data)
"""


def clock_read_ns() -> float:
    """Return what reading the clock takes, in nanoseconds: the floor of every other figure."""
    clock = time.perf_counter_ns
    begun = clock()
    for _ in range(CLOCK_READS):
        clock()
    return (clock() - begun) / CLOCK_READS


def bare_sync(folder: Path, count: int) -> LatencyHistogram:
    """Write and fdatasync 4 KiB, again and again, into a file that has its size already."""
    path = folder / "bare-sync"
    path.write_bytes(bytes(count * SYNC_BYTES))
    return _write_and_sync(path, count)


def bare_append(folder: Path, count: int) -> LatencyHistogram:
    """Append and fdatasync 4 KiB, again and again: the file's length is synced with it."""
    path = folder / "bare-append"
    path.touch()
    return _write_and_sync(path, count)


def _write_and_sync(path: Path, count: int) -> LatencyHistogram:
    latency = LatencyHistogram()
    descriptor = os.open(path, os.O_RDWR)
    try:
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


def bare_round_trip(count: int, unix_folder: Path | None = None) -> LatencyHistogram:
    """Bounce bytes of an order's size off a process that does nothing else.

    Args:
        count: how often.
        unix_folder: where to make a Unix socket; None for loopback TCP.
    """
    latency = LatencyHistogram()
    path = [] if unix_folder is None else [str(unix_folder / "bare-echo.sock")]
    command = [sys.executable, "-c", _ECHO, *path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as echo:
        assert echo.stdout is not None
        port = int(echo.stdout.readline())
        with _connected(port, *path) as connection:
            for _ in range(count):
                begun = time.perf_counter_ns()
                connection.sendall(b"x" * MESSAGE_BYTES)
                left = MESSAGE_BYTES
                while left:
                    left -= len(connection.recv(left))
                latency.record(time.perf_counter_ns() - begun)
    return latency


def _connected(port: int, path: str | None = None) -> socket.socket:
    if path is not None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
