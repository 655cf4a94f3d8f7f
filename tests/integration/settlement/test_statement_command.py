"""``./rialto statement``, as an operator uses it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exchange.__main__ import main
from runtime.process import EXIT_OK, EXIT_USAGE
from tests.integration.settlement.conftest import settle
from tests.integration.settlement.places import arguments_for
from tests.unit.settlement.flow import START_NS, Flow, flow_of

Run = Callable[..., Awaitable[tuple[int, str, str]]]
DAY = f"{datetime.fromtimestamp(START_NS // 10**9, UTC):%Y-%m-%d}"


@pytest.fixture
async def flow(ledger_dsn: str, chance: object) -> Flow:
    made = flow_of(chance, steps=120)  # type: ignore[arg-type]
    made.limits(11, 1, 5_000)  # no money, and so in no total
    await settle(ledger_dsn, made.batches(commands_max=9))
    return made


@pytest.fixture
def run(flow: Flow, tmp_path: Path, ledger_dsn: str, capsys: pytest.CaptureFixture[str]) -> Run:
    _, places = arguments_for(tmp_path, ledger_dsn)

    async def run(*words: str) -> tuple[int, str, str]:
        code = await asyncio.to_thread(main, ["statement", "--so-far", *places, *words])
        out, error = capsys.readouterr()
        return code, out, error

    return run


async def test_a_statement_of_a_day_closes_with_the_engines_balances(run: Run, flow: Flow) -> None:
    code, out, error = await run("--account", "acc 11", "--date", DAY)
    assert code == EXIT_OK, error
    told = json.loads(out)
    assert told["title"] == "Statement of account acc 11"
    closing = {
        (row["asset"], row["ledger account"]): row["closing"]
        for row in told["sections"]["balances"]
    }
    for asset in (1, 2, 3):
        parts = [closing.get((f"ASSET{asset}", kind), "0") for kind in ("funds", "withdrawals")]
        atoms = sum(int(part.replace(".", "")) for part in parts)
        assert atoms == flow.balances[11, asset]
    assert told["sections"]["trades"]


async def test_a_firms_statement_adds_its_accounts_up(run: Run, flow: Flow) -> None:
    code, out, _ = await run("--firm", "Firm Five", "--date", DAY)
    assert code == EXIT_OK
    totals = {row["asset"]: row for row in json.loads(out)["sections"]["totals"]}
    for asset in (1, 2, 3):
        atoms = sum(flow.balances[account, asset] for account in flow.accounts)
        assert int(totals[f"ASSET{asset}"]["closing"].replace(".", "")) == atoms
        assert int(totals[f"ASSET{asset}"]["opening"].replace(".", "")) == 0


SESSION = """
id = 1
kind = "order_entry"
sender_comp_id = "FIVE"
[firm]
id = 5
name = "FIVE"
[[account]]
id = {last}
name = "MAIN"
owner_group = 1
limits.open_orders_max = 1
[[account]]
id = {first}
name = "SUB"
parent = "MAIN"
owner_group = 1
limits.open_orders_max = 1
"""


async def test_sub_accounts_follow_their_account(run: Run, flow: Flow, tmp_path: Path) -> None:
    first, *between, last = sorted(flow.accounts)
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    (sessions / "FIVE.toml").write_text(SESSION.format(first=first, last=last))
    words = ("--date", DAY, "--sessions", str(sessions))
    code, out, error = await run("--account", str(last), "--with-sub-accounts", *words)
    assert code == EXIT_OK, error
    told = json.loads(out)
    assert told["title"] == f"Statement of account acc {last} and its sub-accounts"
    assert {row["account"] for row in told["sections"]["balances"]} == {
        f"acc {first}",
        f"acc {last}",
    }
    for row in told["sections"]["totals"]:
        asset = int(row["asset"].removeprefix("ASSET"))
        atoms = flow.balances[first, asset] + flow.balances[last, asset]
        assert int(row["closing"].replace(".", "")) == atoms
    _, out, _ = await run("--firm", "5", *words)
    order = [said.split(" (")[0] for said in json.loads(out)["accounts"].split(", ")]
    assert order == [f"acc {number}" for number in (*between, last, first)]


async def test_the_day_before_has_nothing(run: Run) -> None:
    begin = datetime.fromtimestamp(START_NS // 10**9 - 86_400, UTC)
    code, out, _ = await run("--account", "11", "--from", f"{begin:%Y-%m-%d}", "--to", DAY)
    assert code == EXIT_OK
    assert not any(json.loads(out)["sections"].values())


async def test_every_account_and_firm_gets_a_file(run: Run, tmp_path: Path, flow: Flow) -> None:
    folder = tmp_path / "statements"
    code, out, _ = await run("--all", "--date", DAY, "--format", "html", "--directory", str(folder))
    assert (code, out) == (EXIT_OK, f"{len(flow.accounts) + 1} statements in {folder}\n")
    names = {path.name for path in folder.iterdir()}
    assert names == {f"account-{n}.html" for n in flow.accounts} | {"firm-5.html"}
    assert all(path.read_text().startswith("<!doctype html>") for path in folder.iterdir())


async def test_reports_of_everybody(run: Run, flow: Flow) -> None:
    code, out, _ = await run("--report", "blotter", "--date", DAY, "--format", "csv")
    assert code == EXIT_OK
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [int(row["trade"]) for row in rows] == list(range(1, flow.trades + 1))
    code, out, _ = await run("--report", "fees", "--date", DAY)
    assert code == EXIT_OK
    income = json.loads(out)["sections"]["income"]
    told = {row["asset"]: int(row["fees less rebates"].replace(".", "")) for row in income}
    assert told == {"ASSET1": flow.fees[1]}


async def test_one_section_of_csv_goes_into_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fees.csv"
    words = ("--account", "11", "--date", DAY, "--format", "csv", "--section")
    code, out, _ = await run(*words, "fees", "--output", str(path))
    assert (code, out) == (EXIT_OK, "")
    assert path.read_text().startswith("account,asset,charged,rebates,corrected,paid\n")
    code, _, error = await run(*words, "colours")
    assert (code, "no section colours" in error) == (EXIT_USAGE, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--date", DAY), "whose statement"),
        (("--account", "11"), "which period"),
        (("--account", "11", "--date", DAY, "--to", DAY), "which period"),
        (("--account", "11", "--from", DAY), "belong together"),
        (("--account", "11", "--from", DAY, "--to", DAY), "is not after"),
        (("--account", "11", "--date", "someday"), "--date someday"),
        (("--account", "11", "--firm", "5", "--date", DAY), "not both"),
        (("--account", "nobody", "--date", DAY), "no account nobody"),
        (("--all", "--date", DAY), "--directory"),
        (("--account", "11", "--date", DAY, "--section", "fees"), "--section is of csv"),
        (("--firm", "5", "--with-sub-accounts", "--date", DAY), "is of --account"),
    ],
)
async def test_what_cannot_be_asked_is_said(run: Run, words: tuple[str, ...], said: str) -> None:
    code, _, error = await run(*words)
    assert (code, said in error) == (EXIT_USAGE, True), error
