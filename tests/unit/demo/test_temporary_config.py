from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from exchange.configuration import read_configuration
from exchange.demo.temporary_config import toml_text, write_configuration, write_sessions
from exchange.wanted import wanted_definitions
from fix_gateway.settings import read_sessions

ROOT = Path(__file__).resolve().parents[3]


def ports(table: object) -> list[int]:
    if not isinstance(table, dict):
        return []
    mine = [value for key, value in table.items() if key == "port" or key.endswith("_port")]
    # The mail server is somebody else's: we connect there, and listen nowhere.
    tables = [value for key, value in table.items() if key != "smtp"]
    return mine + [port for value in tables for port in ports(value)]


@pytest.mark.parametrize("is_recorded", [False, True])
def test_the_venue_accepts_what_was_made_of_its_configuration(
    tmp_path: Path, *, is_recorded: bool
) -> None:
    config, sessions = tmp_path / "config", tmp_path / "sessions"
    write_configuration(ROOT / "config", config, is_recorded=is_recorded)
    write_sessions(ROOT / "sessions", sessions, is_recorded=is_recorded)
    configuration = read_configuration(config)
    files = read_sessions(sessions)
    assert wanted_definitions(configuration, files)
    assert set(ports(tomllib.loads((config / "venue.toml").read_text()))) == {0}
    assert (sessions / "dictionary").is_dir()
    symbols = {instrument.symbol for instrument in configuration.instruments}
    assert symbols == {"BTC-USD"} if is_recorded else "BTC-USD" in symbols
    if is_recorded:
        limits = [account.limits for file in files.values() for account in file.account]
        assert {each.message_burst for each in limits} == {0}


def test_toml_is_written_as_it_is_read() -> None:
    document = {
        "name": 'a "quoted" \\ name\n',
        "flag": True,
        "numbers": [1, 2.5],
        "table": {"key": "value", "inner": {"deep": 1}},
        "rows": [{"id": 1, "limits": {"max": "5"}, "parts": [{"x": 1}, {"x": 2}]}, {"id": 2}],
        "odd key": {"1": 0},
        "empty": [],
    }
    assert tomllib.loads(toml_text(document)) == document
