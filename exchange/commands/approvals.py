"""Operators, and what takes two of them: busts, corrections, transfers, settled receivables."""

import argparse
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console

from exchange.approvals import ACTIONS, Approvals, Fields, Proposal
from exchange.configuration import scaled
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError
from exchange.operator_link import OperatorLink, disputes, matching, trade_told
from exchange.operators import NUMBER_MAX, Operators, Token
from exchange.places import places_parser
from exchange.state import State
from messages.layout import plain_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.identity import execution_id
from messages.trading.terms import DisputeReason
from runtime.process import EXIT_OK

Maker = Callable[[Directory, argparse.Namespace], Awaitable[Fields]]
console = Console(highlight=False, soft_wrap=True)

_SUMMARIES = {
    "bust": "undo a trade",
    "correct": "give a trade another price, or less of it",
    "transfer": "move free money between two accounts of one firm",
    "settle": "let an account pay what it owes since a bust",
}


def configure(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the actions of operators, and one below ``admin`` for each that takes two of them."""
    _configure_operators(actions)
    _plain(actions, "disputes", "list executions that clients do not know", _disputes)
    for action, summary in _SUMMARIES.items():
        parser = actions.add_parser(action, help=f"{summary}; two operators", description=summary)
        under = parser.add_subparsers(metavar="what", required=True)
        propose = _one(under, "propose", "ask another operator to agree", _propose)
        propose.set_defaults(proposed=action)
        _ARGUMENTS[action](propose)
        propose.add_argument("--text", default="", help="why, for the record")
        for name, about, does in (
            ("approve", "agree to what another operator proposed, and have it done", _approve),
            ("withdraw", "take a proposal back, or turn it down", _withdraw),
        ):
            one = _one(under, name, about, does)
            one.set_defaults(proposed=action, is_local=name == "withdraw")
            one.add_argument("id", help="the proposal")
        listed = _plain(under, "list", "say what was proposed, and where it stands", _list)
        listed.set_defaults(proposed=action, is_local=True)


def _configure_operators(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "who operates the venue, and their tokens"
    parser = actions.add_parser("operators", help=summary, description=summary)
    parser.set_defaults(is_local=True)
    under = parser.add_subparsers(metavar="what", required=True)
    add = _plain(under, "add", "make an operator and a token", _add_operator)
    add.add_argument("name", help="small letters and digits")
    add.add_argument("--number", type=int, required=True, help=f"for the record, 1 to {NUMBER_MAX}")
    _plain(under, "list", "say who there is", _list_operators)


def _plain(
    under: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    action: Callable[..., object],
) -> argparse.ArgumentParser:
    parser = under.add_parser(
        name, parents=[places_parser(is_nested=True)], help=about, description=about
    )
    parser.set_defaults(action=action)
    return parser


def _one(
    under: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    about: str,
    action: Callable[..., object],
) -> argparse.ArgumentParser:
    parser = _plain(under, name, about, action)
    parser.add_argument("--as", dest="who", required=True, metavar="NAME", help="who you are")
    parser.add_argument("--token", type=Path, help="your token; default: in the state's secrets")
    return parser


def _of_trade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trade", type=int, required=True, help="its id, tag 1003")


def _of_correction(parser: argparse.ArgumentParser) -> None:
    _of_trade(parser)
    parser.add_argument("--price", help="decimal; default: as it is")
    parser.add_argument("--quantity", help="decimal, no more than it is; default: as it is")


def _of_transfer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", required=True, help="from; name or number")
    parser.add_argument("--to", required=True, help="name or number")
    _of_amount(parser)


def _of_settlement(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", required=True, help="name or number")
    _of_amount(parser)


def _of_amount(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--asset", required=True, help="symbol or number")
    parser.add_argument("--amount", required=True, help="decimal, such as 1000.50")


_ARGUMENTS = {
    "bust": _of_trade,
    "correct": _of_correction,
    "transfer": _of_transfer,
    "settle": _of_settlement,
}


def _approvals(options: argparse.Namespace) -> Approvals:
    state = State(options.state)
    return Approvals(state.approvals, Operators(state.operators), time.time_ns)


def _token(options: argparse.Namespace) -> Token:
    operators = Operators(State(options.state).operators)
    operator = operators.named(options.who)
    return Token.read(operator, options.token or operators.token_path(operator.name))


def _add_operator(options: argparse.Namespace) -> int:
    token = Operators(State(options.state).operators).add(options.name, options.number)
    console.print(f"operator {options.name} has number {options.number}; the token is {token}")
    return EXIT_OK


def _list_operators(options: argparse.Namespace) -> int:
    for operator in Operators(State(options.state).operators).all():
        console.print(f"{operator.number:>6}  {operator.name:<32} key {operator.public_key[:16]}")
    return EXIT_OK


async def _propose(_: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    token = _token(options)
    fields = await _MAKERS[options.proposed](known, options)
    summary = await _summary(options.proposed, fields, known, options)
    if options.text:
        summary += f": {options.text}"
    proposal = _approvals(options).propose(token, options.proposed, fields, summary)
    console.print(f"proposal {proposal.id}: {proposal.summary}")
    console.print(f"another operator: ./rialto admin {options.proposed} approve {proposal.id}")
    return EXIT_OK


async def require_truth(proposal: Proposal, known: Directory, options: argparse.Namespace) -> None:
    """Require that a proposal does what it says, for its approver reads nothing else.

    Raises:
        CommandError: words and fields differ; both are its proposer's alone.
    """
    try:
        said = await _summary(proposal.action, proposal.fields, known, options)
    except KeyError as error:
        raise CommandError(f"proposal {proposal.id} says nothing of {error}") from error
    if proposal.summary != said and not proposal.summary.startswith(f"{said}: "):
        raise CommandError(f"proposal {proposal.id} does something else than it says: {said}")


async def _approve(operator: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    approvals = _approvals(options)
    proposal = approvals.find(options.id)
    _require_action(proposal, options)
    if proposal.state == "open":  # what is approved may be done already, and a repeat finds out
        await require_truth(proposal, known, options)
    proposal = approvals.approve(_token(options), proposal)
    command = approvals.command(proposal)
    _, wanted = ACTIONS[proposal.action]
    try:
        event = await operator.ask(command, matching(wanted, reference=proposal.reference))
    except CommandRefusedError as error:
        if error.code is RejectCode.DUPLICATE_REFERENCE:
            approvals.record(proposal, "executed")
            console.print(f"proposal {proposal.id} was executed before; nothing changed")
            return EXIT_OK
        approvals.record(proposal, f"refused: {error.code.name} ({error.code.value})")
        raise
    assert isinstance(event, events.Event)
    approvals.record(proposal, f"executed as event {event.number}")
    console.print(f"{proposal.summary}: done, event {event.number}")
    await _say_debts(operator, known)
    return EXIT_OK


async def _say_debts(operator: OperatorLink, known: Directory) -> None:
    for account, asset, atoms in (await operator.balances()).receivables:
        amount = known.amount(known.asset(str(asset)), atoms)
        console.print(f"{known.name('account', account)} owes the venue {amount} and is suspended")


def _withdraw(options: argparse.Namespace) -> int:
    approvals = _approvals(options)
    _require_action(approvals.find(options.id), options)
    proposal = approvals.withdraw(_token(options), options.id)
    console.print(f"proposal {proposal.id} is {proposal.outcome}")
    return EXIT_OK


def _list(options: argparse.Namespace) -> int:
    for proposal in _approvals(options).all():
        if proposal.action == options.proposed:
            at = time.strftime("%Y-%m-%d %H:%M", time.gmtime(proposal.proposed_at_ns // 10**9))
            by = f"{proposal.proposed_by}, {proposal.approved_by or 'nobody yet'}"
            console.print(f"{proposal.id}  {at}  {proposal.state}  ({by})  {proposal.summary}")
    return EXIT_OK


async def _disputes(_: OperatorLink, known: Directory, options: argparse.Namespace) -> int:
    for event in await disputes(State(options.state)):
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.time_ns // 10**9))
        reason = DisputeReason(event.reason).name.lower().replace("_", " ")
        text = plain_text(event.text)
        console.print(
            f"{at}  {known.name('account', event.account)} does not know "
            f"{execution_id(event.event_number, event.side)} of order {event.order_id}: {reason}"
            + (f", {text}" if text else "")
        )
    return EXIT_OK


def _require_action(proposal: Proposal, options: argparse.Namespace) -> None:
    if proposal.action != options.proposed:
        raise CommandError(f"proposal {proposal.id} is about: {proposal.action}")


async def _bust(known: Directory, options: argparse.Namespace) -> Fields:
    trade, _ = await _trade(known, options.trade, options)
    return _terms(trade) | {"text": options.text}


async def _correct(known: Directory, options: argparse.Namespace) -> Fields:
    trade, instrument = await _trade(known, options.trade, options)
    ticks, lots = trade.price_ticks, trade.quantity_lots
    if options.price is not None:
        ticks = _whole(options.price, instrument.price_decimals, instrument.tick_units)
    if options.quantity is not None:
        lots = _whole(options.quantity, instrument.quantity_decimals, instrument.lot_units)
    new: Fields = {"new_price_ticks": ticks, "new_quantity_lots": lots, "text": options.text}
    return _terms(trade) | new


async def _transfer(known: Directory, options: argparse.Namespace) -> Fields:
    account, to_account = known.account(options.account), known.account(options.to)
    return {"account": account, "to_account": to_account} | _amount(known, options)


async def _settle(known: Directory, options: argparse.Namespace) -> Fields:
    return {"account": known.account(options.account)} | _amount(known, options)


async def _summary(
    action: str, fields: Fields, known: Directory, options: argparse.Namespace
) -> str:
    """Say in words what a command's fields will do, by what the venue knows.

    Raises:
        CommandError: they are not about a trade as the venue told it last.
    """
    numbers = {name: value for name, value in fields.items() if isinstance(value, int)}
    if action in ("transfer", "settle"):
        name = known.name("account", numbers["account"])
        asset = known.asset(str(numbers["asset"]))
        amount = known.amount(asset, numbers["amount_atoms"])
        if action == "settle":
            return f"let {name} pay {amount} of what it owes"
        return f"transfer {amount} from {name} to {known.name('account', numbers['to_account'])}"
    trade, instrument = await _trade(known, numbers["trade_id"], options)
    if any(numbers[name] != value for name, value in _terms(trade).items()):
        raise CommandError(f"trade {trade.trade_id} is not what the proposal says of it")
    said = f"{action} {_say_trade(known, instrument, trade)}"
    if action == "bust":
        return said
    lots, ticks = numbers["new_quantity_lots"], numbers["new_price_ticks"]
    return f"{said} to {_quantity(instrument, lots)} at {_price(instrument, ticks)}"


_MAKERS: dict[str, Maker] = {
    "bust": _bust,
    "correct": _correct,
    "transfer": _transfer,
    "settle": _settle,
}


def _amount(known: Directory, options: argparse.Namespace) -> Fields:
    asset = known.asset(options.asset)
    return {"asset": asset.asset, "amount_atoms": known.atoms(asset, options.amount)}


Trade = events.TradeExecuted | events.TradeChanged


async def _trade(
    known: Directory, trade_id: int, options: argparse.Namespace
) -> tuple[Trade, events.InstrumentCreated]:
    """Find a trade as the venue told it last."""
    trade = await trade_told(State(options.state), trade_id)
    if trade is None:
        raise CommandError(f"there was no trade {trade_id}")
    if isinstance(trade, events.TradeBusted):
        raise CommandError(f"trade {trade_id} was busted by event {trade.number}")
    for record in known.records:
        if isinstance(record, events.InstrumentCreated) and record.instrument == trade.instrument:
            return trade, record
    raise CommandError(f"no instrument {trade.instrument}")


def _terms(trade: Trade) -> Fields:
    return {
        "trade_id": trade.trade_id,
        "instrument": trade.instrument,
        "maker_account": trade.maker_account,
        "taker_account": trade.taker_account,
        "price_ticks": trade.price_ticks,
        "quantity_lots": trade.quantity_lots,
    }


def _say_trade(known: Directory, instrument: events.InstrumentCreated, trade: Trade) -> str:
    accounts = (trade.taker_account, trade.maker_account)
    buyer, seller = accounts if trade.taker_side == 1 else accounts[::-1]
    return (
        f"trade {trade.trade_id}, {known.name('account', buyer)} bought "
        f"{_quantity(instrument, trade.quantity_lots)} {plain_text(instrument.symbol)} "
        f"at {_price(instrument, trade.price_ticks)} of {known.name('account', seller)}"
    )


def _price(instrument: events.InstrumentCreated, ticks: int) -> str:
    return _decimal(ticks * instrument.tick_units, instrument.price_decimals)


def _quantity(instrument: events.InstrumentCreated, lots: int) -> str:
    return _decimal(lots * instrument.lot_units, instrument.quantity_decimals)


def _decimal(units: int, decimals: int) -> str:
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)


def _whole(text: str, decimals: int, unit: int) -> int:
    units = scaled(text, decimals)
    if units is None or units % unit:
        raise CommandError(f"{text} is not a whole number of ticks or lots")
    return units // unit
