"""The state directory: where everything of one venue lives, and how its processes find each other.

::

    venue/journal  venue/events  venue/snapshots      the market, by the core and its follower
    postgres/                                         the embedded server's data
    fix/                                              QuickFIX's store and our position in it
    secrets/                                          one file each, readable by the owner only
    secrets/fix/                                      the keys of each FIX session
    secrets/operators/                                who operates, and their tokens
    auditor/                                          its pictures and findings
    approvals/                                        what operators proposed to one another
    run/                                              sockets, locks, one page about each process
    logs/
"""

import fcntl
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from runtime.process import EXIT_CONFIGURATION, EXIT_IN_USE, is_alive

UNIX_PATH_BYTES_MAX = 100
"""What fits the kernel's socket address (108 bytes), with a margin."""


class StateError(Exception):
    """The state directory cannot be used; the operator's to mend."""

    exit_code = EXIT_CONFIGURATION


class StateInUseError(StateError):
    """Another supervisor has this state directory."""

    exit_code = EXIT_IN_USE

    def __init__(self, directory: Path, pid: int) -> None:
        super().__init__(f"{directory} is in use by process {pid}")
        self.pid = pid


class ProcessPage(msgspec.Struct, frozen=True, kw_only=True):
    """What a running process says of itself in ``run/<name>.json``."""

    name: str
    pid: int
    started_at_ns: int
    addresses: dict[str, str]
    metrics_port: int = 0


class State:
    """The paths of one state directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.venue = self.root / "venue"
        self.postgres = self.root / "postgres"
        self.fix = self.root / "fix"
        self.secrets = self.root / "secrets"
        self.fix_keys = self.secrets / "fix"
        self.operators = self.secrets / "operators"
        self.proposals = self.root / "admin" / "proposals"
        self.auditor = self.root / "auditor"
        self.admin_record = self.root / "admin" / "record.jsonl"
        self.signing_key = self.secrets / "venue-signing.key"
        self.run = self.root / "run"
        self.logs = self.root / "logs"

    def prepare(self) -> None:
        """Make what is missing; repeating it is harmless."""
        self.root.mkdir(parents=True, exist_ok=True)
        for directory in (self.venue, self.fix, self.secrets, self.run, self.logs):
            directory.mkdir(mode=0o700, exist_ok=True)

    @property
    def core_socket(self) -> Path:
        """Where the core's Unix socket is."""
        return self.socket("core.sock")

    @property
    def market_data_socket(self) -> Path:
        """Where market data is asked and followed."""
        return self.socket("market_data.sock")

    def socket(self, name: str) -> Path:
        """Say where a Unix socket is: here, or in a short place where our path is too long."""
        path = self.run / name
        if len(os.fsencode(path)) <= UNIX_PATH_BYTES_MAX:
            return path
        short = Path(tempfile.gettempdir()) / f"rialto-{os.getuid()}"
        short.mkdir(mode=0o700, exist_ok=True)
        status = short.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise StateError(f"{short}: not a directory of ours alone, and the socket goes there")
        of_ours = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
        return short / f"{of_ours}.sock"

    def token(self, principal: str) -> bytes:
        """Return a principal's secret, made on first use."""
        return bytes.fromhex(self.secret(f"{principal}.token", secrets.token_hex(32)))

    def secret(self, name: str, fresh: str) -> str:
        """Return the secret in a file, which gets the fresh one when it is not there yet.

        The file appears whole or not at all, also between two processes that ask at once.
        """
        path = self.secrets / name
        if not path.exists():
            unfinished = path.with_name(f".{name}.{os.getpid()}.{secrets.token_hex(4)}")
            handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(fresh + "\n")
            try:
                os.link(unfinished, path)
            except FileExistsError:
                pass  # another process was first: its secret is the one
            finally:
                unfinished.unlink()
        secret = path.read_text().strip()
        if not secret:
            raise StateError(f"{path}: empty, and nobody is let in without a secret")
        if path.stat().st_mode & 0o077:
            raise StateError(
                f"{path}: others may read it; chmod 600 it, or delete it for a new one"
            )
        return secret

    def announce(self, page: ProcessPage) -> None:
        """Write a process's page, whole or not at all."""
        path = self.run / f"{page.name}.json"
        unfinished = path.with_suffix(f".{page.pid}")
        unfinished.write_bytes(msgspec.json.encode(page) + b"\n")
        unfinished.replace(path)

    def page(self, name: str) -> ProcessPage | None:
        """Return the page of a process that is alive; None when there is none."""
        try:
            data = (self.run / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return None
        page = msgspec.json.decode(data, type=ProcessPage)
        return page if is_alive(page.pid) else None

    def publish_troubles(self, troubles: dict[str, str]) -> None:
        """Write why processes that should run do not, by their names."""
        unfinished = self.run / f"troubles.{os.getpid()}"
        unfinished.write_bytes(msgspec.json.encode(troubles) + b"\n")
        unfinished.replace(self.run / "troubles.json")

    def troubles(self) -> dict[str, str]:
        """Return what the supervisor wrote last."""
        try:
            return msgspec.json.decode(
                (self.run / "troubles.json").read_bytes(), type=dict[str, str]
            )
        except FileNotFoundError:
            return {}

    def withdraw(self, name: str) -> None:
        """Take a process's page away."""
        (self.run / f"{name}.json").unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory for one supervisor.

        Raises:
            StateInUseError: another one has it.
        """
        with (self.run / "supervisor.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StateInUseError(self.root, int(lock.read().strip() or 0)) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
            lock.truncate(0)

    def is_held(self) -> bool:
        """Say whether a supervisor has the directory, so that what is away may come back."""
        try:
            with (self.run / "supervisor.lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False
