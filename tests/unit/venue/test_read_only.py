"""Reading a copy leaves it as it is: a replay needs no right to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.storage import DiskStorage
from tests.venue_support import settings_in
from venue.counting_engine import CountingEngine
from venue.errors import StateMismatchError
from venue.recovery import Recovery
from venue.replay import replay
from venue.state_files import Stores


def small_venue(folder: Path) -> Path:
    settings = settings_in(folder)
    directory = Path(settings.directory)
    stores = Stores.on_disk(directory)
    recovered = Recovery(stores, CountingEngine(), settings, clock_ns=lambda: 1).run()
    recovered.journal.close()
    recovered.events.close()
    return directory


def everything(directory: Path) -> dict[str, tuple[int, int, int, int]]:
    found = sorted([directory, *directory.rglob("*")])
    stats = {str(path): path.stat() for path in found}
    return {
        name: (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_mode)
        for name, stat in stats.items()
    }


def test_a_replay_changes_nothing_and_needs_no_other_folder(tmp_path: Path) -> None:
    directory = small_venue(tmp_path)
    for folder in ("events", "snapshots"):
        for path in (directory / folder).iterdir():
            path.unlink()
        (directory / folder).rmdir()
    before = everything(directory)
    assert replay(Stores.read_only(directory).journal, CountingEngine()).last_sequence == 0
    assert everything(directory) == before


def test_a_replay_opens_files_for_reading_alone(
    tmp_path: Path,
) -> None:
    directory = small_venue(tmp_path)
    storage = Stores.read_only(directory).journal
    file = storage.open(storage.names()[0])
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write(b"x", 0)
    with pytest.raises(OSError, match=r"Bad file descriptor|Invalid argument"):
        file.truncate(0)
    file.close()
    for change in (
        lambda: storage.open("new", create=True),
        lambda: storage.rename("a", "b"),
        lambda: storage.remove("a"),
    ):
        with pytest.raises(AssertionError, match="for reading only"):
            change()


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert DiskStorage(tmp_path / "none", read_only=True).names() == []
    with pytest.raises(StateMismatchError, match="no journal here"):
        replay(Stores.read_only(tmp_path / "none").journal, CountingEngine())
    assert not (tmp_path / "none").exists()
