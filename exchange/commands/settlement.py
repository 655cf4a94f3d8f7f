"""Settlement cycles: close one, see who owes what, confirm and fail instructions."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from exchange.commands.admin import action_parser
from exchange.configuration import read_configuration
from exchange.cycle_report import (
    CycleStatus,
    instruction_lines,
    mode_lines,
    obligation_lines,
    open_cycle_lines,
    status_lines,
)
from exchange.database import database_dsn
from exchange.errors import CommandError
from exchange.ledger_names import LedgerNames
from exchange.places import places_parser
from exchange.settlement_setup import configured_modes
from exchange.state import State
from fix_gateway.settings import read_sessions
from runtime import postgres
from runtime.postgres import Connection
from runtime.process import EXIT_OK
from settlement import cycle_queries, database
from settlement.cycle_decisions import ledger_position
from settlement.cycle_rebuild import RecordedDecision, rebuild, recorded_decisions
from settlement.cycle_terms import InstructionState
from settlement.cycles import last_cycle

Action = Callable[[Connection, LedgerNames, argparse.Namespace], Awaitable[int]]

_DECISIONS = {
    "close-cycle": "cycles.close",
    "confirm": "cycles.confirm",
    "fail": "cycles.fail",
    "set-mode": "cycles.mode",
}
"""What is decided by the operators' plane, by what it is called here."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions below ``settlement``."""
    under = parser.add_subparsers(metavar="what", required=True)
    _configure_reading(under)
    for called, name in _DECISIONS.items():
        action_parser(under, called, name)


def _configure_reading(under: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _reading(under, "status", "what is unsettled, how much, and how old", _status)
    owed = _reading(under, "obligations", "what cycles came to for each party", _obligations)
    owed.add_argument("--cycle", help="its number, or open for the one that runs")
    owed.add_argument("--account", help="name or number")
    owed.add_argument("--open", action="store_true", help="only what is not settled")
    asked = _reading(under, "instructions", "what parties were asked, and how it stands", _listed)
    asked.add_argument("--cycle", type=int, help="its number")
    asked.add_argument("--account", help="name or number")
    asked.add_argument(
        "--standing",
        action="append",
        choices=[each.name.lower() for each in InstructionState],
        help="where it stands; may be given more than once",
    )
    _reading(under, "decisions", "print every decision, a line of JSON each: a copy", _decisions)
    again = _reading(
        under,
        "rebuild",
        "make settlement again in a ledger without decisions, from a copy",
        _rebuild,
    )
    again.set_defaults(role=database.APPLICATION_ROLE)
    again.add_argument("copy", type=Path, help="what decisions printed")
    _reading(under, "modes", "how accounts settle, and how their files would have it", _modes)


def _reading(
    under: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    action: Action,
) -> argparse.ArgumentParser:
    parser = under.add_parser(
        name, parents=[places_parser(is_nested=True)], help=about, description=about
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(action=action, role=database.READER_ROLE)
    return parser


def run(options: argparse.Namespace) -> int:
    """Read the ledger's database, or ask for a decision by the operators' plane."""
    if hasattr(options, "act"):
        return int(options.action(options))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    state = State(options.state)
    connection = await postgres.connect(
        database_dsn(read_configuration(options.config), state),
        application="settlement command",
        role=options.role,
    )
    try:
        await database.check(connection)
        names = await LedgerNames.read(connection)
        return int(await options.action(connection, names, options))
    finally:
        await connection.close()


async def _status(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        status = CycleStatus(
            last_cycle=await last_cycle(connection),
            ledger_position=await ledger_position(connection),
            open_cycle=await cycle_queries.open_cycle(connection),
            unsettled=await cycle_queries.unsettled(connection),
            instructions=await cycle_queries.instructions(connection),
        )
    if options.json:
        told = msgspec.to_builtins(status) | {"instructions": status.by_state()}
        return _as_json(told)
    return _told(status_lines(names, status))


async def _obligations(
    connection: Connection, names: LedgerNames, options: argparse.Namespace
) -> int:
    account = names.account(options.account) if options.account else None
    if options.cycle == "open":
        running = await cycle_queries.open_cycle(
            connection, accounts=None if account is None else [account]
        )
        return _as_json(running) if options.json else _told(open_cycle_lines(names, running))
    if options.cycle is not None and not options.cycle.isdigit():
        raise CommandError(f"--cycle {options.cycle}: a number, or open")
    rows = await cycle_queries.obligations(
        connection,
        cycle=None if options.cycle is None else int(options.cycle),
        account=account,
        is_open=options.open,
    )
    return _as_json(rows) if options.json else _told(obligation_lines(names, rows))


async def _listed(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    rows = await cycle_queries.instructions(
        connection,
        cycle=options.cycle,
        account=names.account(options.account) if options.account else None,
        states=[InstructionState[each.upper()] for each in options.standing]
        if options.standing
        else None,
    )
    return _as_json(rows) if options.json else _told(instruction_lines(names, rows))


async def _modes(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    known = await cycle_queries.modes(connection)
    wanted = configured_modes(read_sessions(options.sessions))
    if options.json:
        return _as_json(list(known.values()))
    return _told(mode_lines(names, known, wanted))


async def _decisions(
    connection: Connection, _names: LedgerNames, _options: argparse.Namespace
) -> int:
    for each in await recorded_decisions(connection):
        print(msgspec.json.encode(each).decode())
    return EXIT_OK


async def _rebuild(connection: Connection, _names: LedgerNames, options: argparse.Namespace) -> int:
    try:
        lines = options.copy.read_bytes().splitlines()
        decisions = [msgspec.json.decode(line, type=RecordedDecision) for line in lines]
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(f"{options.copy}: {error}") from error
    print(f"{await rebuild(connection, decisions)} decisions enacted")
    return EXIT_OK


def _as_json(value: object) -> int:
    print(json.dumps(msgspec.to_builtins(value)))
    return EXIT_OK


def _told(lines: list[str]) -> int:
    for line in lines:
        print(line)
    return EXIT_OK
