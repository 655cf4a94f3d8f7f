"""What surveillance remembers is bounded, reached here at each bound; its file is strict."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import msgspec
import pytest

from messages.layout import Record, padded_text
from messages.trading import events as e
from messages.trading.terms import CancelReason, OrderType, Side
from runtime.toml import SettingsError
from services.surveillance.detectors.circular import LEGS_MAX
from services.surveillance.detectors.layering import KEPT_MAX
from services.surveillance.parameters import read_parameters
from services.surveillance.records import UnreadableEventsError
from services.surveillance.watch import KnownAccount, Watch, WatchState
from tests.property.flow import Flow
from tests.unit.surveillance.planted import PARAMETERS, day
from tests.unit.surveillance.stage import CONFIGURED, ROOT, tuned
from venue.reference.engine import ReferenceEngine

SMALL = {"orders_max": 1000, "owners_max": 100, "levels_max": 100, "trades_max": 100}
ACCOUNTS = 500
MILLISECOND = 1_000_000


class Told:
    """A stream of made-up events."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._numbers = count(1)
        self.now_ns = 0

    def add(self, kind: type[Record], **fields: int | bytes) -> None:
        self.now_ns += MILLISECOND
        number = next(self._numbers)
        self.data += kind.make(number=number, sequence=number, time_ns=self.now_ns, **fields).pack()

    def accounts(self) -> None:
        for account in range(1, ACCOUNTS + 1):
            name = padded_text(f"A{account}", 32)
            self.add(e.AccountCreated, account=account, firm=account // 2, name=name)

    def take(self) -> bytes:
        data, self.data = bytes(self.data), bytearray()
        return data


def flood(told: Told, orders: int, order_ids: count[int]) -> bytes:
    """Orders of many accounts at many prices; trades between them; cancels; and some that stay."""
    for number in range(orders):
        account, other = 1 + number % ACCOUNTS, 1 + (number + 1) % ACCOUNTS
        side = Side.BUY if number % 2 else Side.SELL
        order = {"account": account, "instrument": 1, "side": side}
        terms = {"price_ticks": 10_000 + number % 977, "quantity_lots": 10}
        staying, resting, passing = next(order_ids), next(order_ids), next(order_ids)
        for order_id in (staying, resting, passing):
            told.add(
                e.OrderAccepted,
                order_id=order_id,
                order_type=OrderType.LIMIT,
                leaves_lots=10,
                **order,
                **terms,
            )
        told.add(e.BookLevelChanged, instrument=1, side=side, **terms)
        told.add(
            e.TradeExecuted,
            instrument=1,
            taker_side=side,
            maker_order_id=resting,
            maker_account=other,
            maker_quantity_lots=10,
            taker_order_id=passing,
            taker_account=account,
            taker_quantity_lots=10,
            **terms,
        )
        told.add(
            e.OrderCancelled, order_id=resting, reason=CancelReason.SELF_TRADE, **order, **terms
        )
    return told.take()


def test_memory_is_bounded_whatever_comes() -> None:
    watch, told, order_ids = Watch(tuned(bounds=SMALL)), Told(), count(1)
    told.accounts()
    watch.see(told.take())
    sizes = []
    for _ in range(3):
        watch.see(flood(told, 3000, order_ids))
        state = watch.state()
        # The last two of the flood filled one another.
        assert len(state.market.young) == SMALL["orders_max"] - 2
        assert len(state.market.books[1, Side.BUY]) <= SMALL["levels_max"]
        assert len(state.market.books[1, Side.BUY]) >= SMALL["levels_max"] // 2
        for table in (
            state.wash.attempts,
            state.circular.pairs,
            state.layering.fills,
            state.stuffing.rates,
            state.fat_finger.sizes,
        ):
            assert len(table) == SMALL["owners_max"]
        assert len(state.closing.courses[1].trades) == SMALL["trades_max"]
        assert max(map(len, state.layering.fills.values())) <= KEPT_MAX
        assert max(len(pair.open) for pair in state.circular.pairs.values()) <= LEGS_MAX + 1
        sizes.append(len(msgspec.msgpack.encode(state)))
    assert max(sizes) < 1.2 * sizes[0]


@pytest.mark.parametrize("calm", [True, False])
def test_a_state_that_was_written_down_goes_on_as_if_nothing_had_been(calm: bool) -> None:
    told = [events for _, events in Flow(11, calm=calm).run(ReferenceEngine(), 2500)]
    whole, watch = Watch(CONFIGURED), Watch(CONFIGURED)
    accounts: list[KnownAccount] = []
    alerts, expected = [], []
    for at, events in enumerate(told):
        expected += whole.see(events).alerts
        if at % 50 == 0:
            written = msgspec.msgpack.encode(watch.state())
            watch = Watch(
                CONFIGURED, msgspec.msgpack.decode(written, type=WatchState), list(accounts)
            )
        found = watch.see(events)
        alerts += found.alerts
        accounts += found.accounts
    assert alerts == expected != []
    assert msgspec.msgpack.encode(watch.state()) == msgspec.msgpack.encode(whole.state())


def test_a_day_cut_anywhere_gives_the_same_alerts() -> None:
    batches, expected = day().batches, day().alerts
    for cut in range(0, len(batches), 7):
        first = Watch(PARAMETERS)
        found = [first.see(batch.data) for batch in batches[:cut]]
        accounts = [account for each in found for account in each.accounts]
        written = msgspec.msgpack.encode(first.state())
        second = Watch(PARAMETERS, msgspec.msgpack.decode(written, type=WatchState), accounts)
        found += [second.see(batch.data) for batch in batches[cut:]]
        assert [alert for each in found for alert in each.alerts] == expected


def test_a_gap_and_half_a_record_are_refused() -> None:
    told = Told()
    told.accounts()
    data = told.take()
    length = e.AccountCreated.LENGTH
    with pytest.raises(UnreadableEventsError, match="expected event 1, found 2"):
        Watch(CONFIGURED).see(data[length:])
    with pytest.raises(UnreadableEventsError, match="event 3: cut short"):
        Watch(CONFIGURED).see(data[: 2 * length + 10])
    with pytest.raises(UnreadableEventsError, match=f"event 3: kind 33 with {length} bytes"):
        Watch(CONFIGURED).see(data[: 3 * length - 1])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ratio = 5 ", "ratio = 1 ", r"surveillance\.toml: .*>= 2.*layering\.ratio"),
        ("ratio = 5 ", "ratio = 10001 ", r"<= 10000.*layering\.ratio"),
        ("trades_min = 5 ", "trades_min = 32 ", r"<= 31.*fat_finger\.trades_min"),
        ("window_seconds = 2\n", "window_seconds = 86401\n", r"<= 86400.*stuffing\.window_seconds"),
        ("price_ppm = 50000", "price_ppm = 0", r">= 1.*fat_finger\.price_ppm"),
        ("orders_max = 50000 ", "orders_max = 999 ", r">= 1000.*bounds\.orders_max"),
        ("same_firm = true", "same_firm = 1", r"Expected `bool`.*wash\.same_firm"),
        ("[closing]", "[closing]\nnew = 1", r"unknown field `new`"),
        ("size_multiple = 100\n", "", r"missing required field `size_multiple`"),
    ],
)
def test_the_file_is_strict(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (ROOT / "config" / "surveillance.toml").read_text()
    assert old in text
    path = tmp_path / "surveillance.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=said):
        read_parameters(path)


@pytest.mark.parametrize(("ratio", "wide"), [(2, True), (10_000, True), (1, False)])
def test_numbers_at_their_edge_are_taken(tmp_path: Path, ratio: int, wide: bool) -> None:
    text = (ROOT / "config" / "surveillance.toml").read_text()
    path = tmp_path / "surveillance.toml"
    path.write_text(text.replace("ratio = 5 ", f"ratio = {ratio} ", 1))
    if wide:
        assert read_parameters(path).layering.ratio == ratio
    else:
        with pytest.raises(SettingsError):
            read_parameters(path)
