"""Settlement cycles: close one, see who owes what, confirm and fail instructions."""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from exchange.admin.record import Entry, Record
from exchange.admin.roles import Role
from exchange.books import database_dsn
from exchange.commands.admin import OPERATOR_VARIABLE
from exchange.configuration import read_configuration
from exchange.cycle_report import (
    CycleStatus,
    instruction_lines,
    mode_lines,
    obligation_lines,
    open_cycle_lines,
    status_lines,
)
from exchange.errors import CommandError
from exchange.ledger_names import LedgerNames
from exchange.operators import Operators, Token
from exchange.places import places_parser
from exchange.settlement_setup import configured_modes
from exchange.state import State
from fix_gateway.settings import read_sessions
from runtime import postgres
from runtime.chained_lines import ChainedLines
from runtime.postgres import Connection
from runtime.process import EXIT_OK
from settlement import cycle_queries, database
from settlement.cycle_decisions import Ask, ledger_position
from settlement.cycle_terms import InstructionState, SettlementMode
from settlement.cycles import close_cycle, last_cycle
from settlement.errors import SettlementRefusedError
from settlement.instructions import Chosen, Outcome, confirm, fail
from settlement.modes import set_mode

Decided = TypeVar("Decided")
Action = Callable[[Connection, LedgerNames, argparse.Namespace], Awaitable[int]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions below ``settlement``."""
    under = parser.add_subparsers(metavar="what", required=True)
    _configure_reading(under)
    close = _decision(under, "close-cycle", "end the open cycle: obligations, instructions", _close)
    close.add_argument("--reference", required=True, help="a repeat of it closes nothing more")
    close.add_argument("--reason", default="", help="why, for the record")
    for name, about, action in (
        ("confirm", "say that instructions were carried out", _confirm),
        ("fail", "say that nothing more comes of instructions", _fail),
    ):
        one = _decision(under, name, about, action)
        one.add_argument("instruction", type=int, nargs="*", help="their numbers")
        one.add_argument("--cycle", type=int, help="instead: all that are open in a cycle")
        one.add_argument("--account", help="of these: those of one account")
        one.add_argument("--reference", default="", help="the decision's own; needed for a part")
        one.add_argument("--reason", default="", help="why, for the record")
        if name == "confirm":
            one.add_argument("--amount", help="decimal: a part of one instruction")
    mode = _decision(under, "set-mode", "let an account settle gross or net from now on", _set_mode)
    mode.add_argument("account", help="name or number")
    mode.add_argument("mode", choices=[each.name.lower() for each in SettlementMode])
    mode.add_argument("--reference", required=True, help="a repeat of it changes nothing more")
    mode.add_argument("--reason", default="", help="why, for the record")


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


def _decision(
    under: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    action: Action,
) -> argparse.ArgumentParser:
    parser = _reading(under, name, about, action)
    parser.add_argument(
        "--as", dest="who", metavar="NAME", help=f"who decides; default: ${OPERATOR_VARIABLE}"
    )
    parser.add_argument("--token", type=Path, help="your token; default: in the state's secrets")
    parser.set_defaults(role=database.APPLICATION_ROLE, decision=name)
    return parser


def run(options: argparse.Namespace) -> int:
    """Carry out one action on the ledger's database."""
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


# --- reading ---


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


# --- deciding ---


async def _close(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    ask = _ask(options, options.reference)
    made = await _decided(options, ask, "close the open cycle", close_cycle(connection, ask))
    rows = await cycle_queries.obligations(connection, cycle=made.cycle)
    if options.json:
        return _as_json({"cycle": made, "obligations": rows})
    print(
        f"cycle {made.cycle} of {made.business_date}: events {made.after_event + 1} to"
        f" {made.through_event}"
    )
    return _told(obligation_lines(names, rows))


async def _confirm(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    chosen = _chosen(names, options)
    ask = _ask(options, options.reference or _reference(options, "confirm"))
    amount = None
    if options.amount is not None:
        if not options.reference or len(chosen.numbers) != 1:
            raise CommandError("--amount is for one instruction, and needs a --reference")
        found = await cycle_queries.instructions(connection, numbers=chosen.numbers)
        amount = names.assets[found[0].asset].atoms(options.amount) if found else 0
    what = f"confirm {chosen} for {options.amount or 'all that is left'}"
    decision = confirm(connection, ask, chosen, amount_atoms=amount)
    outcome = await _decided(options, ask, what, decision)
    return _done(options, "confirmed", outcome)


async def _fail(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    if not options.reason:
        raise CommandError("a fail needs its --reason")
    chosen = _chosen(names, options)
    ask = _ask(options, options.reference or _reference(options, "fail"))
    outcome = await _decided(options, ask, f"fail {chosen}", fail(connection, ask, chosen))
    return _done(options, "failed", outcome)


async def _set_mode(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    account, mode = names.account(options.account), SettlementMode[options.mode.upper()]
    ask = _ask(options, options.reference)
    what = f"let {names.account_name(account)} settle {options.mode}"
    decision = set_mode(connection, ask, account=account, mode=mode)
    made = await _decided(options, ask, what, decision)
    if options.json:
        return _as_json(made)
    print(
        f"{names.account_name(account)} settles {options.mode} after event {made.at_event}"
        + (" (decided before)" if made.is_repeat else "")
    )
    return EXIT_OK


def _chosen(names: LedgerNames, options: argparse.Namespace) -> Chosen:
    if bool(options.instruction) == (options.cycle is not None):
        raise CommandError("name instructions by their numbers, or a --cycle")
    if options.account and options.cycle is None:
        raise CommandError("--account is for those of a --cycle")
    return Chosen(
        numbers=tuple(options.instruction),
        cycle=options.cycle,
        account=names.account(options.account) if options.account else None,
    )


def _reference(options: argparse.Namespace, word: str) -> str:
    if options.cycle is None:
        return "-".join([word, *map(str, sorted(options.instruction))])
    return "-".join(filter(None, [word, "cycle", str(options.cycle), options.account]))


def _ask(options: argparse.Namespace, reference: str) -> Ask:
    """Let the operator show the token, and say what is asked in the operator's name.

    Raises:
        CommandError: nobody is named, or not an operator who may settle.
    """
    who = options.who or os.environ.get(OPERATOR_VARIABLE)
    if not who:
        raise CommandError(f"who decides? --as, or ${OPERATOR_VARIABLE}")
    operators = Operators(State(options.state).operators)
    operator = operators.named(who)
    if operator.is_revoked or Role.TREASURY not in operator.roles:
        raise CommandError(f"operator {who} has not the role treasury, which decides settlement")
    Token.read(operator, options.token or operators.token_path(operator.name))
    return Ask(
        operator=operator.number,
        reference=reference,
        decided_at_ns=time.time_ns(),
        reason=options.reason,
    )


async def _decided(
    options: argparse.Namespace, ask: Ask, what: str, decision: Awaitable[Decided]
) -> Decided:
    """Have a decision made, with a line in the record of operators before it and one after."""
    record = Record(ChainedLines(State(options.state).admin_record))
    entry = Entry(
        at_ns=ask.decided_at_ns,
        step="asked",
        operator=options.who or os.environ[OPERATOR_VARIABLE],
        action=f"settlement.{options.decision}",
        reason=ask.reason,
        summary=f"{what}, reference {ask.reference}",
    )
    record.add(entry)
    try:
        made = await decision
    except SettlementRefusedError as error:
        record.add(msgspec.structs.replace(entry, step="refused", outcome=str(error)))
        raise
    except Exception as error:
        record.add(msgspec.structs.replace(entry, step="failed", outcome=repr(error)))
        raise
    record.add(msgspec.structs.replace(entry, step="done"))
    return made


def _done(options: argparse.Namespace, word: str, outcome: Outcome) -> int:
    if options.json:
        return _as_json(outcome)
    before = " before" if outcome.is_repeat else ""
    print(f"{word}{before}: {outcome.instructions} by decision {outcome.decision}")
    return EXIT_OK


def _as_json(value: object) -> int:
    print(json.dumps(msgspec.to_builtins(value)))
    return EXIT_OK


def _told(lines: list[str]) -> int:
    for line in lines:
        print(line)
    return EXIT_OK
