"""A gateway that cannot start says in one sentence what the operator has to change."""

import asyncio
import json
from pathlib import Path

import pytest

from runtime.process import EXIT_CONFIGURATION
from tests.integration.fix_gateway.front_places import session_files
from tests.integration.fix_gateway.processes import Process, prepare, seed


@pytest.fixture
def core(tmp_path: Path) -> Process:
    prepare(tmp_path)
    return Process("core", tmp_path)


def refusal(core: Process, overrides: dict[str, object]) -> str:
    """Start a gateway that has to refuse, and return what it said."""
    gateway = Process("gateway", core.directory, json.dumps(overrides))
    try:
        core.start()
        asyncio.run(seed(core.directory, sessions=session_files()))
        with pytest.raises(AssertionError, match="did not start"):
            gateway.start()
        assert gateway.wait() == EXIT_CONFIGURATION
        return gateway.log()
    finally:
        gateway.close()
        core.close()


def test_a_wrong_secret_is_told_by_its_principal(core: Process) -> None:
    said = refusal(core, {"has_wrong_secret": True})
    assert "secret of the principal fix_gateway" in said
    assert "Traceback" not in said
