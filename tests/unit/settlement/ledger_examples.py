"""The examples of docs/ledger-entries.md: events, and the entries that settlement makes of them.

    python -m tests.unit.settlement.ledger_examples

writes the tables into the page, between its marks; a test holds the page to them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from messages.trading import events
from messages.trading.terms import BalanceCause, Side
from settlement.chart import HOUSE_FIRST, EntryCause, LedgerAccountKind
from settlement.house import HouseEntry
from settlement.postings import (
    Entry,
    Market,
    balance_entries,
    correction_entries,
    credit_line_entries,
    receivable_entries,
    trade_entries,
    transfer_entries,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ledger-entries.md"
BTC, USD = 1, 2
NAMES = {BTC: "BTC", USD: "USD"}
MARKET = Market(base_asset=BTC, quote_asset=USD)
KIND = LedgerAccountKind


class Row(NamedTuple):
    """A line of a table: where it stands, and what moved."""

    place: str
    leg: int
    kind: LedgerAccountKind
    cause: EntryCause
    account: int
    asset: int
    amount_atoms: int


def money(number: int, cause: BalanceCause, amount: int, change: int) -> list[Row]:
    event = events.BalanceChanged.make(
        number=number, account=12, asset=USD, cause=cause, amount_atoms=amount, change_atoms=change
    )
    return of_event(number, balance_entries(event))


def of_event(number: int, entries: Sequence[Entry]) -> list[Row]:
    return [
        Row(f"{number}", each.leg, each.kind, each.cause, each.account, each.asset,
            each.amount_atoms)
        for each in entries
    ]  # fmt: skip


def of_house(number: int, cause: EntryCause, *moved: tuple[LedgerAccountKind, int]) -> list[Row]:
    entries = [HouseEntry(kind, USD, amount) for kind, amount in moved]
    return [
        Row(f"h{number}", leg, each.kind, cause, 0, each.asset, each.amount_atoms)
        for leg, each in enumerate(entries, start=1)
    ]


def trade() -> list[Row]:
    event = events.TradeExecuted.make(
        number=812, taker_side=Side.BUY, maker_account=11, taker_account=12, base_atoms=3000,
        notional_atoms=600, maker_fee_atoms=-1, taker_fee_atoms=4,
    )  # fmt: skip
    return of_event(812, trade_entries(event, MARKET))


_UNDONE = {
    "taker_side": Side.BUY,
    "maker_account": 11,
    "taker_account": 12,
    "previous_base_atoms": 3000,
    "previous_notional_atoms": 600,
    "maker_previous_fee_atoms": -1,
    "taker_previous_fee_atoms": 4,
}


def bust() -> list[Row]:
    event = events.TradeBusted.make(number=900, **_UNDONE)
    return of_event(900, correction_entries(event, MARKET))


def correction() -> list[Row]:
    event = events.TradeCorrected.make(
        number=910, **_UNDONE, base_atoms=2000, notional_atoms=380, maker_fee_atoms=-1,
        taker_fee_atoms=3,
    )  # fmt: skip
    return of_event(910, correction_entries(event, MARKET))


def owed(number: int, change: int) -> list[Row]:
    event = events.ReceivableChanged.make(number=number, account=11, asset=BTC, change_atoms=change)
    return of_event(number, receivable_entries(event))


def line(number: int, now: int, before: int) -> list[Row]:
    event = events.AssetLimitsSet.make(number=number, account=12, asset=USD, credit_line_atoms=now)
    return of_event(number, credit_line_entries(event, previous_atoms=before))


def transfer() -> list[Row]:
    event = events.FundsTransferred.make(
        number=950, account=12, to_account=13, asset=USD, amount_atoms=250
    )
    return of_event(950, transfer_entries(event))


EXAMPLES: dict[str, list[Row]] = {
    "deposit": money(40, BalanceCause.CREDIT, 1000, 1000),
    "withdrawal": [
        *money(41, BalanceCause.WITHDRAWAL_RESERVED, 300, 0),
        *money(42, BalanceCause.WITHDRAWAL_COMMITTED, 300, -300),
    ],
    "withdrawal-released": [
        *money(43, BalanceCause.WITHDRAWAL_RESERVED, 100, 0),
        *money(44, BalanceCause.WITHDRAWAL_RELEASED, 100, 0),
    ],
    "debit": money(45, BalanceCause.DEBIT, 50, -50),
    "trade": trade(),
    "bust": bust(),
    "receivable": [*owed(899, 3000), *owed(920, -3000)],
    "correction": correction(),
    "transfer": transfer(),
    "credit-line": [*line(960, 500, 0), *line(961, 200, 500)],
    "reward": money(970, BalanceCause.REWARD, 20, 20),
    "adjustment": [
        *money(971, BalanceCause.ADJUSTMENT_CREDIT, 7, 7),
        *money(972, BalanceCause.ADJUSTMENT_DEBIT, 2, -2),
    ],
    "custody": [
        *of_house(1, EntryCause.CUSTODY_MOVED, (KIND.CUSTODY_HOT, -1000), (KIND.CLEARING, 1000)),
        *of_house(
            2, EntryCause.CUSTODY_MOVED, (KIND.CUSTODY_IN_TRANSIT, -400), (KIND.CUSTODY_HOT, 400)
        ),
        *of_house(
            3, EntryCause.CUSTODY_MOVED, (KIND.CUSTODY_COLD, -400), (KIND.CUSTODY_IN_TRANSIT, 400)
        ),
        *of_house(4, EntryCause.CUSTODY_MOVED, (KIND.CLEARING, -300), (KIND.CUSTODY_HOT, 300)),
    ],
    "capital": of_house(
        5, EntryCause.HOUSE_ADJUSTMENT, (KIND.CUSTODY_HOT, -5000), (KIND.CAPITAL, 5000)
    ),
    "insurance": [
        *of_house(6, EntryCause.INSURANCE_FUNDED, (KIND.FEES_TAKEN, -2), (KIND.INSURANCE, 2)),
        *of_house(7, EntryCause.INSURANCE_FUNDED, (KIND.CAPITAL, -50), (KIND.INSURANCE, 50)),
    ],
    "rewards-funded": of_house(
        8, EntryCause.REWARDS_FUNDED, (KIND.CAPITAL, -20), (KIND.REWARDS, 20)
    ),
    "explained": [
        *of_house(9, EntryCause.HOUSE_ADJUSTMENT, (KIND.CAPITAL, -5), (KIND.SUSPENSE, 5)),
        *of_house(10, EntryCause.HOUSE_ADJUSTMENT, (KIND.CUSTODY_HOT, -1), (KIND.ROUNDING, 1)),
    ],
    "opening": of_house(0, EntryCause.OPENING, (KIND.FEE_INCOME, 30), (KIND.REBATES, -30)),
}
"""By the name of its place in the page. An entry of the house stands at ``hN``, posting N."""


def table(rows: Sequence[Row]) -> str:
    """Write rows as the page has them."""
    lines = [
        "| event | leg | ledger account | asset | amount | cause |",
        "|--:|--:|---|---|--:|---|",
    ]
    for row in rows:
        name = row.kind.name.lower().replace("_", " ")
        whose = f"{name} of {row.account}" if row.kind < HOUSE_FIRST else name
        amount = f"{row.amount_atoms:+,}".replace("-", "\N{MINUS SIGN}")
        cause = row.cause.name.lower().replace("_", " ")
        cells = (row.place, str(row.leg), whose, NAMES[row.asset], amount, cause)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


MARKED = re.compile(r"(<!-- entries: ([a-z-]+) -->\n)(?:\|.*\n)*")


def filled(text: str) -> str:
    """Return a page with every marked table as it must be."""
    return MARKED.sub(lambda found: f"{found[1]}{table(EXAMPLES[found[2]])}\n", text)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
