"""Requests for quote, quotes and answers to them: R, S, AJ, Z and a to command records."""

from fix_gateway.translation import tags
from fix_gateway.translation.heads import named_head, refusal
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Reader
from fix_gateway.translation.rfq_ids import RESERVED, RfqName, read_name
from fix_gateway.translation.text import shown
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    AcceptRfqQuote,
    GiveRfqQuote,
    PlaceOrder,
    QueryRfq,
    RecordRefusal,
    RequestForQuote,
    WithdrawRfq,
)
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import OrderType, RfqSubject, TimeInForce

_NOBODY = RfqName(0, 0)


def names_quote(fields: Fields) -> bool:
    """Say whether a NewOrderSingle accepts a quote: it names one (117), or says so (40=D)."""
    return tags.QUOTE_ID in fields or fields.get(tags.ORD_TYPE) == tags.ORD_TYPE_PREVIOUSLY_QUOTED


def request_for_quote(reader: Reader) -> RequestForQuote | RecordRefusal:
    """Translate a QuoteRequest (R), which asks about one instrument."""
    client_request_id = _own_id(reader, tags.QUOTE_REQ_ID, "QuoteReqID")
    _open_group(reader)
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side(is_required=False)
    quantity = reader.required_quantity()
    expire_at_ns = reader.time(tags.EXPIRE_TIME, "ExpireTime")
    if tags.EXPIRE_TIME not in reader.fields:
        reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "ExpireTime (126) is missing")
    if reader.fault is not None:
        return refusal(
            reader,
            RequestForQuote.KIND,
            client_id=client_request_id,
            account=account,
            instrument=instrument,
            side=side,
        )
    return RequestForQuote.make(
        **named_head(reader, account),
        instrument=instrument,
        side=side,
        quantity_lots=quantity,
        expire_at_ns=expire_at_ns,
        trader=reader.trader,
        client_request_id=client_request_id,
    )


def quote(reader: Reader) -> GiveRfqQuote | RecordRefusal:
    """Translate a Quote (S), which answers a request of the venue's."""
    client_quote_id = reader.client_order_id(tags.QUOTE_ID, "QuoteID")
    request = _venue_name(reader, tags.QUOTE_REQ_ID, "QuoteReqID").request
    account = reader.account()
    instrument = reader.symbol()
    bid = reader.price(tags.BID_PX, "BidPx")
    ask = reader.price(tags.OFFER_PX, "OfferPx")
    quantity = _quoted_quantity(reader)
    expire_at_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    if reader.fault is not None:
        return refusal(
            reader,
            GiveRfqQuote.KIND,
            client_id=client_quote_id,
            account=account,
            instrument=instrument,
            number=request,
        )
    return GiveRfqQuote.make(
        **named_head(reader, account),
        instrument=instrument,
        request_id=request,
        bid_price_ticks=bid,
        ask_price_ticks=ask,
        quantity_lots=quantity,
        expire_at_ns=expire_at_ns,
        trader=reader.trader,
        client_quote_id=client_quote_id,
    )


def quote_response(reader: Reader) -> AcceptRfqQuote | WithdrawRfq | RecordRefusal:
    """Translate a QuoteResponse (AJ): hit or lift (694=1) or pass (694=6) on a quote."""
    kind = reader.fields.get(tags.QUOTE_RESP_TYPE)
    if kind == tags.QUOTE_RESP_TYPE_PASSED:
        return _pass(reader)
    tag, name = tags.QUOTE_RESP_ID, "QuoteRespID"
    if tags.CL_ORD_ID in reader.fields:
        tag, name = tags.CL_ORD_ID, "ClOrdID"
    client_order_id = reader.client_order_id(tag, name)
    if kind != tags.QUOTE_RESP_TYPE_HIT_LIFT:
        reader.refuse(
            RejectCode.GATEWAY_RFQ_RESPONSE_UNSUPPORTED,
            f"QuoteRespType (694) {shown(kind or '')} is not 1, hit or lift, or 6, pass",
        )
    return _accept(reader, client_order_id, AcceptRfqQuote.KIND)


def previously_quoted(reader: Reader) -> AcceptRfqQuote | RecordRefusal:
    """Translate a NewOrderSingle (D) that accepts a quote (40=D, 117)."""
    client_order_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    if reader.fields.get(tags.ORD_TYPE) != tags.ORD_TYPE_PREVIOUSLY_QUOTED:
        reader.refuse(
            RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED, "QuoteID (117) goes with OrdType 40=D"
        )
    return _accept(reader, client_order_id, PlaceOrder.KIND)


def _accept(reader: Reader, client_order_id: bytes, kind: int) -> AcceptRfqQuote | RecordRefusal:
    name = _quote_name(reader)
    account = reader.account()
    instrument = reader.symbol()
    side = reader.side()
    quantity = reader.quantity(tags.ORDER_QTY, "OrderQty")
    price = reader.price(tags.PRICE, "Price")
    valid_until_ns = reader.time(tags.VALID_UNTIL_TIME, "ValidUntilTime")
    if reader.fault is not None:
        return refusal(
            reader,
            kind,
            client_id=client_order_id,
            account=account,
            instrument=instrument,
            side=side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.FILL_OR_KILL,
        )
    return AcceptRfqQuote.make(
        **named_head(reader, account),
        instrument=instrument,
        side=side,
        quote_id=name.quote,
        price_ticks=price,
        quantity_lots=quantity,
        valid_until_ns=valid_until_ns,
        trader=reader.trader,
        client_order_id=client_order_id,
    )


def _pass(reader: Reader) -> WithdrawRfq | RecordRefusal:
    client_id = reader.client_order_id(tags.QUOTE_RESP_ID, "QuoteRespID")
    name = _quote_name(reader)
    account = reader.account()
    if reader.fault is not None:
        return refusal(reader, WithdrawRfq.KIND, client_id=client_id, account=account)
    return WithdrawRfq.make(
        **named_head(reader, account),
        subject=RfqSubject.OFFER,
        request_id=name.request,
        quote_id=name.quote,
        client_request_id=client_id,
    )


def quote_cancel(reader: Reader) -> WithdrawRfq | RecordRefusal:
    """Translate a QuoteCancel (Z) about requests for quote.

    QuoteReqID (131) of the venue names the account's quote for that request, any other the
    account's own request. Without it, QuoteType (537) 1 and 298=5 name a quote by its QuoteID
    (117), and 298=4 all of the account's quotes.
    """
    client_id = reader.client_order_id(tags.QUOTE_ID, "QuoteID", is_required=False)
    account = reader.account()
    named = reader.fields.get(tags.QUOTE_REQ_ID)
    fields: dict[str, int | bytes] = {"subject": RfqSubject.QUOTES}
    if named is None:
        fields |= _cancelled_quotes(reader, client_id)
    elif (name := read_name(named)) is not None:
        fields["request_id"] = name.request
    else:
        fields["subject"] = RfqSubject.REQUESTS
        fields["client_id"] = _own_id(reader, tags.QUOTE_REQ_ID, "QuoteReqID")
    if reader.fault is not None:
        return refusal(reader, WithdrawRfq.KIND, client_id=client_id, account=account)
    return WithdrawRfq.make(**named_head(reader, account), client_request_id=client_id, **fields)


def _cancelled_quotes(reader: Reader, client_id: bytes) -> dict[str, int | bytes]:
    kind = reader.fields.get(tags.QUOTE_CANCEL_TYPE)
    if reader.fields.get(tags.QUOTE_TYPE) != tags.QUOTE_TYPE_TRADEABLE:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
            "QuoteReqID (131), or QuoteType 537=1 for quotes that answer requests",
        )
    elif kind == tags.QUOTE_CANCEL_TYPE_CANCEL_QUOTE_SPECIFIED_IN_QUOTE_ID:
        if client_id == NO_CLIENT_ID:
            reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "QuoteID (117) is missing")
        return {"client_id": client_id}
    elif kind != tags.QUOTE_CANCEL_TYPE_CANCEL_ALL_QUOTES:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
            f"QuoteCancelType (298) {shown(kind or '')} is not 4, all, or 5, one",
        )
    return {}


def quote_status_request(reader: Reader) -> QueryRfq | RecordRefusal:
    """Translate a QuoteStatusRequest (a): of one request or quote (117), or of all."""
    status_id = reader.client_order_id(tags.QUOTE_STATUS_REQ_ID, "QuoteStatusReqID")
    account = reader.account()
    text = reader.fields.get(tags.QUOTE_ID)
    name = _NOBODY if text is None else read_name(text)
    client_id = NO_CLIENT_ID
    if name is None:
        name, client_id = _NOBODY, reader.client_order_id(tags.QUOTE_ID, "QuoteID")
    if reader.fault is not None:
        return refusal(
            reader, QueryRfq.KIND, client_id=client_id, original=status_id, account=account
        )
    return QueryRfq.make(
        **named_head(reader, account),
        request_id=0 if name.quote else name.request,
        quote_id=name.quote,
        client_id=client_id,
        status_request_id=status_id,
    )


def _own_id(reader: Reader, tag: int, name: str) -> bytes:
    """Read a client's own name, which is not of the venue's form."""
    if reader.fields.get(tag, "").startswith(RESERVED):
        reader.refuse(
            RejectCode.GATEWAY_RFQ_ID_MALFORMED, f"{name} ({tag}) begins as the venue's own do"
        )
    return reader.client_order_id(tag, name)


def _venue_name(reader: Reader, tag: int, name: str) -> RfqName:
    text = reader.fields.get(tag)
    found = None if text is None else read_name(text)
    if text is None:
        reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, f"{name} ({tag}) is missing")
    elif found is None:
        reader.refuse(
            RejectCode.GATEWAY_RFQ_ID_MALFORMED, f"{name} ({tag}) {shown(text)} is not the venue's"
        )
    return found or _NOBODY


def _quote_name(reader: Reader) -> RfqName:
    found = _venue_name(reader, tags.QUOTE_ID, "QuoteID")
    if not found.quote:
        text = reader.fields.get(tags.QUOTE_ID, "")
        reader.refuse(
            RejectCode.GATEWAY_RFQ_ID_MALFORMED, f"QuoteID (117) {shown(text)} names no quote"
        )
    return found


def _open_group(reader: Reader) -> None:
    """Let the one entry of NoRelatedSym (146) be fields of the request."""
    entries = reader.fields.groups.get(tags.NO_RELATED_SYM, [])
    if len(entries) != 1:
        reader.refuse(RejectCode.GATEWAY_FIELD_MALFORMED, "NoRelatedSym (146) is not 1")
        return
    reader.fields = Fields(reader.fields | entries[0])


def _quoted_quantity(reader: Reader) -> int:
    """Read BidSize (134) and OfferSize (135), which are the same where both are there."""
    bid = reader.quantity(tags.BID_SIZE, "BidSize")
    ask = reader.quantity(tags.OFFER_SIZE, "OfferSize")
    if bid and ask and bid != ask:
        reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED, "BidSize (134) and OfferSize (135) differ"
        )
    return bid or ask
