"""What a flood of alerts costs the log: a line for each transaction, not for each alert."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from services.surveillance.ports import EventFeed
from services.surveillance.service import LOGGED_MAX, SurveillanceService
from services.surveillance.settings import SurveillanceSettings
from tests.unit.surveillance.planted import day
from tests.unit.surveillance.stage import CONFIGURED


def no_feed(_venue: bytes | None) -> EventFeed:
    raise AssertionError("nothing is read here")


@pytest.mark.parametrize("count", [1, LOGGED_MAX, LOGGED_MAX + 1])
def test_one_line_names_the_first_alerts_and_counts_all(count: int) -> None:
    registry = CollectorRegistry()
    settings = SurveillanceSettings(dsn="", parameters=CONFIGURED)
    service = SurveillanceService(settings, no_feed, registry)
    alerts = [day().alerts[0]] * count
    with capture_logs() as lines:
        service._tell(alerts)
    (line,) = lines
    assert line["event"] == "alerts_raised"
    assert line["count"] == count
    assert line["alerts"] == [alerts[0].alert_id] * min(count, LOGGED_MAX)
    kind = {"kind": str(alerts[0].kind)}
    assert registry.get_sample_value("surveillance_alerts_total", kind) == count


def test_no_alert_is_no_line() -> None:
    settings = SurveillanceSettings(dsn="", parameters=CONFIGURED)
    service = SurveillanceService(settings, no_feed, CollectorRegistry())
    with capture_logs() as lines:
        service._tell([])
    assert lines == []
