import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.translation.inbound import (
    close_session,
    open_session,
    refuse_rights,
    translate,
)
from fix_gateway.translation.raw import Entry
from fix_gateway.translation.tags import GROUPS
from messages.layout import plain_text
from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    AmendOrder,
    CancelOrder,
    CheckOrder,
    CloseSession,
    Command,
    MassAction,
    MassCancel,
    OpenSession,
    PlaceOrder,
    QueryOrder,
    QueryOrders,
    RecordRefusal,
)
from messages.trading.identity import client_id
from messages.trading.terms import (
    MassActionType,
    OrderFlag,
    OrderType,
    Scope,
    SelfTradePrevention,
    TimeInForce,
)
from tests.unit.fix_gateway.market import ARRIVAL, directory, request

Changes = dict[int, str | None]
Groups = dict[int, list[Entry]]
KINDS: dict[str, type[Command]] = {
    "D": PlaceOrder,
    "F": CancelOrder,
    "G": AmendOrder,
    "H": QueryOrder,
    "q": MassCancel,
    "CA": MassAction,
    "AF": QueryOrders,
    "DF": CheckOrder,
}
DAY_NS = 86_400 * 10**9


def one(kind: str, changes: Changes | None = None, groups: Groups | None = None) -> Command:
    fields = request(kind, changes, groups)
    records = list(COMMANDS.unpack(translate(fields, ARRIVAL, directory())))
    assert len(records) == 1, "a request is one command"
    record = records[0]
    assert isinstance(record, Command)
    assert type(record) in (RecordRefusal, KINDS[kind])
    assert (record.source, record.epoch, record.source_sequence) == (3 << 20 | 1, 1, 7)
    assert (record.session, record.connection, record.received_at_ns) == (1, 9, 5)
    assert (record.sequence, record.time_ns) == (0, 0)
    return record


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_request_becomes_its_command(kind: str) -> None:
    record = one(kind)
    assert type(record) is KINDS[kind]
    assert record.account == 11


def test_an_order_keeps_every_term() -> None:
    record = one(
        "D",
        {
            40: "4",
            99: "100.00",
            110: "0.1",
            1138: "0.2",
            18: "6",
            59: "6",
            126: "20261102-00:00:00",
            62: "20261101-10:00:01.5",
            2964: "100",
            1: "A11",
            54: "2",
        },
    )
    assert isinstance(record, PlaceOrder)
    assert (record.price_ticks, record.stop_price_ticks) == (2001, 2000)
    assert (record.quantity_lots, record.minimum_lots, record.display_lots) == (5000, 1000, 2000)
    assert record.order_flags == OrderFlag.POST_ONLY
    assert record.self_trade_prevention == SelfTradePrevention.DECREMENT_AND_CANCEL
    assert record.expire_at_ns == 1_793_577_600 * 10**9
    assert record.valid_until_ns == 1_793_527_201_500_000_000
    assert record.client_order_id == client_id("o-1")
    assert (record.side, record.order_type) == (2, OrderType.STOP_LIMIT)


@pytest.mark.parametrize(
    ("changes", "scope", "instrument"),
    [
        ({}, Scope.ACCOUNT, 0),
        ({"scope": "6"}, Scope.SESSION, 0),
        ({"scope": "1", 55: "BTC-USD"}, Scope.ACCOUNT, 1),
    ],
)
@pytest.mark.parametrize(("kind", "tag"), [("CA", 1374), ("AF", 585)])
def test_scopes_of_mass_actions_and_lists(
    kind: str, tag: int, changes: dict[int | str, str], scope: Scope, instrument: int
) -> None:
    fields = {tag if key == "scope" else int(key): value for key, value in changes.items()}
    record = one(kind, {**fields, 54: "2"})
    assert isinstance(record, MassAction | QueryOrders)
    assert (record.scope, record.instrument, record.side) == (scope, instrument, 2)


@pytest.mark.parametrize(("kind", "tag"), [("CA", 1374), ("AF", 585)])
def test_a_firm_as_target_widens_mass_actions_and_lists(kind: str, tag: int) -> None:
    firm: Groups = {1461: [{1462: "F1", 1463: "D", 1464: "1"}]}
    record = one(kind, None, firm)
    assert isinstance(record, MassAction | QueryOrders)
    assert record.scope == Scope.FIRM
    refused = one(kind, {tag: "6"}, firm)
    assert isinstance(refused, RecordRefusal)
    assert refused.code == RejectCode.GATEWAY_SCOPE_UNSUPPORTED


@pytest.mark.parametrize(
    ("value", "action"),
    [("1", MassActionType.SUSPEND), ("2", MassActionType.RELEASE), ("3", MassActionType.CANCEL)],
)
def test_what_a_mass_action_does(value: str, action: MassActionType) -> None:
    record = one("CA", {1373: value})
    assert isinstance(record, MassAction)
    assert (record.action, record.client_order_id) == (action, client_id("o-1"))


def test_a_list_goes_on_above_an_order() -> None:
    record = one("AF", {5030: "17"})
    assert isinstance(record, QueryOrders)
    assert (record.after_order_id, record.request_id) == (17, client_id("l-1"))


def test_a_dry_run_is_the_order_in_another_kind() -> None:
    changes: Changes = {18: "6", 110: "0.1", 1138: "0.2", 2964: "3"}
    order, dry = one("D", changes), one("DF", changes)
    assert isinstance(order, PlaceOrder)
    assert isinstance(dry, CheckOrder)
    names = [field.name for field in PlaceOrder.FIELDS if field.name != "kind"]
    assert [getattr(order, name) for name in names] == [getattr(dry, name) for name in names]


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("0", TimeInForce.DAY),
        (None, TimeInForce.DAY),
        ("1", TimeInForce.GOOD_TILL_CANCEL),
        ("3", TimeInForce.IMMEDIATE_OR_CANCEL),
        ("4", TimeInForce.FILL_OR_KILL),
    ],
)
def test_time_in_force(value: str | None, meant: TimeInForce) -> None:
    record = one("D", {59: value})
    assert isinstance(record, PlaceOrder)
    assert record.time_in_force == meant


def test_an_expire_date_means_the_end_of_that_day_in_utc() -> None:
    begin, end = one("D", {59: "6", 126: "20261101-00:00:00"}), one("D", {59: "6", 432: "20261101"})
    assert isinstance(begin, PlaceOrder)
    assert isinstance(end, PlaceOrder)
    assert end.expire_at_ns == begin.expire_at_ns + DAY_NS


@pytest.mark.parametrize(
    ("changes", "scope", "instrument"),
    [
        ({530: "7"}, Scope.ACCOUNT, 0),
        ({530: "6"}, Scope.SESSION, 0),
        ({530: "1", 55: "BTC-USD"}, Scope.ACCOUNT, 1),
    ],
)
def test_mass_cancel_scopes(changes: Changes, scope: Scope, instrument: int) -> None:
    record = one("q", changes)
    assert isinstance(record, MassCancel)
    assert (record.scope, record.instrument) == (scope, instrument)


BAD = [
    ("D", {44: "1E+2000000"}, RejectCode.GATEWAY_PRICE_MALFORMED),
    ("D", {44: "NaN"}, RejectCode.GATEWAY_PRICE_MALFORMED),
    ("D", {44: "-100"}, RejectCode.GATEWAY_PRICE_MALFORMED),
    ("D", {44: "100.0000000000000000001"}, RejectCode.GATEWAY_PRICE_MALFORMED),
    ("D", {44: "100.01"}, RejectCode.GATEWAY_PRICE_OFF_TICK),
    ("D", {44: "0"}, RejectCode.GATEWAY_OUT_OF_RANGE),
    ("D", {44: "9" * 18}, RejectCode.GATEWAY_OUT_OF_RANGE),
    ("D", {44: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {99: "x", 40: "3", 44: None}, RejectCode.GATEWAY_PRICE_MALFORMED),
    ("D", {38: "1e1"}, RejectCode.GATEWAY_QUANTITY_MALFORMED),
    ("D", {38: "-1"}, RejectCode.GATEWAY_QUANTITY_MALFORMED),
    ("D", {38: "0.00005"}, RejectCode.GATEWAY_QUANTITY_OFF_LOT),
    ("D", {38: "0"}, RejectCode.GATEWAY_OUT_OF_RANGE),
    ("D", {38: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {110: "0.00001"}, RejectCode.GATEWAY_QUANTITY_OFF_LOT),
    ("D", {111: "NaN"}, RejectCode.GATEWAY_QUANTITY_MALFORMED),
    ("D", {111: "0.1", 1138: "0.1"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {152: "5", 40: "1", 44: None}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("DF", {44: "100.01"}, RejectCode.GATEWAY_PRICE_OFF_TICK),
    ("CA", {1373: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("CA", {1373: "4"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("CA", {1374: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("CA", {1374: "8"}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ("CA", {55: "BTC-USD"}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ("AF", {584: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("AF", {585: "9"}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ("AF", {5030: "-1"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {152: "5", 38: None}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {152: "1e3", 38: None, 40: "1"}, RejectCode.GATEWAY_QUANTITY_MALFORMED),
    ("D", {152: "0.0000001", 38: None, 40: "1"}, RejectCode.GATEWAY_QUANTITY_OFF_LOT),
    ("D", {152: "0", 38: None, 40: "1"}, RejectCode.GATEWAY_OUT_OF_RANGE),
    ("D", {528: "P"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {55: "XX"}, RejectCode.GATEWAY_SYMBOL_UNKNOWN),
    ("D", {55: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {1: "nobody"}, RejectCode.GATEWAY_ACCOUNT_UNKNOWN),
    ("D", {1: "A12"}, RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED),
    ("D", {1: "A21"}, RejectCode.GATEWAY_ACCOUNT_UNKNOWN),  # another firm's: as if it were not
    ("D", {54: "5"}, RejectCode.GATEWAY_SIDE_UNSUPPORTED),
    ("D", {54: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {40: "P"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("D", {40: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {59: "7"}, RejectCode.GATEWAY_TIME_IN_FORCE_UNSUPPORTED),
    ("D", {59: "6"}, RejectCode.GATEWAY_FIELD_MISSING),
    ("D", {59: "6", 126: "tomorrow"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {59: "6", 432: "20260231"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {18: "A"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {18: "6 A"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {2964: "9"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {62: "20261301-00:00:00"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("D", {11: "x" * 37}, RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED),
    ("D", {11: "\u00e9"}, RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED),
    ("D", {11: " a"}, RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED),
    ("D", {11: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("F", {41: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("F", {41: None, 37: "x"}, RejectCode.GATEWAY_FIELD_MALFORMED),
    ("F", {54: "3"}, RejectCode.GATEWAY_SIDE_UNSUPPORTED),
    ("G", {40: "1"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "1", 44: None}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "2", 44: None}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "3"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "3", 99: "100.00"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "4"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: "4", 44: None, 99: "100.00"}, RejectCode.GATEWAY_ORDER_TYPE_UNSUPPORTED),
    ("G", {40: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("G", {44: "100.01"}, RejectCode.GATEWAY_PRICE_OFF_TICK),
    ("G", {44: "0"}, RejectCode.GATEWAY_OUT_OF_RANGE),
    ("G", {38: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("H", {11: None}, RejectCode.GATEWAY_FIELD_MISSING),
    ("q", {530: "3"}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ("q", {530: "7", 55: "BTC-USD"}, RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ("q", {530: "1"}, RejectCode.GATEWAY_FIELD_MISSING),
    ("q", {530: "1", 55: "XX"}, RejectCode.GATEWAY_SYMBOL_UNKNOWN),
    ("q", {530: None}, RejectCode.GATEWAY_FIELD_MISSING),
]


@pytest.mark.parametrize(("kind", "changes", "code"), BAD)
def test_a_bad_request_becomes_a_recorded_refusal(
    kind: str, changes: Changes, code: RejectCode
) -> None:
    record = one(kind, changes)
    assert isinstance(record, RecordRefusal)
    assert (record.code, record.refused_kind) == (code, KINDS[kind].KIND)
    assert plain_text(record.text), "a refusal says why"


@pytest.mark.parametrize(
    "changes", [{40: "2"}, {40: "3", 44: None, 99: "100.00"}, {40: "4", 99: "100.00"}]
)
def test_an_amend_whose_type_fits_its_prices_is_passed_on(changes: Changes) -> None:
    assert isinstance(one("G", changes), AmendOrder)


def test_an_amend_to_another_type_is_told_that_this_cannot_be() -> None:
    record = one("G", {40: "1"})
    assert isinstance(record, RecordRefusal)
    assert plain_text(record.text).startswith("OrdType cannot be changed")


def test_the_first_fault_wins() -> None:
    record = one("D", {55: "XX", 54: "9", 38: "0"})
    assert isinstance(record, RecordRefusal)
    assert record.code == RejectCode.GATEWAY_SYMBOL_UNKNOWN


def test_a_session_with_several_accounts_must_name_one() -> None:
    known = directory()
    known.trading_accounts = {1: {"A11": 11, "A12": 12}}
    (record,) = COMMANDS.unpack(translate(request("D"), ARRIVAL, known))
    assert isinstance(record, RecordRefusal)
    assert record.code == RejectCode.GATEWAY_FIELD_MISSING
    (record,) = COMMANDS.unpack(translate(request("D", {1: "A12"}), ARRIVAL, known))
    assert isinstance(record, PlaceOrder)
    assert record.account == 12


def test_a_cancel_by_order_id_needs_no_original_id() -> None:
    record = one("F", {41: None, 37: "77"})
    assert isinstance(record, CancelOrder)
    assert record.order_id == 77


def party(name: str, role: str, source: str = "D") -> Entry:
    return {448: name, 447: source, 452: role}


def target(name: str, role: str = "1", source: str = "D") -> Entry:
    return {1462: name, 1463: source, 1464: role}


FIRM, ACCOUNT, TRADER = party("F1", "1"), party("A11", "24"), party("4711", "11")


@pytest.mark.parametrize("kind", KINDS)
def test_every_request_may_name_its_parties(kind: str) -> None:
    record = one(kind, {}, {453: [FIRM, TRADER, ACCOUNT]})
    assert type(record) is KINDS[kind]
    assert record.account == 11


def test_an_order_keeps_its_trader_on_record() -> None:
    record = one("D", {}, {453: [TRADER]})
    assert isinstance(record, PlaceOrder)
    assert record.trader == 4711
    most = one("D", {}, {453: [party("4294967295", "11")]})
    assert isinstance(most, PlaceOrder)
    assert most.trader == 0xFFFF_FFFF


def test_a_party_may_say_which_of_several_accounts() -> None:
    known = directory()
    known.trading_accounts = {1: {"A11": 11, "A12": 12}}
    fields = request("D", {}, {453: [party("A12", "24")]})
    (record,) = COMMANDS.unpack(translate(fields, ARRIVAL, known))
    assert isinstance(record, PlaceOrder)
    assert record.account == 12


@pytest.mark.parametrize(
    ("changes", "parties", "code"),
    [
        ({}, [party("F2", "1")], RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED),
        ({}, [party("F1", "13")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("F1", "1", "N")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [FIRM, FIRM], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("A12", "24")], RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED),
        ({}, [party("A21", "24")], RejectCode.GATEWAY_ACCOUNT_UNKNOWN),
        ({1: "A12"}, [ACCOUNT], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("0", "11")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("jim", "11")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("4294967296", "11")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [party("\u0661", "11")], RejectCode.GATEWAY_FIELD_MALFORMED),
        ({}, [{448: "F1"}], RejectCode.GATEWAY_FIELD_MALFORMED),
    ],
)
def test_a_party_that_is_not_understood_is_refused_and_never_ignored(
    changes: Changes, parties: list[Entry], code: RejectCode
) -> None:
    record = one("D", changes, {453: parties})
    assert isinstance(record, RecordRefusal)
    assert record.code == code


@pytest.mark.parametrize(
    ("changes", "instrument"), [({530: "7"}, 0), ({530: "1", 55: "BTC-USD"}, 1)]
)
def test_a_mass_cancel_may_reach_the_whole_firm(changes: Changes, instrument: int) -> None:
    known = directory()
    known.trading_accounts = {1: {"A12": 12, "A11": 11}}
    fields = request("q", changes, {1461: [target("F1")]})
    (record,) = COMMANDS.unpack(translate(fields, ARRIVAL, known))
    assert isinstance(record, MassCancel)
    assert (record.scope, record.account, record.instrument) == (Scope.FIRM, 11, instrument)


@pytest.mark.parametrize(
    ("changes", "targets", "code"),
    [
        ({}, [target("F2")], RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED),
        ({}, [target("A11", "24")], RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ({}, [target("F1", "1", "N")], RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ({}, [target("F1"), target("F1")], RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ({530: "6"}, [target("F1")], RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
        ({1: "A11"}, [target("F1")], RejectCode.GATEWAY_SCOPE_UNSUPPORTED),
    ],
)
def test_other_targets_of_a_mass_cancel_are_refused(
    changes: Changes, targets: list[Entry], code: RejectCode
) -> None:
    record = one("q", changes, {1461: targets})
    assert isinstance(record, RecordRefusal)
    assert record.code == code


def test_a_party_that_is_an_account_does_not_go_with_the_firm_as_target() -> None:
    record = one("q", {}, {1461: [target("F1")], 453: [ACCOUNT]})
    assert isinstance(record, RecordRefusal)
    assert record.code == RejectCode.GATEWAY_SCOPE_UNSUPPORTED
    assert type(one("q", {}, {1461: [target("F1")], 453: [FIRM]})) is MassCancel


def test_cash_to_spend_goes_to_the_core_which_decides_about_it() -> None:
    record = one("D", {38: None, 152: "1000.000001", 40: "1", 44: None})
    assert isinstance(record, PlaceOrder)
    assert (record.cash_atoms, record.quantity_lots) == (1_000_000_001, 0)
    assert record.order_flags == OrderFlag.CASH_QUANTITY


@pytest.mark.parametrize(("account", "capacity"), [(11, "A"), (21, "P")])
def test_the_capacity_of_an_order_is_that_of_its_account(account: int, capacity: str) -> None:
    known = directory()
    known.trading_accounts = {1: {"own": account}}
    for said in "AP":
        fields = request("D", {528: said})
        (record,) = COMMANDS.unpack(translate(fields, ARRIVAL, known))
        assert isinstance(record, PlaceOrder if said == capacity else RecordRefusal)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_without_the_right_to_trade_are_recorded(kind: str) -> None:
    (record,) = COMMANDS.unpack(refuse_rights(request(kind), ARRIVAL, directory()))
    assert isinstance(record, RecordRefusal)
    assert record.code == RejectCode.GATEWAY_RIGHTS_MISSING
    assert record.refused_kind == KINDS[kind].KIND


@given(
    kind=st.sampled_from(sorted(KINDS)),
    changes=st.dictionaries(
        st.sampled_from(
            [
                1,
                11,
                18,
                37,
                38,
                40,
                41,
                44,
                54,
                55,
                59,
                62,
                99,
                110,
                111,
                126,
                152,
                432,
                528,
                530,
                790,
                1138,
                2964,
            ]
        ),
        st.none() | st.text(st.characters(exclude_characters="\x01"), max_size=50),
    ),
    groups=st.fixed_dictionaries(
        {},
        optional={
            count: st.lists(
                st.dictionaries(st.sampled_from(members), st.text(max_size=40)), max_size=4
            )
            for orders in GROUPS.values()
            for count, members in orders.items()
        },
    ),
)
def test_whatever_a_client_writes_is_one_whole_record(
    kind: str, changes: Changes, groups: Groups
) -> None:
    one(kind, changes, groups)


def test_openings_and_closings_of_connections() -> None:
    (opened,) = COMMANDS.unpack(open_session(ARRIVAL))
    (closed,) = COMMANDS.unpack(close_session(ARRIVAL, is_graceful=True))
    assert isinstance(opened, OpenSession)
    assert isinstance(closed, CloseSession)
    assert (opened.session, opened.connection, closed.graceful) == (1, 9, 1)
