"""Whatever is done to the trail afterwards is found: edits, deletions, reorderings, truncations."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auditor.trail.configuration_record import ConfigurationRecord
from auditor.trail.export import Period, ProvedLines, export_account, operators_lines
from auditor.trail.heads import HeadError, Heads, SigningKey, VerifyingKey, public_path
from auditor.trail.keeper import TrailKeeper
from auditor.trail.verification import Verified, verify_trail
from exchange.admin.record import Entry as OperatorsEntry
from exchange.admin.record import Record
from messages.trading.commands import COMMANDS
from messages.trading.events import EVENTS
from runtime.chained_lines import ChainedLines, Head
from runtime.log_files import Entry
from runtime.log_format import FrameKind, Stream
from runtime.log_scan import LogEnd
from runtime.storage import DiskStorage
from tests.property.flow import Flow
from tests.twins.log import NaiveLog
from venue.reference.engine import ReferenceEngine

VENUE = bytes(range(16))
COMMANDS_COUNT = 300
SEGMENT_BYTES = 16 * 1024


class Trail:
    """A trail on disk, and how to look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = {
            "operators": folder / "record.jsonl",
            "configuration": folder / "configuration.jsonl",
        }

    def verify(self, known: Head | None = None, *, is_running: bool = False) -> Verified:
        key = VerifyingKey(public_path(self.folder / "apart" / "key").read_text())
        return verify_trail(
            journal=self.folder / "journal",
            heads=self.folder / "heads.jsonl",
            key=key,
            records=self.records,
            known=known,
            is_running=is_running,
        )

    def keeper(self) -> TrailKeeper:
        config = self.folder / "config"
        config.mkdir(exist_ok=True)
        if not list(config.iterdir()):
            (config / "venue.toml").write_text("name = 'A'\n")
        return TrailKeeper(
            journal=self.folder / "journal",
            heads=self.folder / "heads.jsonl",
            key=SigningKey.at(self.folder / "apart" / "key"),
            records=self.records,
            configuration=ConfigurationRecord(self.records["configuration"], (config,)),
        )

    def signed_files(self) -> list[Path]:
        journal = sorted((self.folder / "journal").glob("*.log"))
        return [*journal, self.folder / "heads.jsonl", *self.records.values()]


def logs_of(folder: Path) -> tuple[NaiveLog, NaiveLog]:
    end = LogEnd(None, 0, 0, 0, is_torn=False)
    logs = []
    for name, stream in (("journal", Stream.JOURNAL), ("events", Stream.EVENTS)):
        logs.append(
            NaiveLog(
                DiskStorage(folder / name), stream, end, venue=VENUE,
                segment_bytes=SEGMENT_BYTES, created_ns=1,
            )
        )  # fmt: skip
    return logs[0], logs[1]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """A trail of several segments and heads, the last of which covers all of it."""
    folder = tmp_path_factory.mktemp("trail")
    trail = Trail(folder)
    journal, told = logs_of(folder)
    keeper, lines = trail.keeper(), ChainedLines(trail.records["operators"])
    number = 0
    for sequence, (command, events) in enumerate(
        Flow(5).run(ReferenceEngine(), COMMANDS_COUNT), start=1
    ):
        journal.append([Entry(FrameKind.COMMANDS, sequence, sequence, sequence, command)])
        count = sum(1 for _ in EVENTS.walk(events))
        if count:
            entry = Entry(FrameKind.EVENTS, number + 1, number + count, sequence, events)
            told.append([entry])
            number += count
        if sequence % 40 == 0:
            lines.append({"operator": "ann", "events": [number], "reason": "planted"})
            assert keeper.keep(venue=VENUE, sequence=sequence)
    journal.sync()
    told.sync()
    assert keeper.keep(venue=VENUE, sequence=sequence)
    assert not keeper.keep(venue=VENUE, sequence=sequence)
    return trail


def test_what_was_written_is_whole(written: Trail) -> None:
    found = written.verify()
    assert found.problems == []
    assert found.signed_commands == found.commands > COMMANDS_COUNT
    assert found.segments > 3
    assert found.heads > 8
    assert found.lines == {"operators": found.commands // 40, "configuration": 1}
    assert written.verify(found.last_head).problems == []


Tampering = Callable[[random.Random, bytes], bytes]


def flip(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def delete(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + 1 + chance.randrange(300) :]


def insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(1 + chance.randrange(100)) + data[at:]


def truncate(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def reorder(chance: random.Random, data: bytes) -> bytes:
    first, second, third = sorted(chance.sample(range(len(data) + 1), 3))
    return data[:first] + data[second:third] + data[first:second] + data[third:]


TAMPERINGS: tuple[Tampering, ...] = (flip, delete, insert, truncate, reorder)


def tamper(written: Trail, folder: Path, chance: random.Random, known: Head) -> None:
    """Change a copy of the trail at a random place, and require that it is found."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(written.folder, folder)
    trail = Trail(folder)
    path = chance.choice(trail.signed_files())
    data = path.read_bytes()
    content = data.rstrip(b"\0")
    how = chance.choice(TAMPERINGS)
    changed = how(chance, content)
    if changed.rstrip(b"\0") == content:
        return  # it put the same bytes back
    path.write_bytes(changed + bytes(max(0, len(data) - len(changed))))
    found = trail.verify(known)
    assert found.problems, (how.__name__, path.name)


def test_tampering_at_random_places_is_found(
    written: Trail, tmp_path: Path, chance: random.Random
) -> None:
    known = written.verify().last_head
    for _ in range(60):
        tamper(written, tmp_path / "copy", chance, known)


@pytest.mark.long
def test_long_tampering_at_a_thousand_places_is_found(
    written: Trail, tmp_path: Path, chance: random.Random
) -> None:
    known = written.verify().last_head
    for _ in range(1000):
        tamper(written, tmp_path / "copy", chance, known)


def test_a_history_that_was_written_anew_is_found(written: Trail, tmp_path: Path) -> None:
    """A forger may make every checksum and chain right: the key is not his."""
    shutil.copytree(written.folder, tmp_path / "copy")
    trail = Trail(tmp_path / "copy")
    shutil.rmtree(trail.folder / "journal")
    journal, _ = logs_of(trail.folder)
    commands = [command for command, _ in Flow(6).run(ReferenceEngine(), COMMANDS_COUNT)]
    for sequence, command in enumerate(commands, start=1):
        journal.append([Entry(FrameKind.COMMANDS, sequence, sequence, sequence, command)])
    journal.sync()
    assert any("not what was signed" in problem for problem in trail.verify().problems)
    # With a key of his own he may sign it all, and the public key tells.
    (trail.folder / "heads.jsonl").unlink()
    key = SigningKey.at(trail.folder / "forged" / "key")
    trail.keeper().keep(venue=VENUE, sequence=COMMANDS_COUNT)
    heads = Heads(trail.folder / "heads.jsonl")
    head = next(heads.read(VerifyingKey(public_path(trail.folder / "apart" / "key").read_text())))
    (trail.folder / "heads.jsonl").unlink()
    heads.add(key, head)
    assert any("not signed by the key" in problem for problem in trail.verify().problems)


def test_heads_cut_short_are_found_by_one_that_was_kept_elsewhere(
    written: Trail, tmp_path: Path
) -> None:
    known = written.verify().last_head
    shutil.copytree(written.folder, tmp_path / "copy")
    path = tmp_path / "copy" / "heads.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert any(
        "was known" in problem for problem in Trail(tmp_path / "copy").verify(known).problems
    )


def test_a_key_that_others_may_read_signs_nothing(tmp_path: Path) -> None:
    SigningKey.at(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(HeadError, match="others may read it"):
        SigningKey.at(tmp_path / "key")


def test_configuration_is_recorded_when_it_changes(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "venue.toml").write_text("name = 'A'\n")
    (folder / "fees.toml").write_text("x = 1\n")
    record = ConfigurationRecord(tmp_path / "configuration.jsonl", (folder,))
    assert record.look(now_ns=1) is not None
    assert record.look(now_ns=2) is None
    (folder / "fees.toml").write_text("x = 2\n")
    again = ConfigurationRecord(tmp_path / "configuration.jsonl", (folder,))
    assert again.look(now_ns=3) is not None
    first, second = again.versions()
    assert first.changed == {"config/venue.toml": "name = 'A'\n", "config/fees.toml": "x = 1\n"}
    assert second.changed == {"config/fees.toml": "x = 2\n"}
    assert second.at_ns == 3


def test_an_export_has_all_of_an_account_and_a_proof(written: Trail, tmp_path: Path) -> None:
    storages = {name: DiskStorage(written.folder / name) for name in ("journal", "events")}
    everything = Period(from_ns=0, to_ns=1 << 62)
    lines = list(export_account(**storages, venue=VENUE, account=21, period=everything))
    wanted = set()
    for command, events in Flow(5).run(ReferenceEngine(), COMMANDS_COUNT):
        records = [*COMMANDS.unpack(command), *EVENTS.unpack(events)]
        names = ("account", "to_account", "maker_account", "taker_account", "requester_account")
        if any(getattr(record, name, 0) == 21 for record in records for name in names):
            wanted.add(records[0].sequence)  # type: ignore[attr-defined]
    assert [line["sequence"] for line in lines] == sorted(wanted)
    proved = ProvedLines()
    written_lines = [proved.line(line) for line in lines]
    proof = msgspec.json.decode(proved.proof(SigningKey.at(tmp_path / "key"), None))
    assert proof["proof"]["lines"] == len(written_lines)
    late = lines[-1]["time_ns"]
    part = Period(from_ns=late, to_ns=late + 1)
    few = list(export_account(**storages, venue=VENUE, account=21, period=part))
    assert 0 < len(few) < len(lines)


def test_an_export_has_what_operators_did_to_the_account(tmp_path: Path) -> None:
    lines = ChainedLines(tmp_path / "record.jsonl")
    record = Record(lines)
    done = OperatorsEntry(at_ns=1, step="done", operator="ann", action="credit", reason="a wire")
    asked = msgspec.structs.replace(done, step="asked")
    for entry in (
        asked,
        msgspec.structs.replace(done, events=(7,)),
        msgspec.structs.replace(done, events=(8, 9), operator="ben"),
        msgspec.structs.replace(done, events=(10,)),
    ):
        record.add(entry)
    assert list(operators_lines(lines, set())) == []
    first, second = operators_lines(lines, {3, 7, 9})
    assert (first["record_line"], second["record_line"]) == (2, 3)
    assert first["operator_action"] == {
        "at_ns": 1,
        "step": "done",
        "operator": "ann",
        "action": "credit",
        "reason": "a wire",
        "events": [7],
    }
    assert second["operator_action"]["operator"] == "ben"
    rows = list(lines.read())
    assert [first["previous"], second["previous"]] == [rows[1].previous, rows[2].previous]
