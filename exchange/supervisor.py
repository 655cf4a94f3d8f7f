"""One machine's venue: start its processes, watch them, stop them in order.

The core is vital: when it cannot be kept running, everything stops. The others are not. While
PostgreSQL, settlement, the follower or the FIX gateway is in trouble, the venue goes on without
it, says so (``./rialto status``), and tries again, also when the disk is full. A side process that
ended with another code after which a person has to look first stays down. Only while the venue is
being started does such a code of any process end the whole, because the person is there.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog

from exchange.children import SWITCHED_OFF, Child, ChildFailedError
from exchange.configuration import SupervisorTable
from exchange.state import State
from runtime.process import EXIT_DISK, EXIT_UNAVAILABLE, NEVER_RESTART

log = structlog.get_logger()

_STAYS_DOWN = NEVER_RESTART - {EXIT_DISK}
"""What keeps a side process down: not a full disk, for its files are of no other use than to it."""

_PAUSE_SECONDS_FIRST = 0.1
_PAUSE_SECONDS_LAST = 5.0


class VenueFailedError(Exception):
    """The venue cannot be kept running; the message says which process ended it, and why."""

    def __init__(self, name: str, code: int, text: str) -> None:
        super().__init__(f"{name} ended with code {code}: {text}")
        self.exit_code = code if code in NEVER_RESTART else EXIT_UNAVAILABLE


class Supervisor:
    """Keeps the children of one state directory running."""

    def __init__(
        self,
        state: State,
        settings: SupervisorTable,
        *,
        core: Child,
        others: Sequence[Child],
        seed: Callable[[], Awaitable[None]],
        switched_off: Sequence[str] = (),
    ) -> None:
        """Describe the venue; nothing happens before ``run``.

        Args:
            state: prepared, and held by us.
            settings: how patient to be.
            core: the vital one; nothing else starts before it serves.
            others: stopped in the reverse of this order, after which the core is.
            seed: called once the core serves for the first time.
            switched_off: processes that are not wanted, so that nobody misses them.
        """
        self._state = state
        self._settings = settings
        self._core = core
        self._others = others
        self._seed = seed
        self._is_open = False
        self._settled = {child.name: asyncio.Event() for child in others}
        self.troubles: dict[str, str] = dict.fromkeys(switched_off, SWITCHED_OFF)
        """Why a child that should run does not, by its name."""

    async def run(self, stop: asyncio.Event, started: Callable[[], Awaitable[None]]) -> None:
        """Run the venue until asked to stop or the core cannot be kept running.

        Args:
            stop: ends it.
            started: called once each child serves or is known to be in trouble.

        Raises:
            VenueFailedError: the core, or any child while the venue is being started.
        """
        self._publish_troubles()
        stopping = asyncio.create_task(stop.wait(), name="stopping")
        try:
            async with asyncio.TaskGroup() as group:
                keepers = group.create_task(self._keep_all(stop, started), name="keepers")
                await asyncio.wait((stopping, keepers), return_when=asyncio.FIRST_COMPLETED)
                keepers.cancel()
        except BaseExceptionGroup as failures:
            raise _gravest(failures) from None
        finally:
            stopping.cancel()
            await self._stop_all()

    async def _keep_all(self, stop: asyncio.Event, started: Callable[[], Awaitable[None]]) -> None:
        serves = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_core(stop, serves), name="keep core")
            await serves.wait()
            await self._seed()
            for child in self._others:
                group.create_task(self._keep(child, stop), name=f"keep {child.name}")
            for settled in self._settled.values():
                await settled.wait()
            self._is_open = True
            await started()

    async def _keep_core(self, stop: asyncio.Event, serves: asyncio.Event) -> None:
        deaths: deque[float] = deque()
        while not stop.is_set():
            try:
                await self._core.start()
                serves.set()
                code, text = await self._core.ended()
            except ChildFailedError as error:
                code, text = error.code, str(error)
            if stop.is_set():
                return
            deaths.append(time.monotonic())
            while deaths[-1] - deaths[0] > self._settings.restart_window_seconds:
                deaths.popleft()
            log.error("process_died", name=self._core.name, exit_code=code, reason=text)
            if code in NEVER_RESTART or len(deaths) > self._settings.restarts_max:
                raise VenueFailedError(self._core.name, code, text)
            await asyncio.sleep(_pause(len(deaths)))

    async def _keep(self, child: Child, stop: asyncio.Event) -> None:
        """Keep a side process running; give up only on what a person has to look at."""
        failures = 0
        while not stop.is_set():
            try:
                await child.start()
                failures = 0
                self._note(child, "")
                code, text = await child.ended()
            except ChildFailedError as error:
                code, text = error.code, str(error)
            if stop.is_set():
                return
            failures += 1
            log.error("process_died", name=child.name, exit_code=code, reason=text)
            if code in _STAYS_DOWN:
                if not self._is_open:
                    raise VenueFailedError(child.name, code, text)
                self._note(child, f"{text} (code {code}); it stays down until the next start")
                return
            self._note(child, f"{text} (code {code}); trying again")
            await asyncio.sleep(_pause(failures))

    def _note(self, child: Child, trouble: str) -> None:
        if trouble:
            self.troubles[child.name] = trouble
        else:
            self.troubles.pop(child.name, None)
        self._publish_troubles()
        self._settled[child.name].set()

    def _publish_troubles(self) -> None:
        try:
            self._state.publish_troubles(self.troubles)
        except OSError as error:
            # A full disk is a trouble to tell of, and none to stop a trading venue for.
            log.warning("troubles_not_written", reason=error.strerror)

    async def _stop_all(self) -> None:
        for child in (*reversed(self._others), self._core):
            await child.stop()
            log.info("process_stopped", name=child.name)
        self.troubles.clear()
        self._publish_troubles()


def _pause(failures: int) -> float:
    return min(_PAUSE_SECONDS_FIRST * float(2 ** min(failures - 1, 10)), _PAUSE_SECONDS_LAST)


def _gravest(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the failure that ended the venue, out of the groups that carried it here."""
    for failure in failures.exceptions:
        if isinstance(failure, BaseExceptionGroup):
            return _gravest(failure)
        return failure
    return failures
