"""A rebuild that is cut off at any moment: an empty ledger, or one that nobody takes for whole."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from runtime import postgres
from runtime.postgres import Connection, connect, drop
from settlement import database, rebuild, replacement
from settlement.adapters.memory import MemoryBatch
from settlement.chart import Consumer
from settlement.errors import ConsumerBusyError, UnfinishedLedgerError
from settlement.hidden_tables import HIDDEN, are_hidden, hide, put_back
from settlement.locks import try_lock, unlock
from tests.integration.settlement.conftest import dump, until
from tests.integration.settlement.test_books import book
from tests.integration.settlement.test_rebuild import (
    ledger_tables,
    made,
    small_steps,  # noqa: F401  # a fixture
)
from tests.integration.settlement.test_schema import shape
from tests.unit.settlement.flow import VENUE

CUT_OFF = (ConnectionResetError, asyncpg.InterfaceError)
"""The latter where a transaction ends whose session is gone."""


class Executioner:
    """Counts the statements of a rebuild; cuts all of its sessions off before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.spares = 1 << 30
        self._sessions: set[Connection] = set()
        self._is_on = False
        for name in ("execute", "copy_to_table"):
            monkeypatch.setattr(asyncpg.Connection, name, self._watched(name))

    def _watched(self, name: str) -> Any:
        function = getattr(asyncpg.Connection, name)

        async def call(session: Connection, what: str, *args: Any, **options: Any) -> Any:
            if self._is_on:
                self._sessions.add(session)
                if len(self.statements) == self.spares:
                    for each in self._sessions:
                        drop(each)
                    raise ConnectionResetError(what)
                self.statements.append(what)
            return await function(session, what, *args, **options)

        return call

    async def run(self, dsn: str, frames: list[MemoryBatch], *, spares: int = 1 << 30) -> None:
        """Rebuild in a session of its own, until cut off."""
        self.statements, self.spares, self._is_on = [], spares, True
        session = await connect(dsn)
        try:
            await rebuild.rebuild(session, frames, dsn=dsn, venue=VENUE)
        finally:
            self._is_on = False
            drop(session)
            self._sessions = set()

    def commits(self) -> tuple[int, int]:
        """Return where, in a run that ended well, each of the two halves was committed."""
        revealed = self.statements.index(f"drop schema {HIDDEN}")
        commits = [at for at, each in enumerate(self.statements) if each == "COMMIT;"]
        before = max(at for at in commits if at < revealed)
        return before, min(at for at in commits if at > revealed)


@pytest.fixture
def executioner(monkeypatch: pytest.MonkeyPatch) -> Executioner:
    return Executioner(monkeypatch)


async def are_free(owner: Connection) -> bool:
    """Say whether the sessions that were cut off are gone."""
    if not await try_lock(owner, Consumer.LEDGER):
        return False
    await unlock(owner, Consumer.LEDGER)
    others: int = await owner.fetchval(
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name like 'ledger rebuild%'"
    )
    return others == 0


async def test_a_rebuild_that_is_cut_off_leaves_nothing_or_what_nobody_uses(
    ledger_dsn: str,
    other_dsn: str,
    owner: Connection,
    chance: random.Random,
    executioner: Executioner,
) -> None:
    frames = made(chance)[:8]
    await executioner.run(other_dsn, frames)
    first, last = executioner.commits()
    empty, rules = await dump(owner), await shape(owner)

    for spares in [*sorted(chance.sample(range(first), 6)), *range(first, last + 1)]:
        await put_back(owner)  # or there would be more statements
        with pytest.raises(CUT_OFF):
            await executioner.run(ledger_dsn, frames, spares=spares)
        await until(lambda: are_free(owner))
        if spares <= first:
            left = await dump(owner)
            assert left.pop("positions") in ([], [(Consumer.LEDGER, 0, 0)]), spares
            assert left == {name: rows for name, rows in empty.items() if name != "positions"}
            assert await shape(owner) == rules
        else:
            assert await are_hidden(owner), spares
            with pytest.raises(ExceptionGroup) as refused:
                await book(ledger_dsn, frames)
            assert refused.group_contains(UnfinishedLedgerError, match="ledger rebuild again")

    assert await are_hidden(owner)
    await executioner.run(ledger_dsn, frames)
    other = await connect(other_dsn)
    assert await ledger_tables(owner) == await ledger_tables(other)
    assert await shape(owner) == rules
    assert await owner.fetchval("select bool_and(tgenabled = 'O') from pg_trigger")
    await other.close()


async def test_a_ledger_that_broke_off_is_whole_again_when_it_is_set_aside(
    ledger_dsn: str,
    other_dsn: str,
    owner: Connection,
    chance: random.Random,
    executioner: Executioner,
) -> None:
    frames = made(chance)[:3]
    await executioner.run(other_dsn, frames)
    first, _ = executioner.commits()
    with pytest.raises(CUT_OFF):
        await executioner.run(ledger_dsn, frames, spares=first + 1)
    await until(lambda: are_free(owner))
    with pytest.raises(UnfinishedLedgerError):
        await database.check(owner)

    session = await connect(ledger_dsn)
    former = await replacement.set_aside(session, at_ns=1)
    await session.close()

    assert await owner.fetchval(f"select count(*) from {former}.trades") == 0  # noqa: S608
    assert not await owner.fetchval("select to_regnamespace($1)", HIDDEN)


async def test_neither_session_is_ended_for_waiting_for_the_other(
    ledger_dsn: str, owner: Connection, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "IDLE_TRANSACTION_MILLISECONDS_MAX", 1)
    session = await connect(ledger_dsn)
    frames = made(chance)[:3]

    await rebuild.rebuild(session, frames, dsn=ledger_dsn, venue=VENUE)

    assert await owner.fetchval("select count(*) from settlement.entries") > 0
    assert await session.fetchval("show idle_in_transaction_session_timeout") == "1ms"
    await session.close()


async def test_who_has_read_and_reads_on_is_waited_for_and_then_nothing_was_done(
    ledger_dsn: str, owner: Connection, chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rebuild._RESOURCES, "lock_timeout", "300ms")
    frames, session = made(chance)[:3], await connect(ledger_dsn)
    empty, rules = await dump(owner), await shape(owner)

    async with owner.transaction():
        await owner.fetch("select from settlement.trades")
        rebuilding = asyncio.create_task(
            rebuild.rebuild(session, frames, dsn=ledger_dsn, venue=VENUE)
        )
        # It waits for the first of our sessions, which waits for the other, which waits for it.
        reading = asyncio.create_task(owner.fetch("select from settlement.entries"))
        with pytest.raises(ConsumerBusyError, match="somebody has read this ledger for more"):
            await rebuilding
        assert await reading == []

    left = await dump(owner)
    assert left.pop("positions") == [(Consumer.LEDGER, 0, 0)]
    assert left == {name: rows for name, rows in empty.items() if name != "positions"}
    assert await shape(owner) == rules
    assert await session.fetchval("show lock_timeout") == "0"
    await rebuild.rebuild(session, frames, dsn=ledger_dsn, venue=VENUE)
    await session.close()


async def test_what_is_hidden_is_put_back_before_a_migration(
    ledger_dsn: str, owner: Connection
) -> None:
    rules = await shape(owner)
    async with owner.transaction():
        await hide(owner, rebuild.TRADES)
    assert await are_hidden(owner)
    session = await connect(ledger_dsn)

    await rebuild.mend(session)

    assert await shape(owner) == rules
    await rebuild.mend(session)
    await session.close()
