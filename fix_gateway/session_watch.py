"""What changes among the sessions' files while the gateway runs.

New sessions are taken in, changed files hold from then on, and who has no file any more is logged
out. What cannot change in a running gateway (a session's number, kind and dialect) is said and
left as it was until the next start.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from fix_gateway.settings import SessionFile, read_sessions
from runtime.toml import SettingsError

log = structlog.get_logger()

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(slots=True)
class Changes:
    """What is to be done, by comp id."""

    added: dict[str, SessionFile] = field(default_factory=dict)
    changed: dict[str, SessionFile] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    kept_back: list[str] = field(default_factory=list)
    """Changed in what a running gateway cannot change."""

    def __bool__(self) -> bool:
        """Whether there is anything to do or to say."""
        return bool(self.added or self.changed or self.removed or self.kept_back)


def is_same_session(before: SessionFile, file: SessionFile) -> bool:
    """Say whether two files agree in what cannot change in a running gateway."""
    return (before.id, before.kind, before.dialect) == (file.id, file.kind, file.dialect)


def compare(known: Mapping[str, SessionFile], files: Mapping[str, SessionFile]) -> Changes:
    """Say what differs between the sessions of the gateway and their files.

    Args:
        known: what the gateway goes by, by comp id.
        files: what the files say now, by comp id.
    """
    found = Changes(removed=[name for name in known if name not in files])
    for name, file in files.items():
        before = known.get(name)
        if before is None:
            found.added[name] = file
        elif file != before:
            if is_same_session(before, file):
                found.changed[name] = file
            else:
                found.kept_back.append(name)
    return found


class SessionWatch:
    """Reads the files again whenever they change."""

    def __init__(
        self,
        directory: Path,
        *,
        seconds: float,
        known: Callable[[], Mapping[str, SessionFile]],
        is_market_data: bool = False,
    ) -> None:
        """Keep where to look.

        Args:
            directory: of the files.
            seconds: between two looks.
            known: returns what the gateway goes by.
            is_market_data: whether to look at sessions of that kind alone, or at all others.
        """
        self._directory = directory
        self._seconds = seconds
        self._known = known
        self._is_market_data = is_market_data
        self._stamp: Stamp = ()

    async def next_changes(self) -> Changes:
        """Wait until something changed; files that cannot be read change nothing."""
        while True:
            stamp = await asyncio.to_thread(_stamp_of, self._directory)
            if stamp != self._stamp:
                self._stamp = stamp
                changes = await asyncio.to_thread(self._read)
                if changes:
                    return changes
            await asyncio.sleep(self._seconds)

    def _read(self) -> Changes:
        try:
            files = read_sessions(self._directory)
        except (SettingsError, OSError) as error:
            log.error("sessions_not_read", reason=str(error))  # noqa: TRY400
            return Changes()
        ours = {
            file.sender_comp_id: file
            for file in files.values()
            if (file.kind == "market_data") == self._is_market_data
        }
        return compare(self._known(), ours)


def _stamp_of(directory: Path) -> Stamp:
    found = []
    for path in sorted(directory.glob("*.toml")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found.append((path.name, status.st_mtime_ns, status.st_ino))
    return tuple(found)
