"""A journal that was begun, for what must know whose it is and needs no core."""

from __future__ import annotations

from pathlib import Path

from runtime.log_files import Entry
from runtime.log_format import FrameKind, Stream
from runtime.log_scan import LogEnd
from runtime.storage import DiskStorage
from tests.twins.log import NaiveLog


def begin_journal(folder: Path, *, venue: bytes) -> None:
    """Write a journal of one empty frame, as a core that starts for the first time begins one."""
    log = NaiveLog(
        DiskStorage(folder),
        Stream.JOURNAL,
        LogEnd(None, 0, 0, 0, is_torn=False),
        venue=venue,
        segment_bytes=1 << 16,
        created_ns=1,
    )
    log.append([Entry(FrameKind.COMMANDS, 1, 1, 1, b"")])
    log.sync()
