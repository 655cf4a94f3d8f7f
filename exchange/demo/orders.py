"""A client's own record of its orders, kept from nothing but the reports that it receives."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from exchange.demo.fix_codec import Fields
from exchange.demo.market import Market

_CLOSED_STATUSES: Final = frozenset("248C")
_STATUS_ANSWER: Final = "I"

Body = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something to ask of the venue, complete but for its TransactTime.

    ``refusal`` says why the venue must refuse it, with the code that it must give; None for one
    that is meant to succeed.
    """

    message_type: str
    client_order_id: str
    fields: Body
    purpose: str
    original_client_order_id: str = ""
    refusal: int | None = None


@dataclass(slots=True, kw_only=True)
class OwnOrder:
    """An order as its owner knows it."""

    client_order_id: str
    symbol: str
    side: str
    price_ticks: int
    quantity_lots: int
    filled_lots: int = 0
    order_type: str = "2"
    is_pending: bool = True
    is_open: bool = False


class Report(NamedTuple):
    """What an ExecutionReport says that its drop copy must say alike."""

    execution_id: str
    execution_type: str
    status: str
    client_order_id: str
    original_client_order_id: str
    account: str
    symbol: str
    side: str
    last_quantity: str
    last_price: str
    leaves: str
    filled: str
    fee: str

    @classmethod
    def of(cls, message: Fields) -> "Report":
        """Read an ExecutionReport."""
        return cls(*(message.get(tag, "") for tag in _REPORT_TAGS))

    @property
    def is_trade(self) -> bool:
        """Whether it reports a fill."""
        return self.execution_type == "F"

    @property
    def is_status_answer(self) -> bool:
        """Whether it answers a question, which only the asker is told."""
        return self.execution_type == _STATUS_ANSWER


_REPORT_TAGS: Final = (17, 150, 39, 11, 41, 1, 55, 54, 32, 31, 151, 14, 137)


class OwnOrders:
    """Every live order of one client, by the client order id that it has now."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self._markets = markets
        self._orders: OrderedDict[str, OwnOrder] = OrderedDict()

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[OwnOrder]:
        return iter(list(self._orders.values()))

    def get(self, client_order_id: str) -> OwnOrder | None:
        """Return an order by its present id."""
        return self._orders.get(client_order_id)

    def touchable(self, *, symbol: str = "", side: str = "") -> list[OwnOrder]:
        """Return open orders that no request of ours is under way for, oldest first."""
        return [
            order
            for order in self._orders.values()
            if order.is_open
            and not order.is_pending
            and (not symbol or order.symbol == symbol)
            and (not side or order.side == side)
        ]

    def requested(self, request: Request) -> None:
        """Note that a request has been sent."""
        if request.message_type == "D" and request.refusal is None:
            fields = dict(request.fields)
            market = self._markets[fields[55]]
            self._orders[request.client_order_id] = OwnOrder(
                client_order_id=request.client_order_id,
                symbol=fields[55],
                side=fields[54],
                order_type=fields[40],
                price_ticks=market.ticks(fields[44]) if 44 in fields else 0,
                quantity_lots=market.lots(fields[38]),
            )
        elif order := self._orders.get(request.original_client_order_id):
            order.is_pending = True

    def reported(self, message: Fields) -> None:
        """Take an ExecutionReport."""
        if message.get(150) == _STATUS_ANSWER:
            return
        order = self._orders.get(message.get(41, "")) or self._orders.get(message.get(11, ""))
        if order is None:
            return
        if message.get(150) in ("0", "5", "4", "8", "C"):
            order.is_pending = False
        if message.get(39) in _CLOSED_STATUSES:
            self._orders.pop(order.client_order_id, None)
            return
        order.is_open = True
        market = self._markets[order.symbol]
        order.filled_lots = market.lots(message.get(14, "0"))
        order.quantity_lots = market.lots(message.get(38, "0")) or order.quantity_lots
        if 44 in message:
            order.price_ticks = market.ticks(message[44])
        if message.get(150) == "5" and message.get(11):
            self._orders.pop(order.client_order_id, None)
            order.client_order_id = message[11]
            self._orders[order.client_order_id] = order

    def refused(self, request: Request) -> None:
        """Take the refusal of a request: a new order is none, another one stands as it was."""
        if request.message_type == "D":
            if request.refusal is None:
                self._orders.pop(request.client_order_id, None)
        elif order := self._orders.get(request.original_client_order_id):
            order.is_pending = False

    def forget(self, client_order_id: str) -> None:
        """Drop an order that the venue says it does not know or has done with."""
        self._orders.pop(client_order_id, None)
