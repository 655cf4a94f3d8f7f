"""What a run needs to know of the venue before its clients connect."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exchange.commands.status import venue_report
from exchange.configuration import read_configuration
from exchange.demo import funding
from exchange.demo.fix_session import SessionSettings
from exchange.demo.flow import SYMBOLS
from exchange.demo.logon_proof import read_key
from exchange.demo.market import Market, markets_of
from exchange.demo.recorded import SYMBOL
from exchange.demo.temporary_venue import Places
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operator_link import OperatorLink
from exchange.state import State
from fix_gateway.settings import SessionFile, read_sessions

TRADERS: Final = ("MM1", "MM2", "INST1")
COPY: Final = "INST1-DC"
REQUESTER: Final = "INST1"
"""The institution, which asks for quotes; the others are market makers."""
COPIED: Final = ("INST1",)
"""The traders of the drop copy's firm."""


class DemoError(CommandError):
    """The demo could not be carried out."""

    exit_code = 69


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is to do."""

    seconds: float = 20.0
    rate: float = 200.0
    seed: int = 1
    recorded: Path | None = None
    speed: float = 50.0
    rows_max: int = 5000
    is_fresh: bool = True
    """Whether the venue was made for this run, so that sequence numbers begin at one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A venue with funded accounts, and how to get in."""

    places: Places
    state: State
    known: Directory
    after: int
    """The venue's last event before the run."""
    markets: dict[str, Market]
    shown: list[Market]
    host: str
    port: int
    settings: dict[str, SessionSettings]
    account_names: dict[int, str]

    @property
    def accounts(self) -> list[int]:
        """The numbers of the demo's accounts."""
        return list(self.account_names)


async def prepare(places: Places, plan: Plan) -> Stage:
    """Fund the accounts and learn what the clients need.

    Raises:
        CommandError: the venue is not healthy, or lacks an account, market or session.
    """
    state = State(places.state)
    async with OperatorLink.open(state) as operator:
        known = Directory(await operator.definitions())
    await funding.fund(state, funding.RECORDED_FLOW if plan.recorded else funding.SEEDED_FLOW)
    report = await asyncio.to_thread(venue_report, state)
    if not report["healthy"]:
        raise DemoError(f"the venue in {places.state} is not healthy: see ./rialto status")
    markets = markets_of(known.records)
    wanted = (SYMBOL,) if plan.recorded else SYMBOLS
    missing = [symbol for symbol in wanted if symbol not in markets]
    if missing:
        raise DemoError(f"the venue has no {', '.join(missing)}")
    files = read_sessions(places.sessions)
    target = read_configuration(places.config).venue.fix.comp_id
    host, _, port = str(report["fix_address"]).rpartition(":")
    return Stage(
        places=places,
        state=state,
        known=known,
        after=report["venue"]["last_event"],
        markets=markets,
        shown=[markets[symbol] for symbol in wanted],
        host=host,
        port=int(port),
        settings={name: _settings(files, name, target, state) for name in (*TRADERS, COPY)},
        account_names={known.account(name): name for name in TRADERS},
    )


def _settings(
    files: dict[str, SessionFile], name: str, target: str, state: State
) -> SessionSettings:
    if name not in files:
        raise DemoError(f"there is no session file {name}.toml")
    file = files[name]
    try:
        key = read_key(state.fix_keys / f"{file.sender_comp_id}.json")
    except OSError as error:
        raise DemoError(f"{error.filename}: {error.strerror}") from error
    except LookupError as error:
        raise DemoError(str(error)) from error
    return SessionSettings(sender=file.sender_comp_id, target=target, key=key)
