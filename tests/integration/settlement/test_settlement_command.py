"""``./rialto settlement``, as an operator uses it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.__main__ import main
from exchange.admin.record import Record
from exchange.admin.roles import Role
from exchange.operators import Operators
from exchange.state import State
from runtime.chained_lines import ChainedLines
from runtime.postgres import Connection
from runtime.process import EXIT_OK, EXIT_USAGE
from tests.integration.settlement.cycle_model import Model
from tests.integration.settlement.places import arguments_for

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def places(tmp_path: Path, ledger_dsn: str) -> list[str]:
    state, arguments = arguments_for(tmp_path, ledger_dsn)
    Operators(state.operators).found(["mary", "ben"])
    return arguments


@pytest.fixture
def run(places: list[str], capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*words: str) -> tuple[int, str, str]:
        # The command has a loop of its own.
        code = await asyncio.to_thread(main, [*words, *places])
        out, error = capsys.readouterr()
        return code, out, error

    return run


@pytest.fixture
async def model(application: Connection, chance: random.Random) -> Model:
    made = Model(application, chance)
    await made.found()
    for _ in range(15):
        await made.trade()
    return made


async def as_json(run: Run, *words: str) -> Any:
    code, out, error = await run(*words, "--json")
    assert code == EXIT_OK, error
    return json.loads(out)


async def test_a_cycle_from_its_close_to_a_fail_that_ages(
    run: Run, model: Model, places: list[str]
) -> None:
    code, out, _ = await run("settlement", "status")
    assert code == EXIT_OK
    assert "no cycle was closed yet" in out
    close = ("settlement", "close-cycle", "--as", "mary")
    made = await as_json(run, *close, "--reference", "monday", "--reason", "end of day")
    assert made["cycle"]["cycle"] == 1
    again = await as_json(run, *close, "--reference", "monday")
    assert again == made

    asked = await as_json(run, "settlement", "instructions", "--standing", "pending")
    assert asked
    receives = next(row["instruction"] for row in asked if row["amount_atoms"] > 1)
    mary = ("--as", "mary")
    code, _, error = await run(
        "settlement", "confirm", str(receives), *mary, "--amount", "0.000001"
    )
    assert (code, "--reference" in error) == (EXIT_USAGE, True)
    code, out, error = await run("settlement", "confirm", str(receives), *mary)
    assert (code, out) == (EXIT_OK, "confirmed: 1 by decision 2\n"), error
    _, out, _ = await run("settlement", "confirm", str(receives), *mary)
    assert out == "confirmed before: 1 by decision 2\n"
    code, _, error = await run("settlement", "fail", str(receives), *mary, "--reason", "no coins")
    assert code == 1
    assert "2002 INSTRUCTION_IS_OVER" in error

    other = next(row["instruction"] for row in asked if row["instruction"] != receives)
    code, _, error = await run("settlement", "fail", str(other), *mary)
    assert (code, "reason" in error) == (EXIT_USAGE, True)
    code, _, error = await run("settlement", "fail", str(other), *mary, "--reason", "no coins")
    assert code == EXIT_OK, error
    await run(*close, "--reference", "tuesday")
    _, out, _ = await run("settlement", "instructions", "--cycle", "1")
    assert "1 cycles, 0 days" in out
    told = await as_json(run, "settlement", "status")
    assert told["instructions"]["failed"] == 1
    assert told["last_cycle"]["cycle"] == 2

    state = State(Path(places[1]))
    entries = [entry for _, entry in Record(ChainedLines(state.admin_record)).entries()]
    assert [(entry.step, entry.action.partition(".")[2]) for entry in entries] == [
        ("asked", "close-cycle"), ("done", "close-cycle"),
        ("asked", "close-cycle"), ("done", "close-cycle"),
        ("asked", "confirm"), ("done", "confirm"), ("asked", "confirm"), ("done", "confirm"),
        ("asked", "fail"), ("refused", "fail"), ("asked", "fail"), ("done", "fail"),
        ("asked", "close-cycle"), ("done", "close-cycle"),
    ]  # fmt: skip
    assert {entry.operator for entry in entries} == {"mary"}


async def test_nobody_decides_without_an_operators_token(
    run: Run, model: Model, places: list[str]
) -> None:
    close = ("settlement", "close-cycle", "--reference", "x", "--as")
    code, _, error = await run(*close, "nobody")
    assert (code, "no operator nobody" in error) == (EXIT_USAGE, True)
    operators = Operators(State(Path(places[1])).operators)
    ben = operators.named("ben")
    operators.write(msgspec.structs.replace(ben, roles=(Role.RISK,)))
    code, _, error = await run(*close, "ben")
    assert (code, "not the role treasury" in error) == (EXIT_USAGE, True)
    operators.write(msgspec.structs.replace(ben, revoked_at_ns=5))
    code, _, error = await run(*close, "ben")
    assert code == EXIT_USAGE
    operators.token_path("mary").unlink()
    code, _, error = await run(*close, "mary")
    assert (code, "mary.key" in error) == (EXIT_USAGE, True)
    assert await model.connection.fetchval("select count(*) from settlement.decisions") == 0


async def test_obligations_of_a_cycle_are_listed_with_their_sum_of_zero(
    run: Run, model: Model
) -> None:
    _, out, _ = await run("settlement", "obligations", "--cycle", "open")
    assert "venue, prefunded" in out
    await run("settlement", "close-cycle", "--as", "mary", "--reference", "monday")
    _, out, _ = await run("settlement", "obligations", "--cycle", "1")
    sums = [line.split() for line in out.splitlines() if "all listed" in line]
    assert sums
    assert {float(words[3]) for words in sums} == {0.0}
    code, _, error = await run("settlement", "obligations", "--cycle", "soon")
    assert (code, "a number, or open" in error) == (EXIT_USAGE, True)


async def test_modes_are_listed_and_set(run: Run, model: Model) -> None:
    _, out, _ = await run("settlement", "modes")
    assert "its credit line" in out
    mode = ("settlement", "set-mode", "13", "gross", "--as", "mary", "--reference", "m1")
    code, out, error = await run(*mode)
    assert (code, out) == (EXIT_OK, f"13 settles gross after event {model.event}\n"), error
    _, out, _ = await run("settlement", "modes")
    assert "gross  decision 1" in out
    code, _, error = await run(*mode[:3], "gross", *mode[4:-1], "m2")
    assert (code, "2008 MODE_HOLDS_ALREADY" in error) == (1, True)
