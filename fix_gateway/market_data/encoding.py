"""Books and changes as the bodies of W and X: what all subscribers of a view share."""

from collections.abc import Iterable

from fix_gateway.market_data.books import Level, ShownOrder, Trade
from fix_gateway.market_data.pieces import Piece, piece
from fix_gateway.market_data.views import Moment, View
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Instrument
from fix_gateway.translation.parts import price, quantity
from fix_gateway.translation.times import nanosecond_text, timestamp_text
from messages.trading.terms import Side

_ENTRY_TYPE = {Side.BUY: tags.MD_ENTRY_TYPE_BID, Side.SELL: tags.MD_ENTRY_TYPE_OFFER}
_NEW, _CHANGE, _DELETE = (
    tags.MD_UPDATE_ACTION_NEW,
    tags.MD_UPDATE_ACTION_CHANGE,
    tags.MD_UPDATE_ACTION_DELETE,
)


def whole(view: View, *, entries_max: int) -> list[Piece]:
    """Encode a view's state as the bodies of one W or, above so many entries, several.

    The bodies begin after MDReqID (262), which is each subscriber's own.
    """
    if not view.pieces:
        unit = view.unit
        entries = [*_whole_levels(view), *_whole_orders(view)]
        if view.key.has_trades and view.last_trade is not None:
            entries.append(_last_trade(view.last_trade, unit))
        if not entries:
            entries.append(f"269={tags.MD_ENTRY_TYPE_EMPTY_BOOK}\x01")
        head = f"55={unit.symbol}\x01779={timestamp_text(view.time_ns)}\x0183={view.sequence}\x01"
        view.pieces = _bodies(head, entries, _checked(view), "", entries_max)
    return view.pieces


def update(view: View, moment: Moment, *, entries_max: int) -> list[Piece]:
    """Encode what changed as the bodies of one X or, above so many entries, several.

    Trades come first, then what leaves, what changes, and what is new, so that a price or an
    order that comes back under the same name is there once at any time.
    """
    if not moment.pieces:
        unit, end = view.unit, f"83={moment.sequence}\x01"
        entries = [_trade(trade, unit) + end for trade in moment.trades]
        entries += [entry + end for entry in _changed_levels(moment, unit)]
        entries += [entry + end for entry in _changed_orders(moment, unit)]
        checked = _checked(view, moment.checksum)
        following = f"5061={moment.since}\x01"
        moment.pieces = _bodies("", entries, checked, following, entries_max)
    return moment.pieces


def book_type(view: View) -> str:
    """Return MDBookType (1021) of a view that has a book; empty for trades alone."""
    if not view.key.sides:
        return ""
    if view.key.is_by_order:
        return tags.MD_BOOK_TYPE_ORDER_DEPTH
    is_top = view.key.depth == 1
    return tags.MD_BOOK_TYPE_TOP_OF_BOOK if is_top else tags.MD_BOOK_TYPE_PRICE_DEPTH


def _checked(view: View, checksum: int | None = None) -> str:
    if not view.key.sides:
        return ""
    return f"5060={view.checksum if checksum is None else checksum:08x}\x01"


def _bodies(
    head: str, entries: list[str], checked: str, following: str, entries_max: int
) -> list[Piece]:
    if len(entries) <= entries_max:
        text = f"{head}268={len(entries)}\x01{''.join(entries)}{checked}{following}"
        return [piece(text)]
    bodies = []
    for at in range(0, len(entries), entries_max):
        part = entries[at : at + entries_max]
        is_last = at + entries_max >= len(entries)
        end = f"893=Y\x01{checked}" if is_last else "893=N\x01"
        bodies.append(piece(f"{head}268={len(part)}\x01{''.join(part)}{end}{following}"))
    return bodies


def _whole_levels(view: View) -> Iterable[str]:
    unit = view.unit
    for (side, ticks), level in sorted(view.levels.items(), key=lambda each: _place(*each[0])):
        yield (
            f"269={_ENTRY_TYPE[Side(side)]}\x01270={price(ticks, unit)}\x01"
            f"271={quantity(level.lots, unit)}\x01346={level.orders}\x01"
        )


def _whole_orders(view: View) -> Iterable[str]:
    unit = view.unit
    queue = sorted(
        view.orders.items(),
        key=lambda each: (*_place(each[1].side, each[1].price_ticks), each[1].rank),
    )
    for number, order in queue:
        yield (
            f"269={_ENTRY_TYPE[Side(order.side)]}\x01278={number}\x01"
            f"270={price(order.price_ticks, unit)}\x01271={quantity(order.lots, unit)}\x01"
            f"37={number}\x01"
        )


def _place(side: int, ticks: int) -> tuple[int, int]:
    """Sort bids before offers, and the best of each first."""
    return side, -ticks if side == Side.BUY else ticks


def _last_trade(trade: Trade, unit: Instrument) -> str:
    date, _, time = nanosecond_text(trade.time_ns).partition("-")
    return (
        f"269={tags.MD_ENTRY_TYPE_TRADE}\x01278={trade.trade_id}\x01"
        f"270={price(trade.price_ticks, unit)}\x01271={quantity(trade.lots, unit)}\x01"
        f"272={date}\x01273={time}\x01"
    )


def _trade(trade: Trade, unit: Instrument) -> str:
    aggressor = f"2446={trade.aggressor_side}\x01" if trade.aggressor_side else ""
    return (
        f"279={_NEW}\x01269={tags.MD_ENTRY_TYPE_TRADE}\x01278={trade.trade_id}\x01"
        f"55={unit.symbol}\x01270={price(trade.price_ticks, unit)}\x01"
        f"271={quantity(trade.lots, unit)}\x0160={nanosecond_text(trade.time_ns)}\x01{aggressor}"
    )


def _changed_levels(moment: Moment, unit: Instrument) -> Iterable[str]:
    gone, changed, new = [], [], []
    for (side, ticks), (before, after) in moment.levels.items():
        what = f"269={_ENTRY_TYPE[Side(side)]}\x0155={unit.symbol}\x01270={price(ticks, unit)}\x01"
        if after is None:
            gone.append(f"279={_DELETE}\x01{what}")
        elif before is None:
            new.append(f"279={_NEW}\x01{what}{_level(after, unit)}")
        else:
            changed.append(f"279={_CHANGE}\x01{what}{_level(after, unit)}")
    return [*gone, *changed, *new]


def _level(level: Level, unit: Instrument) -> str:
    return f"271={quantity(level.lots, unit)}\x01346={level.orders}\x01"


def _changed_orders(moment: Moment, unit: Instrument) -> Iterable[str]:
    gone, changed, new = [], [], []
    for number, (before, after) in moment.orders.items():
        if after is not None and before is not None and _is_in_place(before, after):
            changed.append(_order(_CHANGE, number, after, unit))
            continue
        if before is not None:
            gone.append(_order(_DELETE, number, before, unit))
        if after is not None:
            new.append((after.rank, _order(_NEW, number, after, unit)))
    return [*gone, *changed, *(text for _, text in sorted(new))]


def _is_in_place(before: ShownOrder, after: ShownOrder) -> bool:
    return before.rank == after.rank and before.price_ticks == after.price_ticks


def _order(action: str, number: int, order: ShownOrder, unit: Instrument) -> str:
    size = "" if action == _DELETE else f"271={quantity(order.lots, unit)}\x01"
    return (
        f"279={action}\x01269={_ENTRY_TYPE[Side(order.side)]}\x01278={number}\x01"
        f"55={unit.symbol}\x01270={price(order.price_ticks, unit)}\x01{size}37={number}\x01"
    )
