import random

import msgspec
import pytest

from settlement.chart import VENUE, LedgerAccountKind
from settlement.reconcile import (
    AssetSum,
    Difference,
    EngineFigures,
    Finding,
    Holding,
    LedgerAccountSum,
    LedgerFigures,
    OpenOrder,
    RfqHold,
    compare,
)
from tests.unit.settlement.flow import flow_of

ORDER = OpenOrder(order_id=9, account=4, asset=1, leaves_lots=5, held_atoms=40)
ENGINE = EngineFigures(
    event_number=12,
    balances=[Holding(4, 1, 90, 50), Holding(5, 1, 0, 0)],
    assets=[AssetSum(1, 93, 3)],
    open_orders=[ORDER],
)
LEDGER = LedgerFigures(
    event_number=12,
    balances=[
        LedgerAccountSum(LedgerAccountKind.FUNDS, 4, 1, 80),
        LedgerAccountSum(LedgerAccountKind.WITHDRAWALS, 4, 1, 10),
        LedgerAccountSum(LedgerAccountKind.FEE_INCOME, VENUE, 1, 3),
        LedgerAccountSum(LedgerAccountKind.CLEARING, VENUE, 1, -93),
    ],
    open_orders=[ORDER],
    findings=[],
    counts={"trades": 2},
)


def test_what_agrees_is_clean_and_an_empty_balance_is_as_good_as_none() -> None:
    report = compare(ENGINE, LEDGER)

    assert report.differences == []
    assert report.is_clean
    assert report.counts["trades"] == 2
    assert report.counts["engine_balances"] == 2


def ledger_with(index: int, atoms: int) -> LedgerFigures:
    rows = list(LEDGER.balances)
    rows[index] = rows[index]._replace(atoms=atoms)
    return msgspec.structs.replace(LEDGER, balances=rows)


@pytest.mark.parametrize(
    ("index", "atoms", "what"),
    [
        (0, 81, {"balance", "ledger sums to zero"}),
        (1, 9, {"balance", "ledger sums to zero", "held"}),
        (2, 4, {"fees", "ledger sums to zero"}),
        (3, -94, {"supply", "ledger sums to zero"}),
    ],
)
def test_each_kind_of_ledger_account_is_compared(index: int, atoms: int, what: set[str]) -> None:
    report = compare(ENGINE, ledger_with(index, atoms))

    assert {difference.what for difference in report.differences} == what
    assert not report.is_clean


def test_a_difference_says_what_where_and_both_values() -> None:
    report = compare(ENGINE, ledger_with(0, 81))

    assert Difference("balance", "account 4 asset 1", "90", "91") in report.differences


def test_money_of_an_account_that_the_engine_does_not_know_is_found() -> None:
    stranger = LedgerAccountSum(LedgerAccountKind.FUNDS, 77, 1, 1)
    report = compare(ENGINE, msgspec.structs.replace(LEDGER, balances=[*LEDGER.balances, stranger]))

    assert Difference("balance", "account 77 asset 1", "0", "1") in report.differences


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"assets": [AssetSum(1, 94, 3)]}, "supply"),
        ({"assets": [AssetSum(1, 93, 2)]}, "fees"),
        ({"assets": [AssetSum(1, 93, 3), AssetSum(2, 1, 0)]}, "supply"),
        (
            {"balances": [Holding(4, 1, 91, 50)]},
            "engine's balances and fees are its supply",
        ),
        ({"balances": [Holding(4, 1, 90, 49)]}, "held"),
        ({"open_orders": []}, "open order"),
        ({"open_orders": [ORDER._replace(leaves_lots=4)]}, "open order"),
        ({"open_orders": [ORDER, ORDER._replace(order_id=10)]}, "open order"),
    ],
)
def test_each_thing_the_engine_says_is_compared(changes: dict[str, object], what: str) -> None:
    report = compare(msgspec.structs.replace(ENGINE, **changes), LEDGER)

    assert what in {difference.what for difference in report.differences}


def test_what_quotes_hold_explains_the_engines_holds() -> None:
    quoting = msgspec.structs.replace(
        ENGINE, balances=[Holding(4, 1, 90, 57)], rfq_holds=[RfqHold(4, 1, 7)]
    )
    assert compare(quoting, LEDGER).is_clean

    report = compare(msgspec.structs.replace(quoting, rfq_holds=[]), LEDGER)
    assert report.differences == [Difference("held", "account 4 asset 1", "57", "50")]


def test_open_orders_are_left_out_when_nobody_gave_them() -> None:
    silent = msgspec.structs.replace(ENGINE, open_orders=None)
    behind = msgspec.structs.replace(LEDGER, open_orders=None)

    assert compare(silent, LEDGER).is_clean
    assert compare(ENGINE, behind).is_clean


def test_what_the_database_found_in_itself_is_reported() -> None:
    finding = Finding("trades are contiguous", "after trade 3", "4", "6")
    report = compare(ENGINE, msgspec.structs.replace(LEDGER, findings=[finding]))

    assert report.differences == [Difference(*finding)]


def test_figures_of_different_moments_are_never_compared() -> None:
    with pytest.raises(AssertionError, match="same moment"):
        compare(msgspec.structs.replace(ENGINE, event_number=11), LEDGER)


def test_the_models_own_figures_conserve_money(chance: random.Random) -> None:
    engine = flow_of(chance, steps=200).engine()

    for asset in engine.assets:
        balances = sum(row.balance_atoms for row in engine.balances if row.asset == asset.asset)
        assert balances + asset.fees_atoms == asset.supply_atoms
