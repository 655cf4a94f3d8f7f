"""Who waits for whom: many actions at once, a kill between, two that exclude each other."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from exchange import operator_link
from exchange.admin import lanes
from exchange.admin.actions import Hands
from exchange.admin.lanes import Scribe
from exchange.admin.people import ChangeOperator, RevokeOperator
from exchange.admin.ports import Venue
from exchange.admin.record import Entry
from exchange.admin.record import Record as AdminRecord
from exchange.admin.roles import Role
from exchange.errors import CommandError
from exchange.operator_link import URGENT_LANE, OperatorLink, Outcome
from exchange.state import State
from messages.layout import Record
from messages.trading import commands
from messages.trading.terms import Phase
from runtime.chained_lines import Head
from runtime.link_frames import EventBatch
from tests.unit.exchange.plane_desk import REASON, EngineVenue, PlaneDesk
from tests.venue_support import until

HUNG_SECONDS = 60.0


class SilentLink:
    """A link to a core of which only the place in its lane matters."""

    welcome = SimpleNamespace(principal=1, positions=(), last_event=0)

    async def events(self, _: int) -> AsyncIterator[EventBatch]:
        await asyncio.Event().wait()
        yield EventBatch(0, 0, b"")

    async def close(self) -> None:
        """Nothing is open."""


class SlowVenue(EngineVenue):
    """A venue that changes no phase before it may; everything else it does at once."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.waiting = 0

    async def ask(self, command: commands.Command, outcome: Outcome) -> Record:
        if isinstance(command, commands.ChangePhase):
            self.waiting += 1
            await self.gate.wait()
            self.waiting -= 1
        return await super().ask(command, outcome)


class LockedDesk(PlaneDesk):
    """A desk whose venue is reached by the lanes of the real link."""

    def _venues(self, *, is_urgent: bool) -> AbstractAsyncContextManager[Venue]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Venue]:
            async with OperatorLink.open(self.state, lane=URGENT_LANE if is_urgent else 0):
                yield self.venue

        return opened()


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LockedDesk:
    async def connected(*_: object) -> SilentLink:
        return SilentLink()

    async def address(_: State) -> str:
        return ""

    monkeypatch.setattr(operator_link, "connect", connected)
    monkeypatch.setattr(operator_link, "core_address", address)
    # Fewer threads than a machine has: whoever waits for one of these waits for ever.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    return LockedDesk(tmp_path)


async def test_a_kill_passes_forty_actions_that_wait_for_a_slow_core(desk: LockedDesk) -> None:
    slow = SlowVenue()
    slow.restore(desk.venue.engine.snapshot(), desk.venue.last)
    desk.venue = slow
    async with asyncio.timeout(HUNG_SECONDS), asyncio.TaskGroup() as group:
        phases = ("halted", "continuous") * 20
        acting = [
            group.create_task(desk.act("ann", "phase", instrument="BTC-USD", phase=phase))
            for phase in phases
        ]
        await until(lambda: slow.waiting == 1)
        killed = await desk.act("ben", "kill", scope="venue")
        assert killed.said.startswith("venue killed")
        assert not any(task.done() for task in acting)
        slow.gate.set()
    assert [type(each) for each in slow.asked] == [commands.Kill] + [commands.ChangePhase] * 40
    told = [Phase(each.phase) for each in slow.asked if isinstance(each, commands.ChangePhase)]
    assert told == [Phase[phase.upper()] for phase in phases], "in the order they were asked for"
    assert [entry.step for entry in desk.entries()].count("done") == 41


async def test_whoever_waits_for_another_process_takes_no_thread(desk: LockedDesk) -> None:
    with (desk.state.run / "operator.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = [asyncio.create_task(desk.act("ann", "resume", scope="venue")) for _ in range(3)]
        reading = asyncio.create_task(opened_and_closed(desk.state))
        async with asyncio.timeout(HUNG_SECONDS):
            assert await asyncio.to_thread(str, "a thread is free") == "a thread is free"
            await desk.act("ben", "kill", scope="venue")
            assert not any(task.done() for task in (*waiting, reading))
            fcntl.flock(other, fcntl.LOCK_UN)
            await asyncio.gather(*waiting, reading)


async def opened_and_closed(state: State) -> None:
    async with OperatorLink.open(state):
        pass


async def test_a_kill_is_recorded_while_the_record_keeps_others_waiting(desk: LockedDesk) -> None:
    entry = Entry(at_ns=1, step="asked", operator="ann", action="kill", reason=REASON)
    holding = asyncio.Event()
    loop = asyncio.get_running_loop()
    scribe = Scribe(SlowRecord(desk, loop, holding))
    slow = [asyncio.create_task(scribe.add(entry, is_urgent=False)) for _ in range(5)]
    async with asyncio.timeout(HUNG_SECONDS):
        await scribe.add(msgspec.structs.replace(entry, operator="ben"), is_urgent=True)
        assert not any(task.done() for task in slow)
        holding.set()
        await asyncio.gather(*slow)
    assert [each.operator for each in desk.entries()] == ["ben"] + ["ann"] * 5


class SlowRecord(AdminRecord):
    """A record that takes nothing of ann before it may."""

    def __init__(
        self, desk: PlaneDesk, loop: asyncio.AbstractEventLoop, holding: asyncio.Event
    ) -> None:
        super().__init__(desk.lines)
        self._loop, self._holding = loop, holding

    def add(self, entry: Entry) -> Head:
        if entry.operator == "ann":
            asyncio.run_coroutine_threadsafe(self._wait(), self._loop).result(HUNG_SECONDS)
        return super().add(entry)

    async def _wait(self) -> None:
        await self._holding.wait()


async def test_an_entry_of_many_events_takes_several_lines(
    desk: LockedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "EVENTS_PER_ENTRY_MAX", 2)
    entry = Entry(at_ns=1, step="done", operator="ann", action="apply", reason=REASON)
    scribe = Scribe(desk.plane.record)
    for count in range(6):
        told = msgspec.structs.replace(entry, events=tuple(range(count)))
        await scribe.add(told, is_urgent=False)
    assert [each.events for each in desk.entries()] == [
        *((), (0,), (0, 1)),
        *((0, 1), (2,)),
        *((0, 1), (2, 3)),
        *((0, 1), (2, 3), (4,)),
    ]


async def test_two_revocations_at_once_leave_two_who_let_others_in(desk: LockedDesk) -> None:
    came = await asyncio.gather(
        desk.act("ann", "operators.revoke", name="ben"),
        desk.act("ben", "operators.revoke", name="cid"),
        return_exceptions=True,
    )
    (refused,) = [each for each in came if isinstance(each, BaseException)]
    assert isinstance(refused, CommandError)
    assert "1 operators with the role security would be left" in str(refused)
    assert len(desk.operators.live()) == 2


@pytest.mark.parametrize("other", ["ben", "cid"])
@pytest.mark.parametrize(
    "body",
    [
        RevokeOperator(reason=REASON, name="cid"),
        ChangeOperator(reason=REASON, name="cid", roles=(Role.VIEWER,)),
    ],
    ids=["revoke", "change"],
)
async def test_what_a_plan_about_people_stands_on_is_looked_at_again(
    desk: LockedDesk, body: RevokeOperator | ChangeOperator, other: str
) -> None:
    async with desk.plane.desk("operators.revoke") as open_desk:
        plan = await body.plan(open_desk)
        revoked = msgspec.structs.replace(desk.operators.named(other), revoked_at_ns=1)
        desk.operators.write(revoked)
        with pytest.raises(CommandError, match=r"changed meanwhile|would be left"):
            await plan.perform(Hands(venue=None, operator=1))
    assert desk.operators.named("cid").is_revoked == (other == "cid")
    assert len(desk.operators.live()) == 2
