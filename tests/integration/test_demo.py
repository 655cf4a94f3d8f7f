"""The demo as an operator runs it: real processes, real FIX, real PostgreSQL, and its own proof."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor.drill.plants import PLANTS

ROOT = Path(__file__).resolve().parents[2]
ROWS = """\
ts_ns,type,order_id,side,price,size
1700000000000000000,A,1,B,23600,200000000
1700000000000000000,A,2,S,23700,50000000
1700000000000000000,A,3,S,23701,70000000
1700000001000000000,C,1,B,23600,50000000
1700000002000000000,X,2,S,23700,50000000
1700000002000000000,X,3,S,23701,20000000
1700000003000000000,X,1,B,23600,1
1700000004000000000,D,3,S,23701,50000000
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory with a path short enough for a socket, which PostgreSQL as nobody may enter."""
    folder = Path(tempfile.mkdtemp(prefix="demo-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def demonstrate(temporary: Path, *options: str) -> str:
    """Run the demo and return what it says; its own temporary files must be gone, or kept."""
    done = subprocess.run(
        [sys.executable, "-m", "exchange", "demo", *options],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert bool(list(temporary.iterdir())) == ("--keep" in options)
    return done.stdout


def test_the_demo_trades_and_proves_that_all_books_agree(temporary: Path, seed: int) -> None:
    said = demonstrate(temporary, "--seconds", "4", "--seed", str(seed), "--keep")
    assert said.rstrip().endswith("OK")
    assert "INST1-DC lost its connection" in said
    (log,) = temporary.glob("*/state/logs/surveillance.log")
    assert "surveillance_stopped" in log.read_text()
    assert "alerts_raised" not in log.read_text()


def test_the_demo_nets_and_settles_its_day(temporary: Path, seed: int) -> None:
    said = demonstrate(temporary, "--settle", "--seconds", "4", "--seed", str(seed))
    assert said.rstrip().endswith("the audit is clean")
    assert "\nclean\n" in said
    assert "findings: none" in said
    assert "events: clean" in said
    assert f"{len(PLANTS)} of {len(PLANTS)} planted errors found" in said
    sums = [line.split() for line in said.splitlines() if "all listed" in line]
    assert {(words[0], float(words[3])) for words in sums} == {("1", 0.0), ("2", 0.0)}
    assert "of the settled day was busted" in said
    assert "pending           1 cycles" in said
    assert "0 pending, 0 partially settled" in said
    assert "1 failed" in said
    assert "unsettled  " not in said


def test_the_demo_replays_a_recording(temporary: Path, tmp_path: Path) -> None:
    recording = tmp_path / "flow.csv"
    recording.write_text(ROWS)
    said = demonstrate(temporary, "--recorded", str(recording), "--speed", "100")
    assert said.rstrip().endswith("OK")
    assert "6 executions" in said
