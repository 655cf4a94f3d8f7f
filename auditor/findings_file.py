"""The findings on disk, in a chain of hashes: known until somebody acknowledges them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import structlog

from auditor.findings import Check, Consequence, Finding
from runtime.chained_lines import ChainedLines

log = structlog.get_logger()

WRITTEN_MAX = 10_000
"""Findings written while none is acknowledged; more are counted and logged, and not written."""

_KEYS_KEPT = 2 * WRITTEN_MAX
_DOMAIN = b"rialto findings acknowledged 1\n"


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody has seen all findings so far: who, when, and what came of it, signed."""

    acknowledged: int
    by: str
    why: str
    at_ns: int
    signature: str = ""
    """Of ``message``; empty in lines of before operators signed them."""

    def message(self) -> bytes:
        """Return what an operator signs."""
        return _DOMAIN + msgspec.json.encode(msgspec.structs.replace(self, signature=""))


class Acted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the findings so far led to has become so: a halt of an instrument, or a kill (0)."""

    acted: int


class FindingsFile:
    """``findings.jsonl``: one line for each finding, acknowledgement, or consequence."""

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
        self.unacted: list[Finding] = []
        """Those of them that wait for a halt or a kill to become so."""
        self._unwritten: list[Finding] = []
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process added, such as an acknowledgement."""
        path = self._lines.path
        size = path.stat().st_size if path.exists() else 0
        if size == self._size:
            return
        self._size = size
        self._forget()
        for line in self._lines.read():
            start = bytes(line.body)[:20]
            if b'"acknowledged"' in start:
                self._forget()
            elif b'"acted"' in start:
                self._settle(msgspec.json.decode(line.body, type=Acted).acted)
            else:
                finding = msgspec.json.decode(line.body, type=Finding)
                self._remember(finding)
                self._keep(finding)
        for finding in self._unwritten:
            self._keep(finding)

    def fresh(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return what is new, once; what a repeated look finds again is not."""
        return [finding for finding in findings if self._remember(finding)]

    def write(self, fresh: Sequence[Finding]) -> None:
        """Write findings, durably; what the disk refuses is kept, and written by ``retry``."""
        for finding in fresh:
            if len(self.open) < WRITTEN_MAX:
                self._keep(finding)
                self._unwritten.append(finding)
        self.retry()

    def add(self, findings: Sequence[Finding]) -> list[Finding]:
        """Write what is new, durably; return it."""
        fresh = self.fresh(findings)
        self.write(fresh)
        return fresh

    def retry(self) -> bool:
        """Write what the disk refused before; say whether nothing is left of it."""
        while self._unwritten:
            finding = self._unwritten[0]
            if not self._append(finding):
                log.critical("finding_not_written", check=finding.check, text=finding.text)
                return False
            del self._unwritten[0]
        return True

    def acted(self, instrument: int) -> None:
        """Write that an instrument is halted, or, for 0, the venue killed, as findings wanted.

        What the disk refuses is asked for once more after a restart, and harmless.
        """
        self._settle(instrument)
        self._append(Acted(acted=instrument))

    def _append(self, line: Finding | Acted) -> bool:
        try:
            self._lines.append(line)
            self._size = self._lines.path.stat().st_size
        except OSError as error:
            log.warning("findings_file_refused", reason=error.strerror)
            return False
        return True

    def _keep(self, finding: Finding) -> None:
        self.open.append(finding)
        if finding.consequence in (Consequence.HALT_INSTRUMENT, Consequence.KILL_VENUE):
            self.unacted.append(finding)

    def _settle(self, acted: int) -> None:
        self.unacted = [each for each in self.unacted if _acts_on(each) != acted]

    def _forget(self) -> None:
        self.open.clear()
        self.unacted.clear()

    def acknowledge(
        self, *, by: str, why: str, at_ns: int, sign: Callable[[bytes], str] = lambda _message: ""
    ) -> int:
        """Say that everything so far was seen; return how many findings were open."""
        self.refresh()
        count = len(self.open)
        said = Acknowledgement(acknowledged=count, by=by, why=why, at_ns=at_ns)
        self._lines.append(msgspec.structs.replace(said, signature=sign(said.message())))
        self._forget()
        return count

    def _remember(self, finding: Finding) -> bool:
        key = (finding.check, finding.number, finding.text)
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > _KEYS_KEPT:
            del self._known[next(iter(self._known))]
        return True


def _acts_on(finding: Finding) -> int:
    """Return the instrument that a finding halts; 0 where it kills the venue."""
    return finding.instrument if finding.consequence is Consequence.HALT_INSTRUMENT else 0
