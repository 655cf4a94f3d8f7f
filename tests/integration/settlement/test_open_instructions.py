"""What is not settled is known without reading again what was."""

from __future__ import annotations

import random

import pytest

from runtime.postgres import Connection
from settlement.cycle_decisions import Ask
from settlement.cycles import close_cycle
from settlement.instructions import Chosen, confirm, fail
from settlement.open_instructions import OpenInstructions, Totals
from tests.integration.settlement.cycle_model import Model


@pytest.fixture
async def model(application: Connection, chance: random.Random) -> Model:
    made = Model(application, chance)
    await made.found()
    return made


def ask(model: Model) -> Ask:
    model.decisions += 1
    return model.ask()


async def counted(model: Model) -> Totals:
    """Look as a process does that has just begun."""
    return await OpenInstructions().look(model.connection)


async def test_looking_on_says_what_a_first_look_says_and_reads_what_is_new(
    model: Model, chance: random.Random
) -> None:
    kept, unseen = OpenInstructions(), 0
    assert await kept.look(model.connection) == Totals(0, 0, 0, 0)
    for cycle in range(1, 13):
        for _ in range(5):
            await model.trade()
        await close_cycle(model.connection, ask(model))
        issued = "select instruction from settlement.instructions where issued_in = $1"
        numbers = [row[0] for row in await model.connection.fetch(issued, cycle)]
        before, unseen = kept.rows_read, unseen + len(numbers)
        assert await kept.look(model.connection) == await counted(model)
        assert kept.rows_read == before + unseen
        received = [
            row[0] for row in await model.connection.fetch(f"{issued} and amount_atoms > 0", cycle)
        ]
        settled = [number for number in received if chance.random() < 0.5]
        failed = [number for number in received if number not in settled]
        if settled:
            await confirm(model.connection, ask(model), Chosen(numbers=tuple(settled)))
        if failed:
            await fail(model.connection, ask(model), Chosen(numbers=tuple(failed)))
        unseen = len(received)
        if cycle % 2:  # otherwise a fail and its next attempt come between two looks
            before = kept.rows_read
            assert await kept.look(model.connection) == await counted(model)
            assert kept.rows_read == before + unseen
            unseen = 0
    last = await kept.look(model.connection)
    assert last.oldest_cycles > 5
    assert last.unsettled > last.failed > 0
    before = kept.rows_read
    assert await kept.look(model.connection) == last
    assert kept.rows_read == before
