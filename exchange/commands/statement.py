"""Statements of accounts and firms, the trade blotter, and the fee report."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.errors import CommandError
from exchange.firm_tree import in_order, parents_of
from exchange.ledger_names import LedgerNames
from exchange.state import State
from exchange.statement_html import as_html
from exchange.statement_report import Report, as_csv, as_json, statement_report
from exchange.trade_report_words import blotter_report, fees_report
from fix_gateway.settings import read_sessions
from runtime import postgres
from runtime.postgres import Connection
from runtime.process import EXIT_OK
from settlement import database
from settlement.cycle_decisions import ledger_position
from settlement.statement import Period
from settlement.statement_loader import account_statement, period_of
from settlement.trade_reports import blotter, fee_report

FORMATS = ("html", "json", "csv")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Maker = Callable[[Connection, LedgerNames, Period, argparse.Namespace], Awaitable[Report]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--account", help="of one account, by name or number")
    parser.add_argument(
        "--with-sub-accounts",
        action="store_true",
        help="of --account: and of its sub-accounts, with what they have together",
    )
    parser.add_argument("--firm", help="of all accounts of a firm, by name or number")
    parser.add_argument(
        "--all", action="store_true", help="of every account and firm: files into --directory"
    )
    parser.add_argument(
        "--report",
        choices=tuple(_MAKERS),
        default="statement",
        help="the statement (default), the trades, or the fees; the latter two also of everybody",
    )
    parser.add_argument("--date", help="a day, in UTC, such as 2026-11-30; or today, yesterday")
    parser.add_argument("--from", dest="begin", help="a day or a time, in UTC, such as 2026-11-01")
    parser.add_argument("--to", dest="end", help="a day or a time, in UTC, which is not in it")
    parser.add_argument(
        "--so-far",
        action="store_true",
        help="also when the ledger has no event yet from the period's end or later",
    )
    parser.add_argument("--format", choices=FORMATS, default="json", help="default json")
    parser.add_argument("--section", help="of csv: this one alone, such as entries")
    parser.add_argument("--output", type=Path, help="write here, and not on the terminal")
    parser.add_argument("--directory", type=Path, help="of --all: where the files go")


def run(options: argparse.Namespace) -> int:
    """Write what was asked for."""
    if options.all != (options.directory is not None):
        raise CommandError("--all and --directory belong together")
    if options.all and (options.account or options.firm or options.report != "statement"):
        raise CommandError("--all is of every account and firm, and of statements alone")
    if options.account and options.firm:
        raise CommandError("an account or a firm, not both")
    if options.with_sub_accounts and not options.account:
        raise CommandError("--with-sub-accounts is of --account")
    if options.report == "statement" and not (options.all or options.account or options.firm):
        raise CommandError("whose statement? --account, --firm or --all")
    if options.section is not None and options.format != "csv":
        raise CommandError("--section is of csv")
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    begin, end = _times(options)
    connection = await postgres.connect(
        database_dsn(read_configuration(options.config), State(options.state)),
        application="statement",
        role=database.READER_ROLE,
    )
    try:
        await database.check(connection)
        # All of a statement is of one moment, whatever settlement books meanwhile.
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            names = await LedgerNames.read(connection)
            period = await period_of(
                connection,
                from_ns=_ns(begin),
                until_ns=_ns(end),
                # Of a period that is not over, everybody knows that it is so far.
                so_far=options.so_far or end > datetime.now(UTC),
            )
            if options.all:
                return await _write_all(connection, names, period, options)
            report = await _MAKERS[options.report](connection, names, period, options)
    finally:
        await connection.close()
    text = _rendered(report, options)
    if options.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        options.output.write_text(text)
    return EXIT_OK


async def _statement(
    connection: Connection, names: LedgerNames, period: Period, options: argparse.Namespace
) -> Report:
    accounts = _accounts(names, options)
    assert accounts is not None, "a statement is somebody's"
    title = f"Statement of firm {options.firm}" if options.firm else "Statement"
    if not options.firm:
        title = f"Statement of account {names.account_name(accounts[0])}"
        title += " and its sub-accounts" if options.with_sub_accounts else ""
    statements = [await account_statement(connection, each, period) for each in accounts]
    position = await ledger_position(connection)
    return statement_report(names, statements, title=title, position=position)


async def _blotter(
    connection: Connection, names: LedgerNames, period: Period, options: argparse.Namespace
) -> Report:
    lines = await blotter(connection, period, accounts=_accounts(names, options))
    return blotter_report(names, lines, period)


async def _fees(
    connection: Connection, names: LedgerNames, period: Period, options: argparse.Namespace
) -> Report:
    lines = await fee_report(connection, period, accounts=_accounts(names, options))
    return fees_report(names, lines, period)


_MAKERS: dict[str, Maker] = {"statement": _statement, "blotter": _blotter, "fees": _fees}


async def _write_all(
    connection: Connection, names: LedgerNames, period: Period, options: argparse.Namespace
) -> int:
    options.directory.mkdir(parents=True, exist_ok=True)
    position = await ledger_position(connection)
    firms: dict[int, list[int]] = {}
    for account in names.accounts.values():
        firms.setdefault(account.firm, []).append(account.account)
    count = 0
    parents = parents_of(read_sessions(options.sessions))
    for firm, unordered in sorted(firms.items()):
        accounts = in_order(unordered, parents)
        statements = [await account_statement(connection, each, period) for each in accounts]
        for each in statements:
            title = f"Statement of account {names.account_name(each.account)}"
            report = statement_report(names, [each], title=title, position=position)
            path = options.directory / f"account-{each.account}.{options.format}"
            path.write_text(_rendered(report, options))
        title = f"Statement of firm {names.firms[firm]}"
        report = statement_report(names, statements, title=title, position=position)
        path = options.directory / f"firm-{firm}.{options.format}"
        path.write_text(_rendered(report, options))
        count += len(accounts) + 1
    print(f"{count} statements in {options.directory}")
    return EXIT_OK


def _accounts(names: LedgerNames, options: argparse.Namespace) -> list[int] | None:
    if options.account:
        account = names.account(options.account)
        return [account, *(_below(account, options) if options.with_sub_accounts else ())]
    if options.firm:
        firm = names.firm(options.firm)
        found = [each.account for each in names.accounts.values() if each.firm == firm]
        if not found:
            raise CommandError(f"firm {options.firm} has no accounts")
        return in_order(found, parents_of(read_sessions(options.sessions)))
    return None


def _below(account: int, options: argparse.Namespace) -> list[int]:
    parents = parents_of(read_sessions(options.sessions))
    return sorted(each for each, parent in parents.items() if parent == account)


def _rendered(report: Report, options: argparse.Namespace) -> str:
    if options.format == "html":
        return as_html(report)
    if options.format == "json":
        return as_json(report) + "\n"
    known = [section.name for section in report.sections]
    if options.section is not None and options.section not in known:
        raise CommandError(f"no section {options.section}; there are {', '.join(known)}")
    return as_csv(report, options.section)


def _times(options: argparse.Namespace) -> tuple[datetime, datetime]:
    if bool(options.date) == bool(options.begin or options.end):
        raise CommandError("which period? --date, or --from and --to")
    if options.date:
        begin = _time("--date", options.date)
        return begin, begin + timedelta(days=1)
    if not (options.begin and options.end):
        raise CommandError("--from and --to belong together")
    begin, end = _time("--from", options.begin), _time("--to", options.end)
    if begin >= end:
        raise CommandError(f"--to {options.end} is not after --from {options.begin}")
    return begin, end


def _time(option: str, text: str) -> datetime:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{option} {text}: {error}") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _ns(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000
