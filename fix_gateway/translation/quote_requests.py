"""Mass quotes, cancels of quotes and questions about protection: i, Z, a and CA to records.

A mass quote is one command of many records. Where an entry cannot be read, the core is told so and
refuses that entry, in its place among the others; what all entries share refuses the whole.
"""

import re
from collections.abc import Callable
from typing import Final

from fix_gateway.translation import tags, terms
from fix_gateway.translation.heads import head, named_head, refusal
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Reader
from fix_gateway.translation.text import shown
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    GROUP_MEMBERS_MAX,
    CancelQuotes,
    Command,
    EnterQuote,
    GroupHeader,
    QueryProtection,
    RecordRefusal,
    ResetProtection,
)
from messages.trading.identity import NO_CLIENT_ID
from messages.trading.terms import GroupKind, QuoteFlag, QuoteResponse, QuoteScope

_GROUP_LEFT = 4
"""Where in a command's head it says how many of its group follow."""
_OF_ENTRY: Final = dict(list(EnterQuote.ZEROS.items())[len(Command.__struct_fields__) :])
"""An entry's own fields in their order, all zero; packed like that, for making records by their
names takes a hundred entries as long as all the rest."""
_GROUP = re.compile(r"(?:0|[1-9][0-9]{0,8})", re.ASCII)
_ZERO = re.compile(r"0(?:\.0{1,18})?", re.ASCII)
_RESPONSES = {
    tags.QUOTE_RESPONSE_LEVEL_NO_ACKNOWLEDGEMENT: QuoteResponse.NONE,
    tags.QUOTE_RESPONSE_LEVEL_ACKNOWLEDGE_ONLY_NEGATIVE_OR_ERRONEOUS_QUOTES: (
        QuoteResponse.REFUSED_ENTRIES
    ),
    tags.QUOTE_RESPONSE_LEVEL_ACKNOWLEDGE_EACH_QUOTE_MESSAGE: QuoteResponse.ALL_ENTRIES,
}


def is_quote_cancel(fields: Fields) -> bool:
    """Say whether a QuoteCancel (Z) is about mass quotes: it names nothing of requests."""
    return tags.QUOTE_REQ_ID not in fields and tags.QUOTE_TYPE not in fields


def names_protection(fields: Fields) -> bool:
    """Say whether a message that may be about a protection group is: it has 302."""
    return tags.QUOTE_SET_ID in fields


def mass_quote(reader: Reader) -> bytes:
    """Translate a MassQuote (i) into a group: its header, and a record for each entry."""
    quote_id = reader.client_order_id(tags.QUOTE_ID, "QuoteID")
    account = reader.account()
    terms_of_all: dict[str, int | bytes] = {
        "response": _response(reader),
        "self_trade_prevention": terms.read_prevention(reader),
        "quote_id": quote_id,
        "trader": reader.trader,
    }
    may_take = int(QuoteFlag.MAY_TAKE) if reader.fields.get(tags.QUOTE_MAY_TAKE) == "Y" else 0
    entries = reader.fields.groups.get(tags.NO_QUOTE_ENTRIES, [])
    _check_counts(reader)
    if reader.fault is not None:
        return refusal(reader, GroupHeader.KIND, client_id=quote_id, account=account).pack()
    fields = []
    for entry in entries:
        reader.fields, reader.instrument = Fields(entry), None
        fields.append(_entry(reader, may_take))
    left = len(fields)
    first = head(GroupHeader, reader.arrival, account, group_left=left)
    prefix = head(EnterQuote, reader.arrival, account)
    of_all, pack = _OF_ENTRY | terms_of_all, EnterQuote.CODEC.pack
    return GroupHeader(*first, GroupKind.MASS_QUOTE, 0).pack() + b"".join(
        [
            pack(
                *prefix[:_GROUP_LEFT],
                left - at,
                *prefix[_GROUP_LEFT + 1 :],
                *(of_all | own).values(),
            )
            for at, own in enumerate(fields, 1)
        ]
    )


def _response(reader: Reader) -> int:
    level = reader.fields.get(tags.QUOTE_RESPONSE_LEVEL)
    if level is None:
        return QuoteResponse.ALL_ENTRIES
    found = _RESPONSES.get(level)
    if found is None:
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED,
            f"QuoteResponseLevel (301) {shown(level)} is not 0, 1 or 2",
        )
    return found


def _check_counts(reader: Reader) -> None:
    """Compare what the sets say that they have with what there is, and all with the limit."""
    groups = reader.fields.groups
    entries = groups.get(tags.NO_QUOTE_ENTRIES, [])
    sets = groups.get(tags.NO_QUOTE_SETS, [])
    if not entries:
        reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "NoQuoteEntries (295) is missing")
    if len(entries) > GROUP_MEMBERS_MAX:
        reader.refuse(
            RejectCode.GATEWAY_QUOTE_ENTRIES_EXCEEDED,
            f"limit {GROUP_MEMBERS_MAX} entries, requested {len(entries)}",
        )
    for each in sets:
        total = each.get(tags.TOT_NO_QUOTE_ENTRIES, "")
        if not total.isdecimal():
            reader.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED, "TotNoQuoteEntries (304) is not a number"
            )
            return
    if sum(int(each[tags.TOT_NO_QUOTE_ENTRIES][:9]) for each in sets) != len(entries):
        reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED, "TotNoQuoteEntries (304) is not what follows"
        )


def _entry(reader: Reader, may_take: int) -> dict[str, int | bytes]:
    """Read one entry, whose fields are the reader's now; say why where it cannot be read."""
    fields, bad_tag = reader.fields, 0
    values: dict[str, int | bytes] = {}
    for name, tag, read in _FIELDS:
        values[name] = read(reader)
        if reader.fault is not None and not bad_tag:
            bad_tag = tag
    flags = may_take
    for size, px, flag in _SIDES:
        if size in fields or px in fields:
            flags |= flag
        if px in fields and size not in fields and not bad_tag:
            # Without a size the side would stay as it is, at its old price.
            reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, f"{px} is there without {size}")
            bad_tag = size
    fault, reader.fault = reader.fault, None
    if fault is None:
        return values | {"quote_flags": flags}
    if bad_tag == tags.QUOTE_ENTRY_ID:
        flags = 0  # nobody knows which quote is meant, so none goes
    return {
        "instrument": values["instrument"],
        "protection_group": values["protection_group"],
        "entry_id": values["entry_id"],
        "quote_flags": flags | int(QuoteFlag.UNREADABLE),
        "valid_until_ns": int(fault.code),
        "bid_price_ticks": bad_tag,
    }


def _entry_id(reader: Reader) -> bytes:
    return reader.client_order_id(tags.QUOTE_ENTRY_ID, "QuoteEntryID")


def _lots(reader: Reader, tag: int, name: str) -> int:
    """Read a size, of which zero withdraws the side."""
    if _ZERO.fullmatch(reader.fields.get(tag, "")):
        return 0
    return reader.quantity(tag, name)


def protection_group(reader: Reader) -> int:
    """Read QuoteSetID (302), the number of a protection group; zero for none."""
    text = reader.fields.get(tags.QUOTE_SET_ID)
    if text is None:
        return reader.refuse(RejectCode.GATEWAY_FIELD_MISSING, "QuoteSetID (302) is missing")
    if not _GROUP.fullmatch(text):
        return reader.refuse(
            RejectCode.GATEWAY_FIELD_MALFORMED,
            f"QuoteSetID (302) {shown(text)} is not a protection group's number",
        )
    return int(text)


def cancel_quotes(reader: Reader) -> CancelQuotes | RecordRefusal:
    """Translate a QuoteCancel (Z) about mass quotes.

    298=4 is all quotes of the account, or with 302 those of a protection group; 298=1 those of
    the instrument in 295, or with 299 one of them.
    """
    request_id = reader.client_order_id(tags.QUOTE_ID, "QuoteID", is_required=False)
    account = reader.account()
    scope = _cancelled(reader)
    if reader.fault is not None:
        return refusal(reader, CancelQuotes.KIND, client_id=request_id, account=account)
    return CancelQuotes.make(**named_head(reader, account), request_id=request_id, **scope)


def _cancelled(reader: Reader) -> dict[str, int | bytes]:
    kind = reader.fields.get(tags.QUOTE_CANCEL_TYPE)
    entries = reader.fields.groups.get(tags.NO_QUOTE_ENTRIES, [])
    is_set, is_one = names_protection(reader.fields), tags.QUOTE_ENTRY_ID in reader.fields
    if kind == tags.QUOTE_CANCEL_TYPE_CANCEL_ALL_QUOTES and not entries and not is_one:
        if not is_set:
            return {"scope": QuoteScope.ALL}
        group = protection_group(reader)
        return {"scope": QuoteScope.PROTECTION_GROUP, "protection_group": group}
    if kind != tags.QUOTE_CANCEL_TYPE_CANCEL_FOR_SYMBOL or len(entries) != 1 or is_set:
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
            "298=4, perhaps with 302; or 298=1 and one 55 in 295, perhaps with 299",
        )
        return {}
    entry_id = NO_CLIENT_ID
    if is_one:
        entry_id = reader.client_order_id(tags.QUOTE_ENTRY_ID, "QuoteEntryID")
    reader.fields = Fields(entries[0])
    instrument = reader.symbol()
    scope = QuoteScope.ENTRY if is_one else QuoteScope.INSTRUMENT
    return {"scope": scope, "instrument": instrument, "entry_id": entry_id}


def protection_status(reader: Reader) -> QueryProtection | RecordRefusal:
    """Translate a QuoteStatusRequest (a) about a protection group (302), or all of them (0)."""
    request_id = reader.client_order_id(tags.QUOTE_STATUS_REQ_ID, "QuoteStatusReqID")
    account = reader.account()
    group = protection_group(reader)
    if tags.QUOTE_ID in reader.fields:
        reader.refuse(RejectCode.GATEWAY_SCOPE_UNSUPPORTED, "QuoteID (117) or 302, not both")
    if reader.fault is not None:
        return refusal(reader, QueryProtection.KIND, original=request_id, account=account)
    return QueryProtection.make(
        **named_head(reader, account), protection_group=group, request_id=request_id
    )


def reset_protection(reader: Reader) -> ResetProtection | RecordRefusal:
    """Translate an OrderMassActionRequest (CA) that releases a protection group (302)."""
    request_id = reader.client_order_id(tags.CL_ORD_ID, "ClOrdID")
    account = reader.account()
    group = protection_group(reader)
    fields = reader.fields
    if (
        fields.get(tags.MASS_ACTION_TYPE) != "2"
        or fields.get(tags.MASS_ACTION_SCOPE) != "7"
        or tags.SYMBOL in fields
        or tags.SIDE in fields
        or tags.NO_TARGET_PARTY_IDS in fields.groups
    ):
        reader.refuse(
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
            "QuoteSetID (302) goes with 1373=2, 1374=7 and nothing narrower",
        )
    if reader.fault is not None:
        return refusal(reader, ResetProtection.KIND, client_id=request_id, account=account)
    return ResetProtection.make(
        **named_head(reader, account), protection_group=group, request_id=request_id
    )


_SIDES: Final = (
    (tags.BID_SIZE, tags.BID_PX, int(QuoteFlag.GIVES_BID)),
    (tags.OFFER_SIZE, tags.OFFER_PX, int(QuoteFlag.GIVES_ASK)),
)
_FIELDS: Final[tuple[tuple[str, int, Callable[[Reader], int | bytes]], ...]] = (
    ("entry_id", tags.QUOTE_ENTRY_ID, _entry_id),
    ("instrument", tags.SYMBOL, Reader.symbol),
    ("bid_lots", tags.BID_SIZE, lambda at: _lots(at, tags.BID_SIZE, "BidSize")),
    ("ask_lots", tags.OFFER_SIZE, lambda at: _lots(at, tags.OFFER_SIZE, "OfferSize")),
    ("protection_group", tags.QUOTE_SET_ID, protection_group),
    ("bid_price_ticks", tags.BID_PX, lambda at: at.price(tags.BID_PX, "BidPx")),
    ("ask_price_ticks", tags.OFFER_PX, lambda at: at.price(tags.OFFER_PX, "OfferPx")),
    (
        "valid_until_ns",
        tags.VALID_UNTIL_TIME,
        lambda at: at.time(tags.VALID_UNTIL_TIME, "ValidUntilTime"),
    ),
)
"""What an entry says, in the order of checks: the record's field, its tag, and how it is read."""
