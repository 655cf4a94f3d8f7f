"""A whole venue under test: started as its user starts it, with free ports and its own state."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from exchange.children import PROCESSES
from exchange.commands.status import venue_report
from exchange.demo.temporary_config import write_configuration, write_sessions
from exchange.state import State

ROOT = Path(__file__).resolve().parents[2]
OPERATORS = ("ann", "ben")
"""Who operates a venue under test; each with every role."""
HEALTHY_SECONDS_MAX = 300.0
STOP_SECONDS_MAX = 180.0
COMMAND_SECONDS_MAX = 300.0


class VenueRun:
    """One state directory, and the supervisor that runs on it now and then."""

    def __init__(self, directory: Path) -> None:
        self.state = State(directory / "state")
        self.config = directory / "config"
        self.sessions = directory / "sessions"
        self.output = directory / "up.log"
        write_configuration(ROOT / "config", self.config)
        write_sessions(ROOT / "sessions", self.sessions)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of ``./rialto`` to its end."""
        return subprocess.run(
            self._line(*arguments),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
            env=os.environ | {"COLUMNS": "200", "RIALTO_OPERATOR": OPERATORS[0]},
        )

    def done(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        outcome = self.command(*arguments)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    def operated(self, *words: str) -> str:
        """Have an action done that must succeed, by two operators where it takes two."""
        outcome = self.tried(*words)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask for an action, with the other operator's approval where it takes two."""
        asked = self.command("admin", *words, "--reason", "a test of the whole venue")
        found = re.search(r"proposal (\w+):", asked.stdout)
        if found is None:
            return asked
        agrees = ("--as", OPERATORS[1], "--reason", "looked at it")
        return self.command("admin", "approve", found[1], *agrees)

    @contextmanager
    def begun(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run one command of ``./rialto`` beside the block."""
        process = subprocess.Popen(
            self._line(*arguments),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with process:
                yield process
        finally:
            process.kill()

    def start(self) -> None:
        """Start the supervisor and wait until everything is healthy; operators come first."""
        if not self.state.operators.exists():
            self.done("admin", "operators", "found", *OPERATORS)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                self._line("up"), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self.wait_healthy()

    def wait_healthy(self) -> dict[str, Any]:
        """Wait until every process is healthy; return the status report."""
        assert self._process is not None
        deadline = time.monotonic() + HEALTHY_SECONDS_MAX
        while True:
            # Asked here: a command in a process of its own would cost as much as what it waits for.
            if self.state.page("fix_gateway") is not None:
                report = venue_report(self.state)
                if report["healthy"]:
                    return report
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def wait_ended(self) -> int:
        """Wait until the supervisor ends by itself; return its exit code."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS_MAX)

    def pids(self) -> dict[str, int]:
        """Return each running process's id."""
        names = ("postgres", *PROCESSES)
        pages = {name: self.state.page(name) for name in names}
        return {name: page.pid for name, page in pages.items() if page is not None}

    def fix_address(self) -> tuple[str, int]:
        """Return where the FIX acceptor listens, once it does."""
        page = self.state.page("fix_guard")
        if page is None or "fix" not in page.addresses:
            return "127.0.0.1", 0
        host, _, port = page.addresses["fix"].rpartition(":")
        return host, int(port)

    def stop(self) -> int:
        """Ask the supervisor to stop; return its exit code, once no process of it is left."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_SECONDS_MAX)
        self._process = None
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, f"left running: {alive}"
        return code

    def kill_supervisor(self) -> None:
        """End the supervisor without a chance to do anything."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children()
        self._process.kill()
        self._process.wait()
        self._process = None
        ours = [child for child in children if "postgres" not in " ".join(_line_of(child))]
        _, alive = psutil.wait_procs(ours, timeout=60)
        assert not alive, f"orphans: {alive}"

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def said(self) -> str:
        """Return what the supervisor printed."""
        return self.output.read_text()

    def _line(self, *arguments: str) -> list[str]:
        places = ("--state", self.state.root, "--config", self.config, "--sessions", self.sessions)
        return [sys.executable, "-m", "exchange", *arguments, *map(str, places)]


def _line_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@contextmanager
def venue_run(directory: Path) -> Iterator[VenueRun]:
    """Run a venue for the block, and leave nothing of it."""
    directory.chmod(0o711)
    run = VenueRun(directory)
    try:
        yield run
    finally:
        run.end()


async def until(condition: Any, *, seconds_max: float = 180.0) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(seconds_max):
        while not condition():  # noqa: ASYNC110  # what is waited for is another process
            await asyncio.sleep(0.01)
