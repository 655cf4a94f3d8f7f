"""Memory stays flat under load, but for what has to be remembered of each order."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONT_MIB_MAX = 300
"""Of guard and gateway with a hundred idle sessions."""

SETTLING_MIB = 8
REMEMBERED_BYTES = {"fix_gateway": 1000, "core": 2500}
"""Of an order: where its reports stand in the stores; its client id, for a day."""


@pytest.mark.long
def test_a_minute_of_trading_leaves_only_what_is_remembered() -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "soak", "--json"),
            *("--minutes", "5", "--seconds", "12", "--rate", "200"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads(run.stdout)
    assert found["orders"] == 5 * 12 * 200
    assert found["trades"] > found["orders"] / 2
    assert found["idle_sessions"]["front_mib"] <= FRONT_MIB_MAX
    grew = found["growth_mib"]
    late_orders = found["orders"] * 4 / 5
    for name in ("fix_guard", "settlement", "fix_gateway", "core"):
        remembered = REMEMBERED_BYTES.get(name, 0) * late_orders / 2**20
        assert grew[name] <= SETTLING_MIB + remembered, found
