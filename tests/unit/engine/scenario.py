"""A small language for engine tests: commands in, the exact list of events out, as lines.

``Market`` is a venue with two assets, one instrument and a few accounts. Each method sends one
command and returns what the engine said, one line an event, so that a test reads like a
transcript::

    market.sell(5, at=100)
    assert market.buy(3, at=101, account=BOB) == [
        "accepted 2 buy 3@101",
        "trade 3@100 maker 1 taker 2",
        "level sell 100: 2 in 1",
    ]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from messages.layout import Record, padded_text
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id, source_number
from messages.trading.terms import (
    BalanceCause,
    CancelOnDisconnect,
    CancelReason,
    MassActionType,
    OrderFlag,
    OrderStatus,
    OrderType,
    Phase,
    PhaseReason,
    ProtectionLimit,
    Scope,
    Side,
    ThawCause,
    TimeInForce,
)
from tests.unit.engine.negotiation_lines import NEGOTIATION_LINES
from venue.reference.engine import ReferenceEngine

BASE, QUOTE = 1, 2
BOOK = 1
ALICE, ALAN, BOB, CAROL = 11, 12, 21, 31
"""Alice and Alan are one owner group of firm 1; Bob is of firm 2, Carol of firm 3."""

FIRM_OF = {ALICE: 1, ALAN: 1, BOB: 2, CAROL: 3}
SESSION_OF = {ALICE: 1, ALAN: 1, BOB: 2, CAROL: 3}
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
RICH = 1_000_000_000_000
GATEWAY = 3

LIMITS: dict[str, int] = {
    "orders_max": 1000,
    "price_ticks_min": 1,
    "price_ticks_max": 1_000_000,
    "quantity_lots_min": 1,
    "quantity_lots_max": 1_000_000,
    "protection_ppm": 100_000,
    "reference_ticks": 100,
}

CONFIGURATION: dict[str, int] = {
    "client_ids_max": 1000,
    "references_max": 1000,
    "open_orders_max": 1000,
    "accounts_max": 10,
    "instruments_max": 10,
    "sessions_max": 10,
    "client_id_window_ns": 60 * SECOND,
}


class Venue:
    """An engine that gives its commands numbers, stamps and sources."""

    def __init__(self) -> None:
        self.engine = ReferenceEngine()
        self.now_ns = START
        self.sequence = 0
        self.records: list[Record] = []
        self.journal = bytearray()
        self.history: list[Record] = []

    def send(self, command: type[Record], **fields: int | bytes) -> list[str]:
        """Apply one command and return its events as lines."""
        self.sequence += 1
        return self.apply(
            command.make(sequence=self.sequence, time_ns=self.now_ns, **fields).pack()
        )

    def apply(self, record: bytes) -> list[str]:
        """Apply the bytes of one command, numbered and stamped."""
        self.journal += record
        self.records = list(e.EVENTS.unpack(self.engine.apply(record)))
        self.history.extend(self.records)
        return [line for each in self.records for line in lines_of(each)]

    def later(self, nanoseconds: int) -> list[str]:
        """Let time pass, and do what falls due meanwhile, as the sequencer would."""
        until, lines = self.now_ns + nanoseconds, []
        while 0 < (due := self.engine.next_deadline()) <= until:
            self.now_ns = max(due, self.now_ns)
            lines += self.send(c.AdvanceTime)
        self.now_ns = until
        return lines


class Market(Venue):
    """A venue in which Alice, Alan, Bob and Carol can trade one instrument."""

    def __init__(
        self,
        *,
        phase: int = Phase.CONTINUOUS,
        maker_ppm: int = 0,
        taker_ppm: int = 0,
        funds: int = RICH,
        **limits: int,
    ) -> None:
        super().__init__()
        self.ids = 0
        self.send(c.ConfigureVenue, **CONFIGURATION)
        for asset, symbol in ((BASE, "BTC"), (QUOTE, "USD")):
            self.send(
                c.CreateAsset,
                asset=asset,
                scale=8,
                supply_max_atoms=1 << 60,
                symbol=padded_text(symbol, 16),
            )
        self.send(c.DefineFeeSchedule, fee_schedule=1, maker_ppm=maker_ppm, taker_ppm=taker_ppm)
        self.create_instrument(BOOK)
        self.limit(**limits)
        for account, firm in FIRM_OF.items():
            self._create_account(account, firm, funds)
        if phase != Phase.CLOSED:
            self.phase(phase)

    def create_instrument(self, instrument: int) -> list[str]:
        return self.send(
            c.CreateInstrument,
            instrument=instrument,
            base_asset=BASE,
            quote_asset=QUOTE,
            fee_schedule=1,
            lot_atoms=10,
            tick_lot_atoms=2,
            tick_units=1,
            lot_units=1,
            symbol=padded_text(f"I{instrument}", 16),
        )

    def _create_account(self, account: int, firm: int, funds: int) -> None:
        name = padded_text(f"A{account}", 32)
        if account != ALAN:
            self.send(c.CreateFirm, firm=firm, name=padded_text(f"F{firm}", 32))
        self.send(
            c.CreateAccount,
            account=account,
            firm=firm,
            owner_group=firm,
            account_kind=1,
            self_trade_prevention=1,
            name=name,
        )
        self.send(c.SetAccountLimits, account=account, open_orders_max=100)
        self.grant(account)
        if account != ALAN:
            self.open(SESSION_OF[account], connection=1)
        if funds:
            for asset in (BASE, QUOTE):
                self.credit(account, asset, funds)

    def grant(self, account: int, **fields: int | bytes) -> list[str]:
        values: dict[str, Any] = {
            "session": SESSION_OF[account],
            "rights": 3,
            "firm": FIRM_OF[account],
        } | fields
        values.setdefault("name", padded_text(f"S{values['session']}", 32))
        return self.send(c.GrantSession, account=account, **values)

    def open(self, session: int, *, connection: int) -> list[str]:
        return self.send(
            c.OpenSession,
            session=session,
            connection=connection,
            source=source_number(GATEWAY, session),
            epoch=1,
            source_sequence=self.sequence + 1,
        )

    def open_on_terms(
        self, session: int, *, connection: int, mode: int, grace_ns: int = 0
    ) -> list[str]:
        return self.send(
            c.OpenSessionOnTerms,
            session=session,
            connection=connection,
            source=source_number(GATEWAY, session),
            epoch=1,
            source_sequence=self.sequence + 1,
            cancel_on_disconnect=mode,
            disconnect_grace_ns=grace_ns,
        )

    def close(self, session: int, *, connection: int = 1, graceful: int = 0) -> list[str]:
        return self.send(c.CloseSession, session=session, connection=connection, graceful=graceful)

    def credit(
        self, account: int, asset: int, amount: int, reference: str | None = None
    ) -> list[str]:
        text = reference or f"r{self.sequence}"
        return self.send(
            c.Credit,
            account=account,
            asset=asset,
            amount_atoms=amount,
            reference=client_id(text),
        )

    def limit(self, **limits: int) -> list[str]:
        values = {"instrument": BOOK} | LIMITS | limits
        return self.send(c.SetInstrumentLimits, **values)

    def configure(self, **fields: int) -> list[str]:
        return self.send(c.ConfigureVenue, **(CONFIGURATION | fields))

    def phase(self, phase: int, *, until_ns: int = 0, instrument: int = BOOK) -> list[str]:
        return self.send(c.ChangePhase, instrument=instrument, phase=phase, until_ns=until_ns)

    def kill(self, scope: int, target: int, *, cancel: bool = False) -> list[str]:
        return self.send(c.Kill, scope=scope, target=target, cancel_orders=int(cancel))

    def resume(self, scope: int, target: int) -> list[str]:
        return self.send(c.Resume, scope=scope, target=target)

    def place(self, *, account: int = ALICE, client: str | None = None, **fields: Any) -> list[str]:
        """Place an order; Alice's limit order good till cancel unless said otherwise."""
        self.ids += 1
        values: dict[str, Any] = {
            "account": account,
            "session": SESSION_OF.get(account, 0),
            "connection": 1,
            "instrument": BOOK,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "client_order_id": client_id(client or f"o{self.ids}"),
        } | fields
        return self.send(c.PlaceOrder, **values)

    def buy(self, lots: int, at: int = 0, **fields: Any) -> list[str]:
        return self.place(side=Side.BUY, quantity_lots=lots, price_ticks=at, **fields)

    def sell(self, lots: int, at: int = 0, **fields: Any) -> list[str]:
        return self.place(side=Side.SELL, quantity_lots=lots, price_ticks=at, **fields)

    def cancel(self, order_id: int = 0, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.CancelOrder, account=account, order_id=order_id, **values)

    def spend(self, atoms: int, *, side: int = Side.BUY, **fields: Any) -> list[str]:
        """Place a market order for an amount of quote."""
        values: dict[str, Any] = {
            "order_type": OrderType.MARKET,
            "order_flags": OrderFlag.CASH_QUANTITY,
            "cash_atoms": atoms,
        } | fields
        return self.place(side=side, **values)

    def check(self, *, account: int = ALICE, **fields: Any) -> e.OrderChecked:
        """Run a new order dry; Alice's limit order good till cancel unless said otherwise."""
        values: dict[str, Any] = {
            "session": SESSION_OF.get(account, 0),
            "connection": 1,
            "instrument": BOOK,
            "side": Side.BUY,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "client_order_id": client_id("dry"),
        } | fields
        self.send(c.CheckOrder, account=account, **values)
        checked: e.OrderChecked = self.event(e.OrderChecked)
        return checked

    def amend(self, order_id: int = 0, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.AmendOrder, account=account, order_id=order_id, **values)

    def mass_cancel(self, scope: int, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.MassCancel, account=account, scope=scope, **values)

    def mass_action(
        self, action: int, scope: int, *, account: int = ALICE, **fields: Any
    ) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.MassAction, account=account, action=action, scope=scope, **values)

    def query_orders(self, scope: int, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.QueryOrders, account=account, scope=scope, **values)

    def query(self, order_id: int = 0, *, account: int = ALICE, **fields: Any) -> list[str]:
        values = {"session": SESSION_OF[account], "connection": 1} | fields
        return self.send(c.QueryOrder, account=account, order_id=order_id, **values)

    def balance(self, account: int, asset: int) -> tuple[int, int]:
        """Return balance and held atoms."""
        rows = {(row[0], row[1]): (row[2], row[3]) for row in self.engine.balances()}
        return rows.get((account, asset), (0, 0))

    def event(self, kind: type[Record], place: int = 0) -> Any:
        """Return one event of the last command, by its class."""
        return [each for each in self.records if isinstance(each, kind)][place]


def without_levels(lines: list[str]) -> list[str]:
    """Leave out what was said about book levels."""
    return [line for line in lines if not line.startswith("level ")]


def lines_of(event: Record) -> list[str]:
    """Say an event, mostly in one line."""
    if isinstance(event, e.MassQuoteAcknowledged):
        return _acknowledged(event)
    return [line_of(event)]


def _acknowledged(event: e.MassQuoteAcknowledged) -> list[str]:
    if event.code:
        return [f"mass quote rejected {RejectCode(event.code).name} {event.limit} {event.usage}"]
    lines = []
    outcomes = e.QuoteOutcome.unpack(event.outcomes)[: event.count]
    for place, outcome in enumerate(outcomes, event.first):
        what = "accepted"
        if outcome.code:
            what = f"rejected {RejectCode(outcome.code).name} {outcome.limit} {outcome.usage}"
        lines.append(f"quote {place} {what}")
    if event.first + event.count == event.entries:
        lines.append(f"mass quote {event.accepted} of {event.entries}")
    return lines


def line_of(event: Record) -> str:
    """Say an event in one line."""
    say = _SAYINGS.get(type(event))
    return say(event) if say is not None else type(event).__name__


def _terms(event: Any) -> str:
    side = Side(event.side).name.lower()
    return f"{event.order_id} {side} {event.quantity_lots}@{event.price_ticks}"


def _accepted(event: e.OrderAccepted) -> str:
    waits = " waits" if event.status == OrderStatus.PENDING_TRIGGER else ""
    return f"accepted {_terms(event)}{waits}"


def _gone(word: str) -> Callable[[Any], str]:
    return lambda event: f"{word} {event.order_id} {CancelReason(event.reason).name}"


def _refused(word: str) -> Callable[[Any], str]:
    return lambda event: f"{word} {RejectCode(event.code).name} {event.limit} {event.usage}"


def _amended(event: e.OrderAmended) -> str:
    place = "kept" if event.kept_priority else "moved"
    return f"amended {_terms(event)} leaves {event.leaves_lots} {place}"


def _trade(event: e.TradeExecuted) -> str:
    kind = "auction " if event.is_auction else "negotiated " if event.is_negotiated else ""
    return (
        f"{kind}trade "
        f"{event.quantity_lots}@{event.price_ticks} "
        f"maker {event.maker_order_id} taker {event.taker_order_id}"
    )


def _busted(event: e.TradeBusted) -> str:
    lots, price = event.previous_quantity_lots, event.previous_price_ticks
    return f"busted {event.trade_id} {lots}@{price}"


def _corrected(event: e.TradeCorrected) -> str:
    lots, price = event.previous_quantity_lots, event.previous_price_ticks
    return f"corrected {event.trade_id} {lots}@{price} to {event.quantity_lots}@{event.price_ticks}"


def _level(event: e.BookLevelChanged) -> str:
    side = Side(event.side).name.lower()
    return f"level {side} {event.price_ticks}: {event.quantity_lots} in {event.orders}"


def _phase(event: e.PhaseChanged) -> str:
    until = f" until +{event.until_ns - event.time_ns}" if event.until_ns else ""
    return f"phase {Phase(event.phase).name} {PhaseReason(event.reason).name}{until}"


def _money(event: e.BalanceChanged) -> str:
    cause = BalanceCause(event.cause).name
    return f"{cause} {event.amount_atoms} balance {event.balance_atoms} held {event.held_atoms}"


_SAYINGS: dict[type[Record], Callable[[Any], str]] = {
    e.OrderAccepted: _accepted,
    e.OrderRejected: _refused("rejected"),
    e.OrderCancelled: _gone("cancelled"),
    e.OrderExpired: _gone("expired"),
    e.OrderAmended: _amended,
    e.AmendRejected: _refused("amend rejected"),
    e.CancelRejected: _refused("cancel rejected"),
    e.QueryRejected: _refused("query rejected"),
    e.MassCancelRejected: _refused("mass cancel rejected"),
    e.CommandRejected: _refused("command rejected"),
    e.OrderTriggered: lambda event: f"triggered {_terms(event)}",
    e.OrderRestated: lambda event: f"restated {_terms(event)} leaves {event.leaves_lots}",
    e.OrderReported: lambda event: (
        f"reported {_terms(event)} {OrderStatus(event.status).name} leaves {event.leaves_lots}"
    ),
    e.OrderListed: lambda event: (
        f"listed {event.place}/{event.count}+{event.remaining} {_terms(event)}"
    ),
    e.OrdersQueryRejected: _refused("list rejected"),
    e.MassActionAccepted: lambda event: f"action {MassActionType(event.action).name} accepted",
    e.MassActionCompleted: lambda event: (
        f"action {MassActionType(event.action).name} completed {event.affected}"
    ),
    e.MassActionRejected: _refused("action rejected"),
    e.TradeExecuted: _trade,
    e.BookLevelChanged: _level,
    e.MassCancelled: lambda event: f"mass cancelled {event.cancelled}",
    e.RefusalRecorded: lambda event: f"refusal recorded {RejectCode(event.code).name}",
    e.SessionOpened: lambda event: f"opened {event.session} on {event.connection}",
    e.SessionClosed: lambda event: (
        f"closed {event.session} on {event.connection} cancelled {event.cancelled}"
    ),
    e.SessionFenced: lambda event: (
        f"fenced {event.session} on {event.connection} "
        f"{CancelOnDisconnect(event.cancel_on_disconnect).name} cancelled {event.cancelled}"
        + (" waits" if event.grace_until_ns else "")
    ),
    e.BalanceChanged: _money,
    e.PhaseChanged: _phase,
    e.Killed: lambda event: (
        f"killed {Scope(event.scope).name} {event.target} cancelled {event.cancelled}"
    ),
    e.Resumed: lambda event: f"resumed {Scope(event.scope).name} {event.target}",
    e.IndicativePriceChanged: lambda event: (
        f"indicative {event.volume_lots}@{event.price_ticks} surplus {event.surplus_lots}"
    ),
    e.AuctionUncrossed: lambda event: (
        f"uncrossed {event.volume_lots}@{event.price_ticks} in {event.trades}"
    ),
    e.TradeBusted: _busted,
    e.TradeCorrected: _corrected,
    e.FundsTransferred: lambda event: (
        f"transferred {event.amount_atoms} from {event.account} to {event.to_account}"
    ),
    e.ReceivableChanged: lambda event: (
        f"receivable of {event.account} {event.change_atoms:+} now {event.receivable_atoms}"
    ),
    **NEGOTIATION_LINES,
    e.QuotesCancelled: lambda event: f"quotes cancelled {event.cancelled}",
    e.QuotingRejected: _refused("quoting rejected"),
    e.ProtectionTriggered: lambda event: (
        f"protection {event.protection_group} {ProtectionLimit(event.reached).name}"
        f" {event.limit} {event.usage} cancelled {event.cancelled}"
    ),
    e.ProtectionReset: lambda event: (
        f"protection {event.protection_group} reset {ThawCause(event.cause).name}"
        f"{' thawed' if event.was_frozen else ''}"
    ),
    e.ProtectionReported: lambda event: (
        f"protection {event.protection_group} {'frozen' if event.is_frozen else 'quoting'}"
        f" trades {event.trades} quantity {event.quantity_atoms}"
        f" notional {event.notional_atoms} delta {event.delta_atoms} left {event.left}"
    ),
}
