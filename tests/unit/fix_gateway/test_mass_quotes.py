"""Mass quotes over FIX: what becomes of a message, who is told of what, and in which words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.translation.inbound import translate
from fix_gateway.translation.kinds import message_type_of
from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.raw import Fields, parse
from messages.layout import Record, padded_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    GROUP_MEMBERS_MAX,
    CancelQuotes,
    EnterQuote,
    GroupHeader,
    QueryProtection,
    RecordRefusal,
    ResetProtection,
    whole_command,
)
from messages.trading.decimals import decimal_text
from messages.trading.events import QuoteOutcome
from messages.trading.identity import NO_CLIENT_ID, client_id
from messages.trading.terms import (
    CancelReason,
    GroupKind,
    OrderFlag,
    ProtectionLimit,
    QuoteFlag,
    QuoteResponse,
    QuoteScope,
    SelfTradePrevention,
    ThawCause,
)
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market import ARRIVAL, COPY, TRADER, directory

WHEN_NS = 1_793_527_200_123_456_789
Told = dict[int, tuple[dict[int, str], Any]]


def records(text: str) -> list[Any]:
    """Translate what a client wrote, with `|` between its fields."""
    found = parse(text.replace("|", "\x01") + "\x01")
    return list(COMMANDS.unpack(translate(found, ARRIVAL, directory())))


def quote(*entries: str, head: str = "", sets: str = "296=1|302=0|304={0}|295={0}") -> str:
    """A mass quote of one set."""
    return "|".join([f"35=i|34=7|117=q-1{head}", sets.format(len(entries)), *entries])


def refusal(text: str) -> RecordRefusal:
    (record,) = records(text)
    assert isinstance(record, RecordRefusal)
    assert record.source_sequence == ARRIVAL.sequence
    return record


def told(record: Record) -> Told:
    assert isinstance(record, events.Event)
    return {each.session: fields_of(each.text) for each in told_by(record, directory())}


BOTH = "299=a|55=BTC-USD|132=100.00|133=100.10|134=0.5|135=0.25"
BID = "299=b|55=BTC-USD|132=99.95|134=1"


def test_a_mass_quote_becomes_one_group_of_its_entries() -> None:
    text = quote(BOTH, f"{BID}|62=20261101-10:00:30.000", head="|301=1|453=1|448=77|447=D|452=11")
    data = translate(parse(text.replace("|", "\x01") + "\x01"), ARRIVAL, directory())
    assert whole_command(data, 0) == len(data)
    header, first, second = COMMANDS.unpack(data)
    assert isinstance(header, GroupHeader)
    assert (header.group_kind, header.group_left) == (GroupKind.MASS_QUOTE, 2)
    assert isinstance(first, EnterQuote)
    assert isinstance(second, EnterQuote)
    assert [each.group_left for each in (first, second)] == [1, 0]
    for each in (header, first, second):
        assert (each.source, each.epoch, each.source_sequence) == (ARRIVAL.source, 1, 7)
        assert (each.account, each.session, each.connection) == (11, TRADER, 9)
    assert first.quote_flags == QuoteFlag.GIVES_BID | QuoteFlag.GIVES_ASK
    assert (first.bid_price_ticks, first.ask_price_ticks) == (2000, 2002)
    assert (first.bid_lots, first.ask_lots, first.valid_until_ns) == (5000, 2500, 0)
    assert (first.entry_id, first.quote_id) == (client_id("a"), client_id("q-1"))
    assert (first.response, first.trader, first.protection_group) == (1, 77, 0)
    assert second.quote_flags == QuoteFlag.GIVES_BID
    assert (second.bid_price_ticks, second.bid_lots, second.ask_lots) == (1999, 10_000, 0)
    assert second.valid_until_ns == 1_793_527_230_000_000_000


def test_sets_are_protection_groups() -> None:
    sets = f"35=i|34=7|117=q|296=2|302=7|304=1|295=1|{BOTH}|302=0|304=1|295=1|{BID}"
    _, first, second = records(sets)
    assert (first.protection_group, second.protection_group) == (7, 0)
    assert (first.response, first.group_left, second.group_left) == (2, 1, 0)


def test_a_size_of_zero_withdraws_a_side_and_none_leaves_it() -> None:
    _, entry = records(quote("299=a|55=BTC-USD|134=0.0000"))
    assert (entry.quote_flags, entry.bid_lots, entry.ask_lots) == (QuoteFlag.GIVES_BID, 0, 0)
    _, entry = records(quote("299=a|55=BTC-USD|133=100.10|134=0|135=1"))
    assert entry.quote_flags == QuoteFlag.GIVES_BID | QuoteFlag.GIVES_ASK
    assert (entry.bid_lots, entry.ask_lots) == (0, 10_000)


def test_terms_of_the_message_are_those_of_all_its_entries() -> None:
    _, *entries = records(quote(BOTH, BID, head="|301=0|5012=Y|2964=2"))
    for each in entries:
        assert each.quote_flags & QuoteFlag.MAY_TAKE
        assert each.self_trade_prevention == SelfTradePrevention.CANCEL_RESTING
        assert each.response == QuoteResponse.NONE
    _, entry = records(quote(BID, head="|5012=N"))
    assert not entry.quote_flags & QuoteFlag.MAY_TAKE


def many(count: int) -> list[str]:
    return [f"299=e{at}|55=BTC-USD|134=0" for at in range(count)]


def test_as_many_entries_as_a_group_holds_are_taken_and_one_more_refuses_all() -> None:
    assert len(records(quote(*many(GROUP_MEMBERS_MAX)))) == GROUP_MEMBERS_MAX + 1
    record = refusal(quote(*many(GROUP_MEMBERS_MAX + 1)))
    assert record.code == RejectCode.GATEWAY_QUOTE_ENTRIES_EXCEEDED
    assert record.text.rstrip(b"\0") == b"limit 100 entries, requested 101"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (quote(BID).replace("117=q-1|", ""), RejectCode.GATEWAY_FIELD_MISSING),
        (quote(BID, head="|1=A21"), RejectCode.GATEWAY_ACCOUNT_UNKNOWN),
        (quote(BID, head="|301=3"), RejectCode.GATEWAY_FIELD_MALFORMED),
        (quote(BID, head="|2964=9"), RejectCode.GATEWAY_FIELD_MALFORMED),
        ("35=i|34=7|117=q-1", RejectCode.GATEWAY_FIELD_MISSING),
        (quote(BID).replace("304=1", "304=2"), RejectCode.GATEWAY_FIELD_MALFORMED),
        (quote(BID).replace("304=1", "304=x"), RejectCode.GATEWAY_FIELD_MALFORMED),
        (quote(BID).replace("304=1|", ""), RejectCode.GATEWAY_FIELD_MALFORMED),
    ],
)
def test_a_mass_quote_that_cannot_be_read_is_refused_whole(text: str, code: RejectCode) -> None:
    record = refusal(text)
    assert (record.code, record.refused_kind) == (code, GroupHeader.KIND)


OFF_TICK = BID.replace("99.95", "99.96")


@pytest.mark.parametrize(
    ("text", "code", "tag", "flags"),
    [
        (quote(BID).replace("302=0", "302=x"), RejectCode.GATEWAY_FIELD_MALFORMED, 302, 1),
        (quote(BID).replace("302=0", "302=-1"), RejectCode.GATEWAY_FIELD_MALFORMED, 302, 1),
        (quote("299=b|134=1"), RejectCode.GATEWAY_FIELD_MISSING, 55, 1),
        (quote(BID.replace("BTC-USD", "X")), RejectCode.GATEWAY_SYMBOL_UNKNOWN, 55, 1),
        (quote(OFF_TICK), RejectCode.GATEWAY_PRICE_OFF_TICK, 132, 1),
        (quote(BID.replace("99.95", "1e3")), RejectCode.GATEWAY_PRICE_MALFORMED, 132, 1),
        (quote(BID.replace("134=1", "134=0.00001")), RejectCode.GATEWAY_QUANTITY_OFF_LOT, 134, 1),
        (quote(BID.replace("134=1", "134=-1")), RejectCode.GATEWAY_QUANTITY_MALFORMED, 134, 1),
        (quote("299=a|55=BTC-USD|132=99.95"), RejectCode.GATEWAY_FIELD_MISSING, 134, 1),
        (quote("299=a|55=BTC-USD|133=x|135=1"), RejectCode.GATEWAY_PRICE_MALFORMED, 133, 2),
        (quote(f"{BID}|62=soon"), RejectCode.GATEWAY_FIELD_MALFORMED, 62, 1),
        (
            quote(BID.replace("299=b", f"299={'b' * 40}")),
            RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED,
            299,
            0,
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_told_to_the_core(
    text: str, code: RejectCode, tag: int, flags: int
) -> None:
    header, unread = records(text)
    assert (header.group_kind, header.group_left) == (GroupKind.MASS_QUOTE, 1)
    assert unread.quote_flags == flags | QuoteFlag.UNREADABLE
    assert (unread.valid_until_ns, unread.bid_price_ticks) == (code, tag)
    assert unread.bid_lots == unread.ask_lots == unread.ask_price_ticks == 0


def test_the_entries_around_one_that_cannot_be_read_stay_as_they_are() -> None:
    other = BID.replace("299=b", "299=c")
    _, first, second = records(quote(OFF_TICK, other))
    assert first.quote_flags & QuoteFlag.UNREADABLE
    _, alone = records(quote(other))
    assert msgspec.structs.replace(second, group_left=0) == alone
    _, unread = records(quote(BID, BID.replace("BTC-USD", "X")))[1:]
    assert unread.instrument == 0, "not the one of the entry before"


FIELD = st.tuples(
    st.sampled_from([299, 55, 132, 133, 134, 135, 62]),
    st.sampled_from(["a", "BTC-USD", "100.00", "0", "0.5", "x", "", "9" * 40])
    | st.text(st.characters(exclude_characters="\x01"), max_size=50),
)


@given(
    st.lists(st.lists(FIELD, max_size=7), max_size=4),
    st.text(max_size=50),
)
def test_whatever_a_client_writes_is_one_command(
    entries: list[list[tuple[int, str]]], quote_id: str
) -> None:
    made = Fields({35: "i", 34: "7", 117: quote_id})
    sets = [{302: "0", 304: str(len(entries))}]
    made.groups = {296: sets, 295: [{302: "0"} | dict(entry) for entry in entries]}
    data = translate(made, ARRIVAL, directory())
    assert whole_command(data, 0) == len(data)


CANCELS = [
    ("298=4", (QuoteScope.ALL, 0, 0, NO_CLIENT_ID)),
    ("298=4|302=7", (QuoteScope.PROTECTION_GROUP, 0, 7, NO_CLIENT_ID)),
    ("298=1|295=1|55=BTC-USD", (QuoteScope.INSTRUMENT, 1, 0, NO_CLIENT_ID)),
    ("298=1|299=a|295=1|55=BTC-USD", (QuoteScope.ENTRY, 1, 0, client_id("a"))),
]


@pytest.mark.parametrize(("text", "scope"), CANCELS)
def test_a_quote_cancel_names_its_scope(text: str, scope: tuple[int, int, int, bytes]) -> None:
    (record,) = records(f"35=Z|34=7|117=z-1|{text}")
    assert isinstance(record, CancelQuotes)
    assert (record.scope, record.instrument, record.protection_group, record.entry_id) == scope
    assert (record.account, record.request_id) == (11, client_id("z-1"))


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("35=Z|298=3", CancelQuotes, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=Z|298=5", CancelQuotes, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=Z|298=1", CancelQuotes, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=Z|298=4|299=a", CancelQuotes, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=Z|298=1|302=7|295=1|55=X", CancelQuotes, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=Z|298=1|295=1|55=X", CancelQuotes, RejectCode.GATEWAY_SYMBOL_UNKNOWN),
        ("35=Z|298=4|302=x", CancelQuotes, RejectCode.GATEWAY_FIELD_MALFORMED),
        ("35=a|302=7", QueryProtection, RejectCode.GATEWAY_FIELD_MISSING),
        ("35=a|649=s|302=x", QueryProtection, RejectCode.GATEWAY_FIELD_MALFORMED),
        ("35=a|649=s|302=7|117=q", QueryProtection, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=CA|11=r|1373=1|1374=7|302=7", ResetProtection, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ("35=CA|11=r|1373=2|1374=1|302=7", ResetProtection, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        (
            "35=CA|11=r|1373=2|1374=7|302=7|54=1",
            ResetProtection,
            RejectCode.GATEWAY_SCOPE_UNSUPPORTED,
        ),
        ("35=CA|1373=2|1374=7|302=7", ResetProtection, RejectCode.GATEWAY_FIELD_MISSING),
    ],
)
def test_what_else_cannot_be_read_is_refused_by_ai(
    text: str, kind: type[Record], code: RejectCode
) -> None:
    record = refusal(f"{text}|34=7")
    assert (record.code, record.refused_kind) == (code, kind.KIND)
    event = events.RefusalRecorded.make(
        number=5,
        time_ns=WHEN_NS,
        account=record.account,
        session=TRADER,
        refused_kind=record.refused_kind,
        code=record.code,
        client_order_id=record.client_order_id,
        original_client_order_id=record.original_client_order_id,
        text=record.text,
    )
    answer, _ = told(event)[TRADER]
    assert (answer[35], answer[297], answer[5001]) == ("AI", "5", str(int(code)))
    assert set(told(event)) == {TRADER}


def test_protection_is_asked_for_and_reset() -> None:
    (query,) = records("35=a|34=7|649=s-1|302=0")
    assert isinstance(query, QueryProtection)
    assert (query.protection_group, query.request_id) == (0, client_id("s-1"))
    (reset,) = records("35=CA|34=7|11=r-1|1373=2|1374=7|302=7")
    assert isinstance(reset, ResetProtection)
    assert (reset.protection_group, reset.request_id) == (7, client_id("r-1"))


def test_the_core_s_own_refusals_name_the_message() -> None:
    assert [message_type_of(kind.KIND) for kind in (GroupHeader, CancelQuotes)] == ["i", "Z"]
    assert [message_type_of(kind.KIND) for kind in (QueryProtection, ResetProtection)] == [
        *("a", "CA"),
    ]


def outcome(name: str, *, group: int = 0, code: int = 0, stands: int = 1, **said: int) -> bytes:
    return QuoteOutcome(
        name.encode().ljust(16, b"\0"),
        1,
        group,
        code,
        stands,
        said.get("limit", 0),
        said.get("usage", 0),
    ).pack()


def acknowledged(*outcomes: bytes, **changes: Any) -> events.MassQuoteAcknowledged:
    good: dict[str, Any] = {
        "number": 60,
        "time_ns": WHEN_NS,
        "account": 11,
        "session": TRADER,
        "response": QuoteResponse.ALL_ENTRIES,
        "entries": len(outcomes),
        "count": len(outcomes),
        "quote_id": client_id("q-1"),
        "outcomes": b"".join(outcomes).ljust(384, b"\0"),
    }
    return events.MassQuoteAcknowledged.make(**good | changes)


CROSSED = RejectCode.QUOTE_CROSSED


def test_an_acknowledgement_says_what_became_of_each_entry() -> None:
    taken = acknowledged(
        outcome("a", group=7),
        outcome("b", group=7, code=RejectCode.PRICE_OUTSIDE_COLLAR, limit=2100, usage=3000),
        outcome("c", stands=0),
    )
    messages = told(taken)
    assert set(messages) == {TRADER}, "copies are told orders and trades"
    answer, groups = messages[TRADER]
    assert [answer[tag] for tag in (35, 117, 297, 301, 1)] == ["b", "q-1", "0", "2", "A11"]
    assert [(each[302], each[893], each[295]) for each in groups[296]] == [
        ("7", "Y", "2"),
        ("0", "Y", "1"),
    ]
    (text,) = [each.text.replace("\x01", "|") for each in told_by(taken, directory())]
    assert "|299=a|55=BTC-USD|1167=0|299=b|55=BTC-USD|1167=5|368=8|5010=150|" in text
    assert "|5011=PRICE_OUTSIDE_COLLAR: limit 105.00, requested 150.00|" in text
    assert "|299=c|55=BTC-USD|1167=6|5002=60|" in text


def test_an_entry_that_the_gateway_could_not_read_is_told_with_its_tag() -> None:
    code = RejectCode.GATEWAY_PRICE_OFF_TICK
    taken = acknowledged(outcome("a", code=code, usage=132, stands=0))
    (text,) = [each.text.replace("\x01", "|") for each in told_by(taken, directory())]
    said = f"|299=a|55=BTC-USD|1167=5|368=8|5010={int(code)}|5011={code.name}: tag 132|"
    assert said in text


def test_an_acknowledgement_that_others_follow_says_so() -> None:
    (_, groups) = told(acknowledged(outcome("a"), entries=9, count=1))[TRADER]
    assert groups[296][0][893] == "N"
    (_, groups) = told(acknowledged(outcome("a"), entries=9, first=8, count=1))[TRADER]
    assert groups[296][0][893] == "Y"


@pytest.mark.parametrize(
    ("level", "is_flawed", "is_told"),
    [(0, False, False), (0, True, False), (1, False, False), (1, True, True), (2, False, True)],
)
def test_the_response_level_is_kept(level: int, is_flawed: bool, is_told: bool) -> None:
    entry = outcome("a", code=CROSSED if is_flawed else 0)
    assert bool(told(acknowledged(entry, response=level))) is is_told


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_refusal_of_the_whole_is_told_at_every_level(level: int) -> None:
    code = RejectCode.MESSAGE_RATE_EXCEEDED
    record = acknowledged(entries=3, response=level, code=code, limit=10, usage=11)
    answer, groups = told(record)[TRADER]
    assert [answer[tag] for tag in (297, 300, 5001)] == ["5", "3", str(int(code))]
    assert answer[58] == "MESSAGE_RATE_EXCEEDED: limit 10, requested 11"
    assert not groups


def test_what_the_gateway_refused_is_told_by_b_to_who_sent_it() -> None:
    record = events.RefusalRecorded.make(
        number=61,
        account=11,
        session=TRADER,
        refused_kind=GroupHeader.KIND,
        code=RejectCode.GATEWAY_SYMBOL_UNKNOWN,
        client_order_id=client_id("q-1"),
        text=padded_text("no instrument X", 96),
    )
    messages = told(record)
    assert set(messages) == {TRADER}
    answer, _ = messages[TRADER]
    assert [answer[tag] for tag in (35, 117, 297, 300)] == ["b", "q-1", "5", "1"]
    assert answer[58] == "GATEWAY_SYMBOL_UNKNOWN: no instrument X"


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (QuoteScope.ALL, "4"),
        (QuoteScope.INSTRUMENT, "1"),
        (QuoteScope.ENTRY, "17"),
        (QuoteScope.PROTECTION_GROUP, "17"),
    ],
)
def test_a_done_cancel_is_told(scope: QuoteScope, status: str) -> None:
    record = events.QuotesCancelled.make(
        number=62, account=11, session=TRADER, scope=scope, cancelled=4, request_id=client_id("z")
    )
    answer, _ = told(record)[TRADER]
    assert [answer[tag] for tag in (35, 117, 297, 58)] == ["AI", "z", status, "4 sides cancelled"]


def test_refusals_of_the_core_are_told_by_ai() -> None:
    unknown = RejectCode.PROTECTION_UNKNOWN
    made: dict[str, Any] = {"number": 63, "account": 11, "session": TRADER, "protection_group": 9}
    for kind, tag in ((QueryProtection, 649), (ResetProtection, 117)):
        record = events.QuotingRejected.make(
            **made, refused_kind=kind.KIND, code=unknown, request_id=client_id("r")
        )
        answer, _ = told(record)[TRADER]
        assert [answer[at] for at in (tag, 302, 297, 5001)] == ["r", "9", "9", str(int(unknown))]
    closed = events.QuotingRejected.make(
        **made, refused_kind=CancelQuotes.KIND, code=RejectCode.SESSION_CLOSED
    )
    answer, _ = told(closed)[TRADER]
    assert (answer[297], answer[300]) == ("5", "9")


def test_a_trip_and_a_reset_of_protection_are_told_to_the_maker_and_its_copies() -> None:
    tripped = events.ProtectionTriggered.make(
        number=64,
        time_ns=WHEN_NS,
        account=11,
        session=TRADER,
        protection_group=7,
        reached=ProtectionLimit.TRADES,
        cancelled=3,
        limit=2,
        usage=2,
    )
    messages = told(tripped)
    assert set(messages) == {TRADER, COPY}
    answer, _ = messages[TRADER]
    assert [answer[tag] for tag in (35, 302, 297)] == ["AI", "7", "6"]
    assert answer[58] == (
        "PROTECTION: TRADES limit 2, traded 2, 3 sides cancelled, frozen until it is reset"
    )
    assert messages[COPY][0][797] == "Y"
    atoms = told(
        events.ProtectionTriggered.make(
            account=11, session=TRADER, reached=ProtectionLimit.DELTA, limit=40, usage=41
        )
    )
    assert "DELTA limit 40 atoms, traded 41 atoms" in atoms[TRADER][0][58]
    timed = told(events.ProtectionTriggered.make(account=11, session=TRADER, frozen_until_ns=1))
    assert timed[TRADER][0][58].endswith("frozen until 19700101-00:00:00.000000")
    thawed = events.ProtectionReset.make(
        number=65,
        account=11,
        session=TRADER,
        protection_group=7,
        cause=ThawCause.REQUESTED,
        was_frozen=1,
        request_id=client_id("r-1"),
    )
    assert set(told(thawed)) == {TRADER, COPY}
    answer, _ = told(thawed)[TRADER]
    assert [answer[tag] for tag in (117, 302, 297)] == ["r-1", "7", "0"]
    assert answer[58] == "PROTECTION: counts from nothing, thawed"


def test_a_group_that_thaws_by_itself_is_told_to_all_who_trade_for_the_account() -> None:
    thawed = events.ProtectionReset.make(
        number=65, account=11, protection_group=7, cause=ThawCause.TIME, was_frozen=1
    )
    messages = told(thawed)
    assert set(messages) == {TRADER, COPY}
    assert (messages[TRADER][0][117], messages[COPY][0][797]) == ("NONE", "Y")
    assert 797 not in messages[TRADER][0]


def test_where_protection_stands_is_told_in_decimals() -> None:
    record = events.ProtectionReported.make(
        number=66,
        account=11,
        session=TRADER,
        protection_group=7,
        base_asset=2,
        quote_asset=1,
        is_frozen=1,
        left=1,
        trades=2,
        trades_max=1000,
        quantity_atoms=150_000_000,
        quantity_max_atoms=500_000_000,
        delta_atoms=-50_000_000,
        delta_max_atoms=100_000_000,
        request_id=client_id("s-1"),
    )
    answer, _ = told(record)[TRADER]
    assert [answer[tag] for tag in (649, 302, 297)] == ["s-1", "7", "6"]
    assert answer[58] == (
        f"quantity {decimal_text(150_000_000, 8)} of 5.00000000, delta -0.50000000 of 1.00000000,"
        " trades 2 of 1000, frozen until it is reset, 1 more"
    )


def test_reports_of_a_quote_s_side_name_quote_and_entry() -> None:
    made: dict[str, Any] = {
        "number": 67,
        "time_ns": WHEN_NS,
        "account": 11,
        "session": TRADER,
        "instrument": 1,
        "order_id": 3,
        "side": 1,
        "quantity_lots": 1,
        "leaves_lots": 1,
        "client_order_id": client_id("a/b/e1"),
    }
    flags = OrderFlag.QUOTE | OrderFlag.POST_ONLY
    answer, _ = told(events.OrderAccepted.make(**made, order_flags=flags))[TRADER]
    assert [answer[tag] for tag in (11, 117, 299, 18)] == ["a/b/e1", "a/b", "e1", "6"]
    gone = events.OrderCancelled.make(**made, order_flags=flags, reason=CancelReason.QUOTE_REPLACED)
    answer, _ = told(gone)[TRADER]
    assert [answer[tag] for tag in (117, 299, 58)] == ["a/b", "e1", "QUOTE_REPLACED"]
    answer, _ = told(events.OrderAccepted.make(**made))[TRADER]
    assert 117 not in answer, "an order's own name may have a slash too"
