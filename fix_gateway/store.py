"""Reading QuickFIX's file store after a crash: what was last given to each session.

QuickFIX 1.16.0 writes, for each message, the body file, then the header file (``number,offset,
size`` and a blank), then the sequence number file, each flushed, and only then the socket. A
process killed in between therefore leaves a message that is stored but not counted, never one
that was sent and not stored.

This module reads those three files and nothing else of QuickFIX.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from fix_gateway.dialects.names import DIALECTS
from fix_gateway.settings import SessionFile
from fix_gateway.translation.numbering import place_at
from fix_gateway.translation.outbound import NOWHERE, Place
from messages.trading.identity import event_number_of

log = structlog.get_logger()

_SCAN_MESSAGES_MAX = 20_000
"""How far back a store is searched; one session's messages between two checkpoints are fewer."""

_TAIL_BYTES = _SCAN_MESSAGES_MAX * 40
_ENTRY = re.compile(rb"(\d+),(\d+),(\d+) ")
_EXECUTION_ID = re.compile(rb"\x0117=([1-9][0-9]{0,18}[BS]?)\x01")
_NUMBER = re.compile(rb"\x011181=([1-9][0-9]{0,18})\x01")
_EVENT_NUMBER = re.compile(rb"\x015002=([1-9][0-9]{0,18})\x01")
_PAGE = re.compile(rb"\x0183=([1-9][0-9]{0,8})\x01")
_CHECKSUM_BYTES = len(b"10=000\x01")
_REFERENCE = re.compile(rb"\x0145=([1-9][0-9]{0,18})\x01")
_SEQUENCE = re.compile(rb"\x0134=([1-9][0-9]{0,18})\x01")


@dataclass(slots=True)
class Stored:
    """What a session's store says.

    ``refused`` are the client's sequence numbers that were answered with a business reject of the
    gateway's own: should they come again, they get the same answer and are not sequenced.
    """

    is_there: bool = False
    sender_next: int = 1
    target_next: int = 1
    last: Place = NOWHERE
    refused: set[int] = field(default_factory=set)


def mend_store(directory: Path, *, begin_string: str, comp_id: str, counterparty: str) -> int:
    """Cut off what a full disk or a power cut left half written, before QuickFIX opens the files.

    QuickFIX appends to whatever is there: an entry of the header without its message in the body
    would be resent as nonsense, and one cut in the middle would spoil all that come after it.
    What is cut was never sent, for a message is stored before it is.

    Args:
        directory: QuickFIX's FileStorePath.
        begin_string: the session's BeginString (8).
        comp_id: ours.
        counterparty: theirs.

    Returns:
        How many bytes of the header were cut.
    """
    header = directory / f"{begin_string}-{comp_id}-{counterparty}.header"
    size = header.stat().st_size if header.exists() else 0
    if not size:
        return 0
    start, tail = _header_tail(header, size)
    body_path = header.with_suffix(".body")
    with body_path.open("rb") as body:
        good = start
        for entry in reversed(list(_ENTRY.finditer(tail))):
            number, offset, length = map(int, entry.groups())
            body.seek(offset)
            sequence = _SEQUENCE.search(message := body.read(length))
            if len(message) == length and sequence and int(sequence.group(1)) == number:
                good = start + entry.end()
                break
    if good < size:
        os.truncate(header, good)
    return size - good


def adopt_store(
    directory: Path, *, begin_string: str, comp_id: str, counterparty: str
) -> str | None:
    """Take over the store of the dialect that a session spoke before.

    What was not delivered yet is delivered in the new dialect: only BeginString (8) and CheckSum
    (10) are other ones. The number file comes last and makes the new store count, so a crash in
    between leaves the old one to begin from again.

    Args:
        directory: QuickFIX's FileStorePath.
        begin_string: the session's BeginString (8) from now on.
        comp_id: ours.
        counterparty: theirs.

    Returns:
        The BeginString that was left; None if there was no other one.

    Raises:
        OSError: the disk.
    """
    others = {dialect.begin_string for dialect in DIALECTS.values()} - {begin_string}
    for other in sorted(others):
        old = directory / f"{other}-{comp_id}-{counterparty}.seqnums"
        new = directory / f"{begin_string}-{comp_id}-{counterparty}.seqnums"
        if not old.exists():
            continue
        if not new.exists():
            mend_store(directory, begin_string=other, comp_id=comp_id, counterparty=counterparty)
            _rewrite(old, new, begin_string)
        for suffix in (".seqnums", ".header", ".body", ".session"):
            old.with_suffix(suffix).unlink(missing_ok=True)
        return other
    return None


def _rewrite(old: Path, new: Path, begin_string: str) -> None:
    entries = _ENTRY.finditer(_read(old.with_suffix(".header")))
    written = 0
    with (
        old.with_suffix(".body").open("rb") as source,
        new.with_suffix(".body").open("wb") as body,
        new.with_suffix(".header").open("wb") as header,
    ):
        for entry in entries:
            number, offset, length = map(int, entry.groups())
            source.seek(offset)
            message = source.read(length)
            _, _, rest = message.partition(b"\x01")
            text = b"8=%b\x01%b" % (begin_string.encode("ascii"), rest[:-_CHECKSUM_BYTES])
            text += b"10=%03d\x01" % (sum(text) % 256)
            body.write(text)
            header.write(b"%d,%d,%d " % (number, written, len(text)))
            written += len(text)
        for file in (body, header):
            file.flush()
            os.fsync(file.fileno())
    session = old.with_suffix(".session")
    if session.exists():
        new.with_suffix(".session").write_bytes(session.read_bytes())
    fresh = new.with_suffix(".adopted")
    fresh.write_bytes(old.read_bytes())
    fresh.replace(new)


def read_store(directory: Path, *, begin_string: str, comp_id: str, counterparty: str) -> Stored:
    """Read what a session's files say.

    Args:
        directory: QuickFIX's FileStorePath.
        begin_string: the session's BeginString (8).
        comp_id: ours.
        counterparty: theirs.
    """
    prefix = directory / f"{begin_string}-{comp_id}-{counterparty}"
    stored = Stored()
    numbers = _read(Path(f"{prefix}.seqnums")).split(b":")
    if len(numbers) == 2 and all(number.strip().isdigit() for number in numbers):
        stored.sender_next, stored.target_next = int(numbers[0]), int(numbers[1])
        stored.is_there = True
    is_first = True
    for number, message in _newest_first(prefix):
        if is_first:
            # A kill between the header and the number file: stored, not counted, not sent.
            stored.sender_next = max(stored.sender_next, number + 1)
            is_first = False
        place = place_of(message)
        if place is not None:
            stored.last = max(stored.last, place)
        elif b"\x0135=j\x01" in message and (reference := _REFERENCE.search(message)):
            stored.refused.add(int(reference.group(1)))
    return stored


def read_stores(
    directory: Path, *, comp_id: str, files: Iterable[SessionFile]
) -> dict[str, Stored]:
    """Adopt, mend and read the store of each session, by its comp id.

    Args:
        directory: QuickFIX's FileStorePath.
        comp_id: ours.
        files: the sessions'.

    Raises:
        OSError: the disk.
    """
    found = {}
    for file in files:
        begin_string, name = file.spoken.begin_string, file.sender_comp_id
        ours = {"begin_string": begin_string, "comp_id": comp_id, "counterparty": name}
        if left := adopt_store(directory, **ours):
            log.warning("dialect_changed", session=file.id, left=left)
        if cut := mend_store(directory, **ours):
            log.warning("store_mended", session=file.id, bytes_cut=cut)
        found[name] = read_store(directory, **ours)
    return found


def place_of(message: bytes) -> Place | None:
    """Return the event that a stored message reports; None for a message that reports none.

    What answered a request for messages (1352=Y) is none of the feed's, and may be old. Without a
    number (1181) are messages of a gateway that did not number them yet.
    """
    if b"\x011352=Y\x01" in message:
        return None
    if match := _NUMBER.search(message):
        return place_at(int(match.group(1)))
    if match := _EXECUTION_ID.search(message):
        text = match.group(1).decode("ascii")
        return Place(event_number_of(text), int(text.endswith("S")))
    if match := _EVENT_NUMBER.search(message):
        page = _PAGE.search(message) if b"\x0135=N\x01" in message else None
        return Place(int(match.group(1)), int(page.group(1)) - 1 if page else 0)
    return None


class StoreSync:
    """Brings to the disk what QuickFIX wrote, which QuickFIX itself never does."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._synced: dict[str, int] = {}

    def sync(self) -> None:
        """Sync every file that changed since the last time.

        Raises:
            OSError: the disk refused; what is stored can no longer be trusted.
        """
        for entry in os.scandir(self._directory):
            # A client that resets its numbers makes QuickFIX begin its files anew, at any time.
            with contextlib.suppress(FileNotFoundError):
                changed_at = entry.stat().st_mtime_ns
                if self._synced.get(entry.name) == changed_at:
                    continue
                handle = os.open(entry.path, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
                self._synced[entry.name] = changed_at


def _header_tail(header: Path, size: int) -> tuple[int, bytes]:
    """Return the header's last whole entries, and where in the file they begin."""
    start = max(0, size - _TAIL_BYTES)
    with header.open("rb") as file:
        file.seek(start)
        tail = file.read()
    if start:
        cut, _, tail = tail.partition(b" ")
        start += len(cut) + 1
    return start, tail


def _newest_first(prefix: Path) -> Iterator[tuple[int, bytes]]:
    header = Path(f"{prefix}.header")
    try:
        _, tail = _header_tail(header, header.stat().st_size)
        entries = [tuple(map(int, match.groups())) for match in _ENTRY.finditer(tail)]
        with Path(f"{prefix}.body").open("rb") as body:
            for number, offset, length in reversed(entries[-_SCAN_MESSAGES_MAX:]):
                body.seek(offset)
                message = body.read(length)
                sequence = _SEQUENCE.search(message)
                # Bytes of a power cut are passed over: the number in the message must agree.
                if sequence is not None and int(sequence.group(1)) == number:
                    yield number, message
    except FileNotFoundError:
        return


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
