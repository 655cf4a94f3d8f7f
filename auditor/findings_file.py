"""The findings on disk, in a chain of hashes: known until somebody acknowledges them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from auditor.findings import Check, Finding
from runtime.chained_lines import ChainedLines

log = structlog.get_logger()

WRITTEN_MAX = 10_000
"""Findings written while none is acknowledged; more are counted and logged, and not written."""

_KEYS_KEPT = 2 * WRITTEN_MAX


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody has seen all findings so far: who, when, and what came of it."""

    acknowledged: int
    by: str
    why: str
    at_ns: int


class FindingsFile:
    """``findings.jsonl``: one line for each finding or acknowledgement."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            ChainBrokenError: the file is not as it was written.
        """
        self._lines = ChainedLines(path)
        self._known: dict[tuple[Check, int, str], None] = {}
        self._size = -1
        self.open: list[Finding] = []
        """Findings since the last acknowledgement."""
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process added, such as an acknowledgement."""
        path = self._lines.path
        size = path.stat().st_size if path.exists() else 0
        if size == self._size:
            return
        self._size = size
        self.open.clear()
        for line in self._lines.read():
            if b'"acknowledged"' in bytes(line.body)[:20]:
                self.open.clear()
                continue
            finding = msgspec.json.decode(line.body, type=Finding)
            self._remember(finding)
            self.open.append(finding)

    def add(self, findings: Sequence[Finding]) -> list[Finding]:
        """Write what is new, durably; return it. What a repeated look finds again is not new."""
        fresh = []
        for finding in findings:
            if not self._remember(finding):
                continue
            fresh.append(finding)
            if len(self.open) < WRITTEN_MAX:
                self._write(finding)
                self.open.append(finding)
        return fresh

    def _write(self, finding: Finding) -> None:
        try:
            self._lines.append(finding)
            self._size = self._lines.path.stat().st_size
        except OSError as error:
            # It is logged and acted on all the same, and found again after a restart.
            log.critical("finding_not_written", reason=error.strerror, check=finding.check)

    def acknowledge(self, *, by: str, why: str, at_ns: int) -> int:
        """Say that everything so far was seen; return how many findings were open."""
        self.refresh()
        count = len(self.open)
        self._lines.append(Acknowledgement(acknowledged=count, by=by, why=why, at_ns=at_ns))
        self.open.clear()
        return count

    def _remember(self, finding: Finding) -> bool:
        key = (finding.check, finding.number, finding.text)
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > _KEYS_KEPT:
            del self._known[next(iter(self._known))]
        return True
