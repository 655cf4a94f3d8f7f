"""Requests made up from the OpenAPI document, right and wrong: none makes the server fail.

Schemathesis is locked in ``requirements/schemathesis.txt`` and installed apart. What it makes up
is the run's seed's, however fast the machine is.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.conftest import SEED
from tests.integration.retail_gateway.trader import Trader
from tests.locked_packages import locked_packages

HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
CHECKS = (
    "is_no_fault",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
CASES_MAX = 20
"""Of each endpoint, made up at random."""
RUN_SECONDS_MAX = 800


@pytest.mark.parametrize(
    "phases",
    # Its coverage is the edges of each parameter by all others: some thousand requests.
    ["fuzzing", pytest.param("coverage,fuzzing", marks=pytest.mark.long)],
)
def test_nothing_that_is_made_up_makes_it_fail(
    phases: str, ada: Trader, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    document, told = f"{ada.url}/api/v3/openapi.json", tmp_path / "statuses.json"
    paths = httpx.get(document).json()["paths"]
    doors = {
        f"{method.upper()} {path}": operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    signed = [door for door, operation in doors.items() if "security" in operation]
    done = subprocess.run(
        [
            *(sys.executable, "-S", "-m", "schemathesis.cli", "run", document, "--no-color"),
            *("--checks", ",".join(CHECKS), "--phases", phases, "--warnings", "off"),
            *("--max-examples", str(CASES_MAX), "--seed", str(pytestconfig.stash[SEED])),
            *("--generation-database", "none", "--suppress-health-check", "all"),
            *("--continue-on-failure", "--request-timeout", "120"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": f"{locked_packages('schemathesis')}:{HOOKS.parent}",
            "SCHEMATHESIS_HOOKS": HOOKS.stem,
            "RIALTO_KEY_ID": ada.key_id,
            "RIALTO_SECRET": ada.secret.decode(),
            "RIALTO_SIGNED": ",".join(signed),
            "RIALTO_STATUSES": str(told),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    statuses = {label: Counter(found) for label, found in json.loads(told.read_text()).items()}
    assert statuses.keys() == doors.keys(), "each endpoint was asked"
    # Signatures hold, or nothing behind them was tried.
    assert statuses["GET /api/v3/account"]["200"], statuses
    assert statuses["POST /api/v3/order"]["400"], statuses
