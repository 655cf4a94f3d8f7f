"""A venue of the certification's own: sessions of both dialects, funded, on free ports."""

import asyncio
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from exchange.certify.cast import Cast
from exchange.certify.operators import NAMES
from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.demo.funding import fund
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_config import toml_text, write_configuration
from exchange.demo.temporary_venue import Places, running_venue
from exchange.errors import CommandError
from exchange.state import State
from fix_gateway.conformance.speaker import Identity, Prove

LANES: Final = 4
"""Sessions of each dialect that play cases side by side."""

SYMBOL: Final = "ETH-USD"
_PREFIX: Final = {"FIX.4.4": "CERT44", "FIX.5.0SP2": "CERT50"}
_FIRST_ID: Final = {"FIX.4.4": 100, "FIX.5.0SP2": 200}
_THROTTLE: Final = {"messages": 100, "seconds": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running venue, and who may play on it."""

    places: Places
    host: str
    port: int
    target: str
    rings: Path
    """The files of the clients' keys."""

    def identity(self, name: str, dialect: str) -> Identity:
        """Return who a session is."""
        prove = prover(self.rings / f"{name}.json")
        return Identity(dialect=dialect, sender=name, target=self.target, prove=prove)


def prover(ring: Path) -> Prove:
    """Return how a Logon is proved by a session's newest shared secret."""

    def prove(sender: str, target: str, number: str, at: str) -> list[tuple[str, str]]:
        key = read_key(ring)
        fields = key.fields(sender=sender, target=target, number=int(number or 0), sending_time=at)
        return [(str(tag), value) for tag, value in fields]

    return prove


def lane(dialect: str, number: int) -> str:
    """Return the name of a session, which is that of its account and firm too."""
    return f"{_PREFIX[dialect]}-{number}"


def constants(name: str) -> dict[str, str]:
    """Return what ``{name}`` stands for in a session's cases."""
    return {"account": name, "firm": name, "symbol": SYMBOL, "low": "2800.00"}


@asynccontextmanager
async def certification_venue(
    config: Path, sessions: Path, casts: Sequence[Cast] = (), *, keys: Path | None = None
) -> AsyncIterator[Stage]:
    """Run a venue for as long as the context lasts.

    Args:
        config: the operator's configuration, which is copied with every port free.
        sessions: where the dictionaries are.
        casts: whose sessions it has, besides the lanes'.
        keys: where the clients' keys are, to be taken over; None for fresh ones.

    Raises:
        TemporaryVenueError: it does not come up.
    """
    root = _new_directory()
    places = Places(root / "state", root / "config", root / "sessions")
    try:
        write_configuration(config, places.config)
        _forget_assignments(places.config / "fees.toml")
        places.sessions.mkdir()
        shutil.copytree(sessions / "dictionary", places.sessions / "dictionary")
        names = _write_sessions(places.sessions, casts)
        if keys is not None:
            _take_over_keys(keys, State(places.state), casts)
        async with running_venue(places, log_file=root / "up.log"):
            yield await _prepared(places, names, casts)
    finally:
        shutil.rmtree(root)


async def running_stage(places: Places) -> Stage:
    """Return the venue that runs on a state directory.

    Raises:
        CommandError: none does, or clients cannot come to it.
    """
    state = State(places.state)
    report = await asyncio.to_thread(venue_report, state)
    if not report["fix_address"]:
        raise CommandError(f"no venue serves plain FIX on {places.state}")
    return await _stage(places, state)


def _new_directory() -> Path:
    root = Path(tempfile.mkdtemp(prefix=f"rialto-certify-{secrets.token_hex(2)}-"))
    root.chmod(0o711)  # PostgreSQL may have to run as nobody, who must get through
    return root


def _forget_assignments(fees: Path) -> None:
    """Leave out who pays which fees: those accounts are not here."""
    document = tomllib.loads(fees.read_text())
    document.pop("assignment", None)
    fees.write_text(toml_text(document))


def _take_over_keys(keys: Path, state: State, casts: Sequence[Cast]) -> None:
    """Let clients prove themselves by the keys that they have."""
    state.prepare()
    state.fix_keys.mkdir(mode=0o700, exist_ok=True)
    for cast in casts:
        ring = keys / f"{cast.comp_id}.json"
        if ring.exists():
            shutil.copy2(ring, state.fix_keys / ring.name)


def _write_sessions(folder: Path, casts: Sequence[Cast]) -> list[str]:
    names = []
    for cast in casts:
        for name, document in cast.documents.items():
            (folder / f"{name}.toml").write_text(toml_text(document))
    for dialect, first in _FIRST_ID.items():
        for number in range(1, LANES + 1):
            names.append(name := lane(dialect, number))
            document = _session(first + number, name, dialect)
            (folder / f"{name}.toml").write_text(toml_text(document))
    return names


def _session(number: int, name: str, dialect: str) -> dict[str, Any]:
    return {
        "id": number,
        "kind": "order_entry",
        "sender_comp_id": name,
        "dialect": dialect,
        "cancel_on_disconnect": "none",
        "heartbeat": {"seconds_min": 1},
        "throttle": dict(_THROTTLE),
        "firm": {"id": number, "name": name},
        "account": [
            {
                "id": number,
                "name": name,
                "owner_group": number,
                "limits": {"open_orders_max": 1000},
            }
        ],
    }


async def _prepared(places: Places, names: list[str], casts: Sequence[Cast]) -> Stage:
    state = State(places.state)
    accounts = [*names, *(account for cast in casts for account in cast.accounts)]
    amounts = {
        (name, asset): amount
        for name in accounts
        for asset, amount in (("USD", "10000000"), ("BTC", "100"), ("ETH", "1000"))
    }
    await fund(state, amounts, NAMES)
    return await _stage(places, state)


async def _stage(places: Places, state: State) -> Stage:
    report = await asyncio.to_thread(venue_report, state)
    host, _, port = str(report["fix_address"]).rpartition(":")
    return Stage(
        places=places,
        host=host,
        port=int(port),
        target=read_configuration(places.config).venue.fix.comp_id,
        rings=state.fix_keys,
    )
