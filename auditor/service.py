"""The auditor's process: its parts, its findings, and whether it is well."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry

from auditor.actions import RETRY_SECONDS, Actions, Dial
from auditor.checks.ledger import LedgerPicture
from auditor.event_auditor import PICTURE_NAME, EventAuditor
from auditor.findings import Check, Consequence, Finding
from auditor.findings_file import FindingsFile
from auditor.ledger_auditor import PICTURE_NAME as LEDGER_PICTURE_NAME
from auditor.ledger_auditor import LedgerAuditor
from auditor.metrics import AuditorMetrics
from auditor.picture import Picture
from auditor.pictures import read_picture
from auditor.ports import MakeFeed
from auditor.settings import AuditorSettings
from auditor.trail.heads import HeadError
from auditor.trail.keeper import TrailKeeper
from runtime.chained_lines import ChainBrokenError
from runtime.log_format import LogError
from runtime.waiting import stopped_within

log = structlog.get_logger()

FINDINGS_NAME = "findings.jsonl"

Drill = Callable[[], Awaitable[str]]
"""Runs a drill, and says what was missed; nothing when all was found."""


class Auditor:
    """Everything that the process does."""

    def __init__(
        self,
        settings: AuditorSettings,
        *,
        make_feed: MakeFeed,
        dial: Dial,
        registry: CollectorRegistry,
        stop_withdrawals: Callable[[str], None],
        ledger_dsn: Callable[[], str] | None = None,
        make_keeper: Callable[[], TrailKeeper] | None = None,
        drill: Drill | None = None,
    ) -> None:
        """Take up the pictures that were written last.

        Args:
            settings: what it may do, and where its files are.
            make_feed: makes a feed of events, given the venue that the picture is of.
            dial: opens a link to the core, for questions and commands.
            registry: where its metrics go.
            stop_withdrawals: called with a reason when findings lead to that, before they are
                on record; called again until it raises no OSError.
            ledger_dsn: says where the ledger is, and raises OSError while it is nowhere; None
                where there is none to look at.
            make_keeper: makes what writes the trail; None where it is not kept here.
            drill: plants errors in a shadow, and says what was missed.

        Raises:
            ChainBrokenError: its file of findings was changed by somebody.
        """
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings = settings
        self._stop_withdrawals = stop_withdrawals
        self._make_keeper = make_keeper
        self._drill = drill
        self.metrics = AuditorMetrics(registry)
        self.file = FindingsFile(settings.directory / FINDINGS_NAME)
        self._gate_wanted = ""
        """Why withdrawals have to stop, while the disk refuses to have it written."""
        self.metrics.open_findings.set(len(self.file.open))
        picture = read_picture(settings.directory / PICTURE_NAME, Picture) or Picture()
        self.events = EventAuditor(
            settings,
            picture,
            make_feed=make_feed,
            dial=dial,
            report=self.report,
            metrics=self.metrics,
        )
        self.actions = Actions(settings, picture, dial, self.metrics, self.file.acted)
        self.ledger: LedgerAuditor | None = None
        if ledger_dsn is not None:
            path = settings.directory / LEDGER_PICTURE_NAME
            self.ledger = LedgerAuditor(
                settings,
                read_picture(path, LedgerPicture) or LedgerPicture(),
                dsn=ledger_dsn,
                make_feed=make_feed,
                report=self.report,
                metrics=self.metrics,
            )
        # What was found before and nobody acknowledged still leads to what it leads to.
        self._shut_gate(self.file.open)
        self.actions.want(list(self.file.unacted))

    async def run(self, stop: asyncio.Event) -> None:
        """Audit until asked to stop; a part that fails ends all."""
        log.info("auditor_started", after=self.events.picture.number)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run(stop), name=self.events.name)
            group.create_task(self.actions.run(stop), name="auditor.actions")
            group.create_task(self._write_what_was_refused(stop), name="auditor.refused")
            if self.ledger is not None:
                group.create_task(self.ledger.run(stop), name=self.ledger.name)
            if self._make_keeper is not None:
                group.create_task(self._keep_trail(stop), name="auditor.trail")
            if self._drill is not None:
                group.create_task(self._drill_daily(self._drill, stop), name="auditor.drill")
        log.info("auditor_stopped", through=self.events.picture.number)

    async def _write_what_was_refused(self, stop: asyncio.Event) -> None:
        """Try again, until it is on the disk, what a full one refused."""
        while not await stopped_within(stop, RETRY_SECONDS):
            if self._gate_wanted:
                self._stop(self._gate_wanted)
            self.file.retry()

    async def _keep_trail(self, stop: asyncio.Event) -> None:
        """Sign where everything stands now and then, and once more at the end."""
        keeper: TrailKeeper | None = None
        is_last = False
        while not is_last:
            is_last = await stopped_within(stop, self._settings.heads_seconds)
            picture = self.events.picture
            if not picture.venue:
                continue
            try:
                if keeper is None:
                    assert self._make_keeper is not None
                    keeper = self._make_keeper()
                venue, sequence = picture.venue, picture.sequence
                await asyncio.to_thread(keeper.keep, venue=venue, sequence=sequence)
                self.metrics.turn.labels("trail").set(time.time())
            except (ChainBrokenError, HeadError, LogError) as error:
                keeper = None
                self.report([self._about(Check.TRAIL, str(error))])
            except OSError as error:
                keeper = None
                log.warning("head_not_signed", reason=str(error))

    async def _drill_daily(self, drill: Drill, stop: asyncio.Event) -> None:
        """Prove now and then that an error would be noticed."""
        seconds = self._settings.drill_seconds_first
        while not await stopped_within(stop, seconds):
            seconds = self._settings.drill_seconds
            missed = await drill()
            if missed:
                self.report([self._about(Check.DRILL, missed)])
            else:
                self.metrics.turn.labels("drill").set(time.time())
                log.info("auditor_drill_passed")

    def _about(self, check: Check, text: str) -> Finding:
        picture = self.events.picture
        return Finding(
            check=check,
            number=picture.number,
            sequence=picture.sequence,
            time_ns=picture.time_ns,
            text=text,
        )

    def report(self, findings: list[Finding]) -> None:
        """Do what findings lead to, and put them on record; what was known already is nothing.

        The gate for withdrawals is shut first: a crash after it leaves it shut.
        """
        for finding in findings:
            self.metrics.findings.labels(finding.check).inc()
        fresh = self.file.fresh(findings)
        self._shut_gate(fresh)
        self.file.write(fresh)
        for finding in fresh:
            log.error(
                "auditor_finding",
                check=finding.check,
                number=finding.number,
                sequence=finding.sequence,
                instrument=finding.instrument,
                account=finding.account,
                asset=finding.asset,
                text=finding.text,
            )
        self.metrics.open_findings.set(len(self.file.open))
        self.actions.want(fresh)

    def _shut_gate(self, findings: list[Finding]) -> None:
        """Stop withdrawals where findings lead to that."""
        grave = [each for each in findings if each.consequence >= Consequence.STOP_WITHDRAWALS]
        if grave and self._settings.may_stop_withdrawals:
            self._stop(f"{grave[0].check}: {grave[0].text}")

    def _stop(self, why: str) -> None:
        """Have withdrawals stopped; a disk that refuses ends nothing, and is asked again."""
        try:
            self._stop_withdrawals(why)
        except OSError as error:
            self._gate_wanted = why
            log.critical("withdrawals_not_stopped_yet", reason=str(error), why=why)
        else:
            self._gate_wanted = ""

    def health(self) -> dict[str, object]:
        """Say how far the audit is; unhealthy with open findings, silent, or without a ledger."""
        self.file.refresh()
        self.metrics.open_findings.set(len(self.file.open))
        events, ledger, now = self.events, self.ledger, time.monotonic()
        is_silent = now - events.turned_at > self._settings.silence_seconds_max
        is_blind = ledger is not None and not ledger.is_connected
        report: dict[str, object] = {
            "healthy": not (self.file.open or is_silent or is_blind or self._gate_wanted),
            "event": events.picture.number,
            "findings": len(self.file.open),
        }
        if ledger is not None:
            report["ledger_event"] = ledger.picture.number
        return report
