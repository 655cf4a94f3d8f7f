"""The auditor's checks, written from the documents alone, find nothing wrong with the engine."""

from __future__ import annotations

import msgspec
import pytest

from auditor.audit import EventAudit
from auditor.findings import Findings
from auditor.picture import Picture
from messages.trading.events import EVENTS
from tests.property.flow import Flow
from venue.reference.engine import ReferenceEngine


def audit_of(seed: int, count: int, *, calm: bool) -> tuple[EventAudit, ReferenceEngine]:
    engine, audit = ReferenceEngine(), EventAudit(Picture(), Findings())
    for _, told in Flow(seed, calm=calm).run(engine, count):
        audit.see(told)
    return audit, engine


@pytest.mark.parametrize("seed", range(4))
def test_a_true_stream_is_clean_and_the_figures_agree(seed: int) -> None:
    audit, engine = audit_of(seed, 3000, calm=bool(seed % 2))
    assert list(audit.findings.kept) == []
    picture = audit.picture
    assert picture.last_trade_id > 0
    known = {
        (*key, each.balance, each.held)
        for key, each in picture.holdings.items()
        if each.balance or each.held
    }
    assert known == set(engine.balances())
    assert engine.assets() == [
        (number, each.supply, each.fees) for number, each in sorted(picture.assets.items())
    ]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_long_true_streams_are_clean(seed: int) -> None:
    audit, _ = audit_of(seed, 20_000, calm=bool(seed % 2))
    assert list(audit.findings.kept) == []


def test_a_picture_that_was_written_down_goes_on_without_a_word() -> None:
    engine, findings = ReferenceEngine(), Findings()
    audit = EventAudit(Picture(), findings)
    told = [events for _, events in Flow(7).run(engine, 2500)]
    for at, events in enumerate(told):
        if at % 500 == 0:
            written = msgspec.msgpack.encode(audit.picture)
            audit = EventAudit(msgspec.msgpack.decode(written, type=Picture), findings)
        audit.see(events)
    assert list(findings.kept) == []
    assert audit.picture.number == sum(1 for events in told for _ in EVENTS.walk(events))
