"""Protection groups of quotes: show them, give one its limits, let a frozen one quote again."""

import argparse

from rich.console import Console

from exchange.directory import Directory, describe
from exchange.errors import CommandError
from exchange.operator_link import OperatorLink, matching
from exchange.places import places_parser
from messages.trading import commands, events
from runtime.process import EXIT_OK

_NANOSECONDS_A_MILLISECOND = 1_000_000
console = Console(highlight=False, soft_wrap=True)


def configure(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the actions below ``admin protection``."""
    summary = "protection groups of quotes: list, define"
    parser = actions.add_parser("protection", help=summary, description=summary)
    under = parser.add_subparsers(metavar="what", required=True)
    for name, about, action in (
        ("list", "say which limits each group has", _list),
        ("define", "give a group its limits; it counts from nothing, and is not frozen", _define),
    ):
        one = under.add_parser(
            name, parents=[places_parser(is_nested=True)], help=about, description=about
        )
        one.set_defaults(action=action)
        if name == "define":
            _configure_definition(one)


def _configure_definition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", required=True, help="name or number")
    parser.add_argument("--group", type=int, required=True, help="its number")
    parser.add_argument("--base", help="symbol: what quantities are of; needed for a new group")
    parser.add_argument("--quote", help="symbol: what notionals are of")
    parser.add_argument("--quantity-max", help="decimal; 0: no limit")
    parser.add_argument("--notional-max", help="decimal; 0: no limit")
    parser.add_argument("--delta-max", help="decimal; 0: no limit")
    parser.add_argument("--trades-max", type=int, help="at most so many")
    parser.add_argument("--window-ms", type=int, help="how long a trade counts")
    parser.add_argument("--frozen-ms", type=int, help="how long it is frozen; 0: until it is reset")


def _groups(known: Directory) -> list[events.ProtectionDefined]:
    return [each for each in known.records if isinstance(each, events.ProtectionDefined)]


async def _list(_: OperatorLink, known: Directory, _options: argparse.Namespace) -> int:
    for group in _groups(known):
        console.print(describe(group))
    return EXIT_OK


async def _define(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    command = definition(known, options)
    wanted = matching(
        events.ProtectionDefined,
        account=command.account,
        protection_group=command.protection_group,
    )
    console.print(describe(await operator.ask(command, wanted)))
    return EXIT_OK


def definition(known: Directory, options: argparse.Namespace) -> commands.DefineProtection:
    """Make the command: what is not given stays as it is.

    Raises:
        CommandError: a new group without a base asset, a notional without a quote asset, or a
            negative number.
    """
    account = known.account(options.account)
    now = next(
        (
            each
            for each in _groups(known)
            if (each.account, each.protection_group) == (account, options.group)
        ),
        events.ProtectionDefined.make(window_ns=1000 * _NANOSECONDS_A_MILLISECOND),
    )
    if not options.base and not now.base_asset:
        raise CommandError("a new group needs --base")
    base = known.asset(options.base or str(now.base_asset))
    named = options.quote or (str(now.quote_asset) if now.quote_asset else "")
    quote = known.asset(named) if named else None
    if options.notional_max is not None and quote is None:
        raise CommandError("--notional-max needs --quote")
    counts = (options.group, options.trades_max, options.window_ms, options.frozen_ms)
    if any(count is not None and count < 0 for count in counts):
        raise CommandError("a number is negative")

    def amount(text: str | None, asset: events.AssetCreated | None, present: int) -> int:
        return present if text is None or asset is None else known.atoms(asset, text)

    def duration(milliseconds: int | None, present: int) -> int:
        return present if milliseconds is None else milliseconds * _NANOSECONDS_A_MILLISECOND

    return commands.DefineProtection.make(
        account=account,
        protection_group=options.group,
        base_asset=base.asset,
        quote_asset=quote.asset if quote is not None else 0,
        trades_max=now.trades_max if options.trades_max is None else options.trades_max,
        quantity_max_atoms=amount(options.quantity_max, base, now.quantity_max_atoms),
        notional_max_atoms=amount(options.notional_max, quote, now.notional_max_atoms),
        delta_max_atoms=amount(options.delta_max, base, now.delta_max_atoms),
        window_ns=duration(options.window_ms, now.window_ns),
        frozen_ns=duration(options.frozen_ms, now.frozen_ns),
        operator=options.operator,
    )
