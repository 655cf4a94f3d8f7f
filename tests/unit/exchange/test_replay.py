"""`./rialto replay --engine both`: engines that make different states of one journal are told."""

import argparse
import json
from pathlib import Path

import pytest

from exchange.commands import replay as command
from exchange.state import State
from runtime.log_files import Entry
from runtime.log_format import FrameKind
from runtime.process import EXIT_INVARIANT, EXIT_OK
from tests.property.flow import Flow
from tests.venue_support import settings_in
from venue.engines import ENGINES, create_engine
from venue.ports import Engine
from venue.recovery import Recovery
from venue.reference.engine import ReferenceEngine
from venue.state_files import Stores

COMMANDS = 200


class LyingEngine(ReferenceEngine):
    """Says the same events as the reference does, of another state."""

    def snapshot(self) -> bytes:
        return super().snapshot() + b"!"


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A state directory whose journal holds a few commands."""
    state = State(tmp_path / "state")
    stores = Stores.on_disk(state.venue)
    engine = ReferenceEngine()
    recovered = Recovery(stores, engine, settings_in(tmp_path), clock_ns=lambda: 1).run()
    for record, _ in Flow(1).run(ReferenceEngine(), COMMANDS):
        engine.apply(record)
        last = engine.last_sequence
        entry = Entry(FrameKind.COMMANDS, last, last, engine.last_time_ns, record)
        recovered.journal.append([entry])
    recovered.journal.sync()
    recovered.journal.close()
    recovered.events.close()
    return state


def replayed(state: State, engine: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code and what was printed for programs."""
    parser = argparse.ArgumentParser()
    command.configure(parser)
    options = parser.parse_args(["--engine", engine, "--json"])
    options.state = state.root
    return command.run(options), capsys.readouterr().out


@pytest.mark.parametrize("liar", ENGINES)
def test_engines_that_differ_end_with_their_own_code(
    state: State,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    liar: str,
) -> None:
    def create(name: str) -> Engine:
        return LyingEngine() if name == liar else create_engine(name)

    monkeypatch.setattr(command, "create_engine", create)
    code, printed = replayed(state, command.BOTH, capsys)
    assert code == EXIT_INVARIANT
    report = json.loads(printed)
    assert report["engine"] == "native != reference"
    assert report["native digest"] != report["reference digest"]
    assert report["native at"] == report["reference at"]
    honest = next(name for name in ENGINES if name != liar)
    code, printed = replayed(state, honest, capsys)
    assert code == EXIT_OK
    assert json.loads(printed)["digest"] == report[f"{honest} digest"]


def test_engines_that_agree_are_one_report(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = replayed(state, command.BOTH, capsys)
    assert code == EXIT_OK
    report = json.loads(printed)
    assert report["engine"] == "native = reference"
    assert report["last_sequence"] > COMMANDS
