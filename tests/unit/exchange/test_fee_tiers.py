"""Fees by volume: tiers, overrides, pins, the days that count, and the daily job."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exchange.admin import daily
from exchange.admin.actions import LISTED_MAX, Hands, listed
from exchange.admin.daily import DailyFees
from exchange.configuration import FeesFile, read_configuration
from exchange.errors import CommandError, VenueAwayError
from exchange.fee_tiers import DAY_NS, Change, changes, window
from messages.layout import plain_text
from messages.trading import commands, events
from runtime.chained_lines import ChainBrokenError
from runtime.toml import SettingsError
from settlement.volumes import FirmVolume
from tests.unit.exchange.plane_desk import ROOT, PlaneDesk
from tests.venue_support import until

USD = 10**6


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


async def firm_of(desk: PlaneDesk, name: str) -> int:
    for record in await desk.venue.definitions():
        if isinstance(record, events.AccountCreated) and plain_text(record.name) == name:
            return record.firm
    raise AssertionError(name)


async def traded(desk: PlaneDesk, name: str, amount: int, *, asset: int = 1) -> None:
    firm = await firm_of(desk, name)
    row = FirmVolume(firm=firm, asset=asset, notional_atoms=amount)
    desk.ledger.rows = [each for each in desk.ledger.rows if each.firm != firm] + [row]


async def assigned(desk: PlaneDesk) -> dict[str, int]:
    known = await desk.venue.definitions()
    names = {e.account: plain_text(e.name) for e in known if isinstance(e, events.AccountCreated)}
    return {
        names[event.account]: event.fee_schedule
        for event in known
        if isinstance(event, events.FeeScheduleAssigned)
    }


@pytest.mark.parametrize(
    ("atoms", "schedule"),
    [
        (10_000_000 * USD - 1, None),
        (10_000_000 * USD, 3),
        (100_000_000 * USD - 1, 3),
        (100_000_000 * USD, 4),
        (2**70, 4),
    ],
)
async def test_a_tier_begins_at_its_volume(
    desk: PlaneDesk, atoms: int, schedule: int | None
) -> None:
    await traded(desk, "INST1", atoms)
    before = await assigned(desk)
    outcome = await desk.act("ann", "fees.recompute")
    assert outcome.proposal is None
    assert await assigned(desk) == before | ({"INST1": schedule} if schedule else {})
    assert all(isinstance(each, commands.AssignFeeSchedule) for each in desk.venue.asked)


async def test_a_market_maker_that_is_pinned_keeps_its_rebate_and_a_firm_that_falls_goes_back(
    desk: PlaneDesk,
) -> None:
    for name in ("MM1", "INST1"):
        await traded(desk, name, 200_000_000 * USD)
    await desk.act("ann", "fees.recompute")
    assert await assigned(desk) == {"MM1": 2, "MM2": 2, "INST1": 4}
    await traded(desk, "INST1", 0)
    await desk.act("ann", "fees.recompute")
    assert (await assigned(desk))["INST1"] == 1
    sent = len(desk.venue.asked)
    said = await desk.act("ann", "fees.recompute")
    assert said.said == "0 schedules changed: none"
    assert len(desk.venue.asked) == sent


async def test_volume_in_another_asset_is_none(desk: PlaneDesk) -> None:
    await traded(desk, "INST1", 2**60, asset=2)
    await desk.act("ann", "fees.recompute")
    assert desk.venue.asked == []


async def test_an_override_is_above_any_volume(desk: PlaneDesk) -> None:
    known = await desk.venue.definitions()
    number = await firm_of(desk, "INST1")
    (firm,) = [e for e in known if isinstance(e, events.FirmCreated) and e.firm == number]
    path = desk.config / "fees.toml"
    override = f'\n[[override]]\nfirm = "{plain_text(firm.name)}"\nschedule = 3\n'
    path.write_text(path.read_text() + override)
    for volume in (0, 200_000_000 * USD):
        await traded(desk, "INST1", volume)
        await desk.act("ann", "fees.recompute")
        assert (await assigned(desk))["INST1"] == 3


async def test_a_schedule_that_the_venue_does_not_know_is_refused_before_anything_is_sent(
    desk: PlaneDesk,
) -> None:
    path = desk.config / "fees.toml"
    text = path.read_text().replace("id = 4\n", "id = 5\n").replace("schedule = 4", "schedule = 5")
    path.write_text(text)
    await traded(desk, "INST1", 200_000_000 * USD)
    with pytest.raises(CommandError, match="no fee schedule 5"):
        await desk.act("ann", "fees.recompute")
    assert desk.venue.asked == []


async def test_one_account_is_given_a_schedule_by_two_operators(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "fees.assign", account="INST1", schedule=4)
    assert "fee schedule 4 (maker 0, taker 300 ppm) in all instruments" in proposed.said
    await desk.approve("ben", proposed)
    (command,) = desk.venue.asked
    assert isinstance(command, commands.AssignFeeSchedule)
    assert (command.operator, command.approver) == (1, 2)
    with pytest.raises(CommandError, match="no fee schedule 9"):
        await desk.act("ann", "fees.assign", account="INST1", schedule=9)


def test_a_window_is_the_whole_days_that_ended() -> None:
    offset = 8 * 3600 * 10**9
    noon = 20_000 * DAY_NS + DAY_NS // 2
    since, until = window(noon, day_offset_ns=offset, days=30)
    assert until == 20_000 * DAY_NS + offset
    assert until - since == 30 * DAY_NS
    assert window(until, day_offset_ns=offset, days=30) == (since, until)
    assert window(until - 1, day_offset_ns=offset, days=30)[1] == until - DAY_NS


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('volume_min = "0"', 'volume_min = "1"', r"\$\.tier\[0\]\.volume_min: 1; tiers begin at 0"),
        ('"100000000"', '"10000000"', r"\$\.tier\[2\]\.volume_min"),
        ('"10000000"', '"0.0000001"', "whole atoms of USD"),
        ("schedule = 3", "schedule = 9", r"\$\.tier\[1\]\.schedule: no schedule 9"),
        ('asset = "USD"', 'asset = "EUR"', r"\$\.volume\.asset: no asset EUR"),
        ('[volume]\nasset = "USD"\ndays = 30\n', "", r"\$\.volume: missing"),
        ("days = 30", "days = 0", "days"),
        ("maker_ppm = 0", "maker_ppm = -301", "is above the taker rate"),
    ],
)
def test_tiers_that_cannot_be_are_refused(desk: PlaneDesk, old: str, new: str, said: str) -> None:
    path = desk.config / "fees.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(SettingsError, match=said):
        read_configuration(desk.config)


def test_a_firm_is_overridden_once(desk: PlaneDesk) -> None:
    path = desk.config / "fees.toml"
    path.write_text(path.read_text() + 2 * '\n[[override]]\nfirm = "Firm"\nschedule = 3\n')
    with pytest.raises(SettingsError, match="Firm is there twice"):
        read_configuration(desk.config)


async def test_without_tiers_nobody_changes(desk: PlaneDesk) -> None:
    fees = FeesFile(schedule=read_configuration(ROOT / "config").fees.schedule)
    assert changes(fees, await desk.venue.definitions(), {}, scale=6) == []


# --- the daily job ---


def job(desk: PlaneDesk, tmp_path: Path) -> DailyFees:
    return DailyFees(desk.plane, tmp_path / "fees.json", lambda: desk.now_ns)


async def test_it_is_done_once_a_day_and_what_was_missed_is_made_up_for(
    desk: PlaneDesk, tmp_path: Path
) -> None:
    desk.now_ns = 20_000 * DAY_NS + 5
    await traded(desk, "INST1", 200_000_000 * USD)
    assert await job(desk, tmp_path).look()
    assert desk.ledger.asked == [(19_970 * DAY_NS, 20_000 * DAY_NS)]
    asked, done = desk.entries()
    assert (asked.operator, asked.step, done.step) == ("(schedule)", "asked", "done")
    assert asked.request is None
    for _ in range(2):
        assert not await job(desk, tmp_path).look(), "a restart does not do it again"
    desk.now_ns += DAY_NS - 6
    assert not await job(desk, tmp_path).look()
    desk.now_ns += 1
    assert await job(desk, tmp_path).look()
    desk.now_ns += 5 * DAY_NS
    assert await job(desk, tmp_path).look()
    assert len(desk.entries()) == 2, "days on which nothing changes leave no entries"


async def test_while_the_ledger_is_behind_it_stays_due(desk: PlaneDesk, tmp_path: Path) -> None:
    desk.now_ns = 20_000 * DAY_NS + 5
    desk.ledger.is_away = True
    with pytest.raises(VenueAwayError):
        await job(desk, tmp_path).look()
    desk.ledger.is_away = False
    assert await job(desk, tmp_path).look()


async def test_what_cannot_be_written_or_read_now_ends_nothing_and_stays_due(
    desk: PlaneDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.now_ns = 20_000 * DAY_NS + 5
    monkeypatch.setattr(daily, "LOOK_SECONDS", 0.001)
    working = DailyFees(desk.plane, tmp_path / "none" / "fees.json", lambda: desk.now_ns)
    stop = asyncio.Event()
    task = asyncio.create_task(working.run(stop))
    desk.ledger.is_away = True
    await until(lambda: desk.ledger.refused >= 3)
    desk.ledger.is_away = False
    await until(lambda: len(desk.ledger.asked) >= 3)  # done, and its file cannot be written
    (tmp_path / "none").mkdir()
    await until((tmp_path / "none" / "fees.json").exists)
    stop.set()
    await task
    assert not await working.look()


@pytest.mark.parametrize(
    "fault",
    [AssertionError("a line too long"), ChainBrokenError(Path("record"), 1, "torn"), KeyError(1)],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_fault_of_ours_ends_nothing_is_counted_and_tried_again(
    desk: PlaneDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    async def broken(*_: int) -> list[FirmVolume]:
        raise fault

    failures: list[None] = []
    desk.now_ns = 20_000 * DAY_NS + 5
    monkeypatch.setattr(daily, "LOOK_SECONDS", 0.001)
    path = tmp_path / "fees.json"
    working = DailyFees(desk.plane, path, lambda: desk.now_ns, failed=lambda: failures.append(None))
    stop = asyncio.Event()
    task = asyncio.create_task(working.run(stop))
    with monkeypatch.context() as patched, capture_logs() as logged:
        patched.setattr(desk.ledger, "volumes", broken)
        await until(lambda: len(failures) >= 3)
    assert {each["event"] for each in logged} == {"daily_fees_failed"}
    await until(path.exists)
    stop.set()
    await task


async def test_a_day_on_which_everybody_changes_fits_the_record(
    desk: PlaneDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [
        Change(account=1, name=f"A{number}", was=0, fee_schedule=1, why="its volume " * 3)
        for number in range(10_000)
    ]
    monkeypatch.setattr("exchange.admin.fees.changes", lambda *_, **__: many)

    async def assign(hands: Hands, *_: int) -> events.Event:
        event = events.FeeScheduleAssigned.make(
            number=(1 << 60) + len(hands.told), sequence=1 << 60
        )
        hands.told.append(event.number)
        return event

    monkeypatch.setattr("exchange.admin.fees._assign", assign)
    desk.now_ns = 20_000 * DAY_NS + 5
    assert await job(desk, tmp_path).look()
    asked, *done = desk.entries()
    assert asked.summary.count("from the instruments' own") == LISTED_MAX
    assert f"; and {10_000 - LISTED_MAX} more, SHA-256 of all " in asked.summary
    assert sum(len(entry.events) for entry in done) == 10_000


@pytest.mark.parametrize("count", [0, 1, LISTED_MAX, LISTED_MAX + 1])
def test_a_few_changes_are_listed_whole_and_many_by_a_digest(count: int) -> None:
    changes = [f"change {number}" for number in range(count)]
    said = listed(changes)
    assert ("SHA-256 of all" in said) == (count > LISTED_MAX)
    assert said.startswith("; ".join(changes[:LISTED_MAX]) or "none")
    if count > LISTED_MAX:
        assert listed([*changes[:-1], "another"]) != said


async def test_without_a_volume_it_is_never_due(desk: PlaneDesk, tmp_path: Path) -> None:
    path = desk.config / "fees.toml"
    text = path.read_text()
    path.write_text(text[: text.index("# A firm's volume")] + text[text.index("# An account") :])
    desk.now_ns = 20_000 * DAY_NS + 5
    assert not await job(desk, tmp_path).look()
