"""A MarketDataRequest (V) as what it asks for, or the reason why it is refused (Y)."""

from collections.abc import Callable
from dataclasses import dataclass

from fix_gateway.market_data.grammar import Request
from fix_gateway.market_data.settings import MarketDataLimits
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory, Instrument
from fix_gateway.translation.reasons import code_name
from fix_gateway.translation.text import shown
from messages.trading.codes import RejectCode
from messages.trading.terms import CLIENT_ID_LENGTH_MAX, Side

_DEPTH_DIGITS_MAX = 9
_REASON = {
    RejectCode.GATEWAY_SYMBOL_UNKNOWN: tags.MD_REQ_REJ_REASON_UNKNOWN_SYMBOL,
    RejectCode.GATEWAY_MARKET_DATA_REQUEST_DUPLICATE: tags.MD_REQ_REJ_REASON_DUPLICATE_MDREQID,
    RejectCode.GATEWAY_SUBSCRIPTIONS_EXCEEDED: tags.MD_REQ_REJ_REASON_INSUFFICIENT_BANDWIDTH,
    RejectCode.GATEWAY_MARKET_DEPTH_UNSUPPORTED: tags.MD_REQ_REJ_REASON_UNSUPPORTED_MARKETDEPTH,
    RejectCode.GATEWAY_UPDATE_TYPE_UNSUPPORTED: tags.MD_REQ_REJ_REASON_UNSUPPORTED_MDUPDATETYPE,
    RejectCode.GATEWAY_BOOK_TYPE_UNSUPPORTED: tags.MD_REQ_REJ_REASON_UNSUPPORTED_AGGREGATEDBOOK,
    RejectCode.GATEWAY_ORDER_BOOK_UNAVAILABLE: tags.MD_REQ_REJ_REASON_UNSUPPORTED_AGGREGATEDBOOK,
    RejectCode.GATEWAY_ENTRY_TYPE_UNSUPPORTED: tags.MD_REQ_REJ_REASON_UNSUPPORTED_MDENTRYTYPE,
    RejectCode.GATEWAY_SUBSCRIPTION_TYPE_UNSUPPORTED: (
        tags.MD_REQ_REJ_REASON_UNSUPPORTED_SUBSCRIPTIONREQUESTTYPE
    ),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request is refused: its code, and a sentence with the limit and what was asked."""

    code: RejectCode
    detail: str

    def body(self, request_id: str) -> str:
        """Write the body of a MarketDataRequestReject (Y)."""
        reason = _REASON.get(self.code)
        said = f"281={reason}\x01" if reason is not None else ""
        return (
            f"262={request_id}\x01{said}58={code_name(self.code)}: {self.detail}\x01"
            f"5001={int(self.code)}\x01"
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    request_id: str
    has_updates: bool
    depth: int
    is_by_order: bool
    is_full_refresh: bool
    sides: tuple[int, ...]
    has_trades: bool
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class End:
    """A request to end the updates of an earlier one."""

    request_id: str


def read_request(
    request: Request,
    directory: Directory,
    limits: MarketDataLimits,
    *,
    is_taken: Callable[[str], bool],
) -> Wanted | End | Refused:
    """Say what a request asks for.

    The first failing check wins, in the order: name, what kind of subscription, depth, update
    type, book, entries, instruments.

    Args:
        request: as the description has it.
        directory: of instruments.
        limits: of depth and of instruments in one request.
        is_taken: whether a name is that of a subscription.
    """
    name = request.get(tags.MD_REQ_ID)
    if not (len(name) <= CLIENT_ID_LENGTH_MAX and name.isascii() and name.isprintable()):
        code = RejectCode.GATEWAY_FIELD_MALFORMED
        return Refused(code, f"MDReqID (262): 1 to {CLIENT_ID_LENGTH_MAX} printable characters")
    kind = request.get(tags.SUBSCRIPTION_REQUEST_TYPE)
    if kind == tags.SUBSCRIPTION_REQUEST_TYPE_DISABLE_PREVIOUS:
        if not is_taken(name):
            code = RejectCode.GATEWAY_MARKET_DATA_REQUEST_UNKNOWN
            return Refused(code, "no such subscription")
        return End(name)
    if is_taken(name):
        code = RejectCode.GATEWAY_MARKET_DATA_REQUEST_DUPLICATE
        return Refused(code, "a subscription has this MDReqID (262)")
    shape = _shape(request, limits)
    if isinstance(shape, Refused):
        return shape
    depth, is_by_order = shape
    entries = _entries(request)
    if isinstance(entries, Refused):
        return entries
    instruments = _instruments(request, directory, limits)
    if isinstance(instruments, Refused):
        return instruments
    return Wanted(
        name,
        kind == tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT_AND_UPDATES,
        depth,
        is_by_order,
        request.get(tags.MD_UPDATE_TYPE) == tags.MD_UPDATE_TYPE_FULL_REFRESH,
        *entries,
        instruments,
    )


def _shape(request: Request, limits: MarketDataLimits) -> tuple[int, bool] | Refused:
    """Return the depth, and whether orders are meant rather than levels."""
    text = request.get(tags.MARKET_DEPTH)
    depth = int(text[:_DEPTH_DIGITS_MAX])
    if not 0 <= depth <= limits.depth_max or len(text) > _DEPTH_DIGITS_MAX:
        detail = f"MarketDepth (264): 0 to {limits.depth_max}, requested {shown(text)}"
        return Refused(RejectCode.GATEWAY_MARKET_DEPTH_UNSUPPORTED, detail)
    wants_orders = (
        request.get(tags.AGGREGATED_BOOK)
        == tags.AGGREGATED_BOOK_MULTIPLE_ENTRIES_PER_SIDE_PER_PRICE_ALLOWED
    )
    book = request.get(tags.MD_BOOK_TYPE)
    is_by_order = wants_orders or book == tags.MD_BOOK_TYPE_ORDER_DEPTH
    is_contrary = (
        (book == tags.MD_BOOK_TYPE_TOP_OF_BOOK and (depth != 1 or wants_orders))
        or (book == tags.MD_BOOK_TYPE_PRICE_DEPTH and wants_orders)
        or (
            book == tags.MD_BOOK_TYPE_ORDER_DEPTH
            and request.get(tags.AGGREGATED_BOOK)
            == tags.AGGREGATED_BOOK_ONE_ENTRY_PER_SIDE_PER_PRICE
        )
    )
    if is_contrary:
        detail = "MDBookType (1021) does not fit MarketDepth (264) or AggregatedBook (266)"
        return Refused(RejectCode.GATEWAY_BOOK_TYPE_UNSUPPORTED, detail)
    if is_by_order and depth:
        detail = f"MarketDepth (264): 0 for order depth, requested {depth}"
        return Refused(RejectCode.GATEWAY_MARKET_DEPTH_UNSUPPORTED, detail)
    return depth, is_by_order


def _entries(request: Request) -> tuple[tuple[int, ...], bool] | Refused:
    """Return the sides, and whether trades are wanted."""
    found = {entry[tags.MD_ENTRY_TYPE] for entry in request.groups[tags.NO_MD_ENTRY_TYPES]}
    unknown = found - {*_SIDES, tags.MD_ENTRY_TYPE_TRADE}
    if unknown:
        detail = f"MDEntryType (269): 0, 1 and 2, requested {shown(min(unknown))}"
        return Refused(RejectCode.GATEWAY_ENTRY_TYPE_UNSUPPORTED, detail)
    sides = tuple(int(side) for entry, side in _SIDES.items() if entry in found)
    return sides, tags.MD_ENTRY_TYPE_TRADE in found


def _instruments(
    request: Request, directory: Directory, limits: MarketDataLimits
) -> tuple[Instrument, ...] | Refused:
    symbols = dict.fromkeys(entry[tags.SYMBOL] for entry in request.groups[tags.NO_RELATED_SYM])
    if len(symbols) > limits.symbols_max:
        detail = f"limit {limits.symbols_max} instruments, requested {len(symbols)}"
        return Refused(RejectCode.GATEWAY_SUBSCRIPTIONS_EXCEEDED, detail)
    found = []
    for symbol in symbols:
        instrument = directory.instrument_by_symbol.get(symbol)
        if instrument is None:
            return Refused(RejectCode.GATEWAY_SYMBOL_UNKNOWN, f"Symbol (55) {shown(symbol)}")
        found.append(instrument)
    return tuple(found)


_SIDES = {tags.MD_ENTRY_TYPE_BID: Side.BUY, tags.MD_ENTRY_TYPE_OFFER: Side.SELL}
