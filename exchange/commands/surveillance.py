"""Alerts of market abuse: list them, see one in full, and decide what becomes of it."""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from exchange.admin.record import Entry, Record
from exchange.commands.tokens import add_token_arguments, token_of
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.errors import CommandError
from exchange.operators import Operators
from exchange.places import places_parser
from exchange.state import State
from runtime import postgres
from runtime.chained_lines import ChainedLines
from runtime.postgres import Connection
from runtime.process import EXIT_OK
from services.surveillance import database, desk
from services.surveillance.alerts import AlertKind

Action = Callable[[Connection, argparse.Namespace], Awaitable[int]]

DECISIONS = {
    "dismiss": (desk.TriageState.DISMISSED, "say that there is nothing in an alert"),
    "escalate": (desk.TriageState.ESCALATED, "say that more must be done about an alert"),
    "reopen": (desk.TriageState.OPEN, "say that an alert is to be looked at again"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions below ``surveillance``."""
    under = parser.add_subparsers(metavar="what", required=True)
    listing = _action(under, "alerts", "list alerts, the last ones last", _alerts)
    listing.add_argument("--account", help="name or number of an account in the evidence")
    listing.add_argument("--kind", choices=[str(each) for each in AlertKind])
    listing.add_argument("--standing", choices=[str(each) for each in desk.TriageState])
    listing.add_argument("--since", help="UTC: 2026-11-30 or 2026-11-30T14:05:00")
    showing = _action(under, "show", "one alert, its evidence, and what was decided of it", _show)
    showing.add_argument("alert", help="its name, as alerts lists it")
    for name, (state, about) in DECISIONS.items():
        decision = _action(under, name, about, _decide)
        decision.add_argument("alert", help="its name, as alerts lists it")
        decision.add_argument("--reason", required=True, help="why, for the record")
        add_token_arguments(decision)
        decision.set_defaults(decided=state)


def _action(
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
    """Carry out one action on surveillance's database."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    dsn = database_dsn(read_configuration(options.config), State(options.state))
    connection = await postgres.connect(
        dsn, application="surveillance desk", role=database.DESK_ROLE
    )
    try:
        await database.check(connection)
        return int(await options.action(connection, options))
    finally:
        await connection.close()


async def _alerts(connection: Connection, options: argparse.Namespace) -> int:
    wanted = desk.Wanted(
        account=options.account,
        kind=options.kind and AlertKind(options.kind),
        state=options.standing and desk.TriageState(options.standing),
        since_ns=None if options.since is None else moment_ns(options.since),
    )
    found = await desk.listed(connection, wanted)
    if options.json:
        return _as_json(found)
    for alert in found:
        print(_line(alert))
    print(f"{len(found)} alerts" + (", the last ones" if len(found) == desk.LISTED_MAX else ""))
    return EXIT_OK


async def _show(connection: Connection, options: argparse.Namespace) -> int:
    alert = await desk.one(connection, options.alert)
    kept = await desk.decisions(connection, alert.alert_id)
    operators = Operators(State(options.state).operators)
    signed = {each.name: each for each in operators.all()}
    decisions = [
        msgspec.to_builtins(each.decision)
        | {
            "is_signed": each.decision.operator in signed
            and signed[each.decision.operator].has_signed(each.decision.message(), each.signature)
        }
        for each in kept
    ]
    if options.json:
        return _as_json(msgspec.to_builtins(alert) | {"decisions": decisions})
    print(_line(alert))
    for title, numbers in (("events", alert.events), ("orders", alert.orders)):
        print(f"  {title}: {', '.join(map(str, numbers))}")
    for title, figures in (("figures", alert.figures), ("parameters", alert.parameters)):
        print(f"  {title}: {', '.join(f'{key} {value}' for key, value in figures.items())}")
    for each in decisions:
        signature = "signed" if each["is_signed"] else "SIGNATURE NOT VALID"
        print(
            f"  {_moment(each['decided_at_ns'])} {each['state']} by {each['operator']}"
            f" ({signature}): {each['reason']}"
        )
    return EXIT_OK


async def _decide(connection: Connection, options: argparse.Namespace) -> int:
    token = token_of(options, about="alerts")
    decision = desk.Decision(
        alert_id=options.alert,
        state=options.decided,
        operator=token.name,
        reason=options.reason,
        decided_at_ns=time.time_ns(),
    )
    signature = token.sign(decision.message())
    record = Record(ChainedLines(State(options.state).admin_record))
    entry = Entry(
        at_ns=decision.decided_at_ns,
        step="asked",
        operator=token.name,
        action="surveillance.decide",
        reason=decision.reason,
        summary=f"{decision.alert_id} is {decision.state}",
    )
    record.add(entry)
    try:
        await desk.decide(connection, desk.Kept(decision=decision, signature=signature))
    except Exception as error:
        record.add(msgspec.structs.replace(entry, step="failed", outcome=str(error)))
        raise
    record.add(msgspec.structs.replace(entry, step="done"))
    if options.json:
        return _as_json(decision)
    print(f"{decision.alert_id} is {decision.state}")
    return EXIT_OK


def moment_ns(text: str) -> int:
    """Read a time in UTC as nanoseconds since the epoch.

    Raises:
        CommandError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"--since {text}: not like 2026-11-30 or 2026-11-30T14:05:00") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1_000_000_000


def _moment(time_ns: int) -> str:
    seconds = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{seconds:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1_000_000:03}Z"


def _line(alert: desk.Listed) -> str:
    figures = ", ".join(f"{key} {value}" for key, value in alert.figures.items())
    return (
        f"{_moment(alert.time_ns)} {alert.alert_id} {alert.state}: {alert.instrument},"
        f" {' and '.join(alert.accounts)}; {figures}"
    )


def _as_json(value: object) -> int:
    print(json.dumps(msgspec.to_builtins(value)))
    return EXIT_OK
