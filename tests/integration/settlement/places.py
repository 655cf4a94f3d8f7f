"""The directories that commands work on, over a database of the tests."""

import shutil
from pathlib import Path

from exchange.state import State

ROOT = Path(__file__).resolve().parents[3]


def arguments_for(folder: Path, dsn: str) -> tuple[State, list[str]]:
    """Make a state and a configuration that names a database; return the options that say so."""
    config = Path(shutil.copytree(ROOT / "config", folder / "config"))
    venue = config / "venue.toml"
    venue.write_text(venue.read_text().replace('dsn = ""', f'dsn = "{dsn}"'))
    state = State(folder / "state")
    state.prepare()
    places = ["--state", str(state.root), "--config", str(config)]
    return state, [*places, "--sessions", str(ROOT / "sessions")]
