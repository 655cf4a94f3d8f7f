"""The auditor's process: its parts, its findings, and whether it is well."""

import asyncio
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry

from auditor.actions import Actions, Dial
from auditor.event_auditor import PICTURE_NAME, EventAuditor, MakeFeed
from auditor.findings import Consequence, Finding
from auditor.findings_file import FindingsFile
from auditor.metrics import AuditorMetrics
from auditor.picture import Picture
from auditor.pictures import read_picture
from auditor.settings import AuditorSettings

log = structlog.get_logger()

FINDINGS_NAME = "findings.jsonl"


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
    ) -> None:
        """Take up the picture that was written last.

        Args:
            settings: what it may do, and where its files are.
            make_feed: makes a feed of events, given the venue that the picture is of.
            dial: opens a link to the core, for questions and commands.
            registry: where its metrics go.
            stop_withdrawals: called with a reason when findings lead to that.

        Raises:
            ChainBrokenError: its file of findings was changed by somebody.
        """
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings = settings
        self._stop_withdrawals = stop_withdrawals
        self.metrics = AuditorMetrics(registry)
        self.file = FindingsFile(settings.directory / FINDINGS_NAME)
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
        self.actions = Actions(settings, picture, dial, self.metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Audit until asked to stop; a part that fails ends all."""
        log.info("auditor_started", after=self.events.picture.number)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.events.run(stop), name=self.events.name)
            group.create_task(self.actions.run(stop), name="auditor.actions")
        log.info("auditor_stopped", through=self.events.picture.number)

    def report(self, findings: list[Finding]) -> None:
        """Put findings on record, and do what they lead to; what was known already is nothing."""
        for finding in findings:
            self.metrics.findings.labels(finding.check).inc()
        fresh = self.file.add(findings)
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
        grave = [each for each in fresh if each.consequence >= Consequence.STOP_WITHDRAWALS]
        if grave and self._settings.may_stop_withdrawals:
            self._stop_withdrawals(f"{grave[0].check}: {grave[0].text}")

    def health(self) -> dict[str, object]:
        """Say how far the audit is; unhealthy with open findings, when silent, and far behind."""
        self.file.refresh()
        self.metrics.open_findings.set(len(self.file.open))
        events, now = self.events, time.monotonic()
        is_silent = now - events.turned_at > self._settings.silence_seconds_max
        return {
            "healthy": not self.file.open and not is_silent,
            "event": events.picture.number,
            "findings": len(self.file.open),
        }
