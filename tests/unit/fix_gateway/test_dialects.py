"""The description in ``sessions/dictionary``, what is generated from it, and the standard."""

import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import quickfix as fix

from fix_gateway.dialects.constants import constant_name
from fix_gateway.dialects.names import (
    DIALECTS,
    FIX_44,
    FIX_50_SP2,
    MARKET_DATA_TYPES,
    Dialect,
)
from fix_gateway.dialects.source import DIRECTORY, Field, Group, Message, read_source
from fix_gateway.dictionary import compose_dictionaries, standard_dictionaries
from fix_gateway.generate_dialects import ROOT, generated, stale_files
from fix_gateway.translation.reasons import (
    CANCEL_REJECT_REASON,
    MASS_ACTION_REJECT_REASON,
    MASS_CANCEL_REJECT_REASON,
    ORDER_REJECT_REASON,
    RESTATEMENT_REASON,
    RISK_CHECK_RESULT,
)
from fix_gateway.translation.rfq_reasons import QUOTE_REJECT_REASON, REQUEST_REJECT_REASON
from fix_gateway.translation.standard import Standard
from runtime.toml import SettingsError
from tests.unit.fix_gateway.conformity import source

OWN_FIELDS = {
    "QuoteEntryRejectCode",
    "QuoteEntryText",
    "QuoteMayTake",
    "AfterOrderID",
    "OrdersRemaining",
    "CounterOrderID",
    "PreventedQty",
    "PreventedPx",
    "RejectCode",
    "EventNumber",
    "BookChecksum",
    "PreviousRptSeq",
    "DisconnectGracePeriod",
    "CancelOnDisconnect",
    "LastSeqNumSequenced",
    "VenueSignature",
    "RequestNumber",
}
OWN_VALUES = {
    ("SelfMatchPreventionInstruction", "100"),
    ("RiskLimitType", "100"),
    ("RiskLimitType", "101"),
    ("RiskLimitType", "102"),
    ("RiskLimitType", "103"),
}
# What a message has beyond the standard's message of either version.
OWN_MEMBERS = {
    ("Logon", "CancelOnDisconnect"),
    ("Logon", "DisconnectGracePeriod"),
    ("News", "EventNumber"),
    ("News", "VenueSignature"),
    ("ListStatus", "EventNumber"),
    ("ListStatus", "LastSeqNumSequenced"),
    ("ListStatus", "VenueSignature"),
    ("ExecutionReport", "QuoteID"),
    ("ExecutionReport", "QuoteEntryID"),
    ("QuoteCancel", "QuoteSetID"),
    ("QuoteCancel", "QuoteEntryID"),
    ("QuoteStatusRequest", "QuoteSetID"),
    ("QuoteStatusReport", "QuoteSetID"),
    ("QuoteStatusReport", "CopyMsgIndicator"),
    ("OrderMassActionRequest", "QuoteSetID"),
    ("MassQuote", "QuoteMayTake"),
    ("MassQuoteAcknowledgement", "RejectCode"),
    ("NewOrderSingle", "ValidUntilTime"),
    ("OrderCancelReplaceRequest", "ValidUntilTime"),
    ("OrderMassCancelRequest", "Account"),
    ("OrderMassActionRequest", "Account"),
    ("OrderMassStatusRequest", "AfterOrderID"),
    *(
        ("ExecutionReport", field)
        for field in ("OrdersRemaining", "CounterOrderID", "PreventedQty", "PreventedPx")
    ),
    *(
        ("OrderMassActionReport", field)
        for field in ("Account", "CopyMsgIndicator", "RejectCode", "EventNumber")
    ),
    # The standard's dry run knows an amount, ours the whole order.
    *(
        ("PartyRiskLimitCheckRequest", field)
        for field in (
            "ClOrdID",
            "Account",
            "ExecInst",
            "MinQty",
            "SelfMatchPreventionInstruction",
            "DisplayQty",
            "MaxFloor",
            "OrderQty",
            "CashOrderQty",
            "OrdType",
            "Price",
            "StopPx",
            "ValidUntilTime",
            "TimeInForce",
            "ExpireDate",
            "ExpireTime",
            "OrderCapacity",
        )
    ),
    *(
        ("PartyRiskLimitCheckRequestAck", field)
        for field in (
            "ClOrdID",
            "Account",
            "OrderQty",
            "Price",
            "NoRiskLimitTypes",
            "RejectCode",
            "EventNumber",
        )
    ),
    ("ExecutionReport", "RejectCode"),
    ("ExecutionReport", "EventNumber"),
    ("OrderCancelReject", "CopyMsgIndicator"),
    ("OrderCancelReject", "RejectCode"),
    ("OrderCancelReject", "EventNumber"),
    ("OrderMassCancelReport", "Account"),
    ("OrderMassCancelReport", "RejectCode"),
    ("OrderMassCancelReport", "EventNumber"),
    ("BusinessMessageReject", "RejectCode"),
    ("BusinessMessageReject", "EventNumber"),
    ("BusinessMessageReject", "NoThrottles"),
    ("OrderMassCancelReport", "CopyMsgIndicator"),
    ("BusinessMessageReject", "CopyMsgIndicator"),
    ("ApplicationMessageRequestAck", "RejectCode"),
    ("TradeCaptureReportRequestAck", "RejectCode"),
    ("DontKnowTrade", "Account"),
    ("DontKnowTrade", "ClOrdID"),
    ("DontKnowTrade", "CopyMsgIndicator"),
    *(
        (message, "RequestNumber")
        for message in (
            "ExecutionReport",
            "OrderCancelReject",
            "OrderMassCancelReport",
            "BusinessMessageReject",
        )
    ),
    # Every message that an event caused is numbered, also those that the standard does not number.
    *(
        (message, field)
        for message in (
            "OrderCancelReject",
            "OrderMassCancelReport",
            "OrderMassActionReport",
            "PartyRiskLimitCheckRequestAck",
            "BusinessMessageReject",
            "DontKnowTrade",
        )
        for field in ("ApplID", "ApplSeqNum", "ApplLastSeqNum", "ApplResendFlag")
    ),
    *(
        (message, field)
        for message in (
            "QuoteRequest",
            "Quote",
            "QuoteStatusReport",
            "QuoteRequestReject",
            "MassQuoteAcknowledgement",
        )
        for field in ("ApplID", "ApplSeqNum", "ApplLastSeqNum", "ApplResendFlag", "EventNumber")
    ),
    ("QuoteStatusReport", "RejectCode"),
    ("QuoteRequestReject", "RejectCode"),
    ("MarketDataRequest", "MDBookType"),
    ("MarketDataSnapshotFullRefresh", "LastFragment"),
    ("MarketDataSnapshotFullRefresh", "BookChecksum"),
    ("MarketDataIncrementalRefresh", "LastFragment"),
    ("MarketDataIncrementalRefresh", "BookChecksum"),
    ("MarketDataIncrementalRefresh", "PreviousRptSeq"),
    ("MarketDataRequestReject", "RejectCode"),
}
# Required by us and not by the standard, or the other way round, with the reason.
OWN_PRESENCE = {
    "Symbol": "the standard has other ways to name an instrument, and we do not",
    "OrderQty": "the standard has other ways to give a quantity, and we do not",
    "ClOrdID": "every request of ours has a name",
    "NoMDEntryTypes": "FIX 4.4 requires it, FIX 5.0 SP2 no longer does",
    "NoRelatedSym": "FIX 4.4 requires it, FIX 5.0 SP2 no longer does",
    "QuoteID": "every quote of ours has a name, and it is NONE where none is meant",
    "QuoteReqID": "every quote of ours answers a request",
    "QuoteStatusReqID": "every status request of ours has a name",
    "AvgPx": "FIX 4.4 requires it, FIX 5.0 SP2 no longer does: it is always there",
}


@cache
def standard(name: str) -> ET.Element:
    return ET.parse(standard_dictionaries() / name).getroot()  # noqa: S314  # of the wheel


@cache
def standard_fields(name: str) -> dict[int, ET.Element]:
    fields = standard(name).find("fields")
    assert fields is not None
    return {int(field.get("number", "")): field for field in fields}


def members_of(name: str, kind: str) -> dict[str, bool]:
    """The names in a standard's message, components unfolded, and whether each is required."""
    root = standard(name)
    components = {each.get("name"): each for each in root.find("components") or ()}

    def unfold(element: ET.Element, *, is_required: bool) -> Iterator[tuple[str, bool]]:
        for each in element:
            required = is_required and each.get("required") == "Y"
            if each.tag == "component":
                yield from unfold(components[each.get("name")], is_required=required)
            else:
                yield each.get("name", ""), required
                if each.tag == "group":
                    yield from unfold(each, is_required=False)

    if kind in ("header", "trailer"):
        (found,) = root.iter(kind)
        return dict(unfold(found, is_required=True))
    messages = [each for each in root.iter("message") if each.get("msgtype") == kind]
    return dict(unfold(messages[0], is_required=True)) if messages else {}


def unfolded(group: ET.Element) -> list[str]:
    """The names in a group of FIX 5.0 SP2, components unfolded, each where it comes first."""
    root = standard("FIX50SP2.xml")
    components = {each.get("name"): each for each in root.find("components") or ()}
    found: dict[str, None] = {}

    def unfold(element: ET.Element) -> None:
        for each in element:
            if each.tag == "component":
                unfold(components[each.get("name")])
            elif each.get("name") not in found:
                found[each.get("name", "")] = None

    unfold(group)
    return list(found)


def test_what_is_generated_is_up_to_date() -> None:
    stale = [str(path.relative_to(ROOT)) for path in stale_files()]
    assert not stale, "run python -m fix_gateway.generate_dialects"


def test_generating_twice_gives_the_same() -> None:
    assert generated() == generated()


@pytest.mark.parametrize("field", source().fields.values(), ids=lambda field: field.name)
def test_a_field_is_the_standards_or_listed_as_ours(field: Field) -> None:
    old = standard_fields("FIX44.xml").get(field.tag)
    new = standard_fields("FIX50SP2.xml").get(field.tag)
    new = new if new is not None else standard_fields("FIXT11.xml").get(field.tag)
    assert field.is_own == (field.name in OWN_FIELDS)
    assert field.is_own == (old is None and new is None)
    assert field.is_in_44 == (old is not None)
    known = {(field.name, value) for _, value in OWN_VALUES}
    for dialect, element in (("FIX.4.4", old), ("FIX.5.0SP2", new)):
        if element is not None:
            assert element.get("name") == field.name
            assert element.get("type") == field.types[dialect]
            known |= {(field.name, value.get("enum", "")) for value in element}
    is_free = not any(len(element) for element in (old, new) if element is not None)
    own = {(field.name, field.values[name]) for name in field.own_values}
    assert own == {pair for pair in OWN_VALUES if pair[0] == field.name}
    if not field.is_own and not is_free:
        assert {(field.name, value) for value in field.values.values()} - own <= known - own


PARTS = (source().header, source().trailer, *source().messages)


@pytest.mark.parametrize("message", PARTS, ids=lambda message: message.name)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_a_message_is_the_standards_with_listed_additions(
    message: Message, dialect: Dialect
) -> None:
    key = message.type or message.name
    old = members_of("FIX44.xml", key)
    new = members_of("FIXT11.xml" if message.is_session else "FIX50SP2.xml", key)
    own = old if dialect is FIX_44 else new
    for member in message.members_in(dialect):
        item = member.item
        name = item.count.name if isinstance(item, Group) else item.name
        if (message.name, name) in OWN_MEMBERS:
            assert name not in old | new, "listed, and the standard has it"
            continue
        assert name in old | new, f"{message.name} has no {name} in the standard"
        is_required = member.presence[dialect.name] == "y"
        if name in own and own[name] != is_required and name not in OWN_PRESENCE:
            assert is_required, f"the standard requires {name}"
            assert message.sent_by == "venue", f"{name} is asked of clients beyond the standard"
    assert new, "no version of the standard has this message"
    needed = {name for name, is_required in own.items() if is_required}
    items = [member.item for member in message.members_in(dialect)]
    there = {item.count.name if isinstance(item, Group) else item.name for item in items}
    assert needed <= there, "what the standard requires is not there"


@pytest.mark.parametrize("group", source().groups.values(), ids=lambda group: group.name)
def test_a_groups_members_are_the_standards_in_its_order(group: Group) -> None:
    items = [member.item for member in group.members]
    names = [
        item.name if isinstance(item, Field) else item.count.name
        for item in items
        if not (isinstance(item, Field) and item.is_own)
    ]
    orders = [
        order
        for each in standard("FIX50SP2.xml").iter("group")
        if each.get("name") == group.count.name
        if set(names) <= set(order := unfolded(each))
    ]
    assert orders, "no group of the standard's has all of them"
    assert any([name for name in order if name in names] == names for order in orders)
    assert any(order[0] == names[0] for order in orders)


def test_messages_that_nobody_may_send_are_not_described() -> None:
    told = source().application_messages()
    assert {message.type for message in told if not message.sessions} == {
        *"DFGHq89rj",
        *("BW", "BX", "BY"),
        *("B", "N"),
        *("Q", "AD", "AQ", "AE", "AR"),
        *("R", "S", "AJ", "Z", "a", "AI", "AG"),
        *("CA", "BZ", "AF", "DF", "DG"),
        *("i", "b"),
    }
    assert {message.type for message in told if message.sessions} == MARKET_DATA_TYPES


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("QuoteRejectReason", QUOTE_REJECT_REASON),
        ("QuoteRequestRejectReason", REQUEST_REJECT_REASON),
        ("OrdRejReason", ORDER_REJECT_REASON),
        ("CxlRejReason", CANCEL_REJECT_REASON),
        ("MassCancelRejectReason", MASS_CANCEL_REJECT_REASON),
        ("MassActionRejectReason", MASS_ACTION_REJECT_REASON),
        ("RiskLimitCheckRequestResult", RISK_CHECK_RESULT),
        ("ExecRestatementReason", RESTATEMENT_REASON),
    ],
)
def test_the_reasons_that_codes_have_are_all_described_and_no_others(
    name: str, reasons: Mapping[int, int]
) -> None:
    described = {int(value) for value in source().fields[name].values.values()}
    assert described == {*reasons.values(), 99}


@pytest.mark.parametrize(
    ("name", "constant"),
    [("ClOrdID", "CL_ORD_ID"), ("NoPartyIDs", "NO_PARTY_IDS"), ("LastPx", "LAST_PX")],
)
def test_names_become_constants(name: str, constant: str) -> None:
    assert constant_name(name) == constant


@pytest.fixture
def description(tmp_path: Path) -> Path:
    for path in DIRECTORY.glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("fields", "[AvgPx]\ntag = 6", "[AvgPx]\ntag = 1", "AvgPx and Account are both 1"),
        ("fields", 'SELL = "2"', 'SELL = "1"', "both 1"),
        ("fields", "[Account]", "[Acount]", "nothing is called Account"),
        ("fields", "tag = 5002", "tag = 502", "own is for tags from 5000"),
        ("fields", '["DECREMENT_AND_CANCEL"]', '["OTHER"]', "own_values"),
        ("fields", "[Symbol]", "[Symbol]\ncolour = 1", "colour"),
        ("groups", '"NoMiscFees"', '"Symbol"', "no field that counts"),
        ("groups", '["MiscFeeAmt", "y"', '["MiscFeeAmt", "o"', "begins an entry"),
        ("messages", '["ClOrdID", "y", ""]', '["ClOrdID", "x", ""]', "presence 'x'"),
        ("messages", '["ClOrdID", "y", ""]', '["ClOrdID", "y|y|y", ""]', "one for each dialect"),
        ("messages", '["ClOrdID", "y", ""]', '["Symbol", "y", ""]', "a field stands twice"),
        ("messages", '  ["MinQty", "c", "as ordered"],\n', "", ""),
        ("messages", 'type = "F"', 'type = "D"', "are both D"),
        ("messages", '  ["GapFillFlag", "o", ""],', "", ""),
        ("messages", '[["GapFillFlag", "o", ""], ', "[", "no message has GapFillFlag"),
    ],
)
def test_a_description_that_does_not_fit_together_is_refused(
    description: Path, file: str, old: str, new: str, reason: str
) -> None:
    path = description / f"{file}.toml"
    text = path.read_text()
    if not reason:
        path.write_text(text.replace(old, new, 1))
        read_source(description)  # smaller, and still consistent
        return
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError) as refusal:
        read_source(description)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_quickfix_gets_our_messages_with_the_standards_values(
    dialect: Dialect, tmp_path: Path
) -> None:
    made = compose_dictionaries(dialect, ours=DIRECTORY, target=tmp_path)
    fix.DataDictionary(str(made.transport))
    fix.DataDictionary(str(made.application))
    written = made.application.read_text()
    assert written.count('msgtype="D"') == 1
    assert 'msgtype="V"' not in written
    assert 'description="PEGGED"' in written, "40=P is refused with a code, not as unknown"
    assert 'type="DATA"' not in made.transport.read_text(), "nothing is read by a given length"
    assert {"V", "A", "D"} <= made.standard.message_types
    assert "ZZ" not in made.standard.message_types
    assert {1, 152, 213} <= made.standard.tags
    assert 5001 not in made.standard.tags


def test_a_missing_dictionary_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"RIALTO44\.xml"):
        compose_dictionaries(FIX_44, ours=tmp_path, target=tmp_path)
    with pytest.raises(SettingsError, match=r"FIXT11\.xml"):
        compose_dictionaries(FIX_50_SP2, ours=DIRECTORY, target=tmp_path, standards=tmp_path)


STANDARD = Standard(frozenset({"V"}), frozenset({152}))


@pytest.mark.parametrize(
    ("reason", "tag", "kind", "changed"),
    [
        ("11", "", "V", {35: "j", 380: "3"}),
        ("11", "", "ZZ", {}),
        ("0", "152", "D", {373: "2"}),
        ("0", "9999", "D", {}),
        ("0", "", "D", {}),
        ("0", "\u0661", "D", {}),
        ("5", "152", "V", {}),
    ],
)
def test_what_quickfix_calls_unknown_and_fix_knows_is_answered_as_the_standard_says(
    reason: str, tag: str, kind: str, changed: dict[int, str]
) -> None:
    changes = STANDARD.corrected(reason=reason, tag=tag, message_type=kind)
    assert changed.items() <= changes.items()
    assert bool(changes) == bool(changed)
