"""The errors that a drill plants: one for each thing that has gone wrong somewhere, or might."""

from collections.abc import Callable
from typing import NamedTuple

from auditor.checks.postings import Cause, EntryRow, Kind
from auditor.drill.shadow import Shadow
from auditor.findings import Check
from messages.trading import events as e
from messages.trading.terms import BalanceCause, OrderStatus, Phase, Side

Planting = Callable[[Shadow], bool]
"""Plants an error; False when the shadow has nothing to plant it in."""


class Plant(NamedTuple):
    """An error, and the check that must find it."""

    name: str
    check: Check
    plant: Planting


def _changed(kind: type[e.Event], **changes: Callable[[e.Event], object]) -> Planting:
    """Make a planting that changes fields of the first event of a kind."""

    def plant(shadow: Shadow) -> bool:
        at = shadow.find(kind)
        if at is None:
            return False
        event = shadow.events[at]
        shadow.change(at, **{name: change(event) for name, change in changes.items()})
        return True

    return plant


def _more(name: str, by: int) -> Callable[[e.Event], object]:
    return lambda event: getattr(event, name) + by


# The stream itself.


def _event_lost(shadow: Shadow) -> bool:
    at = shadow.find(e.OrderAccepted)
    if at is None:
        return False
    del shadow.events[at]
    return True


def _event_twice(shadow: Shadow) -> bool:
    at = shadow.find(e.TradeExecuted)
    if at is None:
        return False
    shadow.events.insert(at, shadow.events[at])
    return True


def _stamp_back(shadow: Shadow) -> bool:
    at = len(shadow.events) // 2
    shadow.change(at, time_ns=shadow.events[0].time_ns - 1)
    return True


def _command_lost(shadow: Shadow) -> bool:
    del shadow.commands[len(shadow.commands) // 2]
    return True


def _command_changed(shadow: Shadow) -> bool:
    for at, command in enumerate(shadow.commands):
        if type(command).__name__ == "PlaceOrder":
            fields = {name: getattr(command, name) for name in command.__struct_fields__}
            fields["account"] += 1
            shadow.commands[at] = type(command)(**fields)
            return True
    return False


def _answer_missing(shadow: Shadow) -> bool:
    at = shadow.find(e.OrderRejected)
    if at is None:
        return False
    shadow.drop(at)
    return True


# Money.


def _debit_beyond(shadow: Shadow) -> bool:
    at = shadow.find(e.BalanceChanged, cause=int(BalanceCause.DEBIT))
    if at is None:
        return False
    event = shadow.events[at]
    amount = event.balance_atoms + event.amount_atoms + 1
    shadow.change(at, amount_atoms=amount, change_atoms=-amount, balance_atoms=-1)
    return True


def _reference_again(shadow: Shadow) -> bool:
    places = [at for at, each in enumerate(shadow.events) if isinstance(each, e.BalanceChanged)]
    if len(places) < 2:
        return False
    shadow.change(places[1], reference=shadow.events[places[0]].reference)
    return True


def _withdrawal_grows(shadow: Shadow) -> bool:
    at = shadow.find(e.BalanceChanged, cause=int(BalanceCause.WITHDRAWAL_COMMITTED))
    if at is None:
        return False
    event = shadow.events[at]
    shadow.change(
        at,
        amount_atoms=event.amount_atoms + 1,
        change_atoms=event.change_atoms - 1,
        balance_atoms=event.balance_atoms - 1,
    )
    return True


def _of_one(cause: BalanceCause) -> Planting:
    """Let money of the venue's have been moved by an operator whom no other one agreed with."""

    def plant(shadow: Shadow) -> bool:
        at = shadow.find(e.BalanceChanged, cause=int(cause))
        if at is None:
            return False
        shadow.change(at, approver=shadow.events[at].operator)
        return True

    return plant


def _fee_forgone(shadow: Shadow) -> bool:
    for at, event in enumerate(shadow.events):
        if isinstance(event, e.TradeExecuted) and event.taker_fee_atoms > 0:
            shadow.change(
                at,
                taker_fee_atoms=event.taker_fee_atoms - 1,
                taker_quote_balance=event.taker_quote_balance + 1,
            )
            return True
    return False


# Orders and books.


def _fill_of_the_dead(shadow: Shadow) -> bool:
    """Let an order trade that was cancelled long before."""
    done = 0
    for at, event in enumerate(shadow.events):
        if isinstance(event, e.OrderCancelled):
            done = event.order_id
        elif isinstance(event, e.TradeExecuted) and done:
            shadow.change(at, maker_order_id=done)
            return True
    return False


def _level_not_told(shadow: Shadow) -> bool:
    at = shadow.find(e.BookLevelChanged)
    if at is None:
        return False
    shadow.drop(at)
    return True


def _better_order_passed_over(shadow: Shadow) -> bool:
    """Let an order that rested behind have had the better price all along."""
    resting: dict[int, int] = {}
    for at, event in enumerate(shadow.events):
        if isinstance(event, e.OrderAccepted) and event.status == OrderStatus.NEW:
            resting[event.order_id] = at
        elif isinstance(event, e.OrderEvent):
            resting.pop(event.order_id, None)
        elif isinstance(event, e.TradeExecuted):
            buys = event.taker_side == Side.SELL
            for order_id, there in resting.items():
                order = shadow.events[there]
                if order_id in {event.maker_order_id, event.taker_order_id}:
                    continue
                if order.instrument == event.instrument and (order.side == Side.BUY) == buys:
                    better = event.price_ticks + (1 if buys else -1)
                    shadow.change(there, price_ticks=better)
                    return True
            resting.pop(event.maker_order_id, None)
            resting.pop(event.taker_order_id, None)
    return False


def _trade_through(shadow: Shadow) -> bool:
    """Let a trade be at a price worse than its taker's limit."""
    for at, event in enumerate(shadow.events):
        if isinstance(event, e.TradeExecuted) and event.taker_price_ticks:
            away = 1 if event.taker_side == Side.BUY else -1
            shadow.change(at, price_ticks=event.taker_price_ticks + away)
            return True
    return False


def _own_group(shadow: Shadow) -> bool:
    """Let the two sides of a trade have been of one owner group."""
    trade = shadow.find(e.TradeExecuted)
    if trade is None:
        return False
    parties = {shadow.events[trade].maker_account, shadow.events[trade].taker_account}
    for at, event in enumerate(shadow.events):
        if isinstance(event, e.AccountCreated) and event.account in parties:
            shadow.change(at, owner_group=4_000_000_001)
    return True


def _halted_all_along(shadow: Shadow) -> bool:
    trade = shadow.find(e.TradeExecuted)
    if trade is None:
        return False
    instrument = shadow.events[trade].instrument
    at = shadow.find(e.PhaseChanged, instrument=instrument, phase=int(Phase.CONTINUOUS))
    if at is None:
        return False
    shadow.change(at, phase=int(Phase.HALTED))
    return True


def _never_resumed(shadow: Shadow) -> bool:
    at = shadow.find(e.Resumed)
    if at is None:
        return False
    shadow.drop(at)
    return True


# The ledger.


def _leg_missing(shadow: Shadow) -> bool:
    if not shadow.entries:
        return False
    del shadow.entries[len(shadow.entries) // 2]
    return True


def _leg_twice(shadow: Shadow) -> bool:
    if not shadow.entries:
        return False
    shadow.entries.append(shadow.entries[-1])
    return True


def _foreign_rows(shadow: Shadow) -> bool:
    """Add two balanced lines by hand, as somebody with the owner's password could."""
    if not shadow.entries:
        return False
    funds = next(each for each in shadow.entries if each.kind == Kind.FUNDS)
    for leg, amount in ((90, -1_000), (91, 1_000)):
        account = funds.account if amount > 0 else 0
        kind = Kind.FUNDS if amount > 0 else Kind.CLEARING
        row = EntryRow(funds.event_number, leg, kind, Cause.CREDIT, account, funds.asset, amount)
        shadow.entries.append(row)
        shadow.balances[kind, account, funds.asset] += amount
    shadow.entries.sort()
    return True


def _old_row_changed(shadow: Shadow) -> bool:
    """Change a line after it was looked at, with the triggers switched off."""
    if not shadow.entries:
        return False
    first = shadow.entries[0]
    shadow.later_entries = [first._replace(amount=first.amount + 1), *shadow.entries[1:]]
    return True


def _balance_moved(shadow: Shadow) -> bool:
    if not shadow.balances:
        return False
    shadow.balances[next(iter(shadow.balances))] += 1
    return True


def _trade_forged(shadow: Shadow) -> bool:
    if not shadow.trades:
        return False
    shadow.trades[0] = shadow.trades[0]._replace(price_ticks=shadow.trades[0].price_ticks + 1)
    return True


def _booked_ahead(shadow: Shadow) -> bool:
    shadow.beyond = shadow.position + 7
    return True


def _position_back(shadow: Shadow) -> bool:
    shadow.later_position = shadow.position - 1
    return True


def _engine_differs(shadow: Shadow) -> bool:
    if not shadow.figures.balances:
        return False
    account, asset, balance, held = shadow.figures.balances[0]
    figures = type(shadow.figures)(
        [(account, asset, balance + 1, held), *shadow.figures.balances[1:]],
        shadow.figures.assets,
        shadow.figures.receivables,
    )
    shadow.figures = figures
    return True


PLANTS: tuple[Plant, ...] = (
    Plant("an event is lost", Check.CONTIGUITY, _event_lost),
    Plant("an event comes twice", Check.CONTIGUITY, _event_twice),
    Plant("a stamp goes back", Check.CONTIGUITY, _stamp_back),
    Plant("a command is gone from the journal", Check.COMMANDS_ANSWERED, _command_lost),
    Plant("a journaled command is another account's", Check.COMMANDS_ANSWERED, _command_changed),
    Plant("a refusal was never said", Check.COMMANDS_ANSWERED, _answer_missing),
    Plant(
        "a credit makes money",
        Check.CONSERVATION,
        _changed(e.BalanceChanged, balance_atoms=_more("balance_atoms", 1)),
    ),
    Plant(
        "a trade gives its taker an atom too much",
        Check.BALANCES,
        _changed(e.TradeExecuted, taker_base_balance=_more("taker_base_balance", 1)),
    ),
    Plant("one operator pays a reward alone", Check.BALANCES, _of_one(BalanceCause.REWARD)),
    Plant(
        "one operator gives an account money alone",
        Check.BALANCES,
        _of_one(BalanceCause.ADJUSTMENT_CREDIT),
    ),
    Plant(
        "one operator takes an account's money back alone",
        Check.BALANCES,
        _of_one(BalanceCause.ADJUSTMENT_DEBIT),
    ),
    Plant("a debit takes more than there is", Check.CREDIT_LINES, _debit_beyond),
    Plant("a reference is honoured twice", Check.REFERENCES, _reference_again),
    Plant("a withdrawal grows on its way", Check.REFERENCES, _withdrawal_grows),
    Plant(
        "an order holds an atom too little",
        Check.HOLDS,
        _changed(e.OrderAccepted, held_atoms=_more("held_atoms", -1)),
    ),
    Plant("a fee is an atom short", Check.FEES, _fee_forgone),
    Plant(
        "a fee has another rate",
        Check.FEES,
        _changed(e.TradeExecuted, taker_fee_ppm=_more("taker_fee_ppm", 1)),
    ),
    Plant(
        "a fill is counted wrongly",
        Check.QUANTITIES,
        _changed(e.TradeExecuted, maker_filled_lots=_more("maker_filled_lots", 1)),
    ),
    Plant("a cancelled order trades", Check.QUANTITIES, _fill_of_the_dead),
    Plant(
        "a notional is an atom off",
        Check.TRADES,
        _changed(e.TradeExecuted, notional_atoms=_more("notional_atoms", 1)),
    ),
    Plant(
        "a bust undoes another price",
        Check.TRADES,
        _changed(e.TradeChanged, previous_price_ticks=_more("previous_price_ticks", 1)),
    ),
    Plant(
        "a level is published wrongly",
        Check.BOOKS,
        _changed(e.BookLevelChanged, quantity_lots=_more("quantity_lots", 1)),
    ),
    Plant("a level is not published", Check.BOOKS, _level_not_told),
    Plant("a better order is passed over", Check.PRIORITY, _better_order_passed_over),
    Plant("a trade is worse than its taker's limit", Check.PRICES, _trade_through),
    Plant("one owner trades with itself", Check.SELF_TRADES, _own_group),
    Plant("a halted instrument trades", Check.PHASES, _halted_all_along),
    Plant("orders come in under a kill switch", Check.KILL_SWITCHES, _never_resumed),
    Plant("the engine has another balance", Check.ENGINE_FIGURES, _engine_differs),
    Plant("a leg is missing", Check.LEDGER_ENTRIES, _leg_missing),
    Plant("a leg is booked twice", Check.LEDGER_ENTRIES, _leg_twice),
    Plant("foreign rows are put in by hand", Check.LEDGER_ENTRIES, _foreign_rows),
    Plant("a row of long ago is changed", Check.LEDGER_ENTRIES, _old_row_changed),
    Plant("a balance moves without entries", Check.LEDGER_BALANCES, _balance_moved),
    Plant("a trade has another price in the ledger", Check.LEDGER_TRADES, _trade_forged),
    Plant("rows are booked ahead of the position", Check.LEDGER_POSITION, _booked_ahead),
    Plant("the ledger was restored from an old backup", Check.LEDGER_POSITION, _position_back),
)
