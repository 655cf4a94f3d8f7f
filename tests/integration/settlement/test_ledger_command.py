"""``./rialto ledger``, as an auditor uses it."""

from __future__ import annotations

import asyncio
import csv
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.__main__ import main
from runtime.process import EXIT_OK
from settlement.chart import SIGNS
from tests.integration.settlement.books_model import FUNDS, USD, Books
from tests.integration.settlement.places import arguments_for
from tests.integration.settlement.test_books import book

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def run(tmp_path: Path, ledger_dsn: str, capsys: pytest.CaptureFixture[str]) -> Run:
    _, places = arguments_for(tmp_path, ledger_dsn)

    async def run(*words: str) -> tuple[int, str, str]:
        # The command has a loop of its own.
        code = await asyncio.to_thread(main, [*words, *places])
        out, error = capsys.readouterr()
        return code, out, error

    return run


async def test_balances_and_the_general_ledger_are_those_of_the_events(
    run: Run, ledger_dsn: str, chance: random.Random, capsys: pytest.CaptureFixture[str]
) -> None:
    books = Books(chance)
    books.define()
    for _ in range(40):
        books.step()
    await book(ledger_dsn, [books.frame()])
    capsys.readouterr()
    middle = books.number // 2

    code, out, error = await run(
        "ledger", "balances", "--account", "a11", "--at-event", str(middle), "--json"
    )

    assert code == EXIT_OK, error
    told = json.loads(out)
    funds = next(
        Decimal(row["amount"])
        for row in told["balances"]
        if (row["asset"], row["ledger_account"]) == ("A1", "funds")
    )
    assert funds * 100 == books.as_of(event=middle)[FUNDS, 11, USD]
    (free,) = (row for row in told["free"] if row["asset"] == "A1")
    assert Decimal(free["available"]) == funds + Decimal(free["credit_line"])
    code, _, error = await run(
        "ledger", "balances", "--account", "venue", "--at-event", str(books.number + 1)
    )
    assert code != EXIT_OK
    assert f"the ledger stands at event {books.number}" in error
    summed: Counter[tuple[str, str, str]] = Counter()
    _, out, _ = await run("ledger", "export")
    for row in csv.DictReader(out.splitlines()):
        summed[row["ledger_account"], row["account"], row["asset"]] += int(row["amount_atoms"])
    assert summed["funds", "a11", "A1"] == books.balances[FUNDS, 11, USD]
    assert not sum(summed.values())
    _, out, _ = await run("ledger", "export", "--from-event", str(middle + 1), "--format", "json")
    assert all(json.loads(line)["event"] > middle for line in out.splitlines())
    _, out, _ = await run("ledger", "chart", "--json")
    assert [row["kind"] for row in json.loads(out)] == list(SIGNS)
