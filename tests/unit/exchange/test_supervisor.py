"""The supervisor's policy: the core is vital, the others are not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exchange.children import ChildFailedError
from exchange.configuration import SupervisorTable
from exchange.state import State
from exchange.supervisor import Supervisor, VenueFailedError

SETTINGS = SupervisorTable(restarts_max=2, restart_window_seconds=60.0)


class FakeChild:
    """A child whose fate is written down: what each start does, and how each life ends."""

    def __init__(self, name: str, *fates: int | ChildFailedError) -> None:
        self.name = name
        self.fates = list(fates)
        self.starts = 0
        self.stops = 0
        self.order: list[str] = []
        self.died = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        if self.fates and isinstance(self.fates[0], ChildFailedError):
            raise self.fates.pop(0)  # type: ignore[misc]  # narrowed by the line above

    async def ended(self) -> tuple[int, str]:
        if not self.fates:
            await asyncio.Event().wait()
        await self.died.wait()
        fate = self.fates.pop(0)
        assert isinstance(fate, int)
        return fate, "as written"

    async def stop(self) -> None:
        self.stops += 1
        self.order.append(self.name)


class Venue:
    """A supervisor over fakes."""

    def __init__(self, directory: Path, core: FakeChild, *others: FakeChild) -> None:
        self.state = State(directory / "state")
        self.state.prepare()
        self.order: list[str] = []
        for child in (core, *others):
            child.order = self.order
        self.children = (core, *others)
        self.seeded = 0
        self.stop = asyncio.Event()
        self.started = asyncio.Event()
        self.supervisor = Supervisor(self.state, SETTINGS, core=core, others=others, seed=self.seed)

    async def seed(self) -> None:
        self.seeded += 1

    async def is_started(self) -> None:
        self.started.set()

    async def run(self) -> None:
        async with asyncio.timeout(120):
            await self.supervisor.run(self.stop, self.is_started)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.supervisor._PAUSE_SECONDS_FIRST", 0.0)
    monkeypatch.setattr("exchange.supervisor._PAUSE_SECONDS_LAST", 0.0)


@pytest.fixture
async def running() -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks: list[asyncio.Task[None]] = []
    yield tasks
    for task in tasks:
        task.cancel()


async def test_all_start_and_stop_with_the_core_last(tmp_path: Path) -> None:
    venue = Venue(tmp_path, FakeChild("core"), FakeChild("a"), FakeChild("b"))
    run = asyncio.create_task(venue.run())
    await venue.started.wait()
    venue.stop.set()
    await run
    assert venue.seeded == 1
    assert venue.order == ["b", "a", "core"]
    assert venue.state.troubles() == {}


@pytest.mark.parametrize("code", [65, 70, 73, 75, 78])
async def test_a_core_that_a_person_must_look_at_ends_all(tmp_path: Path, code: int) -> None:
    core = FakeChild("core", code)
    venue = Venue(tmp_path, core, FakeChild("a"))
    core.died.set()
    with pytest.raises(VenueFailedError, match=f"core ended with code {code}: as written") as ended:
        await venue.run()
    assert ended.value.exit_code == code
    assert venue.order == ["a", "core"]


async def test_a_killed_core_is_started_again_so_often_and_no_more(tmp_path: Path) -> None:
    core = FakeChild("core", -9, -9, -9)
    venue = Venue(tmp_path, core, FakeChild("a"))
    core.died.set()
    with pytest.raises(VenueFailedError) as ended:
        await venue.run()
    assert core.starts == SETTINGS.restarts_max + 1
    assert ended.value.exit_code == 69


async def test_a_side_process_is_started_again_without_end(tmp_path: Path) -> None:
    side = FakeChild("a", *([-9] * 50))
    venue = Venue(tmp_path, FakeChild("core"), side)
    side.died.set()
    run = asyncio.create_task(venue.run())
    while side.fates:  # noqa: ASYNC110  # each turn is one life
        await asyncio.sleep(0)
    await venue.started.wait()
    venue.stop.set()
    await run
    assert side.starts >= 50


async def test_a_side_process_in_need_of_a_person_stays_down_and_the_venue_up(
    tmp_path: Path,
) -> None:
    side = FakeChild("a", 70)
    venue = Venue(tmp_path, FakeChild("core"), side)
    run = asyncio.create_task(venue.run())
    await venue.started.wait()
    side.died.set()
    while "a" not in venue.supervisor.troubles:  # noqa: ASYNC110  # the supervisor's own pace
        await asyncio.sleep(0)
    assert venue.state.troubles() == {
        "a": "as written (code 70); it stays down until the next start"
    }
    assert not run.done()
    venue.stop.set()
    await run
    assert side.starts == 1


async def test_while_starting_such_a_side_process_ends_all(tmp_path: Path) -> None:
    side = FakeChild("a", ChildFailedError(78, "[fix] port is taken"))
    venue = Venue(tmp_path, FakeChild("core"), side)
    with pytest.raises(VenueFailedError, match=r"a ended with code 78: .* port is taken"):
        await venue.run()
    assert not venue.started.is_set()


async def test_a_side_process_that_waits_for_a_peer_does_not_hold_up_the_start(
    tmp_path: Path,
) -> None:
    side = FakeChild("a", *[ChildFailedError(69, "PostgreSQL is away") for _ in range(3)])
    venue = Venue(tmp_path, FakeChild("core"), side)
    run = asyncio.create_task(venue.run())
    await venue.started.wait()
    while venue.supervisor.troubles or side.starts < 4:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0)
    venue.stop.set()
    await run
