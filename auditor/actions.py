"""What the auditor does about a finding: commands like everybody's, sent until they are true."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from auditor.findings import Consequence, Finding
from auditor.metrics import AuditorMetrics
from auditor.picture import Picture
from auditor.settings import AuditorSettings
from messages.layout import Record, padded_text
from messages.trading.commands import ChangePhase, Kill
from messages.trading.identity import source_number
from messages.trading.terms import Phase, Scope
from runtime.link import Link, LinkError

log = structlog.get_logger()

Dial = Callable[[], Awaitable[Link]]

RETRY_SECONDS = 1.0
SETTLE_SECONDS = 5.0
"""How long a command that was sent may take to show in the events before it is sent again."""

_CLOSED_TO_ORDERS = frozenset({Phase.HALTED, Phase.CLOSED})


class Actions:
    """Halts instruments and kills the venue, as far as the operator lets it.

    What is wanted is a state, not a message: it is asked for until the events say that it is so.
    An operator who lifts it afterwards is not overruled: each finding acts once, and that it has
    is on record, so that a restart in between forgets nothing and repeats nothing.
    """

    def __init__(
        self,
        settings: AuditorSettings,
        picture: Picture,
        dial: Dial,
        metrics: AuditorMetrics,
        done: Callable[[int], None],
    ) -> None:
        """Want nothing yet; ``done`` takes each instrument that is halted, and 0 for a kill."""
        self._settings = settings
        self._picture = picture
        self._dial = dial
        self._metrics = metrics
        self._done = done
        self._halts: dict[int, int] = {}
        """Instruments to halt, and the event from which on the picture shows whether they are."""
        self._kill_text = ""
        self._kill_from = 0
        self._wake = asyncio.Event()

    def want(self, findings: Iterable[Finding]) -> None:
        """Take up what findings lead to."""
        for finding in findings:
            consequence = finding.consequence
            if consequence is Consequence.KILL_VENUE and self._settings.may_kill:
                self._kill_text = self._kill_text or f"auditor: {finding.check} at {finding.number}"
                self._kill_from = max(self._kill_from, finding.number)
            elif consequence is Consequence.HALT_INSTRUMENT and self._settings.may_halt:
                known = self._halts.get(finding.instrument, 0)
                self._halts[finding.instrument] = max(known, finding.number)
        if self._missing():
            self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send what is wanted and not yet so, until asked to stop."""
        while not stop.is_set():
            await _either(stop, self._wake, None)
            self._wake.clear()
            while not stop.is_set() and self._missing():
                try:
                    await self._send(stop)
                except LinkError as error:
                    log.warning("auditor_action_delayed", reason=str(error))
                    await _either(stop, None, RETRY_SECONDS)

    async def _send(self, stop: asyncio.Event) -> None:
        """Send all that is missing over a link of its own, and wait until it shows."""
        link = await self._dial()
        try:
            source = source_number(link.welcome.principal, 0)
            here = [place for place in link.welcome.positions if place.source == source]
            epoch, sequence = (here[0].epoch, here[0].source_sequence) if here else (1, 0)
            for command, fields, action in self._missing():
                sequence += 1
                identity = {"source": source, "epoch": epoch, "source_sequence": sequence}
                link.send(command.make(**fields, **identity).pack())
                self._metrics.actions.labels(action).inc()
                log.critical("auditor_acts", action=action, **_plain(fields))
            deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
            while self._missing() and asyncio.get_running_loop().time() < deadline:
                if await _either(stop, None, RETRY_SECONDS / 20):
                    return
        finally:
            await link.close()

    def _missing(self) -> list[tuple[type[Record], dict[str, int | bytes], str]]:
        """Return the commands for what is wanted and not so; what has become so is done."""
        picture = self._picture
        done = {
            number
            for number, since in self._halts.items()
            if picture.number >= since
            and (
                number not in picture.instruments
                or picture.instruments[number].phase in _CLOSED_TO_ORDERS
            )
        }
        for number in done:
            del self._halts[number]
            self._done(number)
        is_killed = picture.number >= self._kill_from and (Scope.VENUE, 0) in picture.killed
        if self._kill_text and is_killed:
            self._kill_text, self._kill_from = "", 0
            self._done(0)
        wanted: list[tuple[type[Record], dict[str, int | bytes], str]] = [
            (ChangePhase, {"instrument": number, "phase": Phase.HALTED}, "halt_instrument")
            for number in sorted(self._halts)
        ]
        if self._kill_text:
            text = padded_text(self._kill_text[:96], 96)
            kill: dict[str, int | bytes] = {"scope": Scope.VENUE, "text": text}
            wanted.append((Kill, kill, "kill_venue"))
        return wanted


def _plain(fields: dict[str, int | bytes]) -> dict[str, int]:
    return {name: int(value) for name, value in fields.items() if isinstance(value, int)}


async def _either(stop: asyncio.Event, other: asyncio.Event | None, seconds: float | None) -> bool:
    """Wait for one of two events, or so long; say whether it was the first."""
    tasks = [asyncio.ensure_future(each.wait()) for each in (stop, other) if each is not None]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return stop.is_set()
