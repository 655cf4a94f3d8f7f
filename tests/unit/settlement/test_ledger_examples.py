"""docs/ledger-entries.md has an example of every cause and account, and each is what is booked."""

from collections import Counter

import pytest

from settlement.chart import SIGNS, EntryCause, LedgerAccountKind, Sign
from settlement.house import CAUSES, KINDS
from tests.unit.settlement.ledger_examples import EXAMPLES, MARKED, PAGE, filled

ROWS = [row for rows in EXAMPLES.values() for row in rows]


def test_the_page_says_what_settlement_books() -> None:
    text = PAGE.read_text()
    assert filled(text) == text, "python -m tests.unit.settlement.ledger_examples"
    assert [found[2] for found in MARKED.finditer(text)] == list(EXAMPLES)


def test_every_cause_and_every_ledger_account_has_an_example() -> None:
    assert {row.cause for row in ROWS} == set(EntryCause)
    assert {row.kind for row in ROWS} == set(LedgerAccountKind)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_balances(name: str) -> None:
    sums: Counter[tuple[str, int]] = Counter()
    for row in EXAMPLES[name]:
        sums[row.place, row.asset] += row.amount_atoms
    assert sums
    assert not any(sums.values())


def test_the_house_moves_only_what_it_may() -> None:
    of_house = [row for row in ROWS if row.place.startswith("h") and row.place != "h0"]
    assert {row.cause for row in of_house} == set(CAUSES)
    assert {row.kind for row in of_house} <= set(KINDS)


def test_the_examples_together_keep_the_sign_of_every_account() -> None:
    balances: Counter[tuple[LedgerAccountKind, int, int]] = Counter()
    for row in ROWS:
        balances[row.kind, row.account, row.asset] += row.amount_atoms
    for (kind, _, _), balance in balances.items():
        assert SIGNS[kind] is not Sign.NEVER_BELOW_ZERO or balance >= 0, kind
        assert SIGNS[kind] is not Sign.NEVER_ABOVE_ZERO or balance <= 0, kind
