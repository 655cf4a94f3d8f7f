"""The desk for orders: each request becomes commands, and their events its answer."""

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from messages.layout import Record
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import OrderStatus, Scope
from retail_gateway.answers import (
    AmendedAnswer,
    CancelledAnswer,
    Empty,
    PlacedAnswer,
    ReplacedAnswer,
    TestedAnswer,
)
from retail_gateway.core_link import CoreLink, Outcome
from retail_gateway.market import Instrument
from retail_gateway.orders import Order, order_after, order_of
from retail_gateway.parameters import (
    AmendedOrder,
    CancelledOrder,
    OneSymbol,
    Replacement,
    Terms,
    TestTerms,
    missing,
)
from retail_gateway.refusals import (
    INVALID_SYMBOL,
    OUTCOME_UNKNOWN,
    DoorCode,
    Refusal,
    door_refusal,
    venue_refusal,
)
from retail_gateway.state import RetailState
from retail_gateway.translation import reports, requests

_CANCEL_REJECTED: Final = venue_refusal(RejectCode.ORDER_UNKNOWN)
_RESTRICTED: Final = door_refusal(
    DoorCode.CANCEL_RESTRICTED, -2011, "Order was not canceled due to cancel restrictions."
)
_NO_RATES: Final = reports.rates_answer((0, 0))


class Asked(msgspec.Struct, frozen=True):
    """Who asks, and until when the request may be acted on."""

    account: int
    valid_until_ns: int
    key_id: str = ""
    """By which key."""


class TradingDesk:
    """Places, amends and cancels orders of one account at a time."""

    def __init__(
        self,
        link: CoreLink,
        state: RetailState,
        *,
        fresh_id: Callable[[], str] = lambda: secrets.token_hex(11),
    ) -> None:
        self._link = link
        self._state = state
        self._fresh_id = fresh_id

    # --- new orders ---

    async def place(self, asked: Asked, terms: Terms) -> PlacedAnswer | Refusal:
        """Place an order."""
        instrument = self._state.market.instrument(terms.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        name = terms.new_client_order_id or self._fresh_id()
        fields = requests.order_fields(terms, instrument, name)
        if isinstance(fields, Refusal):
            self._record(asked, fields, instrument, name)
            return fields
        fields["valid_until_ns"] = asked.valid_until_ns
        outcome = await self._link.ask(commands.PlaceOrder, asked.account, fields)
        if isinstance(outcome, Refusal):
            return outcome
        return self._placed(asked, outcome, instrument, terms)

    def _placed(
        self, asked: Asked, outcome: Outcome, instrument: Instrument, terms: Terms
    ) -> PlacedAnswer:
        accepted = outcome[0]
        assert isinstance(accepted, events.OrderAccepted), accepted
        last, order = outcome[-1], self._state.order(asked.account, accepted.order_id)
        assert isinstance(last, events.Event), last
        if order is None or order.updated_event > last.number:
            # Others have changed it since: the answer is of what its own command did.
            order = order_after(outcome, accepted.order_id, None)
        assert order is not None, "it begins with its acceptance"
        response = terms.new_order_resp_type or _RESPONSES.get(terms.type, "ACK")
        fills = [
            fill
            for event in outcome
            if isinstance(event, events.TradeExecuted)
            for fill in [reports.fill_answer(event, asked.account, accepted.order_id, instrument)]
            if fill is not None
        ]
        return reports.placed_answer(order, instrument, fills, response)

    async def test(self, asked: Asked, terms: TestTerms) -> TestedAnswer | Empty | Refusal:
        """Check an order as it would be placed, and place none."""
        instrument = self._state.market.instrument(terms.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        name = terms.new_client_order_id or self._fresh_id()
        fields = requests.order_fields(terms, instrument, name)
        if isinstance(fields, Refusal):
            return fields
        fields["valid_until_ns"] = asked.valid_until_ns
        outcome = await self._link.ask(commands.CheckOrder, asked.account, fields)
        if isinstance(outcome, Refusal):
            return outcome
        if not terms.compute_commission_rates:
            return Empty()
        rates = self._state.market.fee_rates(asked.account, instrument)
        return TestedAnswer(
            standard_commission_for_order=reports.rates_answer(rates),
            special_commission_for_order=_NO_RATES,
            tax_commission_for_order=_NO_RATES,
        )

    def _record(self, asked: Asked, refused: Refusal, instrument: Instrument, name: str) -> None:
        """Have a refusal of ours put on the venue's record, where audit sees it."""
        self._link.tell(
            commands.RecordRefusal,
            asked.account,
            {
                "refused_kind": commands.PlaceOrder.KIND,
                "code": _RECORDED.get(refused.details.code, RejectCode.GATEWAY_FIELD_MALFORMED),
                "instrument": instrument.number,
                "client_order_id": client_id(name),
                "text": refused.msg.encode("ascii", "replace")[:96],
            },
        )

    # --- cancels ---

    async def cancel(self, asked: Asked, wanted: CancelledOrder) -> CancelledAnswer | Refusal:
        """Cancel an order."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        return await self._cancel(
            asked,
            instrument,
            order_id=wanted.order_id,
            client_order_id=wanted.orig_client_order_id,
            request=wanted.new_client_order_id or self._fresh_id(),
            restriction=wanted.cancel_restrictions,
        )

    async def _cancel(
        self,
        asked: Asked,
        instrument: Instrument,
        *,
        order_id: int | None,
        client_order_id: str | None,
        request: str,
        restriction: str | None,
    ) -> CancelledAnswer | Refusal:
        order = self.find(asked.account, instrument, order_id, client_order_id)
        if isinstance(order, Refusal):
            return order
        if order is None or not order.is_open:
            return _CANCEL_REJECTED
        if restriction is not None and not _may_go(order, restriction):
            return _RESTRICTED
        outcome = await self._link.ask(
            commands.CancelOrder,
            asked.account,
            {"order_id": order.order_id, "client_order_id": client_id(request)},
        )
        if isinstance(outcome, Refusal):
            return outcome
        after = order_after(outcome, order.order_id, order) or order
        return reports.cancelled_answer(after, instrument, request)

    def find(
        self,
        account: int,
        instrument: Instrument,
        order_id: int | None,
        client_order_id: str | None,
    ) -> Order | Refusal | None:
        """Find an order that is known here; both ids, if both are given, must be its own."""
        if order_id is None and client_order_id is None:
            return missing("orderId")
        if order_id is not None:
            order = self._state.order(account, order_id)
            if client_order_id is not None and order is not None:
                order = order if order.client_order_id == client_order_id else None
        else:
            order = self._state.order_of_client_id(account, client_order_id or "")
        return order if order is not None and order.instrument == instrument.number else None

    async def cancel_open(self, asked: Asked, wanted: OneSymbol) -> list[CancelledAnswer] | Refusal:
        """Cancel all open orders of a market."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        if not self._state.open_orders(asked.account, instrument.number):
            return _CANCEL_REJECTED
        request = self._fresh_id()
        outcome = await self._link.ask(
            commands.MassCancel,
            asked.account,
            {
                "scope": Scope.ACCOUNT,
                "instrument": instrument.number,
                "client_order_id": client_id(request),
            },
        )
        if isinstance(outcome, Refusal):
            return outcome
        return [
            reports.cancelled_answer(order, instrument, request)
            for order in self._orders_of(asked.account, outcome, events.OrderCancelled)
        ]

    def _orders_of(
        self, account: int, outcome: Outcome, kind: type[events.OrderEvent]
    ) -> list[Order]:
        return [
            order_of(event, self._state.order(account, event.order_id))
            for event in outcome
            if isinstance(event, kind)
        ]

    # --- changes ---

    async def replace(self, asked: Asked, wanted: Replacement) -> ReplacedAnswer | Refusal:
        """Cancel an order and place another; the second need not wait for the first's success."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        if wanted.cancel_order_id is None and wanted.cancel_orig_client_order_id is None:
            return missing("cancelOrderId")
        cancelled = await self._cancel(
            asked,
            instrument,
            order_id=wanted.cancel_order_id,
            client_order_id=wanted.cancel_orig_client_order_id,
            request=wanted.cancel_new_client_order_id or self._fresh_id(),
            restriction=wanted.cancel_restrictions,
        )
        placed: PlacedAnswer | Refusal | None = None
        is_unknown = cancelled is OUTCOME_UNKNOWN
        if not isinstance(cancelled, Refusal) or (
            wanted.cancel_replace_mode == "ALLOW_FAILURE" and not is_unknown
        ):
            placed = await self.place(asked, wanted)
        return _replaced(cancelled, placed)

    async def amend(self, asked: Asked, wanted: AmendedOrder) -> AmendedAnswer | Refusal:
        """Make an order smaller; it keeps its place in the queue."""
        instrument = self._state.market.instrument(wanted.symbol)
        if instrument is None:
            return INVALID_SYMBOL
        quantity_lots = requests.lots(wanted.new_qty, instrument, "newQty")
        if isinstance(quantity_lots, Refusal):
            return quantity_lots
        order = self.find(asked.account, instrument, wanted.order_id, wanted.orig_client_order_id)
        if isinstance(order, Refusal):
            return order
        if order is None or not order.is_open:
            return venue_refusal(RejectCode.ORDER_UNKNOWN)
        if quantity_lots >= order.quantity_lots:
            return _NOT_SMALLER
        name = wanted.new_client_order_id or self._fresh_id()
        outcome = await self._link.ask(
            commands.AmendOrder,
            asked.account,
            {
                "order_id": order.order_id,
                "quantity_lots": quantity_lots,
                "valid_until_ns": asked.valid_until_ns,
                "client_order_id": client_id(name),
            },
        )
        if isinstance(outcome, Refusal):
            return outcome
        amended = _first(outcome, events.OrderAmended)
        after = order_after(outcome, order.order_id, order) or order
        return reports.amended_answer(amended, after, instrument)


_RESPONSES: Final = {"LIMIT": "FULL", "MARKET": "FULL"}
"""How much is answered when the client does not say; ACK for the other types."""

_RECORDED: Final[dict[int, RejectCode]] = {
    DoorCode.PARAMETER_MISSING: RejectCode.GATEWAY_FIELD_MISSING,
    DoorCode.PRICE_OFF_TICK: RejectCode.GATEWAY_PRICE_OFF_TICK,
    DoorCode.QUANTITY_OFF_LOT: RejectCode.GATEWAY_QUANTITY_OFF_LOT,
    DoorCode.AMOUNT_OUT_OF_RANGE: RejectCode.GATEWAY_OUT_OF_RANGE,
}
"""What the venue's record calls a refusal of this door: by the numbers of all gateways."""

_NOT_SMALLER: Final = door_refusal(
    DoorCode.AMOUNT_OUT_OF_RANGE,
    -2038,
    "The requested quantity is not below the order's: an amend only makes it smaller.",
)


def _first(outcome: Outcome, kind: type[events.OrderAmended]) -> events.OrderAmended:
    found: list[Record] = [event for event in outcome if isinstance(event, kind)]
    assert found, "an amend that was neither done nor refused"
    assert isinstance(found[0], kind)
    return found[0]


def _may_go(order: Order, restriction: str) -> bool:
    is_partial = order.status == OrderStatus.PARTIALLY_FILLED
    return is_partial is (restriction == "ONLY_PARTIALLY_FILLED")


def _replaced(
    cancelled: CancelledAnswer | Refusal, placed: PlacedAnswer | Refusal | None
) -> ReplacedAnswer | Refusal:
    """Say what became of both halves; a failure of one is Binance's -2022 or -2021."""
    answer = ReplacedAnswer(
        cancel_result=_result(cancelled),
        new_order_result=_result(placed),
        cancel_response=_raw(cancelled),
        new_order_response=_raw(placed),
    )
    failed = [isinstance(half, Refusal) or half is None for half in (cancelled, placed)]
    if not any(failed):
        return answer
    if any(half is OUTCOME_UNKNOWN for half in (cancelled, placed)):
        unknown = OUTCOME_UNKNOWN
        return ReplaceRefusal(
            unknown.status, unknown.code, unknown.msg, unknown.details, data=answer
        )
    is_whole = all(failed)
    code, msg = (
        (-2022, "Order cancel-replace failed.")
        if is_whole
        else (-2021, "Order cancel-replace partially failed.")
    )
    first = cancelled if isinstance(cancelled, Refusal) else placed
    assert isinstance(first, Refusal)
    status = 400 if is_whole else 409
    return ReplaceRefusal(status, code, msg, first.details, data=answer)


class ReplaceRefusal(Refusal, frozen=True, kw_only=True):
    """A cancel-replace of which a half failed, or both."""

    data: ReplacedAnswer


def _result(half: CancelledAnswer | PlacedAnswer | Refusal | None) -> str:
    if half is None:
        return "NOT_ATTEMPTED"
    if half is OUTCOME_UNKNOWN:
        return "UNKNOWN"
    return "FAILURE" if isinstance(half, Refusal) else "SUCCESS"


def _raw(half: CancelledAnswer | PlacedAnswer | Refusal | None) -> msgspec.Raw:
    if isinstance(half, Refusal):
        body = {"code": half.code, "msg": half.msg, "details": half.details}
        return msgspec.Raw(msgspec.json.encode(body))
    return msgspec.Raw(msgspec.json.encode(half))
