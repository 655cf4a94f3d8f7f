"""``./rialto surveillance``, as the desk uses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from exchange.__main__ import main
from exchange.admin.record import Record
from exchange.admin.roles import Role
from exchange.operators import Operators
from exchange.state import State
from runtime.chained_lines import ChainedLines
from runtime.postgres import connect
from runtime.process import EXIT_OK, EXIT_USAGE
from services.surveillance import database as schema
from services.surveillance import store
from services.surveillance.watch import Found, Watch
from settlement.database import migrate as migrate_settlement
from tests.integration.settlement.places import arguments_for
from tests.unit.surveillance.planted import PARAMETERS, day

Run = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
async def desk(tmp_path: Path, database: str) -> tuple[State, list[str]]:
    """A database with a day's alerts in it, and two operators."""
    await migrate_settlement(database)
    await schema.migrate(database)
    state, places = arguments_for(tmp_path, database)
    Operators(state.operators).found(["mary", "ben"])
    watch, found = Watch(PARAMETERS), Found()
    for batch in day().batches:
        each = watch.see(batch.data)
        found.alerts += each.alerts
        found.accounts += each.accounts
        found.instruments += each.instruments
    connection = await connect(database)
    await store.load(connection)
    await store.store(
        connection,
        found,
        venue=bytes(16),
        after=0,
        through=watch.number,
        time_ns=watch.time_ns,
        checkpoint=None,
    )
    await connection.close()
    return state, places


@pytest.fixture
def run(desk: tuple[State, list[str]], capsys: pytest.CaptureFixture[str]) -> Run:
    async def run(*words: str) -> tuple[int, str, str]:
        # The command has a loop of its own.
        code = await asyncio.to_thread(main, ["surveillance", *words, *desk[1]])
        out, error = capsys.readouterr()
        return code, out, error

    return run


async def test_the_desk_lists_alerts_and_sees_one_in_full(run: Run) -> None:
    code, out, _ = await run("alerts")
    assert code == EXIT_OK
    lines = out.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [each.alert_id for each in day().alerts]
    assert lines[-1] == f"{len(day().alerts)} alerts"
    wash = next(each for each in day().alerts if each.kind == "wash_trade")
    assert (
        f"2023-11-14T22:13:38.000Z {wash.alert_id} open: I1, A21 and A22;"
        " count 1, lots 5, is_one_owner_group 0, firm 2" in lines
    )
    code, out, _ = await run("alerts", "--kind", "wash_trade", "--account", "A22", "--json")
    assert [each["alert_id"] for each in json.loads(out)] == [wash.alert_id]
    code, out, _ = await run("alerts", "--since", "2023-11-14T22:20:00")
    assert out == "0 alerts\n"
    code, out, _ = await run("show", wash.alert_id)
    assert code == EXIT_OK
    assert f"events: {wash.event_number}\n" in out
    assert "parameters: window_seconds 600, trades_min 1" in out


async def test_a_decision_is_signed_kept_and_shown(run: Run, desk: tuple[State, list[str]]) -> None:
    name = day().alerts[0].alert_id
    code, out, error = await run("dismiss", name, "--as", "mary", "--reason", "a known hedge")
    assert (code, out) == (EXIT_OK, f"{name} is dismissed\n"), error
    code, _, _ = await run("escalate", name, "--as", "ben", "--reason", "not known to me")
    assert code == EXIT_OK
    code, out, _ = await run("show", name)
    assert "dismissed by mary (signed): a known hedge" in out
    assert out.index("dismissed by mary") < out.index("escalated by ben (signed)")
    code, out, _ = await run("alerts", "--standing", "escalated")
    assert out.splitlines()[-1] == "1 alerts"
    record = Record(ChainedLines(desk[0].admin_record))
    told = [(each.step, each.operator, each.summary) for _, each in record.entries()]
    assert told == [
        ("asked", "mary", f"{name} is dismissed"),
        ("done", "mary", f"{name} is dismissed"),
        ("asked", "ben", f"{name} is escalated"),
        ("done", "ben", f"{name} is escalated"),
    ]


async def test_a_decision_that_somebody_else_wrote_is_seen(run: Run, database: str) -> None:
    name = day().alerts[0].alert_id
    connection = await connect(database)
    await connection.execute(
        "insert into surveillance.decisions"
        " (alert_id, state, operator, reason, decided_at_ns, signature)"
        " values ($1, 'dismissed', 'mary', 'nothing in it', 1, $2)",
        name,
        "00" * 64,
    )
    await connection.close()
    _, out, _ = await run("show", name)
    assert "dismissed by mary (SIGNATURE NOT VALID): nothing in it" in out


async def test_only_the_risk_desk_decides(run: Run, desk: tuple[State, list[str]]) -> None:
    name = day().alerts[0].alert_id
    decide = ("dismiss", name, "--reason", "nothing in it")
    code, _, error = await run(*decide)
    assert code == EXIT_USAGE
    assert "who decides?" in error
    operators = Operators(desk[0].operators)
    ben = operators.named("ben")
    operators.write(msgspec.structs.replace(ben, roles=(Role.VIEWER,)))
    code, _, error = await run(*decide, "--as", "ben")
    assert code == EXIT_USAGE
    assert "operator ben has not the role risk" in error
    operators.write(msgspec.structs.replace(ben, revoked_at_ns=1))
    code, _, error = await run(*decide, "--as", "ben")
    assert "operator ben has not the role risk" in error
    token = str(operators.token_path("ben"))
    code, _, error = await run(*decide, "--as", "mary", "--token", token)
    assert "not the token of mary" in error


async def test_what_is_not_there_is_said(run: Run) -> None:
    code, _, error = await run("show", "wash_trade-1-g1")
    assert (code, error) == (1, "rialto: there is no alert wash_trade-1-g1\n")
    code, _, error = await run("alerts", "--account", "A99")
    assert (code, error) == (1, "rialto: there is no account A99\n")
    code, _, error = await run("alerts", "--since", "yesterday")
    assert code == EXIT_USAGE
    assert "not like 2026-11-30" in error
