"""Whether engine, ledger and order history say the same at one event number.

Pure: ``compare`` is given what each side says. ``settlement.reconcile_loader`` reads the ledger's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from settlement.chart import EARNED, MEMORANDA, VENUE, LedgerAccountKind


class Holding(NamedTuple):
    """What the engine says of an account's money in an asset; the order of ``Engine.balances``."""

    account: int
    asset: int
    balance_atoms: int
    held_atoms: int


class AssetSum(NamedTuple):
    """What the engine says of an asset; the order of ``Engine.assets``."""

    asset: int
    supply_atoms: int
    fees_atoms: int


class Debt(NamedTuple):
    """What the engine says an account owes the venue; the order of ``Engine.receivables``."""

    account: int
    asset: int
    receivable_atoms: int


class RfqHold(NamedTuple):
    """What an account's answers to requests for quote hold; the order of ``Engine.rfq_holds``."""

    account: int
    asset: int
    held_atoms: int


class OpenOrder(NamedTuple):
    """An order that can still trade; ``asset`` is what its hold is in."""

    order_id: int
    account: int
    asset: int
    leaves_lots: int
    held_atoms: int


class EngineFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's answer, after the event ``event_number`` and before any later one.

    ``open_orders`` is None when it was not asked for; the ``asset`` in it is not looked at.
    """

    event_number: int
    balances: list[Holding]
    assets: list[AssetSum]
    receivables: list[Debt] = []
    rfq_holds: list[RfqHold] = []
    open_orders: list[OpenOrder] | None = None


class LedgerAccountSum(NamedTuple):
    """A ledger account and an amount."""

    kind: int
    account: int
    asset: int
    atoms: int


class Settled(NamedTuple):
    """What an account has of an asset: settled, and what settlement cycles still have to settle."""

    account: int
    asset: int
    settled_atoms: int
    unsettled_atoms: int


class Finding(NamedTuple):
    """Something the database found to disagree with itself."""

    what: str
    where: str
    expected: str
    found: str


class LedgerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the database says as of ``event_number``, and where it disagrees with itself.

    ``open_orders`` is None when the order history has not reached that event, ``settled`` when
    it was not asked for.
    """

    event_number: int
    balances: list[LedgerAccountSum]
    open_orders: list[OpenOrder] | None
    findings: list[Finding]
    counts: dict[str, int]
    settled: list[Settled] | None = None


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as it must be.

    ``engine`` is what the engine says or what follows from it, ``ledger`` what the database has.
    """

    what: str
    where: str
    engine: str
    ledger: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: clean exactly when there is no difference."""

    event_number: int
    counts: dict[str, int]
    differences: list[Difference]

    @property
    def is_clean(self) -> bool:
        """Whether everything agrees."""
        return not self.differences


def compare(engine: EngineFigures, ledger: LedgerFigures) -> Report:
    """Compare engine and ledger at one event number.

    Returns:
        Every difference, each with both values; counts of what was compared.

    Source:
        docs/ledger.md, "Reconciliation".
    """
    assert engine.event_number == ledger.event_number, "not the same moment"
    differences = [Difference(*finding) for finding in ledger.findings]
    differences += _balance_differences(engine, ledger)
    differences += _asset_differences(engine, ledger)
    if ledger.settled is not None:
        differences += _settled_differences(engine, ledger.settled)
    if ledger.open_orders is not None:
        differences += _held_differences(engine, ledger, ledger.open_orders)
        if engine.open_orders is not None:
            differences += _order_differences(engine.open_orders, ledger.open_orders)
    counts = {
        "engine_balances": len(engine.balances),
        "ledger_accounts": len(ledger.balances),
        "assets": len(engine.assets),
        "open_orders": len(ledger.open_orders or ()),
    }
    return Report(
        event_number=engine.event_number,
        counts=counts | ledger.counts,
        differences=differences,
    )


def _balance_differences(engine: EngineFigures, ledger: LedgerFigures) -> list[Difference]:
    booked: defaultdict[tuple[int, int], int] = defaultdict(int)
    owed: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in ledger.balances:
        if row.kind == LedgerAccountKind.RECEIVABLES:
            owed[row.account, row.asset] -= row.atoms
        elif row.account != VENUE and row.kind not in MEMORANDA:
            booked[row.account, row.asset] += row.atoms
    balances = {(row.account, row.asset): row.balance_atoms for row in engine.balances}
    debts = {(row.account, row.asset): row.receivable_atoms for row in engine.receivables}
    return [
        Difference(what, f"account {account} asset {asset}", str(left), str(right))
        for what, engine_says, ledger_says in (
            ("balance", balances, booked),
            ("receivable", debts, owed),
        )
        for (account, asset), left, right in _unequal(engine_says, ledger_says)
    ]


def _asset_differences(engine: EngineFigures, ledger: LedgerFigures) -> list[Difference]:
    memoranda: defaultdict[int, int] = defaultdict(int)
    fees: defaultdict[int, int] = defaultdict(int)
    outside: defaultdict[int, int] = defaultdict(int)
    totals: defaultdict[int, int] = defaultdict(int)
    for row in ledger.balances:
        totals[row.asset] += row.atoms
        if row.kind in MEMORANDA:
            memoranda[row.asset] += row.atoms
        elif row.kind in EARNED:
            fees[row.asset] += row.atoms
        elif row.account == VENUE:
            # What the house moves between accounts of its own changes nothing of this sum.
            outside[row.asset] += row.atoms
    supply = {asset: -atoms for asset, atoms in outside.items()}
    of_balances: defaultdict[int, int] = defaultdict(int)
    for holding in engine.balances:
        of_balances[holding.asset] += holding.balance_atoms
    for debt in engine.receivables:  # what the venue lent is in the balances, and no supply
        of_balances[debt.asset] -= debt.receivable_atoms
    parts = {row.asset: of_balances[row.asset] + row.fees_atoms for row in engine.assets}
    engine_supply = {row.asset: row.supply_atoms for row in engine.assets}
    engine_fees = {row.asset: row.fees_atoms for row in engine.assets}
    compared: Iterable[tuple[str, Mapping[int, int], Mapping[int, int]]] = (
        ("supply", engine_supply, supply),
        ("fees", engine_fees, fees),
        ("ledger sums to zero", {}, totals),
        ("memoranda sum to zero", {}, memoranda),
        # Both sides are the engine's own: money is neither made nor lost in it.
        ("engine's balances and fees are its supply", engine_supply, parts),
    )
    return [
        Difference(what, f"asset {asset}", str(left), str(right))
        for what, engine_side, ledger_side in compared
        for asset, left, right in _unequal(engine_side, ledger_side)
    ]


def _settled_differences(engine: EngineFigures, settled: list[Settled]) -> list[Difference]:
    balances = {(row.account, row.asset): row.balance_atoms for row in engine.balances}
    together = {
        (row.account, row.asset): row.settled_atoms + row.unsettled_atoms for row in settled
    }
    return [
        Difference(
            "settled and unsettled", f"account {account} asset {asset}", str(left), str(right)
        )
        for (account, asset), left, right in _unequal(balances, together)
    ]


def _held_differences(
    engine: EngineFigures, ledger: LedgerFigures, open_orders: list[OpenOrder]
) -> list[Difference]:
    """Compare holds: the engine's total is open orders, withdrawals on their way, and quotes.

    Quotes that answer requests are no orders, so their part is the engine's own word.
    """
    tied: defaultdict[tuple[int, int], int] = defaultdict(int)
    for order in open_orders:
        tied[order.account, order.asset] += order.held_atoms
    for row in ledger.balances:
        if row.kind == LedgerAccountKind.WITHDRAWALS:
            tied[row.account, row.asset] += row.atoms
    for hold in engine.rfq_holds:
        tied[hold.account, hold.asset] += hold.held_atoms
    engine_says = {(row.account, row.asset): row.held_atoms for row in engine.balances}
    return [
        Difference("held", f"account {account} asset {asset}", str(left), str(right))
        for (account, asset), left, right in _unequal(engine_says, tied)
    ]


def _order_differences(
    engine_orders: list[OpenOrder], history: list[OpenOrder]
) -> list[Difference]:
    left = {order.order_id: order for order in engine_orders}
    right = {order.order_id: order for order in history}
    return [
        Difference(
            "open order",
            f"order {order_id}",
            _order_text(left.get(order_id)),
            _order_text(right.get(order_id)),
        )
        for order_id in sorted(left.keys() | right.keys())
        if _order_text(left.get(order_id)) != _order_text(right.get(order_id))
    ]


def _order_text(order: OpenOrder | None) -> str:
    if order is None:
        return "not open"
    return f"account {order.account}, {order.leaves_lots} lots, {order.held_atoms} atoms held"


Key = TypeVar("Key", int, tuple[int, int])


def _unequal(left: Mapping[Key, int], right: Mapping[Key, int]) -> list[tuple[Key, int, int]]:
    """Return the keys with unequal values, absent ones counting as zero."""
    return [
        (key, left.get(key, 0), right.get(key, 0))
        for key in sorted(left.keys() | right.keys())
        if left.get(key, 0) != right.get(key, 0)
    ]
