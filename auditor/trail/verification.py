"""Is the trail as it was written: journal, records and signed heads, from end to end."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from auditor.trail.heads import HeadError, Heads, JournalHead, SignedHead, VerifyingKey
from runtime.chained_lines import ChainBrokenError, ChainedLines, Head
from runtime.log_format import LogError, Stream
from runtime.log_scan import LogScan, segment_name, segment_numbers
from runtime.storage import DiskStorage

BLOCK = 4 << 20


class Verified(msgspec.Struct, kw_only=True):
    """What was looked at, and what is wrong; ``unsigned`` commands came after the last head."""

    heads: int = 0
    commands: int = 0
    signed_commands: int = 0
    segments: int = 0
    lines: dict[str, int] = {}
    problems: list[str] = []
    last_head: Head = Head(0, "")

    @property
    def unsigned_commands(self) -> int:
        """Return how many commands no head covers yet."""
        return self.commands - self.signed_commands


def verify_trail(
    *,
    journal: Path,
    heads: Path,
    key: VerifyingKey,
    records: Mapping[str, Path],
    known: Head | None = None,
    is_running: bool = False,
) -> Verified:
    """Check everything, and return what was found; a problem does not end the look.

    Args:
        journal: the journal's folder.
        heads: the file of signed heads.
        key: the public half of the key that signed them.
        records: chains of lines, by the names that heads know them by.
        known: a line of ``heads`` that was kept elsewhere: it must still be there.
        is_running: the venue writes meanwhile: what stands behind the last head may be torn.
    """
    found = Verified()
    signed = _verify_heads(Heads(heads), key, known, found)
    _verify_records(records, signed, found)
    if not is_running:
        found.problems += _unfinished_lines([heads, *records.values()])
    _verify_journal(journal, signed, found, is_running=is_running)
    return found


def _verify_heads(
    heads: Heads, key: VerifyingKey, known: Head | None, found: Verified
) -> list[SignedHead]:
    signed: list[SignedHead] = []
    try:
        # One by one: what stands before a wrong one still says something.
        signed.extend(heads.read(key))
        found.last_head = ChainedLines(heads.path).verify(*([known] if known else []))
    except (ChainBrokenError, HeadError) as error:
        found.problems.append(str(error))
    found.heads = len(signed)
    if not signed:
        found.problems.append(f"{heads.path}: no signed head")
    return signed


def _verify_records(records: Mapping[str, Path], signed: list[SignedHead], found: Verified) -> None:
    names = dict.fromkeys([*records, *(name for head in signed for name in head.records)])
    for name in names:
        path = records.get(name)
        if path is None:
            found.problems.append(f"{name}: signed, and nobody says where it is")
            continue
        known = [head.records[name] for head in signed if name in head.records]
        try:
            found.lines[name] = ChainedLines(path).verify(*known).number
        except (ChainBrokenError, OSError) as error:
            found.problems.append(str(error))


def _unfinished_lines(paths: list[Path]) -> list[str]:
    """Name the files that end inside a line: a crash leaves that, and so may somebody's hand."""
    problems = []
    for path in paths:
        data = path.read_bytes()[-1:] if path.exists() else b""
        if data not in {b"", b"\n"}:
            problems.append(f"{path}: ends with a line that was never finished")
    return problems


def _verify_journal(
    folder: Path, signed: list[SignedHead], found: Verified, *, is_running: bool
) -> None:
    storage = DiskStorage(folder, read_only=True)
    places = [head.journal for head in signed]
    venue = bytes.fromhex(signed[-1].venue) if signed else None
    found.signed_commands = places[-1].sequence if places else 0
    scan = LogScan(storage, Stream.JOURNAL, venue=venue)
    try:
        for frame in scan.frames():
            found.commands = frame.head.last
        found.segments = scan.end.number
    except LogError as error:
        found.problems.append(str(error))
        return
    if scan.cut is not None and not is_running:
        cut = scan.cut
        found.problems.append(f"{cut.file}: byte {cut.offset}: {cut.reason}")
    if found.commands < found.signed_commands:
        found.problems.append(
            f"{folder}: ends with command {found.commands}, and {found.signed_commands} was signed"
        )
    for place, digest in _digests(storage, places):
        if digest != place.sha256:
            found.problems.append(
                f"{storage.describe(segment_name(place.segment))}: not what was signed up to byte"
                f" {place.offset}, command {place.sequence}"
            )
            break
    found.problems += _outside_frames(storage)


def _digests(storage: DiskStorage, places: list[JournalHead]) -> Iterator[tuple[JournalHead, str]]:
    """Yield each place with what its segment hashes to up to there; each byte is read once."""
    segment, hashed, digest = 0, 0, hashlib.sha256()
    for place in sorted(set(places), key=lambda each: (each.segment, each.offset)):
        if place.segment != segment:
            segment, hashed, digest = place.segment, 0, hashlib.sha256()
        try:
            file = storage.open(segment_name(segment))
        except FileNotFoundError:
            yield place, "the segment is missing"
            continue
        try:
            while hashed < place.offset:
                data = file.read(min(BLOCK, place.offset - hashed), hashed)
                if not data:
                    break
                digest.update(data)
                hashed += len(data)
        finally:
            file.close()
        yield place, digest.copy().hexdigest()


def _outside_frames(storage: DiskStorage) -> list[str]:
    """Say which files there are that are no segments of the chain."""
    numbers = segment_numbers(storage)
    missing = [number for number in range(1, len(numbers) + 1) if number not in numbers]
    return [f"{storage.describe(segment_name(number))}: missing" for number in missing]
