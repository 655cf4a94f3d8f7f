"""The C++ side by itself: its layouts are the vocabulary's, its parts and its edges hold.

Built with the address and undefined behaviour sanitizers, so that reading past a record, or an
overflow anywhere, ends the run.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.generate_layouts import HEADER, generate
from tests.native.streams import WideFlow
from tests.native.warm_stream import warm_stream
from tests.property.flow import Flow
from venue.reference.engine import ReferenceEngine

CMAKE, NINJA = (str(Path(sys.executable).with_name(name)) for name in ("cmake", "ninja"))
SOURCE = Path(__file__).resolve().parents[2] / "core" / "native"
FUZZ_ROUNDS = 150
SANITIZED_COMMANDS = 20_000


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the C++ tests with both sanitizers; return where they are."""
    folder = tmp_path_factory.mktemp("sanitized")
    tests = ("admission", "unit", "fuzz", "replay", "memory", "journal")
    build(folder, "-DCORE_SANITIZE=ON", *(f"core_{name}" for name in tests))
    return folder


def build(folder: Path, sanitizer: str, *targets: str) -> None:
    options = ["-DCORE_PYTHON=OFF", "-DCORE_TESTS=ON", sanitizer, f"-DCMAKE_MAKE_PROGRAM={NINJA}"]
    run(CMAKE, "-G", "Ninja", "-S", str(SOURCE), "-B", str(folder), *options)
    run(CMAKE, "--build", str(folder), "--target", *targets)


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_the_header_is_what_the_vocabulary_says() -> None:
    assert HEADER.read_text(encoding="utf-8") == generate(), "run python -m core.generate_layouts"


def test_the_parts_keep_their_promises(sanitized: Path) -> None:
    run(str(sanitized / "core_unit"))
    run(str(sanitized / "core_admission"))


@pytest.mark.parametrize("kind", [Flow, WideFlow])
def test_the_sanitized_engine_says_what_the_reference_says(
    sanitized: Path, chance: random.Random, tmp_path: Path, kind: type[Flow]
) -> None:
    reference, seed = ReferenceEngine(), chance.getrandbits(32)
    stream = kind(seed, calm=seed % 2 == 0).run(reference, SANITIZED_COMMANDS)
    commands, events = zip(*stream, strict=True)
    paths = [tmp_path / name for name in ("commands", "events", "snapshot")]
    paths[0].write_bytes(b"".join(commands))
    run(str(sanitized / "core_replay"), str(paths[0]), str(seed), *map(str, paths[1:]))
    assert paths[1].read_bytes() == b"".join(events)
    assert paths[2].read_bytes() == reference.snapshot()


@pytest.mark.parametrize("name", ["simple", "xcore"])
def test_a_warm_engine_asks_for_no_memory_and_a_growing_one_says_when_it_gets_none(
    sanitized: Path, tmp_path: Path, name: str
) -> None:
    """Orders placed, cancelled, moved and immediate; one seed, as tables may double anywhere."""
    commands, warm = warm_stream(name, seed=1)
    path = tmp_path / "commands"
    path.write_bytes(commands)
    run(str(sanitized / "core_memory"), str(path), str(warm))


def test_the_journal_keeps_its_promises(sanitized: Path) -> None:
    run(str(sanitized / "core_journal"))


def test_the_threads_of_the_journal_do_not_race(tmp_path: Path) -> None:
    build(tmp_path, "-DCORE_SANITIZE_THREADS=ON", "core_journal")
    run(str(tmp_path / "core_journal"))


def test_damaged_commands_snapshots_and_events_do_no_harm(
    sanitized: Path, chance: random.Random, tmp_path: Path
) -> None:
    for kind in (Flow, WideFlow):
        seed = chance.getrandbits(32)
        stream = kind(seed, calm=seed % 2 == 0).run(ReferenceEngine(), 3000)
        path = tmp_path / f"{kind.__name__}.commands"
        path.write_bytes(b"".join(command for command, _ in stream))
        run(str(sanitized / "core_fuzz"), str(path), str(seed), str(FUZZ_ROUNDS))
