"""The directories that commands work on, over a database of the tests."""

from pathlib import Path

from exchange.demo.temporary_config import write_configuration
from exchange.state import State

ROOT = Path(__file__).resolve().parents[3]


def arguments_for(folder: Path, dsn: str) -> tuple[State, list[str]]:
    """Make a state and a configuration that names a database; return the options that say so."""
    config = folder / "config"
    write_configuration(ROOT / "config", config)
    venue = config / "venue.toml"
    text = venue.read_text()
    assert 'dsn = ""' in text
    venue.write_text(text.replace('dsn = ""', f'dsn = "{dsn}"'))
    state = State(folder / "state")
    state.prepare()
    places = ["--state", str(state.root), "--config", str(config)]
    return state, [*places, "--sessions", str(ROOT / "sessions")]
