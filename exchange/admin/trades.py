"""Actions on trades after the fact: each names the trade's terms as the venue told them last."""

from exchange.admin.actions import Body, Decimal, Desk, Done, Hands, Plan, once, whole
from exchange.configuration import scaled
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operator_link import Outcome, matching
from messages.layout import Record, plain_text
from messages.trading import commands, events

Trade = events.TradeExecuted | events.TradeChanged


class Bust(Body, frozen=True):
    """Undo a trade."""

    trade: int

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        trade, instrument = await _trade(desk, self.trade)
        summary = f"bust {_say_trade(desk.known, instrument, trade)}"

        async def perform(hands: Hands) -> Done:
            command = commands.BustTrade.make(**_terms(trade), text=self.note)
            return await once(hands, command, self.told(desk.known), summary)

        return Plan(summary=summary, perform=perform)

    def told(self, _known: Directory, /) -> Outcome:
        """See ``Body.told``."""
        return matching(events.TradeBusted, trade_id=self.trade)


class Correct(Body, frozen=True):
    """Give a trade another price, or less of it."""

    trade: int
    price: Decimal | None = None
    quantity: Decimal | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        trade, instrument = await _trade(desk, self.trade)
        ticks, lots = self._terms(instrument, trade)
        summary = (
            f"correct {_say_trade(desk.known, instrument, trade)} "
            f"to {_quantity(instrument, lots)} at {_price(instrument, ticks)}"
        )

        async def perform(hands: Hands) -> Done:
            command = commands.CorrectTrade.make(
                **_terms(trade), new_price_ticks=ticks, new_quantity_lots=lots, text=self.note
            )
            return await once(hands, command, self.told(desk.known), summary)

        return Plan(summary=summary, perform=perform)

    def told(self, known: Directory, /) -> Outcome:
        """See ``Body.told``; terms that were not given are those of the trade."""

        def is_it(event: Record) -> bool:
            if not isinstance(event, events.TradeCorrected) or event.trade_id != self.trade:
                return False
            terms = self._terms(_instrument(known, event.instrument), event)
            return terms == (event.price_ticks, event.quantity_lots)

        return is_it

    def _terms(self, instrument: events.InstrumentCreated, trade: Trade) -> tuple[int, int]:
        """Return the ticks and lots that a trade gets."""
        ticks, lots = trade.price_ticks, trade.quantity_lots
        if self.price is not None:
            units = scaled(self.price, instrument.price_decimals)
            ticks = whole(self.price, units, instrument.tick_units)
        if self.quantity is not None:
            units = scaled(self.quantity, instrument.quantity_decimals)
            lots = whole(self.quantity, units, instrument.lot_units)
        return ticks, lots


async def _trade(desk: Desk, trade_id: int) -> tuple[Trade, events.InstrumentCreated]:
    """Find a trade as the venue told it last."""
    if not 0 < trade_id < 1 << 64:
        raise CommandError(f"there was no trade {trade_id}")
    trade = await desk.core.trade_told(trade_id)
    if trade is None:
        raise CommandError(f"there was no trade {trade_id}")
    if isinstance(trade, events.TradeBusted):
        raise CommandError(f"trade {trade_id} was busted by event {trade.number}")
    return trade, _instrument(desk.known, trade.instrument)


def _instrument(known: Directory, number: int) -> events.InstrumentCreated:
    for record in known.records:
        if isinstance(record, events.InstrumentCreated) and record.instrument == number:
            return record
    raise CommandError(f"no instrument {number}")


def _terms(trade: Trade) -> dict[str, int]:
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
    number, fraction = divmod(units, 10**decimals)
    return f"{number}.{fraction:0{decimals}d}" if decimals else str(number)
