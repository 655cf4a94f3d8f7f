"""How many messages of a session QuickFIX can send again, and what it keeps in memory for that.

QuickFIX 1.16.0 holds the place of each message of a store in memory, some 64 bytes, from the first
one until the session's numbers are reset. Its index is made from the store's header file, so that
file is cut to the last messages from time to time and QuickFIX told to read it again. What was cut
is filled by a gap fill when it is asked for; the event log has it for BW.

QuickFIX appends to the file whenever it stores a message, so nobody may send meanwhile: the work
is done on its own thread, under the lock that our sends take (``Channel``).
"""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_FORCED_TIMES = 2
"""A store waits for a quiet second until it has so many times as many as it keeps."""


class StoreIndex:
    """The index of one session's store."""

    def __init__(self, header: Path, *, messages_max: int, sender_next: int) -> None:
        """Count what is there; nothing is cut yet.

        Args:
            header: QuickFIX's header file of the session.
            messages_max: that are kept at least, once there were so many.
            sender_next: the MsgSeqNum of our next message.
        """
        self._header = header
        self._kept_max = messages_max
        self._kept, self._since = count_entries(header), sender_next
        self._last_next = 0

    def messages(self, sender_next: int) -> int:
        """Return how many messages are kept, at most.

        Args:
            sender_next: the MsgSeqNum of our next message.
        """
        if sender_next < self._since:
            self._kept, self._since = 0, 1  # the numbers were reset, and the store is empty
        return self._kept + sender_next - self._since

    def look(self, sender_next: int, refresh: Callable[[], None]) -> bool:
        """Cut the store if its time has come; once a second, on QuickFIX's thread.

        Args:
            sender_next: the MsgSeqNum of our next message.
            refresh: has QuickFIX read its files again.

        Returns:
            Whether it was cut.

        Raises:
            OSError: as ``trim_store``.
        """
        is_quiet, self._last_next = sender_next == self._last_next, sender_next
        messages = self.messages(sender_next)
        if messages <= self._kept_max or not (
            is_quiet or messages >= _FORCED_TIMES * self._kept_max
        ):
            return False
        cut = trim_store(self._header, messages_max=self._kept_max, refresh=refresh)
        # Counted, for numbers that were left out have no message.
        self._kept, self._since = count_entries(self._header), sender_next
        return cut > 0


def count_entries(header: Path) -> int:
    """Return how many messages a header file has; none if there is no file."""
    try:
        return header.read_bytes().count(b" ")
    except FileNotFoundError:
        return 0


def trim_store(header: Path, *, messages_max: int, refresh: Callable[[], None]) -> int:
    """Cut a store to its last messages; the disk is given back what the others took.

    The file is replaced whole, and is on the disk before: a crash at any moment leaves the one or
    the other.

    Args:
        header: QuickFIX's header file of the session.
        messages_max: that are kept.
        refresh: has QuickFIX read its files again.

    Returns:
        How many messages were cut; none, too, if there is no room for the new file.

    Raises:
        OSError: the disk failed after the file was replaced.
    """
    try:
        data = header.read_bytes()
    except FileNotFoundError:
        return 0
    cut = data.count(b" ") - messages_max
    if cut <= 0:
        return 0
    kept = b" ".join(data.rsplit(b" ", messages_max + 1)[1:])
    fresh = header.with_suffix(".cut")
    try:
        _write_synced(fresh, kept)
    except OSError as error:
        log.warning("store_not_trimmed", store=header.stem, reason=error.strerror)
        return 0
    fresh.replace(header)
    refresh()  # from here on QuickFIX writes to the new file
    handle = os.open(header.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    _give_back(header.with_suffix(".body"), int(kept.split(b",", 2)[1]))
    log.info("store_trimmed", store=header.stem, messages=cut)
    return cut


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _give_back(body: Path, size: int) -> None:
    """Free a file's first bytes without moving the rest, where the file system can do that."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(body, os.O_RDWR)
    try:
        flags = _KEEP_SIZE | _PUNCH_HOLE
        if libc.fallocate(handle, flags, ctypes.c_int64(0), ctypes.c_int64(size)):
            reason = os.strerror(ctypes.get_errno())
            log.info("store_body_not_freed", store=body.stem, reason=reason)
    finally:
        os.close(handle)
