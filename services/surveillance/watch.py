"""All detectors over one stream of events: records in, alerts out.

Nothing here reads a clock or a disk. What it remembers can be written down at any event and read
again, and goes on as if nothing had been (docs/surveillance.md, "Exactly once").
"""

from typing import Final

import msgspec

from messages.layout import fields_reader, plain_text
from messages.trading import events as e
from messages.trading.terms import CancelReason, OrderFlag
from services.surveillance import records
from services.surveillance.alerts import Alert
from services.surveillance.detectors.circular import CircularDetector, CircularState
from services.surveillance.detectors.closing import ClosingDetector, ClosingState
from services.surveillance.detectors.fat_finger import FatFingerDetector, FatFingerState
from services.surveillance.detectors.layering import BY_WISH, LayeringDetector, LayeringState
from services.surveillance.detectors.stuffing import StuffingDetector, StuffingState
from services.surveillance.detectors.wash import WashDetector, WashState
from services.surveillance.market import Market, MarketState
from services.surveillance.parameters import NANOSECONDS, Parameters

_QUOTE: Final = int(OrderFlag.QUOTE)
_SELF_TRADE: Final = int(CancelReason.SELF_TRADE)
"""As plain integers: an enumeration's member costs each use a call, and these are each event's."""


class WatchState(msgspec.Struct):
    """All that is remembered after event ``number``, but for whose the accounts are."""

    number: int = 0
    market: MarketState = msgspec.field(default_factory=MarketState)
    wash: WashState = msgspec.field(default_factory=WashState)
    circular: CircularState = msgspec.field(default_factory=CircularState)
    layering: LayeringState = msgspec.field(default_factory=LayeringState)
    stuffing: StuffingState = msgspec.field(default_factory=StuffingState)
    fat_finger: FatFingerState = msgspec.field(default_factory=FatFingerState)
    closing: ClosingState = msgspec.field(default_factory=ClosingState)


class KnownAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account, as the event ``event_number`` made it."""

    account: int
    firm: int
    owner_group: int
    name: str
    event_number: int


class KnownInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument, as the event ``event_number`` made it."""

    instrument: int
    symbol: str
    event_number: int


class Found(msgspec.Struct, kw_only=True):
    """What a stretch of events brought."""

    alerts: list[Alert] = msgspec.field(default_factory=list)
    accounts: list[KnownAccount] = msgspec.field(default_factory=list)
    instruments: list[KnownInstrument] = msgspec.field(default_factory=list)


class Watch:
    """Sees events in order and says what is suspicious in them."""

    def __init__(
        self,
        parameters: Parameters,
        state: WatchState | None = None,
        accounts: tuple[KnownAccount, ...] | list[KnownAccount] = (),
    ) -> None:
        """Go on from a state.

        Args:
            parameters: what counts as suspicious from here on.
            state: taken over; ``None`` before the first event.
            accounts: all that exist at that state; more do no harm.
        """
        state = state or WatchState()
        bounds = parameters.bounds
        self.number = state.number
        self.time_ns = 0
        """The last event, and its stamp; zero before the first one that we saw ourselves."""
        self._market = market = Market(
            state.market,
            horizon_ns=_horizon_seconds(parameters) * NANOSECONDS,
            orders_max=bounds.orders_max,
            levels_max=bounds.levels_max,
        )
        for each in accounts:
            market.define(each.account, firm=each.firm, owner_group=each.owner_group)
        most = bounds.owners_max
        self._wash = WashDetector(parameters.wash, market, state.wash, owners_max=most)
        self._circular = CircularDetector(
            parameters.circular, market, state.circular, owners_max=most
        )
        self._layering = LayeringDetector(
            parameters.layering, market, state.layering, owners_max=most
        )
        self._stuffing = StuffingDetector(parameters.stuffing, state.stuffing, owners_max=most)
        self._fat_finger = FatFingerDetector(
            parameters.fat_finger, market, state.fat_finger, owners_max=most
        )
        self._closing = ClosingDetector(
            parameters.closing, market, state.closing, trades_max=bounds.trades_max
        )
        self._found = Found()
        self._handlers = self._make_handlers()

    def state(self) -> WatchState:
        """Return what to go on from behind the last event."""
        return WatchState(
            number=self.number,
            market=self._market.state(),
            wash=self._wash.state(),
            circular=self._circular.state(),
            layering=self._layering.state(),
            stuffing=self._stuffing.state(),
            fat_finger=self._fat_finger.state(),
            closing=self._closing.state(),
        )

    def see(self, data: bytes) -> Found:
        """See the next events.

        Args:
            data: whole records that follow the last one.

        Raises:
            UnreadableEventsError: they do not.
        """
        self._found = found = Found()
        self.number, time_ns = records.walk(data, self.number + 1, self._handlers)
        self.time_ns = time_ns or self.time_ns
        return found

    # --- one kind of event each ---

    def _make_handlers(self) -> dict[int, records.Handler]:
        return {
            e.AccountCreated.KIND: self._account_created,
            e.InstrumentCreated.KIND: self._instrument_created,
            e.OrderAccepted.KIND: self._order_accepted,
            e.OrderAmended.KIND: self._order_amended,
            e.OrderCancelled.KIND: self._order_cancelled,
            e.OrderExpired.KIND: self._order_expired,
            e.OrderRestated.KIND: self._order_restated,
            e.TradeExecuted.KIND: self._trade_executed,
            e.BookLevelChanged.KIND: self._level_changed,
            e.PhaseChanged.KIND: self._phase_changed,
            e.IndicativePriceChanged.KIND: self._indicated,
            e.AuctionUncrossed.KIND: self._uncrossed,
        }

    def _account_created(self, data: bytes, offset: int) -> None:
        seen = _read_account(data, offset)
        self._market.define(seen.account, firm=seen.firm, owner_group=seen.owner_group)
        self._found.accounts.append(
            KnownAccount(
                account=seen.account,
                firm=seen.firm,
                owner_group=seen.owner_group,
                name=plain_text(seen.name),
                event_number=seen.number,
            )
        )

    def _instrument_created(self, data: bytes, offset: int) -> None:
        seen = _read_instrument(data, offset)
        self._found.instruments.append(
            KnownInstrument(
                instrument=seen.instrument,
                symbol=plain_text(seen.symbol),
                event_number=seen.number,
            )
        )

    def _order_accepted(self, data: bytes, offset: int) -> None:
        order = _read_accepted(data, offset)
        owner = self._market.owners[order.account].owner
        self._market.accept(order, owner)
        alerts = self._found.alerts
        if not order.order_flags & _QUOTE:
            alerts += self._stuffing.on_message(order, owner)
        alerts += self._fat_finger.on_order(order)

    def _order_amended(self, data: bytes, offset: int) -> None:
        order = _read_amended(data, offset)
        self._market.amend(order)
        owner = self._market.owner(order.account)
        self._found.alerts += self._stuffing.on_message(order, owner)

    def _order_cancelled(self, data: bytes, offset: int) -> None:
        order = _read_cancelled(data, offset)
        young = self._market.leave(order.order_id)
        if order.reason == _SELF_TRADE:
            prevention = _read_prevented_cancel(data, offset)
            self._found.alerts += self._wash.on_prevention(prevention)
        elif order.reason in BY_WISH:
            owner = self._market.owner(order.account)
            self._found.alerts += self._stuffing.on_message(order, owner)
            self._found.alerts += self._layering.on_cancel(order, young)

    def _order_expired(self, data: bytes, offset: int) -> None:
        self._market.leave(_read_expired(data, offset).order_id)

    def _order_restated(self, data: bytes, offset: int) -> None:
        prevention = _read_prevented_cut(data, offset)
        if prevention.reason == _SELF_TRADE:
            self._found.alerts += self._wash.on_prevention(prevention)

    def _trade_executed(self, data: bytes, offset: int) -> None:
        trade, market, alerts = _read_trade(data, offset), self._market, self._found.alerts
        maker, taker = market.owners[trade.maker_account], market.owners[trade.taker_account]
        alerts += self._wash.on_trade(trade, maker, taker)
        alerts += self._circular.on_trade(trade, maker, taker)
        self._layering.on_trade(trade, maker, taker)
        self._stuffing.on_trade(trade, maker, taker)
        if not trade.is_negotiated:
            alerts += self._fat_finger.on_trade(trade)
            market.print_price(trade.instrument, trade.price_ticks)
        self._closing.on_trade(trade, maker, taker)
        market.fill(trade.maker_order_id, trade.quantity_lots)
        market.fill(trade.taker_order_id, trade.quantity_lots)

    def _level_changed(self, data: bytes, offset: int) -> None:
        self._market.show(*_read_level(data, offset))

    def _phase_changed(self, data: bytes, offset: int) -> None:
        self._found.alerts += self._closing.on_phase(_read_phase(data, offset))

    def _indicated(self, data: bytes, offset: int) -> None:
        self._closing.on_indication(_read_indication(data, offset))

    def _uncrossed(self, data: bytes, offset: int) -> None:
        self._found.alerts += self._closing.on_uncross(_read_uncross(data, offset))


def _horizon_seconds(parameters: Parameters) -> int:
    """Say how long an order is young: as long as any pattern asks for when it was accepted."""
    return max(
        2 * parameters.layering.window_seconds,
        parameters.circular.rest_seconds,
        parameters.closing.window_seconds,
    )


_read_accepted = records.reader(e.OrderAccepted, records.SeenOrder)
_read_amended = records.reader(e.OrderAmended, records.SeenOrder)
_read_cancelled = records.reader(e.OrderCancelled, records.SeenOrder)
_read_expired = records.reader(e.OrderExpired, records.SeenOrder)
_read_prevented_cancel = records.reader(e.OrderCancelled, records.SeenPrevention)
_read_prevented_cut = records.reader(e.OrderRestated, records.SeenPrevention)
_read_trade = records.reader(e.TradeExecuted, records.SeenTrade)
_read_level = fields_reader(
    e.BookLevelChanged, ("instrument", "side", "price_ticks", "quantity_lots")
)
_read_phase = records.reader(e.PhaseChanged, records.SeenPhase)
_read_indication = records.reader(e.IndicativePriceChanged, records.SeenIndication)
_read_uncross = records.reader(e.AuctionUncrossed, records.SeenUncross)
_read_account = records.reader(e.AccountCreated, records.SeenAccount)
_read_instrument = records.reader(e.InstrumentCreated, records.SeenInstrument)
