"""The environment in ``.venv`` and the native core: how they are made, when they are right."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from bootstrap import quickfix_wheel
from bootstrap.console import SetupError, say
from bootstrap.native_core import NativeCore

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Needs(enum.Enum):
    """How much of the environment a command needs, by the name of its lock file."""

    RUNNING = "runtime"
    DEVELOPMENT = "dev"


class Environment:
    """The virtual environment of one checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.requirements = root / "requirements"
        self._stamp = self.folder / "rialto-stamp"
        self._core = NativeCore(root)

    def ensure(self, needs: Needs) -> None:
        """Make the environment unless what is there already matches the locks.

        Raises:
            SetupError: the machine lacks something, or an installation failed.
        """
        if self._is_ready(needs) and self._core.is_built():
            return
        check_machine()
        with _exclusive(self.requirements) as lock:
            if not self._is_ready(needs):  # another run may have made it meanwhile
                self._make(needs)
            if not self._core.is_built():
                self._core.build(self.python, lock=lock)

    def become(self, module: str, arguments: Sequence[str]) -> NoReturn:
        """Replace this process by ``python -m module``, in the caller's working directory."""
        os.environ["PYTHONPATH"] = str(self.root)
        # -P keeps the working directory off the module path: a folder there that happens
        # to be called `messages` must not become part of the venue.
        command = [str(self.python), "-P", "-m", module, *arguments]
        os.execv(self.python, command)  # noqa: S606  # the shell is what must not be there

    def _is_ready(self, needs: Needs) -> bool:
        try:
            lines = self._stamp.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return self._stamp_line(needs) in lines and self.python.exists()

    def _stamp_line(self, needs: Needs) -> str:
        digest = hashlib.sha256()
        for name in (needs.value, "quickfix"):
            digest.update((self.requirements / f"{name}.txt").read_bytes())
        return f"{needs.value} {PYTHON_VERSION} {digest.hexdigest()}"

    def _make(self, needs: Needs) -> None:
        started = time.monotonic()
        # The stamp goes first: an installation that is cut short must not look finished.
        self._stamp.unlink(missing_ok=True)
        if not self._is_usable():
            say("making .venv")
            shutil.rmtree(self.folder, ignore_errors=True)
            # A process of its own, because venv copies the paths of the process it runs in.
            self._run([sys.executable, "-m", "venv", str(self.folder)])
        say("installing the locked dependencies")
        lock = self.requirements / f"{needs.value}.txt"
        # Wheels only: building a source archive would run code that no lock names.
        self._pip("install", "--require-hashes", "--only-binary=:all:", "--requirement", str(lock))
        wheel = quickfix_wheel.cached_wheel(self.requirements / "quickfix.txt", self.python)
        # No hash for this one: it was built here, from a source whose hash was checked.
        self._pip("install", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
        # Development contains everything that running needs.
        satisfied = (Needs.RUNNING, needs)
        self._stamp.write_text("".join(f"{self._stamp_line(each)}\n" for each in satisfied))
        say(f"the environment is ready ({time.monotonic() - started:.0f} s)")

    def _is_usable(self) -> bool:
        try:
            settings = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8")
        except FileNotFoundError:
            return False
        return f"version = {PYTHON_VERSION}." in settings and self.python.exists()

    def _pip(self, *arguments: str) -> None:
        self._run(
            [
                *(str(self.python), "-m", "pip", "--quiet", "--no-input"),
                *("--disable-pip-version-check", *arguments),
            ]
        )

    def _run(self, command: Sequence[str]) -> None:
        # Standard output belongs to the command that the user asked for.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise SetupError(f"failed with exit code {done.returncode}: {' '.join(command)}")


def check_machine() -> None:
    """Say everything that this machine lacks at once, with the command that installs it.

    Raises:
        SetupError: something is missing.
    """
    missing: dict[str, str] = {}
    # Debian ships them apart from Python.
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        missing["python3-venv"] = "Python's venv and ensurepip"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        missing["python3-dev"] = f"the C headers of Python {PYTHON_VERSION} (Python.h)"
    if shutil.which(os.environ.get("CXX") or "g++") is None:
        missing["g++"] = "a C++ compiler (g++)"
    if missing:
        privilege = "" if os.geteuid() == 0 else "sudo "
        raise SetupError(
            f"this machine lacks {', '.join(missing.values())}.\n"
            "On Debian or Ubuntu, install what is missing with:\n"
            f"    {privilege}apt-get update && {privilege}apt-get install -y {' '.join(missing)}"
        )


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder; gives its descriptor."""
    # The folder itself is locked, so no lock file is left in the checkout.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is making the environment; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
