"""A short trading day for the auditor's drill: everything that it plants errors in happens once.

The day is run through the venue's own engine, in memory, so that the drill is about the venue as
it is built now.
"""

from typing import Any, NamedTuple

from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading.commands import COMMANDS
from messages.trading.events import EVENTS
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause, OrderType, Phase, Scope, Side, TimeInForce
from venue.engines import create_engine

_START_NS = 1_700_000_000_000_000_000
_DAY_NS = 24 * 60 * 60 * 1_000_000_000
_BASE, _QUOTE, _INSTRUMENT = 1, 2, 1
_ACCOUNTS = {11: 1, 12: 1, 21: 2, 31: 3}
"""Account, firm."""

Fields = dict[str, int | bytes]


class Day(NamedTuple):
    """What happened: events and commands, both numbered from one."""

    events: list[Any]
    commands: list[Any]


class _Desk:
    """Sends commands to an engine of its own, and keeps what came of them."""

    def __init__(self, engine: str) -> None:
        self._engine = create_engine(engine)
        self.day = Day([], [])
        self._ids = 0

    def send(self, kind: type[c.Command], **fields: int | bytes) -> None:
        number = len(self.day.commands) + 1
        stamp = {"sequence": number, "time_ns": _START_NS + number * 1_000_000}
        data = kind.make(**fields, **stamp).pack()
        self.day.commands.extend(COMMANDS.unpack(data))
        self.day.events.extend(EVENTS.unpack(self._engine.apply(data)))

    def order(self, account: int, side: Side, price: int, lots: int, **more: int) -> bytes:
        self._ids += 1
        name = client_id(f"drill-{self._ids}")
        place: Fields = {
            "account": account,
            "session": account,
            "connection": 1,
            "instrument": _INSTRUMENT,
            "side": side,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "price_ticks": price,
            "quantity_lots": lots,
            "client_order_id": name,
        }
        self.send(c.PlaceOrder, **(place | more))
        return name

    def ask(self, kind: type[c.Command], account: int, name: bytes, **fields: int) -> None:
        """Amend or cancel an order."""
        self._ids += 1
        self.send(
            kind,
            account=account,
            session=account,
            connection=1,
            client_order_id=client_id(f"drill-{self._ids}"),
            original_client_order_id=name,
            **fields,
        )


def drill_day(engine: str = "native", *, rounds: int = 10) -> Day:
    """Run the day.

    Args:
        engine: which engine is to run it.
        rounds: of trading.

    Returns:
        All events and commands, in order.
    """
    desk = _Desk(engine)
    _found(desk)
    _move_money(desk)
    for at in range(rounds):
        _trade(desk, at)
    _stop_and_go(desk)
    trade: Fields = {"trade_id": 1, "instrument": _INSTRUMENT, "maker_account": 11}
    told = next(each for each in desk.day.events if type(each).__name__ == "TradeExecuted")
    trade |= {"taker_account": 21, "price_ticks": told.price_ticks}
    trade |= {"quantity_lots": told.quantity_lots, "operator": 1, "approver": 2}
    desk.send(c.BustTrade, **trade, reference=client_id("bust"), text=padded_text("drill", 96))
    return desk.day


def _found(desk: _Desk) -> None:
    desk.send(
        c.ConfigureVenue,
        client_ids_max=10_000,
        references_max=10_000,
        open_orders_max=10_000,
        accounts_max=100,
        instruments_max=10,
        sessions_max=100,
        client_id_window_ns=_DAY_NS,
        indicative_interval_ns=_DAY_NS,
    )
    desk.send(c.KeepTrades, trades_max=1000)
    for asset in (_BASE, _QUOTE):
        symbol = padded_text(f"A{asset}", 16)
        desk.send(c.CreateAsset, asset=asset, scale=8, supply_max_atoms=1 << 50, symbol=symbol)
    desk.send(c.DefineFeeSchedule, fee_schedule=1, maker_ppm=-50, taker_ppm=333)
    market: Fields = {"base_asset": _BASE, "quote_asset": _QUOTE, "fee_schedule": 1}
    scale: Fields = {"lot_atoms": 1000, "tick_lot_atoms": 7, "tick_units": 1, "lot_units": 1}
    symbol = padded_text("DRILL", 16)
    desk.send(c.CreateInstrument, instrument=_INSTRUMENT, symbol=symbol, **market, **scale)
    desk.send(
        c.SetInstrumentLimits,
        instrument=_INSTRUMENT,
        orders_max=1000,
        price_ticks_min=1,
        price_ticks_max=100_000,
        quantity_lots_min=1,
        quantity_lots_max=100_000,
        display_lots_min=1,
    )
    desk.send(c.ChangePhase, instrument=_INSTRUMENT, phase=Phase.CONTINUOUS)
    for firm in sorted(set(_ACCOUNTS.values())):
        desk.send(c.CreateFirm, firm=firm, name=padded_text(f"F{firm}", 32))
    for account, firm in _ACCOUNTS.items():
        name = padded_text(f"C{account}", 32)
        desk.send(
            c.CreateAccount,
            account=account,
            firm=firm,
            account_kind=1,
            self_trade_prevention=1,
            name=name,
        )
        desk.send(c.SetAccountLimits, account=account, open_orders_max=1000)
        desk.send(c.GrantSession, account=account, session=account, rights=1, firm=firm, name=name)
        desk.send(c.OpenSession, session=account, connection=1)


def _move_money(desk: _Desk) -> None:
    for account in _ACCOUNTS:
        for asset in (_BASE, _QUOTE):
            reference = client_id(f"in-{account}-{asset}")
            money: Fields = {"account": account, "asset": asset, "amount_atoms": 1 << 40}
            desk.send(c.Credit, **money, reference=reference)
    small: Fields = {"account": 11, "asset": _QUOTE, "amount_atoms": 5000}
    desk.send(c.Debit, **small, reference=client_id("out"))
    for name, end in (("w1", c.CommitWithdrawal), ("w2", c.ReleaseWithdrawal)):
        desk.send(c.ReserveWithdrawal, **small, reference=client_id(name))
        desk.send(end, account=11, reference=client_id(name))
    agreed: Fields = {"operator": 1, "approver": 2}
    desk.send(c.TransferFunds, **small, to_account=12, **agreed, reference=client_id("move"))
    for cause in (
        BalanceCause.REWARD,
        BalanceCause.ADJUSTMENT_CREDIT,
        BalanceCause.ADJUSTMENT_DEBIT,
    ):
        reference = client_id(cause.name.lower())
        desk.send(c.AdjustBalance, **small, **agreed, cause=cause, reference=reference)
    desk.send(c.SetAssetLimits, account=31, asset=_QUOTE, credit_line_atoms=1_000_000)


def _trade(desk: _Desk, at: int) -> None:
    desk.order(31, Side.SELL, 1010 + at, 3)
    desk.order(11, Side.SELL, 1000 + at, 5)
    desk.order(21, Side.BUY, 1000 + at, 4)
    resting = desk.order(12, Side.BUY, 900 + at, 9, display_lots=2)
    desk.ask(c.AmendOrder, 12, resting, quantity_lots=7)
    desk.order(31, Side.SELL, 900 + at, 3)
    gone = desk.order(21, Side.BUY, 800, 2)
    desk.ask(c.CancelOrder, 21, gone)
    desk.order(21, Side.BUY, 0, 2)  # refused: no price


def _stop_and_go(desk: _Desk) -> None:
    desk.send(c.Kill, scope=Scope.FIRM, target=2, text=padded_text("drill", 96))
    desk.order(21, Side.BUY, 700, 1)  # refused
    desk.send(c.Resume, scope=Scope.FIRM, target=2, text=padded_text("drill", 96))
    desk.order(21, Side.BUY, 700, 1)
