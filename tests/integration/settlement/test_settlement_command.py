"""``./rialto settlement``: read by anybody who may, decided by the operators' plane."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange import settlement_desk
from exchange.__main__ import main
from exchange.admin.record import Record
from exchange.admin.roles import Role
from exchange.bootstrap import process_main
from exchange.configuration import read_configuration
from exchange.operators import Operators
from exchange.places import Places
from exchange.settlement_desk import CycleOrder, decided, planned
from exchange.state import State
from runtime.chained_lines import ChainedLines
from runtime.process import EXIT_OK, EXIT_USAGE
from settlement.cycle_terms import SCHEDULE, SettlementCode
from settlement.cycles import close_cycle
from settlement.errors import SettlementRefusedError
from tests.integration.settlement.conftest import until
from tests.integration.settlement.cycle_model import Model
from tests.integration.settlement.places import ROOT, arguments_for
from tests.twins.journals import begin_journal

Run = Callable[..., Awaitable[tuple[int, str, str]]]
ANN = ("--as", "ann", "--reason", "end of day")
BEN = ("--as", "ben", "--reason", "seen at the bank")


@pytest.fixture
async def served(tmp_path: Path, ledger_dsn: str) -> AsyncIterator[tuple[State, list[str]]]:
    """The operators' plane over the database, of a venue that began and whose core is away."""
    state, arguments = arguments_for(tmp_path, ledger_dsn)
    begin_journal(state.venue / "journal", venue=bytes(range(16)))
    Operators(state.operators).found(["ann", "ben"])
    configuration = read_configuration(tmp_path / "config")
    places = Places(state=state, config=tmp_path / "config", sessions=ROOT / "sessions")
    stop = asyncio.Event()
    serving = asyncio.ensure_future(process_main("admin_api")(configuration, places, stop))
    await until(lambda: serving.done() or state.page("admin_api") is not None)
    yield state, arguments
    stop.set()
    await serving


@pytest.fixture
def run(served: tuple[State, list[str]], capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*words: str) -> tuple[int, str, str]:
        # The command has a loop of its own, or blocks.
        code = await asyncio.to_thread(main, [*words, *served[1]])
        out, error = capsys.readouterr()
        return code, out, error

    return run


@pytest.fixture
async def model(application: Any, chance: random.Random) -> Model:
    made = Model(application, chance)
    await made.found()
    for _ in range(15):
        await made.trade()
    return made


async def as_json(run: Run, *words: str) -> Any:
    code, out, error = await run("settlement", *words, "--json")
    assert code == EXIT_OK, error
    return json.loads(out)


async def agreed(run: Run, *words: str) -> tuple[int, str, str]:
    """Let ann propose and ben approve."""
    code, out, error = await run("settlement", *words, *ANN)
    assert code == EXIT_OK, error
    proposal = re.search(r"admin approve (\w+)", out)
    assert proposal is not None, out
    return await run("admin", "approve", proposal[1], *BEN)


async def close(run: Run, reference: str) -> str:
    code, out, error = await run("settlement", "close-cycle", "--reference", reference, *ANN)
    assert code == EXIT_OK, error
    return out


async def test_a_cycle_from_its_close_to_a_fail_that_ages(
    run: Run, model: Model, served: tuple[State, list[str]]
) -> None:
    _, out, _ = await run("settlement", "status")
    assert "no cycle was closed yet" in out
    assert "cycle 1 of " in await close(run, "monday")
    await close(run, "monday")

    asked = await as_json(run, "instructions", "--standing", "pending")
    receives = next(row["instruction"] for row in asked if row["amount_atoms"] > 1)
    code, out, error = await agreed(run, "confirm", str(receives))
    assert (code, "confirmed: 1 by decision 2" in out) == (EXIT_OK, True), error
    assert f"confirm instruction {receives} (" in out
    row = await model.connection.fetchrow(
        "select operator, approver, reason from settlement.decisions where decision = 2"
    )
    assert row is not None
    assert tuple(row) == (1, 2, "end of day")
    code, _, error = await run("settlement", "fail", str(receives), *ANN)
    assert code != EXIT_OK
    assert "2002 INSTRUCTION_IS_OVER" in error

    other = next(row["instruction"] for row in asked if row["instruction"] != receives)
    code, out, error = await run("settlement", "fail", str(other), *ANN)
    assert (code, "failed: 1 by decision 3" in out) == (EXIT_OK, True), error
    await close(run, "tuesday")
    _, out, _ = await run("settlement", "instructions", "--cycle", "1")
    assert "1 cycles, 0 days" in out
    told = await as_json(run, "status")
    assert told["instructions"]["failed"] == 1
    assert told["last_cycle"]["cycle"] == 2

    record = Record(ChainedLines(served[0].admin_record))
    steps = [(entry.step, entry.action) for _, entry in record.entries()]
    assert steps[:4] == [("asked", "cycles.close"), ("done", "cycles.close")] * 2
    assert steps[4:7] == [(step, "cycles.confirm") for step in ("proposed", "approved", "done")]
    assert ("refused", "cycles.fail") in steps


async def test_a_part_of_an_instruction_is_confirmed_under_a_reference(
    run: Run, model: Model
) -> None:
    await close(run, "monday")
    asked = await as_json(run, "instructions")
    row = next(row for row in asked if row["amount_atoms"] > 1 and row["asset"] == 1)
    words = ("confirm", str(row["instruction"]), "--amount", "0.000001")
    code, _, error = await run("settlement", *words, *ANN)
    assert code != EXIT_OK
    assert "needs a reference" in error
    code, _, error = await agreed(run, *words, "--reference", "wire-1")
    assert code == EXIT_OK, error
    found = await as_json(run, "instructions", "--standing", "partially_settled")
    assert [(each["instruction"], each["confirmed_atoms"]) for each in found] == [
        (row["instruction"], 1)
    ]


async def test_what_changed_since_it_was_proposed_is_not_confirmed(run: Run, model: Model) -> None:
    await close(run, "monday")
    asked = await as_json(run, "instructions")
    (first, second) = [str(row["instruction"]) for row in asked[:2]]
    _, out, _ = await run("settlement", "confirm", "--cycle", "1", *ANN)
    proposal = re.search(r"admin approve (\w+)", out)
    assert proposal is not None
    await run("settlement", "fail", first, second, *ANN)

    code, _, error = await run("admin", "approve", proposal[1], *BEN)
    assert code != EXIT_OK
    assert "moved on" in error
    assert not await as_json(run, "instructions", "--standing", "settled")


async def test_what_is_issued_again_is_decided_anew(run: Run, model: Model) -> None:
    await close(run, "monday")
    for day in ("tuesday", "wednesday"):
        code, out, error = await run("settlement", "fail", "--cycle", "1", *ANN)
        assert (code, "failed: " in out) == (EXIT_OK, True), error
        await close(run, day)
    asked = await as_json(run, "instructions", "--cycle", "1", "--standing", "failed")
    assert {row["attempt"] for row in asked} == {1, 2}
    rows = await model.connection.fetch("select reference from settlement.decisions where kind = 3")
    assert [row[0] for row in rows] == [
        f"fail-cycle-1-to-{max(row['instruction'] for row in asked if row['attempt'] == attempt)}"
        for attempt in (1, 2)
    ]


async def test_a_long_list_says_its_sums_and_a_changed_one_has_another_digest(
    run: Run, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_desk, "LISTED_MAX", 2)
    await close(run, "monday")
    order = CycleOrder(kind="fail", cycle=1)
    words, fixed = await planned(model.connection, order)
    found = await as_json(run, "instructions")
    assert f"and {len(found) - 2} more; {len(found)} in all: " in words
    received = sum(max(row["amount_atoms"], 0) for row in found if row["asset"] == 1)
    assert f"{received / 10**6:.6f} USD received" in words
    assert f"digest {fixed.digest}" in words
    await run("settlement", "fail", str(found[0]["instruction"]), *ANN)
    assert (await planned(model.connection, order)).order.digest != fixed.digest
    with pytest.raises(SettlementRefusedError) as caught:
        await decided(model.connection, fixed, model.ask())
    assert caught.value.code is SettlementCode.INSTRUCTIONS_CHANGED


@pytest.mark.parametrize("prefix", ["schedule-", "configured-"])
async def test_references_of_the_venue_are_not_for_operators(model: Model, prefix: str) -> None:
    with pytest.raises(SettlementRefusedError) as caught:
        await close_cycle(model.connection, model.ask(f"{prefix}1"))
    assert caught.value.code is SettlementCode.REFERENCE_RESERVED
    ask = msgspec.structs.replace(model.ask(f"{prefix}1"), operator=SCHEDULE)
    assert (await close_cycle(model.connection, ask)).cycle == 1


async def test_a_copy_of_the_decisions_is_enacted_in_an_empty_ledger_only(
    run: Run, model: Model, tmp_path: Path
) -> None:
    copy = tmp_path / "decisions.jsonl"
    copy.write_text("")
    assert (await run("settlement", "rebuild", str(copy)))[1] == "0 decisions enacted\n"
    await close(run, "monday")
    code, out, _ = await run("settlement", "decisions")
    assert (code, json.loads(out)["reference"]) == (EXIT_OK, "monday")
    copy.write_text(out)
    code, _, error = await run("settlement", "rebuild", str(copy))
    assert (code, "2013 NOT_EMPTY" in error) == (1, True)
    copy.write_text("{}")
    code, _, error = await run("settlement", "rebuild", str(copy))
    assert (code, str(copy) in error) == (EXIT_USAGE, True)


async def test_only_treasury_decides(
    run: Run, model: Model, served: tuple[State, list[str]]
) -> None:
    operators = Operators(served[0].operators)
    operators.write(msgspec.structs.replace(operators.named("ann"), roles=(Role.RISK,)))
    words = ("settlement", "close-cycle", "--reference", "x")
    code, _, error = await run(*words, *ANN)
    assert code != EXIT_OK
    assert "takes the role treasury" in error
    assert await model.connection.fetchval("select count(*) from settlement.decisions") == 0


async def test_obligations_of_a_cycle_are_listed_with_their_sum_of_zero(
    run: Run, model: Model
) -> None:
    _, out, _ = await run("settlement", "obligations", "--cycle", "open")
    assert "venue, prefunded" in out
    await close(run, "monday")
    _, out, _ = await run("settlement", "obligations", "--cycle", "1")
    sums = [line.split() for line in out.splitlines() if "all listed" in line]
    assert sums
    assert {float(words[3]) for words in sums} == {0.0}
    code, _, error = await run("settlement", "obligations", "--cycle", "soon")
    assert (code, "a number, or open" in error) == (EXIT_USAGE, True)


async def test_modes_are_listed_and_set(run: Run, model: Model) -> None:
    _, out, _ = await run("settlement", "modes")
    assert "its credit line" in out
    words = ("set-mode", "--account", "13", "--mode", "gross", "--reference", "m1")
    code, out, error = await agreed(run, *words)
    assert code == EXIT_OK, error
    assert f"13 settles gross after event {model.event}" in out
    _, out, _ = await run("settlement", "modes")
    assert "gross  decision 1" in out
    code, _, error = await agreed(run, *words[:-1], "m2")
    assert code != EXIT_OK
    assert "2008 MODE_HOLDS_ALREADY" in error
