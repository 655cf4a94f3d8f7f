"""What markets cost the native engine, counted by the kernel over a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARKETS = 1000
KIB = 1024


@pytest.mark.parametrize(
    ("question", "each_max"), [("idle_markets", 64 * KIB), ("busy_markets", 1024 * KIB)]
)
def test_a_thousand_markets_fit(question: str, each_max: int) -> None:
    """None is refused, and none takes more than that, busy ones with twenty orders."""
    command = [sys.executable, "-m", "bench.core_memory", "native", question, str(MARKETS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    grown = json.loads(done.stdout)
    assert 0 < grown["resident_bytes"] <= MARKETS * each_max
