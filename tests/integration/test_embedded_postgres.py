"""The embedded server: durable, recoverable, alone on its data, and gone when stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from runtime import postgres_processes
from runtime.embedded_postgres import (
    Confinement,
    DataDirectoryBusyError,
    DataDirectoryError,
    Dsn,
    DurabilityError,
    EmbeddedPostgres,
    StartError,
)

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def data_directory() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rialto-test-"))
    folder.chmod(0o711)
    yield folder / "postgres"
    postgres_processes.end_all(folder / "postgres")
    shutil.rmtree(folder)


async def fetch(dsn: Dsn, statement: str) -> object:
    connection = await asyncpg.connect(dsn.url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def mark(dsn: Dsn, number: int) -> None:
    asyncio.run(fetch(dsn, f"create table mark as select {number} as number"))


def marked(dsn: Dsn) -> object:
    return asyncio.run(fetch(dsn, "select number from mark"))


def test_starts_serves_and_stops_without_leaving_a_process(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory)
    dsn = server.start()
    pid = server.pid
    assert pid in postgres_processes.find(data_directory)
    assert asyncio.run(fetch(dsn, "select 1")) == 1

    server.stop()

    assert server.pid is None
    assert postgres_processes.find(data_directory) == []
    assert not (data_directory / "postmaster.pid").exists()
    server.stop()  # harmless


def test_data_survives_a_clean_restart_and_the_port_is_kept(data_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = EmbeddedPostgres(data_directory, port=port)
    first = server.start()
    mark(first, 7)
    server.stop()
    second = server.start()
    try:
        assert (first.port, second.port) == (port, port)
        assert marked(second) == 7
    finally:
        server.stop()


def test_data_survives_a_killed_server(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory)
    mark(server.start(), 8)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    # Not reaped on purpose: a zombie's stale postmaster.pid must not stop the next start.
    successor = EmbeddedPostgres(data_directory)
    server._lock.close()  # type: ignore[union-attr]  # as the kernel does for a dead supervisor
    try:
        assert marked(successor.start()) == 8
    finally:
        successor.stop()
        server.stop()


def test_the_server_of_a_killed_supervisor_is_replaced(data_directory: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from runtime.embedded_postgres import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "server.start()\n"
        "print(server.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(data_directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with supervisor:
        assert supervisor.stdout is not None
        orphan = int(supervisor.stdout.readline())
        supervisor.kill()
    assert orphan in postgres_processes.find(data_directory)

    server = EmbeddedPostgres(data_directory)
    try:
        dsn = server.start()
        assert server.pid != orphan
        assert orphan not in postgres_processes.find(data_directory)
        last_words = data_directory.with_name("postgres.log.previous").read_text()
        assert last_words.rstrip().endswith("database system is shut down")
        assert asyncio.run(fetch(dsn, "select 1")) == 1
    finally:
        server.stop()


def test_a_second_server_on_the_same_data_is_refused_and_the_first_unharmed(
    data_directory: Path,
) -> None:
    server = EmbeddedPostgres(data_directory)
    dsn = server.start()
    try:
        with pytest.raises(DataDirectoryBusyError):
            EmbeddedPostgres(data_directory).start()
        assert asyncio.run(fetch(dsn, "select 1")) == 1
    finally:
        server.stop()


def test_a_stale_pid_file_naming_a_stranger_is_removed_and_the_stranger_left_alone(
    data_directory: Path,
) -> None:
    server = EmbeddedPostgres(data_directory)
    server.start()
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (data_directory / "postmaster.pid").write_text(f"{stranger.pid}\n{data_directory}\n")
        server.start()
        server.stop()
        assert stranger.poll() is None
        stranger.kill()


async def test_the_death_of_the_server_is_noticed(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory)
    await asyncio.to_thread(server.start)
    try:
        assert server.pid is not None
        async with asyncio.timeout(180):
            watch = asyncio.create_task(server.wait_for_exit())
            os.kill(server.pid, signal.SIGKILL)
            assert await watch == -signal.SIGKILL
        assert server.pid is None
    finally:
        await asyncio.to_thread(server.stop)


def test_durable_settings_win_over_configuration_and_a_wrong_one_is_refused(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(data_directory, settings={"fsync": "off", "max_connections": "20"})
    dsn = server.start()
    try:
        assert asyncio.run(fetch(dsn, "show fsync")) == "on"
        assert asyncio.run(fetch(dsn, "show max_connections")) == "20"
        asyncio.run(fetch(dsn, "alter role rialto set synchronous_commit = off"))
    finally:
        server.stop()
    with pytest.raises(DurabilityError, match="synchronous_commit is off"):
        server.start()
    assert postgres_processes.find(data_directory) == []


def test_the_password_is_needed_private_and_never_shown(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory)
    dsn = server.start()
    try:
        password_file = data_directory.with_name("postgres.password")
        assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(data_directory.stat().st_mode) == 0o700
        assert password_file.read_text().strip() == dsn.password
        assert dsn.password not in repr(dsn)
        assert dsn.password not in data_directory.with_name("postgres.log").read_text()
        wrong = Dsn(port=dsn.port, password="wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(fetch(wrong, "select 1"))
        rules = (data_directory / "pg_hba.conf").read_text().splitlines()
        assert not [rule for rule in rules if rule.endswith("trust") and rule[0] != "#"]
    finally:
        server.stop()


async def test_the_socket_beside_the_data_is_served_too(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory)
    dsn = await asyncio.to_thread(server.start)
    try:
        connection = await asyncpg.connect(
            host=str(dsn.socket_directory),
            port=dsn.port,
            user=dsn.user,
            password=dsn.password,
            database=dsn.database,
        )
        assert await connection.fetchval("select inet_server_addr()") is None
        await connection.close()
    finally:
        await asyncio.to_thread(server.stop)


def test_a_path_too_long_for_a_socket_gets_tcp_alone(data_directory: Path) -> None:
    deep = data_directory / ("d" * 100)
    deep.mkdir(parents=True)
    server = EmbeddedPostgres(deep / "postgres")
    dsn = server.start()
    try:
        assert dsn.socket_directory is None
        assert asyncio.run(fetch(dsn, "select 1")) == 1
    finally:
        server.stop()


def test_a_directory_that_is_not_postgres_is_left_alone(data_directory: Path) -> None:
    data_directory.mkdir()
    (data_directory / "precious").write_text("data")
    with pytest.raises(DataDirectoryError, match="no PostgreSQL data directory"):
        EmbeddedPostgres(data_directory).start()
    assert (data_directory / "precious").read_text() == "data"


def test_data_of_another_version_is_refused(data_directory: Path) -> None:
    data_directory.mkdir()
    (data_directory / "PG_VERSION").write_text("15\n")
    with pytest.raises(DataDirectoryError, match="made by PostgreSQL 15"):
        EmbeddedPostgres(data_directory).start()


def test_a_port_in_use_is_named_and_leaves_nothing_running(data_directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = EmbeddedPostgres(data_directory, port=taken.getsockname()[1])
        with pytest.raises(StartError, match="could not bind"):
            server.start()
    assert server.pid is None
    assert postgres_processes.find(data_directory) == []
    server.start()
    server.stop()


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_root_without_user_namespaces_runs_it_as_nobody(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory, confinement=Confinement.NOBODY)
    mark(server.start(), 9)
    assert server.pid is not None
    assert Path("/proc", str(server.pid)).stat().st_uid == 65534
    server.stop()
    # The data is nobody's from now on, and that is noticed without being told.
    again = EmbeddedPostgres(data_directory)
    try:
        assert marked(again.start()) == 9
    finally:
        again.stop()


async def test_every_test_gets_a_database_of_its_own(database: str, postgres: Dsn) -> None:
    connection = await asyncpg.connect(database)
    name = await connection.fetchval("select current_database()")
    await connection.close()
    assert name.startswith("test_")
    assert name != postgres.database
