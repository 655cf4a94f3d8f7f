"""Writes a signed head now and then, and the configuration when it changes."""

import time
from collections.abc import Mapping
from pathlib import Path

from auditor.trail.configuration_record import ConfigurationRecord
from auditor.trail.heads import Heads, JournalHead, SignedHead, SigningKey
from auditor.trail.journal_hash import JournalHasher
from runtime.chain_cursor import ChainCursor
from runtime.chained_lines import START, ChainedLines, Head
from runtime.storage import DiskStorage


class TrailKeeper:
    """The writing end of the trail; one process has it."""

    def __init__(
        self,
        *,
        journal: Path,
        heads: Path,
        key: SigningKey,
        records: Mapping[str, Path],
        configuration: ConfigurationRecord,
    ) -> None:
        """Say what is signed.

        Args:
            journal: the journal's folder.
            heads: the file of heads.
            key: what they are signed with.
            records: chains of lines, by name.
            configuration: the record of the operator's files.

        Raises:
            ChainBrokenError: the heads are not as they were written.
        """
        self._journal = journal
        self._heads = Heads(heads)
        self._key = key
        self._records = {name: ChainCursor(ChainedLines(path)) for name, path in records.items()}
        self._configuration = configuration
        self._hasher: JournalHasher | None = None
        self._last = self._heads.last_line()
        self._place: JournalHead | None = None
        self._said: tuple[JournalHead | None, dict[str, Head]] | None = None

    def keep(self, *, venue: bytes, sequence: int) -> bool:
        """Sign where everything stands, if anything moved; say whether it did.

        Args:
            venue: whose journal.
            sequence: the last command that is known to be durable.

        Raises:
            OSError: the disk refused. LogDamagedError, ChainBrokenError: what would be signed is
                not as it was written.
        """
        now_ns = time.time_ns()
        self._configuration.look(now_ns=now_ns)
        if self._hasher is None:
            self._hasher = JournalHasher(DiskStorage(self._journal, read_only=True), venue=venue)
        self._place = self._hasher.through(sequence) or self._place
        records = {name: lines.advance() for name, lines in self._records.items()}
        for lines in self._records.values():
            lines.look_back()
        records = {name: head for name, head in records.items() if head != START}
        if self._place is None or (self._place, records) == self._said:
            return False
        head = SignedHead(
            venue=venue.hex(),
            at_ns=now_ns,
            previous=self._last,
            journal=self._place,
            records=records,
        )
        self._last = self._heads.add(self._key, head)
        self._said = (self._place, records)
        return True
