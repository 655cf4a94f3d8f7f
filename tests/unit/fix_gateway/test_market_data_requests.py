"""What a subscriber may ask for, what it is told, and that nothing it does is without a bound."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fix_gateway.dialects.names import DIALECTS, FIX_44
from fix_gateway.dialects.source import read_source
from fix_gateway.dictionary import standard_of
from fix_gateway.market_data.books import BookGapError, PublicBook
from fix_gateway.market_data.clock import TurnClock
from fix_gateway.market_data.gallery import Gallery
from fix_gateway.market_data.grammar import Grammar, Request, pairs_of
from fix_gateway.market_data.market import Market
from fix_gateway.market_data.metrics import MarketDataMetrics
from fix_gateway.market_data.session import FixSession
from fix_gateway.market_data.settings import MarketDataLimits
from fix_gateway.market_data.subscriber import Subscriber
from fix_gateway.settings import SessionFile
from messages.trading import events
from messages.trading.events import LAST_OF_COMMAND
from messages.trading.terms import Phase, PhaseReason, Scope, Side
from tests.unit.fix_gateway.conformity import fields_of
from tests.unit.fix_gateway.market_data_client import ClientBook

SOURCE = read_source()
STANDARD, VALUES = standard_of(FIX_44)
GRAMMAR = Grammar(SOURCE, FIX_44, standard=STANDARD, values=VALUES)
LIMITS = MarketDataLimits(
    subscriptions_max=4,
    symbols_max=2,
    depth_max=5,
    entries_per_message_max=10,
    moments_max=4,
    trades_max=100,
)
FILE = msgspec.convert(
    {
        "id": 9,
        "kind": "market_data",
        "sender_comp_id": "MD1",
        "firm": {"id": 1, "name": "F"},
        "throttle": {"messages": 50},
        "market_data": {"interval_milliseconds": 0},
    },
    SessionFile,
)
SYMBOLS = ("BTC-USD", "ETH-USD", "XRP-USD")


class Desk:
    """A market that tests move by events, and one subscriber of it."""

    def __init__(self, *, interval_ms: int = 0) -> None:
        self.number = 0
        self.sequences = {1: 0, 2: 0, 3: 0}
        self.command = b""
        self.market = Market(book_changed=self.changed, status_changed=self.status)
        self.intervals: list[int] = []
        self.gallery = Gallery(LIMITS, begin_interval=self.intervals.append)
        self.session = FixSession(GRAMMAR, FIX_44, comp_id="RIALTO", counterparty="MD1")
        self.session.is_live = True
        self.registry = CollectorRegistry()
        self.clock = TurnClock()
        self.sent: list[bytes] = []
        self.subscriber = Subscriber(
            self.session,
            msgspec.structs.replace(
                FILE,
                market_data=msgspec.structs.replace(
                    FILE.market_data, interval_milliseconds=interval_ms
                ),
            ),
            market=self.market,
            gallery=self.gallery,
            limits=LIMITS,
            metrics=MarketDataMetrics(self.registry),
            clock=self.clock,
            write=self.write,
            write_later=self.write,
        )
        for instrument, symbol in enumerate(SYMBOLS, 1):
            self.event(
                events.InstrumentCreated,
                instrument=instrument,
                tick_units=1,
                lot_units=1,
                price_decimals=2,
                quantity_decimals=1,
                quote_asset=2,
                symbol=symbol.encode(),
            )
        self.event(events.AssetCreated, asset=2, scale=2, symbol=b"USD")

    def write(self) -> None:
        self.sent += self.session.outgoing
        self.session.outgoing.clear()

    def changed(self, book: PublicBook) -> None:
        self.gallery.book_changed(book)
        if book.orders_disagree:
            for watcher in self.gallery.watched_by_order(book.instrument):
                watcher.book_lost()

    def status(self, record: Any) -> None:
        instrument = record.instrument if isinstance(record, events.PhaseChanged) else 0
        self.subscriber.status_changed(instrument)

    def event(self, kind: type[events.Event], *, last: bool = True, **fields: Any) -> None:
        self.number += 1
        flags = LAST_OF_COMMAND if last else 0
        record = kind.make(number=self.number, flags=flags, time_ns=self.number, **fields)
        self.command += record.pack()
        if last:
            self.market.take(self.command)
            self.command = b""
            self.gallery.tell()

    def order(
        self, order_id: int, side: Side, price: int, lots: int, *, instrument: int = 1
    ) -> None:
        """Add an order that is alone at its price."""
        common = {"instrument": instrument, "side": side, "price_ticks": price}
        self.event(
            events.OrderAccepted,
            last=False,
            order_id=order_id,
            order_type=1,
            time_in_force=2,
            status=2,
            leaves_lots=lots,
            quantity_lots=lots,
            client_order_id=b"SECRET",
            account=4711,
            **common,
        )
        self.level(side, price, lots, 1, instrument=instrument)

    def level(self, side: Side, price: int, lots: int, orders: int, *, instrument: int = 1) -> None:
        self.sequences[instrument] += 1
        self.event(
            events.BookLevelChanged,
            instrument=instrument,
            side=side,
            price_ticks=price,
            quantity_lots=lots,
            orders=orders,
            book_sequence=self.sequences[instrument],
        )

    def ask(self, kind: str, body: str) -> list[str]:
        """Give a request to the application, and return what it says: from 35 on."""
        head = f"8=FIX.4.4\x019=0\x0135={kind}\x0149=MD1\x0156=RIALTO\x0134=2\x01"
        pairs = pairs_of(f"{head}52=20231114-22:13:20\x01{body}".encode("latin-1"))
        assert pairs is not None
        request = GRAMMAR.read(kind, pairs)
        assert isinstance(request, Request), request
        self.subscriber.requested(request)
        return self.told()

    def told(self) -> list[str]:
        """What was sent since: each checked against the description, in both dialects."""
        found = []
        for data in self.sent:
            text = data.decode("ascii")
            text = text[text.index("35=") : text.rindex("10=")]
            fields = text.split("\x01")[:-1]
            kept = [
                each for each in fields if each.partition("=")[0] not in ("49", "56", "34", "52")
            ]
            found.append("".join(f"{each}\x01" for each in kept))
        self.sent.clear()
        for text in found:
            fields_of(text)
        return found


def v(
    name: str = "m",
    *,
    kind: str = "1",
    depth: str = "0",
    more: str = "",
    types: str = "012",
    symbols: tuple[str, ...] = ("BTC-USD",),
) -> str:
    entries = "".join(f"269={each}\x01" for each in types)
    related = "".join(f"55={symbol}\x01" for symbol in symbols)
    return (
        f"262={name}\x01263={kind}\x01264={depth}\x01{more}267={len(types)}\x01{entries}"
        f"146={len(symbols)}\x01{related}"
    )


def code_of(told: list[str]) -> tuple[str, str, str]:
    (message,) = told
    fields = dict(each.partition("=")[::2] for each in message.split("\x01") if each)
    return fields["35"], fields.get("281", ""), fields["5001"]


@pytest.mark.parametrize(
    ("body", "reason", "code"),
    [
        (v(symbols=("NO-SUCH",)), "0", "1005"),
        (v(symbols=("BTC-USD", "NO-SUCH")), "0", "1005"),
        (v("x" * 37), "", "1013"),
        (v("umlaut-\xfc"), "", "1013"),
        (v("taken"), "1", "1070"),
        (v("unknown", kind="2"), "", "1071"),
        (v(symbols=SYMBOLS), "2", "1072"),
        (v(depth="6"), "5", "1073"),
        (v(depth="-1"), "5", "1073"),
        (v(depth="1" * 18), "5", "1073"),
        (v(depth="2", more="266=N\x01"), "5", "1073"),
        (v(depth="2", more="1021=1\x01"), "7", "1075"),
        (v(more="266=N\x011021=2\x01"), "7", "1075"),
        (v(more="266=Y\x011021=3\x01"), "7", "1075"),
        (v(types="4"), "8", "1076"),
        (v(types="0J"), "8", "1076"),
    ],
)
def test_what_cannot_be_is_refused_with_the_standards_reason_and_a_code(
    body: str, reason: str, code: str
) -> None:
    desk = Desk()
    desk.ask("V", v("taken"))
    assert code_of(desk.ask("V", body)) == ("Y", reason, code)
    assert desk.subscriber.subscriptions == 1
    assert len(desk.gallery) == 1


def test_a_limit_is_reached_before_it_refuses_and_its_refusal_says_both_figures() -> None:
    desk = Desk()
    for name in "abcd":
        assert len(desk.ask("V", v(name))) == 1
    (told,) = desk.ask("V", v("e"))
    assert "limit 4, requested 5" in told
    assert "5001=1072" in told
    (told,) = desk.ask("e", "324=s\x0155=BTC-USD\x01263=1\x01")
    assert told.startswith("35=j\x01")
    assert "limit 4, requested 5" in told
    desk.ask("V", v("a", kind="2"))
    assert desk.ask("e", "324=s\x0155=BTC-USD\x01263=1\x01")[0].startswith("35=f\x01")
    assert code_of(desk.ask("V", v("f", symbols=SYMBOLS[:2]))) == ("Y", "2", "1072")


def test_a_storm_of_subscriptions_leaves_nothing_behind() -> None:
    desk = Desk()
    for turn in range(20):
        desk.ask("V", v(f"n{turn}", depth=str(turn % 5), symbols=SYMBOLS[:2]))
        desk.ask("V", v(f"n{turn}", kind="2"))
    assert (desk.subscriber.subscriptions, len(desk.gallery)) == (0, 0)
    for turn in range(4):
        desk.ask("V", v(f"once{turn}", kind="0"))
    assert (desk.subscriber.subscriptions, len(desk.gallery)) == (0, 0)


def test_requests_above_the_rate_are_told_the_limit() -> None:
    desk = Desk()
    told = [desk.ask("x", "320=a\x01559=0\x0155=BTC-USD\x01")[0] for _ in range(60)]
    refused = [each for each in told if each.startswith("35=j")]
    assert 0 < len(refused) <= 10
    assert "380=8\x01" in refused[0]
    assert "1613=50\x01" in refused[0]


def test_those_who_ask_for_the_same_share_one_view_and_its_bytes() -> None:
    desk = Desk()
    desk.ask("V", v("a"))
    desk.ask("V", v("b"))
    assert len(desk.gallery) == 1
    desk.order(1, Side.BUY, 10_000, 5)
    first, second = desk.told()
    assert first.replace("262=a", "262=b") == second


def test_order_depth_tells_neither_who_nor_what_is_hidden() -> None:
    desk = Desk()
    desk.ask("V", v("m", more="266=N\x01"))
    desk.event(
        events.OrderAccepted,
        last=False,
        instrument=1,
        side=Side.SELL,
        price_ticks=10_000,
        order_id=77,
        order_type=1,
        time_in_force=2,
        status=2,
        quantity_lots=987_654,
        leaves_lots=987_654,
        display_lots=3,
        account=4711,
        trader=815,
        client_order_id=b"SECRET",
    )
    desk.level(Side.SELL, 10_000, 3, 1)
    (told,) = desk.told()
    assert "271=0.3\x0137=77\x01" in told
    for secret in ("SECRET", "4711", "815", "98765"):
        assert secret not in told


def test_a_slow_reader_gets_one_state_for_many_changes_and_a_whole_when_too_late() -> None:
    desk = Desk()
    book = ClientBook()
    (whole,) = desk.ask("V", v())
    book.take(whole)
    desk.order(1, Side.BUY, 10_000, 1)
    (update,) = desk.told()
    book.take(update)
    desk.subscriber.paused()
    for lots in (2, 3, 4):
        desk.level(Side.BUY, 10_000, lots, 1)
    assert desk.told() == []
    desk.subscriber.resumed()
    (merged,) = desk.told()
    assert merged.count("279=") == 1
    book.take(merged)
    assert book.best("0") == [("100.00", "0.4", 1)]
    assert book.sequence == 4
    desk.subscriber.paused()
    for lots in range(5, 15):
        desk.level(Side.BUY, 10_000, lots, 1)
    desk.subscriber.resumed()
    (again,) = desk.told()
    assert again.startswith("35=W\x01")
    book.take(again)
    assert book.best("0") == [("100.00", "1.4", 1)]


def test_what_changes_back_while_nobody_reads_is_not_told() -> None:
    desk = Desk()
    desk.ask("V", v())
    desk.subscriber.paused()
    desk.level(Side.BUY, 10_000, 1, 1)
    desk.level(Side.BUY, 10_000, 0, 0)
    desk.subscriber.resumed()
    assert desk.told() == []
    desk.level(Side.BUY, 10_000, 2, 1)
    (told,) = desk.told()
    assert "83=3\x01" in told
    assert "5061=0\x01" in told


def test_an_interval_gathers_what_changes_in_it() -> None:
    desk = Desk(interval_ms=250)
    desk.ask("V", v())
    assert desk.intervals == [250]
    desk.level(Side.BUY, 10_000, 1, 1)
    desk.level(Side.BUY, 10_000, 2, 1)
    desk.level(Side.SELL, 10_100, 2, 1)
    assert desk.told() == []
    desk.gallery.tick(250)
    (told,) = desk.told()
    assert told.count("279=0") == 2
    desk.gallery.tick(250)
    assert desk.told() == []
    desk.ask("V", v(kind="2"))
    assert not desk.gallery.has_views_at(250)


def test_a_full_refresh_tells_the_whole_each_time() -> None:
    desk = Desk()
    desk.ask("V", v(more="265=0\x01"))
    desk.level(Side.BUY, 10_000, 1, 1)
    desk.level(Side.BUY, 10_000, 2, 1)
    assert [each[:5] for each in desk.told()] == ["35=W\x01", "35=W\x01"]


def test_long_books_and_updates_come_in_several_messages() -> None:
    desk = Desk()
    for price in range(25):
        desk.level(Side.BUY, 10_000 + price, 1, 1)
    whole = desk.ask("V", v())
    assert [each.count("269=0") for each in whole] == [10, 10, 5]
    assert ["893=Y" in each for each in whole] == [False, False, True]
    book = ClientBook()
    for each in whole:
        book.take(each)
    assert len(book.levels) == 25
    assert book.is_complete


def test_orders_that_do_not_add_up_end_order_depth_and_nothing_else() -> None:
    desk = Desk()
    desk.ask("V", v("orders", more="266=N\x01"))
    desk.ask("V", v("levels"))
    desk.level(Side.BUY, 10_000, 5, 1)
    told = desk.told()
    assert sorted(each[:5] for each in told) == ["35=X\x01", "35=Y\x01"]
    assert "5001=1078" in next(each for each in told if each.startswith("35=Y"))
    assert code_of(desk.ask("V", v("o2", more="266=N\x01"))) == ("Y", "7", "1078")
    desk.level(Side.BUY, 10_000, 6, 1)
    assert [each[:5] for each in desk.told()] == ["35=X\x01"]


def test_a_missing_change_of_a_book_ends_the_process() -> None:
    desk = Desk()
    desk.level(Side.BUY, 10_000, 5, 1)
    desk.sequences[1] += 1
    with pytest.raises(BookGapError, match="book sequence 3 after 1"):
        desk.level(Side.BUY, 10_000, 6, 1)


def test_phases_and_the_kill_switch_are_told_to_who_asked() -> None:
    desk = Desk()
    (told,) = desk.ask("e", "324=s\x0155=BTC-USD\x01263=1\x01")
    assert "326=20" in told, "no phase is known"
    (told,) = desk.ask("g", "335=g\x01263=1\x01")
    assert "340=2" in told
    phase: dict[str, Any] = {
        "instrument": 1,
        "phase": Phase.HALTED,
        "reason": PhaseReason.PRICE_BAND,
    }
    desk.event(events.PhaseChanged, **phase)
    desk.event(events.PhaseChanged, **(phase | {"instrument": 2}))
    (told,) = desk.told()
    assert "326=2\x01" in told
    assert "325=Y" in told
    assert "58=PRICE_BAND" in told
    desk.event(events.Killed, scope=Scope.VENUE)
    (told,) = desk.told()
    assert "340=1" in told
    desk.subscriber.paused()
    desk.event(events.Resumed, scope=Scope.VENUE)
    desk.event(events.PhaseChanged, **(phase | {"phase": Phase.CLOSED}))
    assert desk.told() == []
    desk.subscriber.resumed()
    assert sorted(each[:4] for each in desk.told()) == ["35=f", "35=h"]
    assert desk.ask("g", "335=g\x01263=2\x01") == []
    desk.event(events.Killed, scope=Scope.VENUE)
    assert desk.told() == []
    (told,) = desk.ask("e", "324=nobody\x0155=BTC-USD\x01263=2\x01")
    assert "5001=1071" in told


def test_an_instrument_and_the_venue_may_be_watched_under_one_name() -> None:
    desk = Desk()
    desk.ask("e", "324=s\x0155=BTC-USD\x01263=1\x01")
    desk.ask("g", "335=s\x01263=1\x01")
    desk.event(events.Killed, scope=Scope.VENUE)
    desk.event(events.PhaseChanged, instrument=1, phase=Phase.CLOSED)
    halted, closed = desk.told()
    assert (halted[:4], closed[:4]) == ("35=h", "35=f")
    assert "340=1" in halted
    assert "326=18" in closed


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_its_words(phase: Phase) -> None:
    desk = Desk()
    desk.event(events.PhaseChanged, instrument=1, phase=phase)
    (told,) = desk.ask("e", "324=s\x0155=BTC-USD\x01263=0\x01")
    assert "326=20" not in told
    assert "625=" in told


def test_instruments_are_listed_with_their_units_and_bounds() -> None:
    desk = Desk()
    desk.event(
        events.InstrumentLimitsSet,
        instrument=2,
        price_ticks_min=1,
        price_ticks_max=1_000_000,
        quantity_lots_min=2,
        quantity_lots_max=500,
    )
    (told,) = desk.ask("x", "320=all\x01559=4\x01")
    assert "393=3\x01893=Y\x01146=3\x01" in told
    assert (
        "55=ETH-USD\x01969=0.01\x011148=0.01\x011149=10000.00\x01562=0.2\x011140=50.0\x01561=0.1\x0115=USD\x01"
        in told
    )
    (told,) = desk.ask("x", "320=none\x01559=0\x0155=NO-SUCH\x01")
    assert "560=2" in told
    (told,) = desk.ask("x", "320=bad\x01559=1\x01")
    assert "5001=1077" in told


def test_both_dialects_have_the_same_requests() -> None:
    for dialect in DIALECTS.values():
        standard, values = standard_of(dialect)
        grammar = Grammar(SOURCE, dialect, standard=standard, values=values)
        for kind in "Vxeg":
            assert grammar.is_offered(kind)
        assert not grammar.is_offered("D")
        assert grammar.is_of_other_sessions("D")
