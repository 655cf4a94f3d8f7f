"""The ledger: balances as of any moment, the general ledger, the chart; and making it again."""

import argparse
import asyncio
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from exchange.commands import ledger_rebuild
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.errors import CommandError
from exchange.ledger_names import VENUE_NAME, LedgerNames
from exchange.places import places_parser
from exchange.state import State
from runtime import postgres
from runtime.postgres import Connection
from runtime.process import EXIT_OK
from settlement import balances_as_of, database, general_ledger
from settlement.balances_as_of import BalanceAsOf, Moment
from settlement.chart import SIGNS, VENUE, EntryCause, LedgerAccountKind
from settlement.cycle_decisions import ledger_position
from settlement.general_ledger import Line, Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Action = Callable[[Connection, LedgerNames, argparse.Namespace], Awaitable[int]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions below ``ledger``."""
    under = parser.add_subparsers(metavar="what", required=True)
    asked = _reading(under, "balances", "what was on an account after an event or at a time", _show)
    asked.add_argument("--account", required=True, help=f"name or number; {VENUE_NAME} for its own")
    moment = asked.add_mutually_exclusive_group()
    moment.add_argument("--at-event", type=int, metavar="N", help="after event N; default: now")
    moment.add_argument("--at", metavar="TIME", help="at a time in UTC: 2026-11-30T16:00:00.5")
    export = _reading(under, "export", "every entry of a span, one a line", _export)
    export.add_argument("--from", dest="begin", metavar="TIME", help="a day or a time in UTC")
    export.add_argument("--to", dest="end", metavar="TIME", help="a day or time, not itself in it")
    export.add_argument("--from-event", type=int, metavar="N", help="the first event")
    export.add_argument("--to-event", type=int, metavar="N", help="the last event")
    export.add_argument("--format", choices=("csv", "json"), default="csv", help="default csv")
    _reading(under, "chart", "the kinds of ledger accounts, and what each may be", _chart)
    about = ledger_rebuild.ABOUT
    places = [places_parser(is_nested=True)]
    ledger_rebuild.configure(
        under.add_parser("rebuild", parents=places, help=about, description=about)
    )


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
    parser.set_defaults(action=action)
    return parser


def run(options: argparse.Namespace) -> int:
    """Answer from the ledger's database, all of one moment; or make it again."""
    if "alone" in options:
        return int(options.alone(options))
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    connection = await postgres.connect(
        database_dsn(read_configuration(options.config), State(options.state)),
        application="ledger command",
        role=database.READER_ROLE,
    )
    try:
        await database.check(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            names = await LedgerNames.read(connection)
            return int(await options.action(connection, names, options))
    finally:
        await connection.close()


# --- balances ---


async def _show(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    is_venue = options.account == VENUE_NAME
    account = VENUE if is_venue else names.account(options.account)
    moment = await _moment(connection, options)
    rows = await balances_as_of.balances(connection, moment, account=account)
    held: dict[int, int] = {}
    if not is_venue:
        found = await balances_as_of.held(connection, moment, account=account)
        held = {each.asset: each.held_atoms for each in found}
    report = {
        "account": options.account,
        "ledger_stands_at_event": await ledger_position(connection),
        "at_event": moment.through if options.at is None else None,
        "at": options.at,
        "balances": [_balance(names, row) for row in rows],
        "free": [] if is_venue else _free(names, rows, held),
    }
    if options.json:
        print(json.dumps(report))
        return EXIT_OK
    for line in report["balances"]:
        print(f"{line['asset']:<8} {line['ledger_account']:<20} {line['amount']:>30}")
    for line in report["free"]:
        print(
            f"{line['asset']:<8} funds {line['funds']}, held by orders {line['held']},"
            f" credit line {line['credit_line']}, available {line['available']}"
        )
    return EXIT_OK


async def _moment(connection: Connection, options: argparse.Namespace) -> Moment:
    if options.at is not None:
        return await balances_as_of.at_time(connection, _nanoseconds(options.at))
    event = options.at_event
    if event is None:
        event = await ledger_position(connection)
    return await balances_as_of.after_event(connection, event)


def _balance(names: LedgerNames, row: BalanceAsOf) -> dict[str, str]:
    asset = names.assets[row.asset]
    return {
        "asset": asset.symbol,
        "ledger_account": _word(LedgerAccountKind(row.kind)),
        "amount": asset.text(row.balance_atoms),
    }


def _free(
    names: LedgerNames, rows: list[BalanceAsOf], held: dict[int, int]
) -> list[dict[str, str]]:
    """Say of each asset what new orders may use: docs/ledger.md, "Available, held, credit"."""
    of_kind: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for row in rows:
        of_kind[row.kind][row.asset] = row.balance_atoms
    funds, lines = of_kind[LedgerAccountKind.FUNDS], of_kind[LedgerAccountKind.CREDIT_LINE]
    told = []
    for asset in sorted(funds.keys() | lines.keys()):
        own, tied, line = funds.get(asset, 0), held.get(asset, 0), lines.get(asset, 0)
        amounts = {"funds": own, "held": tied, "credit_line": line, "available": own - tied + line}
        text = names.assets[asset].text
        words = {name: text(atoms) for name, atoms in amounts.items()}
        told.append({"asset": names.assets[asset].symbol} | words)
    return told


# --- the general ledger ---


async def _export(connection: Connection, names: LedgerNames, options: argparse.Namespace) -> int:
    span = Span()
    if options.begin is not None:
        span = msgspec.structs.replace(span, from_ns=_nanoseconds(options.begin))
    if options.end is not None:
        span = msgspec.structs.replace(span, until_ns=_nanoseconds(options.end))
    if options.from_event is not None:
        span = msgspec.structs.replace(span, first_event=options.from_event)
    if options.to_event is not None:
        span = msgspec.structs.replace(span, last_event=options.to_event)
    writer: Any = None
    async for line in general_ledger.lines(connection, span):
        told = _told(names, line)
        if options.format == "json":
            sys.stdout.write(json.dumps(told) + "\n")
            continue
        if writer is None:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(told), lineterminator="\n")
            writer.writeheader()
        writer.writerow(told)
    return EXIT_OK


def _told(names: LedgerNames, line: Line) -> dict[str, object]:
    asset = names.assets[line.asset]
    return {
        "event": line.event_number,
        "house_posting": line.posting,
        "leg": line.leg,
        "time": _time_text(line.time_ns),
        "cause": _word(EntryCause(line.cause)),
        "ledger_account": _word(LedgerAccountKind(line.kind)),
        "account": VENUE_NAME if line.account == VENUE else names.account_name(line.account),
        "asset": asset.symbol,
        "amount": asset.text(line.amount_atoms),
        "amount_atoms": line.amount_atoms,
        "reference": line.reference,
        "operator": line.operator,
        "approver": line.approver,
        "text": line.text,
    }


# --- the chart ---


async def _chart(_connection: Connection, _: LedgerNames, options: argparse.Namespace) -> int:
    told = [
        {"kind": int(kind), "name": _word(kind), "may_be": sign.value}
        for kind, sign in SIGNS.items()
    ]
    if options.json:
        print(json.dumps(told))
    else:
        for line in told:
            print(f"{line['kind']:>3}  {line['name']:<20} {line['may_be']}")
    return EXIT_OK


def _word(member: LedgerAccountKind | EntryCause) -> str:
    return member.name.lower().replace("_", " ")


def _nanoseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} is no day or time such as 2026-11-30T16:00:00") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _time_text(time_ns: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
