"""What is due once a day: every firm's fees by the volume of the days that ended."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from exchange.admin.fees import RecomputeFees
from exchange.admin.plane import Plane
from exchange.errors import CommandError
from exchange.fee_tiers import DAY_NS, window
from messages.trading import events
from runtime.toml import SettingsError
from runtime.waiting import stopped_within

log = structlog.get_logger()

LOOK_SECONDS: Final = 60.0
"""Between two looks at the clock, and before what failed is tried again."""

_ACTION: Final = "fees.recompute"


class DailyFees:
    """Recomputes fees after each trading day; what a stop made it miss is made up for.

    The file says until when fees were computed last. Doing it twice changes nothing: the volume
    of days that are over is the same, whenever it is asked for.
    """

    def __init__(
        self,
        plane: Plane,
        path: Path,
        now_ns: Callable[[], int],
        *,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Describe where things are; ``failed`` is told each time that it could not be done."""
        self._plane = plane
        self._path = path
        self._now_ns = now_ns
        self._failed = failed

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the clock until asked to stop."""
        while not stop.is_set():
            try:
                await self.look()
            except (CommandError, SettingsError, OSError) as error:
                # Whatever passes without our doing, a full disk too: it stays due.
                self._failed()
                log.warning("daily_fees_not_yet", reason=str(error))
            except Exception:
                # A fault of ours or of the database's: operators are served all the same.
                self._failed()
                log.exception("daily_fees_failed")
            await stopped_within(stop, LOOK_SECONDS)

    async def look(self) -> bool:
        """Recompute if a day ended since the last time; say whether it was due.

        Raises:
            CommandError, SettingsError, OSError: it is due, and cannot be done now. What else
                there is, the record's and the database's, ends nothing in ``run``.
        """
        done_until = self._done()
        if self._now_ns() < done_until + DAY_NS:
            return False
        until = await self._ended()
        if until <= done_until:
            return False
        reason = "the schedule: a trading day ended"
        done = await self._plane.scheduled(_ACTION, RecomputeFees(reason=reason))
        unfinished = self._path.with_suffix(".new")
        unfinished.write_bytes(msgspec.json.encode(until) + b"\n")
        unfinished.replace(self._path)
        log.info("daily_fees_done", until_ns=until, said=done.said)
        return True

    async def _ended(self) -> int:
        """Return when the last trading day ended; zero where fees go by no volume."""
        async with self._plane.desk(_ACTION) as desk:
            configuration, _ = desk.read()
            for event in desk.known.records:
                if configuration.fees.volume and isinstance(event, events.VenueConfigured):
                    return window(self._now_ns(), day_offset_ns=event.day_offset_ns, days=1)[1]
        return 0

    def _done(self) -> int:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=int)
        except (FileNotFoundError, msgspec.DecodeError):
            return 0
