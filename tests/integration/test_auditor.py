"""The auditor beside a real core: it follows, finds, acts, restarts, and is heard of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from auditor.findings import Check, Finding
from auditor.service import Auditor
from auditor.settings import AuditorSettings
from exchange.auditing import _drill
from messages.layout import padded_text
from messages.trading import commands as c
from messages.trading.identity import client_id, source_number
from messages.trading.terms import OrderType, Phase, Scope, Side, TimeInForce
from runtime.feed import LinkFeed
from runtime.link import Link
from tests.venue_support import TOKEN, RunningCore, core, settings_in, until
from venue.engines import create_engine
from venue.settings import VenueSettings

ADMIN = (
    "ConfigureVenue", "CreateAsset", "DefineFeeSchedule", "CreateInstrument", "SetInstrumentLimits",
    "CreateFirm", "CreateAccount", "SetAccountLimits", "GrantSession", "ChangePhase", "Credit",
    "Debit", "PlaceOrder", "OpenSession", "CancelOrder", "Resume",
)  # fmt: skip
DAY_NS = 24 * 60 * 60 * 1_000_000_000


def small_venue(folder: Path) -> VenueSettings:
    settings = settings_in(folder)
    principals = dict(settings.principals)
    principals["admin"] = msgspec.structs.replace(principals["admin"], may_send=ADMIN)
    principals["auditor"] = msgspec.structs.replace(
        principals["auditor"], may_send=("Kill", "ChangePhase")
    )
    return msgspec.structs.replace(settings, principals=principals, engine="native")


class Operator:
    """Sends commands as the principal ``admin``, numbered."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.count = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, running: RunningCore) -> AsyncIterator[Operator]:
        link = await running.link("admin")
        try:
            yield cls(link)
        finally:
            await link.close()

    def send(self, kind: type[c.Command], **fields: int | bytes) -> None:
        self.count += 1
        identity = {"source": source_number(2, 0), "epoch": 1, "source_sequence": self.count}
        assert self.link.send(kind.make(**fields, **identity).pack())

    def open_for_trading(self) -> None:
        self.send(
            c.ConfigureVenue, client_ids_max=1000, references_max=1000, open_orders_max=1000,
            accounts_max=100, instruments_max=10, sessions_max=10, client_id_window_ns=DAY_NS,
            indicative_interval_ns=DAY_NS,
        )  # fmt: skip
        for asset in (1, 2):
            symbol = padded_text(f"A{asset}", 16)
            self.send(c.CreateAsset, asset=asset, scale=8, supply_max_atoms=1 << 50, symbol=symbol)
        self.send(c.DefineFeeSchedule, fee_schedule=1, maker_ppm=100, taker_ppm=250)
        self.send(
            c.CreateInstrument, instrument=1, base_asset=1, quote_asset=2, fee_schedule=1,
            lot_atoms=10, tick_lot_atoms=2, tick_units=1, lot_units=1, symbol=padded_text("M", 16),
        )  # fmt: skip
        self.send(
            c.SetInstrumentLimits, instrument=1, orders_max=1000, price_ticks_min=1,
            price_ticks_max=100_000, quantity_lots_min=1, quantity_lots_max=10_000,
            display_lots_min=1,
        )  # fmt: skip
        self.send(c.ChangePhase, instrument=1, phase=Phase.CONTINUOUS)
        for account in (11, 12):
            self.send(c.CreateFirm, firm=account, name=padded_text(f"F{account}", 32))
            name = padded_text(f"C{account}", 32)
            self.send(
                c.CreateAccount, account=account, firm=account, account_kind=1,
                self_trade_prevention=1, name=name,
            )  # fmt: skip
            self.send(c.SetAccountLimits, account=account, open_orders_max=100)
            self.send(
                c.GrantSession, account=account, session=account, rights=1, firm=account, name=name
            )
            self.send(c.OpenSession, session=account, connection=1)
            for asset in (1, 2):
                reference = client_id(f"in-{account}-{asset}")
                self.send(
                    c.Credit,
                    account=account,
                    asset=asset,
                    amount_atoms=1 << 40,
                    reference=reference,
                )

    def order(self, account: int, side: Side, price: int, lots: int) -> None:
        self.send(
            c.PlaceOrder, account=account, session=account, connection=1, instrument=1, side=side,
            order_type=OrderType.LIMIT, time_in_force=TimeInForce.GOOD_TILL_CANCEL,
            price_ticks=price, quantity_lots=lots, client_order_id=client_id(f"o{self.count}"),
        )  # fmt: skip


class Audited:
    """An auditor that runs in the test's loop."""

    def __init__(self, service: Auditor) -> None:
        self.service = service
        self.stopped_withdrawals: list[str] = []

    @property
    def number(self) -> int:
        return self.service.events.picture.number


@contextlib.asynccontextmanager
async def auditing(
    running: RunningCore, folder: Path, *, may: bool = True, missed: str = ""
) -> AsyncIterator[Audited]:
    settings = AuditorSettings(
        directory=folder / "auditor",
        journal=folder / "venue" / "journal",
        may_halt=may,
        may_kill=may,
        may_stop_withdrawals=may,
        figures_seconds=0.05,
        picture_seconds=0.05,
        drill_seconds_first=0.02,
        drill_seconds=0.02,
        silence_seconds_max=600.0,  # a machine that stands still is no defect of the auditor's
    )
    stop, stopped = asyncio.Event(), list[str]()

    async def drill() -> str:
        return missed

    service = Auditor(
        settings,
        make_feed=lambda known: LinkFeed(running.address, "auditor", TOKEN, venue=known),
        dial=lambda: running.link("auditor"),
        registry=CollectorRegistry(),
        stop_withdrawals=stopped.append,
        drill=drill,
    )
    audited = Audited(service)
    audited.stopped_withdrawals = stopped
    task = asyncio.create_task(service.run(stop))
    try:
        yield audited
        assert not task.done(), task.result()
    finally:
        stop.set()
        await task


def compared(audited: Audited, what: str) -> float:
    return float(audited.service.metrics.comparisons.labels(what)._value.get())


async def reach(running: RunningCore, audited: Audited, sequence: int) -> None:
    await until(lambda: audited.service.events.picture.sequence >= sequence)
    assert audited.service.file.open == []
    assert running.task is not None


async def test_it_follows_a_trading_venue_and_agrees_with_it(tmp_path: Path) -> None:
    settings = small_venue(tmp_path)
    async with (
        core(settings, create_engine("native")) as running,
        Operator.of(running) as operator,
        auditing(running, tmp_path) as audited,
    ):
        operator.open_for_trading()
        for at in range(50):
            operator.order(11, Side.SELL, 100 + at % 7, 3)
            operator.order(12, Side.BUY, 97 + at % 9, 2)
        await reach(running, audited, operator.count)
        before = compared(audited, "balances"), compared(audited, "books")
        await until(lambda: compared(audited, "balances") > before[0])
        await until(lambda: compared(audited, "books") > before[1])
        assert audited.service.file.open == []
        assert audited.service.health()["healthy"] is True
        assert audited.service.events.picture.last_trade_id > 10
        assert audited.service.metrics.commands._value.get() == operator.count


async def test_a_restart_goes_on_from_the_picture(tmp_path: Path) -> None:
    settings = small_venue(tmp_path)
    async with core(settings, create_engine("native")) as running, Operator.of(running) as operator:
        operator.open_for_trading()
        operator.order(11, Side.SELL, 100, 5)
        async with auditing(running, tmp_path) as audited:
            await reach(running, audited, operator.count)
            first = audited.number
        operator.order(12, Side.BUY, 100, 3)
        operator.order(12, Side.BUY, 101, 3)
        async with auditing(running, tmp_path) as audited:
            assert audited.number == first
            await reach(running, audited, operator.count)
            assert audited.service.metrics.commands._value.get() == 2
            assert audited.service.events.picture.last_trade_id == 2


@pytest.mark.parametrize(
    ("check", "instrument"), [(Check.CONSERVATION, 0), (Check.PRIORITY, 1)], ids=str
)
async def test_what_a_finding_leads_to_is_sequenced(
    tmp_path: Path, check: Check, instrument: int
) -> None:
    settings = small_venue(tmp_path)
    async with core(settings, create_engine("native")) as running, Operator.of(running) as operator:
        operator.open_for_trading()
        async with auditing(running, tmp_path) as audited:
            await reach(running, audited, operator.count)
            audited.service.report([planted(check, instrument)])
            picture = audited.service.events.picture
            if instrument:
                await until(lambda: picture.instruments[1].phase == Phase.HALTED)
                assert audited.stopped_withdrawals == []
            else:
                await until(lambda: (Scope.VENUE, 0) in picture.killed)
                assert len(audited.stopped_withdrawals) == 1
            assert audited.service.health()["healthy"] is False
            # What is known already is found again after a restart, and is no news.
            audited.service.report([planted(check, instrument)])
            assert len(audited.service.file.open) == 1
        async with auditing(running, tmp_path) as audited:
            assert audited.service.health()["healthy"] is False
            audited.service.file.acknowledge(by="ann", why="planted", at_ns=1)
            assert audited.service.health()["healthy"] is True


async def test_a_drill_that_misses_is_a_finding(tmp_path: Path) -> None:
    settings = small_venue(tmp_path)
    async with (
        core(settings, create_engine("native")) as running,
        auditing(running, tmp_path, missed="MISSED an atom") as audited,
    ):
        await until(lambda: bool(audited.service.file.open))
        (finding,) = audited.service.file.open
        assert (finding.check, finding.text) == (Check.DRILL, "MISSED an atom")
        assert len(audited.stopped_withdrawals) == 1


async def test_the_drill_that_runs_daily_passes() -> None:
    assert await _drill() == ""


async def test_it_does_nothing_that_it_may_not(tmp_path: Path) -> None:
    settings = small_venue(tmp_path)
    async with core(settings, create_engine("native")) as running, Operator.of(running) as operator:
        operator.open_for_trading()
        async with auditing(running, tmp_path, may=False) as audited:
            await reach(running, audited, operator.count)
            audited.service.report([planted(Check.CONSERVATION, 0), planted(Check.PRIORITY, 1)])
            operator.order(11, Side.SELL, 100, 5)
            await until(lambda: audited.service.events.picture.sequence >= operator.count)
            assert audited.service.events.picture.killed == set()
            assert audited.service.events.picture.instruments[1].phase == Phase.CONTINUOUS
            assert audited.stopped_withdrawals == []
            assert len(audited.service.file.open) == 2


def planted(check: Check, instrument: int) -> Finding:
    return Finding(
        check=check, number=7, sequence=7, time_ns=1, instrument=instrument, text="planted"
    )
