"""Operate the venue: definitions, money, limits, phases, kill switches, sessions, keys."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.console import Console

from exchange import directory
from exchange.commands import announce, approvals, keys, protection
from exchange.commands.check import report
from exchange.definitions import compare, grants_too_many
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError
from exchange.operator_link import OperatorLink, matching, movements
from exchange.places import places_parser
from exchange.seeding import apply_definitions
from exchange.state import State
from exchange.venue_settings import read_and_check
from exchange.wanted import NANOSECONDS, wanted_definitions
from messages.layout import padded_text, plain_text
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import (
    BalanceCause,
    CancelOnDisconnect,
    Phase,
    PhaseReason,
    Scope,
    SessionRight,
)
from runtime.process import EXIT_CONFIGURATION, EXIT_OK

Action = Callable[[OperatorLink, Directory, argparse.Namespace], Awaitable[int]]
console = Console(highlight=False)

_MONEY: dict[str, tuple[type[commands.Command], BalanceCause, str]] = {
    "credit": (commands.Credit, BalanceCause.CREDIT, "add money that arrived from outside"),
    "debit": (commands.Debit, BalanceCause.DEBIT, "take free money out at once"),
    "reserve": (
        commands.ReserveWithdrawal,
        BalanceCause.WITHDRAWAL_RESERVED,
        "hold free money for a withdrawal",
    ),
}
_WITHDRAWALS: dict[str, tuple[type[commands.Command], BalanceCause, str]] = {
    "commit": (
        commands.CommitWithdrawal,
        BalanceCause.WITHDRAWAL_COMMITTED,
        "say that a reserved withdrawal has left",
    ),
    "release": (
        commands.ReleaseWithdrawal,
        BalanceCause.WITHDRAWAL_RELEASED,
        "give a reserved withdrawal's money back",
    ),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the operator's actions."""
    parser.add_argument("--operator", type=_count, default=0, help="your number, for the record")
    actions = parser.add_subparsers(metavar="action", required=True)
    apply = _action(actions, "apply", "bring the venue to what the configuration says", _apply)
    apply.add_argument("--dry-run", action="store_true", help="only say what would change")
    _action(actions, "accounts", "list accounts with their money", _accounts)
    for name, (_, _, summary) in _MONEY.items():
        money = _action(actions, name, summary, _move)
        money.add_argument("--account", required=True, help="name or number")
        money.add_argument("--asset", required=True, help="symbol or number")
        money.add_argument("--amount", required=True, help="decimal, such as 1000.50")
        money.add_argument("--reference", required=True, help="unique; a repeat changes nothing")
        money.set_defaults(money=name)
    for name, (_, _, summary) in _WITHDRAWALS.items():
        withdrawal = _action(actions, name, summary, _settle_withdrawal)
        withdrawal.add_argument("--account", required=True, help="name or number")
        withdrawal.add_argument("--reference", required=True, help="that of the reserve")
        withdrawal.set_defaults(money=name)
    limits = _action(actions, "limits", "set an account's limits", _limits)
    limits.add_argument("--account", required=True, help="name or number")
    limits.add_argument("--open-orders", type=_count, help="at most so many")
    limits.add_argument("--burst", type=_count, help="messages at once")
    limits.add_argument("--per-second", type=_rate, help="messages a second after that; 0: any")
    limits.add_argument("--asset", help="symbol, for --credit-line and --position-max")
    limits.add_argument("--credit-line", help="decimal: how far below zero")
    limits.add_argument("--position-max", help="decimal: how much at most; 0: no limit")
    phase = _action(actions, "phase", "move an instrument to a phase", _phase)
    phase.add_argument("instrument", help="symbol or number")
    phase.add_argument("phase", choices=[each.name.lower() for each in Phase])
    phase.add_argument("--seconds", type=_seconds, default=0, help="then a call auction uncrosses")
    for name, summary, action in (
        ("kill", "stop new orders in a scope and cancel the open ones", _kill),
        ("resume", "lift a kill switch", _resume),
    ):
        switch = _action(actions, name, summary, action)
        switch.add_argument("scope", choices=[each.name.lower() for each in Scope])
        switch.add_argument("target", nargs="?", default="", help="name, symbol or number")
        switch.add_argument("--text", default="", help="why, for the record")
        if name == "kill":
            switch.add_argument("--keep-orders", action="store_true", help="leave them open")
    _action(actions, "sessions", "list sessions with their rights", _sessions)
    keys.configure(actions)
    announce.configure(actions)
    approvals.configure(actions)
    protection.configure(actions)
    revoke = _action(actions, "revoke", "take a session's rights on an account away", _revoke)
    revoke.add_argument("session", help="name or number")
    revoke.add_argument("account", help="name or number")


def run(options: argparse.Namespace) -> int:
    """Carry out one action, over a link to the core unless it is about files of ours."""
    if getattr(options, "is_local", False):
        return int(options.action(options))

    async def act() -> int:
        async with OperatorLink.open(State(options.state)) as operator:
            known = Directory(await operator.definitions())
            action: Action = options.action
            return await action(operator, known, options)

    return asyncio.run(act())


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    action: Action,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, parents=[places_parser(is_nested=True)], help=summary, description=summary
    )
    parser.set_defaults(action=action)
    return parser


async def _apply(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    state = State(options.state)
    configuration, sessions = read_and_check(options.config, options.sessions, state)
    wanted = wanted_definitions(configuration, sessions)
    differences = compare(wanted, known.records)
    remedy = "would be set" if options.dry_run else "to be set"
    report(console, differences, grants_too_many(wanted, known.records), remedy=remedy)
    if options.dry_run:
        return EXIT_OK
    await apply_definitions(operator, configuration, differences)
    applied = sum(not difference.is_conflict for difference in differences)
    console.print(f"{applied} applied, {len(differences) - applied} left alone")
    return EXIT_OK if applied == len(differences) else EXIT_CONFIGURATION


async def _accounts(operator: OperatorLink, known: Directory, _: argparse.Namespace) -> int:
    for line in directory.balance_lines(known, await operator.query("balances")):
        console.print(line)
    return EXIT_OK


async def _move(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    kind, cause, _ = _MONEY[options.money]
    account, asset = known.account(options.account), known.asset(options.asset)
    command = kind.make(
        account=account,
        asset=asset.asset,
        amount_atoms=known.atoms(asset, options.amount),
        operator=options.operator,
        reference=_reference(options.reference),
    )
    return await _ask_money(operator, known, options, command, cause)


async def _settle_withdrawal(
    operator: OperatorLink, known: Directory, options: argparse.Namespace
) -> int:
    kind, cause, _ = _WITHDRAWALS[options.money]
    command = kind.make(
        account=known.account(options.account),
        operator=options.operator,
        reference=_reference(options.reference),
    )
    return await _ask_money(operator, known, options, command, cause)


async def _ask_money(
    operator: OperatorLink,
    known: Directory,
    options: argparse.Namespace,
    command: commands.Command,
    cause: BalanceCause,
) -> int:
    """Send a money command; one whose reference was honoured before has succeeded already."""
    wanted = matching(
        events.BalanceChanged,
        account=command.account,
        cause=cause,
        reference=_reference(options.reference),
    )
    try:
        event = await operator.ask(command, wanted)
    except CommandRefusedError as error:
        if error.code is not RejectCode.DUPLICATE_REFERENCE:
            raise
        return await _honoured_before(known, options, command, cause)
    assert isinstance(event, events.BalanceChanged)
    asset = known.asset(str(event.asset))
    console.print(
        f"{_say_movement(known, event)}: {options.account} has "
        f"{known.amount(asset, event.balance_atoms)}, "
        f"of it held {known.amount(asset, event.held_atoms)}"
    )
    return EXIT_OK


async def _honoured_before(
    known: Directory,
    options: argparse.Namespace,
    command: commands.Command,
    cause: BalanceCause,
) -> int:
    """Tell a repeat, which succeeded long ago, from another movement under a used reference."""
    used = await movements(State(options.state), _reference(options.reference))
    asked = (command.account, cause, getattr(command, "asset", None))
    amount = getattr(command, "amount_atoms", None)
    for event in used:
        same = asked[:2] == (event.account, event.cause)
        if same and asked[2] in (None, event.asset) and amount in (None, event.amount_atoms):
            console.print(f"reference {options.reference} was honoured before; nothing changed")
            return EXIT_OK
    said = "; ".join(_say_movement(known, event) for event in used) or "another account's money"
    raise CommandError(f"reference {options.reference} is used already: {said}")


def _say_movement(known: Directory, event: events.BalanceChanged) -> str:
    cause = BalanceCause(event.cause).name.lower().replace("_", " ")
    amount = known.amount(known.asset(str(event.asset)), event.amount_atoms)
    return f"{cause} of {amount} for {known.name('account', event.account)}"


async def _limits(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    account = known.account(options.account)
    if not options.asset and (options.credit_line or options.position_max):
        raise CommandError("--credit-line and --position-max need --asset")
    if options.asset:
        asset = known.asset(options.asset)
        line = known.asset_limits(account, asset.asset)
        credit = line.credit_line_atoms if line else 0
        position = line.position_max_atoms if line else 0
        if options.credit_line is not None:
            credit = known.atoms(asset, options.credit_line)
        if options.position_max is not None:
            position = known.atoms(asset, options.position_max)
        asset_command = commands.SetAssetLimits.make(
            account=account,
            asset=asset.asset,
            credit_line_atoms=credit,
            position_max_atoms=position,
            operator=options.operator,
        )
        wanted = matching(events.AssetLimitsSet, account=account, asset=asset.asset)
        console.print(directory.describe(await operator.ask(asset_command, wanted)))
    now = known.account_limits(account)
    given = (options.open_orders, options.burst, options.per_second)
    if any(value is not None for value in given):
        rate = options.per_second
        interval = now.message_interval_ns if rate is None else (NANOSECONDS // rate if rate else 0)
        command = commands.SetAccountLimits.make(
            account=account,
            open_orders_max=_either(options.open_orders, now.open_orders_max),
            message_burst=_either(options.burst, now.message_burst),
            message_interval_ns=interval,
            operator=options.operator,
        )
        wanted = matching(events.AccountLimitsSet, account=account)
        console.print(directory.describe(await operator.ask(command, wanted)))
    elif not options.asset:
        console.print(directory.describe(now))
    return EXIT_OK


def _either(given: int | None, present: int) -> int:
    return present if given is None else given


async def _phase(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    instrument, phase = known.instrument(options.instrument), Phase[options.phase.upper()]
    until = time.time_ns() + options.seconds * NANOSECONDS if options.seconds else 0
    command = commands.ChangePhase.make(
        instrument=instrument, phase=phase, until_ns=until, operator=options.operator
    )
    if known.phase(instrument) == phase and not until:
        console.print(f"{options.instrument} is {options.phase} already")
        return EXIT_OK
    wanted = matching(
        events.PhaseChanged, instrument=instrument, phase=phase, reason=PhaseReason.OPERATOR
    )
    await operator.ask(command, wanted)
    console.print(f"{options.instrument} is {options.phase}")
    return EXIT_OK


async def _kill(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    scope, target = _target(known, options)
    event = await operator.ask(
        commands.Kill.make(
            scope=scope,
            target=target,
            cancel_orders=not options.keep_orders,
            operator=options.operator,
            text=_note(options.text),
        ),
        matching(events.Killed, scope=scope, target=target),
    )
    assert isinstance(event, events.Killed)
    console.print(f"{_scope(options)} killed, {event.cancelled} orders cancelled")
    return EXIT_OK


async def _resume(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    scope, target = _target(known, options)
    await operator.ask(
        commands.Resume.make(
            scope=scope, target=target, operator=options.operator, text=_note(options.text)
        ),
        matching(events.Resumed, scope=scope, target=target),
    )
    console.print(f"{_scope(options)} resumed")
    return EXIT_OK


async def _sessions(_: OperatorLink, known: Directory, __: argparse.Namespace) -> int:
    for record in known.records:
        if isinstance(record, events.SessionGranted):
            rights = SessionRight(record.rights).name or "none"
            mode = CancelOnDisconnect(record.cancel_on_disconnect).name
            console.print(
                f"{plain_text(record.name):<12} (session {record.session}) may "
                f"{rights.lower().replace('_', ' ')} for {known.name('account', record.account)}; "
                f"on disconnect cancels {mode.lower()}, "
                f"after {record.disconnect_grace_ns / NANOSECONDS:g} s"
            )
    return EXIT_OK


async def _revoke(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    account = known.account(options.account)
    if not known.has_session(options.session):
        console.print(f"no session {options.session} has any rights")
        return EXIT_OK
    session = known.session(options.session)
    grant = known.grant(session, account)
    if not grant.rights:
        console.print(f"{options.session} has no rights on {options.account}")
        return EXIT_OK
    command = commands.GrantSession.make(
        session=session,
        account=account,
        firm=grant.firm,
        cancel_on_disconnect=grant.cancel_on_disconnect,
        disconnect_grace_ns=grant.disconnect_grace_ns,
        name=grant.name,
        operator=options.operator,
    )
    wanted = matching(events.SessionGranted, session=session, account=account, rights=0)
    await operator.ask(command, wanted)
    console.print(f"{options.session} has no rights on {options.account} any more")
    return EXIT_OK


def _bounded(least: int, most: int) -> Callable[[str], int]:
    """Make a reader of whole numbers within bounds, for the command line."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"not a whole number from {least} to {most}: {text!r}")
        return int(text)

    return number


_count = _bounded(0, 0xFFFFFFFF)
_rate = _bounded(0, 1_000_000)
_seconds = _bounded(0, 86_400 * 7)


def _scope(options: argparse.Namespace) -> str:
    return f"{options.scope} {options.target}".strip()


def _target(known: Directory, options: argparse.Namespace) -> tuple[Scope, int]:
    scope = Scope[options.scope.upper()]
    if scope is Scope.VENUE:
        if options.target:
            raise CommandError("the venue has no parts: name a scope, or leave the target out")
        return scope, 0
    if not options.target:
        raise CommandError(f"which {options.scope}?")
    find = {
        Scope.FIRM: known.firm,
        Scope.ACCOUNT: known.account,
        Scope.SESSION: known.session,
        Scope.INSTRUMENT: known.instrument,
    }[scope]
    return scope, find(options.target)


def _reference(text: str) -> bytes:
    try:
        return client_id(text)
    except ValueError as error:
        raise CommandError(f"reference: {error}") from error


def _note(text: str) -> bytes:
    try:
        return padded_text(text, 96)
    except ValueError as error:
        raise CommandError(f"text: {error}") from error
