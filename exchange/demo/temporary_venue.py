"""A venue of the demo's own, in a temporary directory: started, found healthy, stopped, removed.

Errors: ``TemporaryVenueError``, when it does not come up; the message ends with its last words.
"""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange.commands.status import venue_report
from exchange.demo.temporary_config import write_configuration, write_sessions
from exchange.errors import CommandError
from exchange.state import State
from runtime.process import die_with_parent

START_SECONDS_MAX: Final = 300.0
STOP_SECONDS_MAX: Final = 180.0
_POLL_SECONDS: Final = 0.25
_LAST_WORDS_BYTES: Final = 3000
_ROOT: Final = Path(__file__).resolve().parents[2]


class TemporaryVenueError(CommandError):
    """The venue did not come up, or did not stop."""

    exit_code = 69


@dataclass(frozen=True, slots=True)
class Places:
    """Where a venue's three directories are."""

    state: Path
    config: Path
    sessions: Path

    def arguments(self) -> list[str]:
        """Return the options that say so on the command line."""
        return [
            *("--state", str(self.state)),
            *("--config", str(self.config)),
            *("--sessions", str(self.sessions)),
        ]


@asynccontextmanager
async def temporary_venue(
    config: Path,
    sessions: Path,
    *,
    is_recorded: bool = False,
    is_kept: bool = False,
    net: Sequence[str] = (),
) -> AsyncIterator[Places]:
    """Run a venue for as long as the context lasts.

    Args:
        config: the operator's configuration, which is copied with every port free.
        sessions: the counterparties' files, which are copied.
        is_recorded: fit it for the replay of a recording.
        is_kept: leave the directory, for a look at its logs.
        net: sessions whose accounts are to settle net, beside those with credit lines.

    Raises:
        TemporaryVenueError: as the module says.
    """
    root = _new_directory()
    places = Places(root / "state", root / "config", root / "sessions")
    try:
        write_configuration(config, places.config, is_recorded=is_recorded)
        write_sessions(sessions, places.sessions, is_recorded=is_recorded, net=net)
        async with running_venue(places, log_file=root / "up.log"):
            yield places
    finally:
        if not is_kept:
            shutil.rmtree(root)


def _new_directory() -> Path:
    root = Path(tempfile.mkdtemp(prefix="rialto-demo-"))
    root.chmod(0o711)  # PostgreSQL may have to run as nobody, who must get through
    return root


@asynccontextmanager
async def running_venue(places: Places, *, log_file: Path) -> AsyncIterator[None]:
    """Run ``up`` in a process of its own, from healthy to stopped.

    Raises:
        TemporaryVenueError: as the module says.
    """
    with log_file.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "exchange", "up", "--quiet", *places.arguments()),
            cwd=_ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; we then stop the venue
            preexec_fn=die_with_parent,
        )
    try:
        await _wait_until_healthy(process, places, log_file)
        yield
    finally:
        await _stop(process)


async def _wait_until_healthy(
    process: asyncio.subprocess.Process, places: Places, log_file: Path
) -> None:
    state = State(places.state)
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while not await asyncio.to_thread(_is_healthy, state):
                if process.returncode is not None:
                    raise TemporaryVenueError(
                        f"the venue ended with code {process.returncode}:\n"
                        + _last_words(places, log_file)
                    )
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise TemporaryVenueError(
            f"the venue is not healthy after {START_SECONDS_MAX:g} s:\n"
            + _last_words(places, log_file)
        ) from None


def _is_healthy(state: State) -> bool:
    return state.page("fix_gateway") is not None and bool(venue_report(state)["healthy"])


def _last_words(places: Places, log_file: Path) -> str:
    logs = [log_file, *sorted((places.state / "logs").glob("*.log"))]
    return "\n".join(
        f"--- {path.name}\n{path.read_bytes()[-_LAST_WORDS_BYTES:].decode(errors='replace')}"
        for path in logs
        if path.exists()
    )


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise TemporaryVenueError(f"the venue did not stop in {STOP_SECONDS_MAX:g} s") from None
