"""Where the processes of a test meet: nothing is imported here that one of them does not need."""

from pathlib import Path

ROOT = Path(__file__).parents[3]
CONFIG, SESSIONS = ROOT / "config", ROOT / "sessions"
DICTIONARIES = SESSIONS / "dictionary"
ADMIN, GATEWAY, MARKET_DATA = 2, 3, 6
TOKEN = bytes(range(32))


def address(directory: Path) -> str:
    return f"unix:{directory / 'core.sock'}"


def announce(directory: Path, kind: str, port: int) -> None:
    fresh = directory / f"{kind}.port.new"
    fresh.write_text(str(port))
    fresh.replace(directory / f"{kind}.port")
