"""What the recorder makes of events before it stores them: rows, candles, changes, a position."""

from messages.trading import events as e
from services.market_data import store
from services.market_data.candles import Gathering
from services.market_data.ports import EventBatch
from services.market_data.records import EventWalk, read_change, read_trade
from services.market_data.trades import Numbering


class Intake:
    """Takes events, and hands over what is to be stored of them."""

    def __init__(self, after: int) -> None:
        """Begin with the event after one."""
        self.pending = store.Batch(through=after)
        """What was taken and not handed over."""
        self._numbering = Numbering()
        self._walk = EventWalk(
            {
                e.TradeExecuted.KIND: self._traded,
                e.TradeBusted.KIND: self._changed,
                e.TradeCorrected.KIND: self._changed,
            }
        )

    @property
    def through(self) -> int:
        """The last event taken."""
        return self.pending.through

    def take(self, batch: EventBatch) -> None:
        """Take events: whole commands, following those taken before.

        Raises:
            UnreadableEventsError: events are missing.
        """
        pending = self.pending
        pending.through, time_ns = self._walk.take(batch.data, pending.through + 1)
        pending.time_ns = time_ns or pending.time_ns

    def hand_over(self) -> store.Batch:
        """Return what is pending, and begin to gather what comes after it."""
        pending = self.pending
        self.pending = store.Batch(through=pending.through, time_ns=pending.time_ns)
        return pending

    def _traded(self, data: bytes, offset: int) -> None:
        seen = read_trade(data, offset)
        if seen.is_negotiated:
            return  # it passed by the book
        pending = self.pending
        pending.trades.append(self._numbering.row(seen))
        if not pending.gatherings[-1].takes(seen):
            pending.gatherings.append(Gathering())
            assert pending.gatherings[-1].takes(seen), "one trade fits"

    def _changed(self, data: bytes, offset: int) -> None:
        self.pending.changes.append(read_change(data, offset))
