"""The C++ side by itself: its layouts are the vocabulary's, its parts and its edges hold.

Built with the address and undefined behaviour sanitizers, so that reading past a record, or an
overflow anywhere, ends the run.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from core.generate_layouts import HEADER, generate
from tests.native.streams import WideFlow
from tests.property.flow import Flow
from venue.reference.engine import ReferenceEngine

SOURCE = Path(__file__).resolve().parents[2] / "core" / "native"
FUZZ_ROUNDS = 150


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the C++ tests with both sanitizers; return where they are."""
    folder = tmp_path_factory.mktemp("sanitized")
    options = ["-DCORE_PYTHON=OFF", "-DCORE_TESTS=ON", "-DCORE_SANITIZE=ON"]
    run("cmake", "-G", "Ninja", "-S", str(SOURCE), "-B", str(folder), *options)
    run("cmake", "--build", str(folder), "--target", "core_unit", "core_fuzz")
    return folder


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_the_header_is_what_the_vocabulary_says() -> None:
    assert HEADER.read_text(encoding="utf-8") == generate(), "run python -m core.generate_layouts"


def test_the_parts_keep_their_promises(sanitized: Path) -> None:
    run(str(sanitized / "core_unit"))


def test_damaged_commands_and_snapshots_do_no_harm(
    sanitized: Path, chance: random.Random, tmp_path: Path
) -> None:
    for kind in (Flow, WideFlow):
        seed = chance.getrandbits(32)
        stream = kind(seed, calm=seed % 2 == 0).run(ReferenceEngine(), 3000)
        path = tmp_path / f"{kind.__name__}.commands"
        path.write_bytes(b"".join(command for command, _ in stream))
        run(str(sanitized / "core_fuzz"), str(path), str(seed), str(FUZZ_ROUNDS))
