"""What the demo's clients ask of the venue, as FIX fields."""

from dataclasses import dataclass, replace
from typing import Final

from exchange.demo.market import Market
from exchange.demo.orders import Body, OwnOrder, Request

BUY: Final = "1"
SELL: Final = "2"

MARKET: Final = "1"
LIMIT: Final = "2"
STOP: Final = "3"
STOP_LIMIT: Final = "4"

DAY: Final = "0"
GOOD_TILL_CANCEL: Final = "1"
IMMEDIATE_OR_CANCEL: Final = "3"
FILL_OR_KILL: Final = "4"

_POST_ONLY: Final = (18, "6")
_ALL_ORDERS: Final = "7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a new order in ticks and lots; zero is "not given"."""

    side: str
    order_type: str = LIMIT
    time_in_force: str = DAY
    lots: int = 0
    ticks: int = 0
    stop_ticks: int = 0
    display_lots: int = 0
    is_post_only: bool = False


@dataclass(slots=True)
class Numbering:
    """The client order ids of one session in one run."""

    prefix: str
    count: int = 0

    def next_id(self) -> str:
        """Return an id that was not used before."""
        self.count += 1
        return f"{self.prefix}-{self.count}"


def new_order(
    account: str, client_order_id: str, market: Market, terms: Terms, *, purpose: str
) -> Request:
    """Describe a NewOrderSingle for an account, which is given by name."""
    fields: list[tuple[int, str]] = [
        (1, account),
        (11, client_order_id),
        *([_POST_ONLY] if terms.is_post_only else []),
        (38, market.quantity_text(terms.lots)),
        (40, terms.order_type),
        (54, terms.side),
        (55, market.symbol),
        (59, terms.time_in_force),
    ]
    if terms.ticks:
        fields.append((44, market.price_text(terms.ticks)))
    if terms.stop_ticks:
        fields.append((99, market.price_text(terms.stop_ticks)))
    if terms.display_lots:
        fields.append((111, market.quantity_text(terms.display_lots)))
    return Request(
        message_type="D", client_order_id=client_order_id, fields=tuple(fields), purpose=purpose
    )


def cancel(account: str, client_order_id: str, order: OwnOrder) -> Request:
    """Describe an OrderCancelRequest."""
    return Request(
        message_type="F",
        client_order_id=client_order_id,
        original_client_order_id=order.client_order_id,
        purpose="cancel",
        fields=_about(account, client_order_id, order),
    )


def amend(
    account: str, client_order_id: str, order: OwnOrder, market: Market, *, ticks: int, lots: int
) -> Request:
    """Describe an OrderCancelReplaceRequest; ``lots`` includes what was filled."""
    terms: Body = (
        (38, market.quantity_text(lots)),
        (40, order.order_type),
        (44, market.price_text(ticks)),
    )
    return Request(
        message_type="G",
        client_order_id=client_order_id,
        original_client_order_id=order.client_order_id,
        purpose="amend",
        fields=_about(account, client_order_id, order) + terms,
    )


def order_status(account: str, request_id: str, order: OwnOrder) -> Request:
    """Describe an OrderStatusRequest."""
    return Request(
        message_type="H",
        client_order_id=order.client_order_id,
        purpose="status",
        fields=(
            (1, account),
            (11, order.client_order_id),
            (54, order.side),
            (55, order.symbol),
            (790, request_id),
        ),
    )


def mass_cancel(client_order_id: str) -> Request:
    """Describe an OrderMassCancelRequest for everything that the session may cancel."""
    return Request(
        message_type="q",
        client_order_id=client_order_id,
        purpose="mass cancel",
        fields=((11, client_order_id), (530, _ALL_ORDERS)),
    )


def with_field(request: Request, tag: int, value: str) -> Request:
    """Return the request with another value of a field that it has."""
    assert any(tag == known for known, _ in request.fields), tag
    fields = tuple((known, value if known == tag else text) for known, text in request.fields)
    return replace(request, fields=fields)


def _about(account: str, client_order_id: str, order: OwnOrder) -> Body:
    return (
        (1, account),
        (11, client_order_id),
        (41, order.client_order_id),
        (54, order.side),
        (55, order.symbol),
    )
