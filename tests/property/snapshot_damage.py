"""Damaged snapshots: every record left out, doubled, exchanged, emptied, every field at its edges.

Whatever an engine takes over of these must be a state that it can write down again, byte for byte,
and that survives any commands.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

from messages.layout import Field, Record
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.identity import client_id
from messages.trading.terms import (
    MassActionType,
    OrderFlag,
    OrderType,
    Phase,
    Scope,
    TimeInForce,
)
from tests.property.flow import Flow
from tests.property.quote_flow import records_of
from tests.unit.engine.negotiation import Negotiation
from tests.unit.engine.quoting import QuotingMarket, entry
from tests.unit.engine.scenario import ALAN, ALICE, BASE, BOB, BOOK, CAROL, QUOTE, SECOND, Market
from venue.ports import Engine
from venue.reference.engine import ReferenceEngine
from venue.reference.state_records import STATE, EndRecord

EDGES = (0, 1, 2, 3, 4, 5, 7, 9, 100, 1_000_000, 1 << 31, (1 << 61), (1 << 62) - 1, 1 << 62)
SIGNED = (-1, -(1 << 61), -(1 << 62))
COUNTERS = {
    "last_sequence",
    "last_event",
    "last_order_id",
    "last_trade_id",
    "last_arrival",
    "book_sequence",
}
"""Their bound is where nobody comes; the last number before it is no state to go on from."""
NUMBERING = struct.Struct("<Qq")
NUMBERING_AT = 8
SPAN = 40
"""How many deadlines a run is let through at its end."""


class CrowdedMarket(Negotiation, QuotingMarket):
    """A market in which everything can happen."""


class Damage(NamedTuple):
    """A snapshot that is not what was written, and in what way."""

    what: str
    data: bytes


class Case(NamedTuple):
    """A snapshot, and commands that came after it."""

    snapshot: bytes
    tail: list[bytes]


def crowded_case() -> Case:
    """Return a market with something of everything, and then a change of all of it."""
    market = CrowdedMarket(maker_ppm=-10, taker_ppm=777, collar_ppm=900_000)
    market.configure(indicative_interval_ns=SECOND, client_id_window_ns=3 * SECOND)
    market.send(c.DefineFeeSchedule, fee_schedule=2, maker_ppm=20, taker_ppm=500)
    market.send(c.AssignFeeSchedule, account=BOB, instrument=BOOK, fee_schedule=2)
    market.create_instrument(2)
    market.limit(
        instrument=2, band_ppm=100_000, band_window_ns=1, halt_ns=SECOND, auction_ns=SECOND
    )
    market.create_instrument(3)
    market.send(c.KeepTrades, trades_max=4)
    market.grant(ALICE, cancel_on_disconnect=1, disconnect_grace_ns=5 * SECOND)
    for account, line in ((BOB, 1 << 50), (CAROL, 7)):
        market.send(c.SetAssetLimits, account=account, asset=BASE, credit_line_atoms=line)
    owned = market.balance(BOB, BASE)[0]
    money = {"account": BOB, "asset": BASE, "amount_atoms": owned}
    market.send(c.Debit, **money, reference=client_id("out"))
    market.send(c.SetAssetLimits, account=CAROL, asset=QUOTE, position_max_atoms=1 << 60)
    market.send(c.SetAccountLimits, account=BOB, open_orders_max=50, message_burst=90)
    for number, reference in enumerate(("w1", "w2", "w3")):
        money = {"account": CAROL, "asset": BASE, "amount_atoms": 5 + number}
        market.send(c.ReserveWithdrawal, **money, reference=client_id(reference))
    market.send(c.CommitWithdrawal, reference=client_id("w2"))
    _place_orders(market)
    _place_quotes(market)
    market.send(c.SetAssetLimits, account=BOB, asset=BASE)  # below what is used
    market.phase(Phase.CALL_AUCTION, until_ns=market.now_ns + 60 * SECOND, instrument=2)
    market.place(instrument=2, side=1, price_ticks=101, quantity_lots=5)
    market.place(instrument=2, side=2, price_ticks=99, quantity_lots=3, account=BOB)
    market.later(SECOND)
    _undo_trades(market)
    market.mass_quote(entry((1, 100), name="done"), account=CAROL)
    market.sell(1, at=100)
    assert isinstance(market.records[-2], e.TradeExecuted)
    _ask_and_quote(market)
    pause = client_id("pause")
    market.mass_action(
        MassActionType.SUSPEND, Scope.ACCOUNT, account=CAROL, instrument=3, client_order_id=pause
    )
    market.kill(Scope.FIRM, 3)
    market.open_on_terms(2, connection=2, mode=2, grace_ns=SECOND)
    market.open_on_terms(2, connection=3, mode=1, grace_ns=3 * SECOND)
    market.close(1)
    snapshot = market.engine.snapshot()
    return Case(snapshot, _later(market))


def _ask_and_quote(market: Negotiation) -> None:
    """Leave two open requests: one with two quotes, one with a bid alone."""
    market.ask(5)
    request = market.number()
    market.quote(request, 98, 110, account=CAROL)
    market.quote(request, 97, 109, expire_at_ns=market.now_ns + 9 * SECOND)
    market.ask(7, account=BOB, side=2)
    market.quote(market.number(), 99, account=CAROL)


def _place_orders(market: Market) -> None:
    market.buy(1, at=90, account=CAROL)
    market.cancel(1, account=CAROL)
    market.sell(1_000_000, at=150, account=BOB)
    market.sell(10, at=105, display_lots=4)
    market.sell(3, at=105, account=CAROL)
    market.sell(9, at=105, account=CAROL, display_lots=2)
    market.buy(6, at=105, account=BOB)
    market.buy(5, at=99, account=BOB, time_in_force=TimeInForce.DAY)
    market.buy(5, at=99, account=CAROL, order_flags=OrderFlag.POST_ONLY)
    dated = {
        "time_in_force": TimeInForce.GOOD_TILL_DATE,
        "expire_at_ns": market.now_ns + 9 * SECOND,
    }
    market.buy(5, at=98, account=BOB, **dated)
    market.sell(5, at=107, **dated)
    for account in (BOB, CAROL):
        stop = {"order_type": OrderType.STOP, "stop_price_ticks": 120, "account": account}
        market.buy(5, **stop)
        market.buy(5, **stop, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL, minimum_lots=2)
        limited = {"order_type": OrderType.STOP_LIMIT, "stop_price_ticks": 90, "account": account}
        market.sell(5, at=88, **limited, display_lots=2)
    market.amend(7, account=BOB, quantity_lots=4, client_order_id=client_id("amended"))
    market.mass_cancel(Scope.SESSION, account=CAROL, side=2, client_order_id=client_id("mass"))
    market.sell(9, at=105, account=CAROL, display_lots=2)


def _undo_trades(market: Market) -> None:
    """Correct a trade, and bust one whose seller has spent what it brought."""
    market.buy(4, at=100, account=CAROL)
    market.sell(2, at=100, account=ALAN)
    market.sell(1, at=100, account=ALAN)
    trades = [each for each in market.history if isinstance(each, e.TradeExecuted)]
    named = ("trade_id", "instrument", "price_ticks", "quantity_lots")
    two = {"operator": 1, "approver": 2}
    corrected, busted = (
        {name: getattr(each, name) for name in (*named, "maker_account", "taker_account")} | two
        for each in trades[-2:]
    )
    spent = {"account": ALAN, "asset": QUOTE, "amount_atoms": market.balance(ALAN, QUOTE)[0]}
    market.send(c.Debit, **spent, reference=client_id("spent"))
    new = {"new_price_ticks": 101, "new_quantity_lots": 1}
    market.send(c.CorrectTrade, **corrected, **new, reference=client_id("corrected"))
    market.send(c.BustTrade, **busted, reference=client_id("busted"))
    market.sell(1, at=100)


def _place_quotes(market: QuotingMarket) -> None:
    """Let groups count, and be frozen for a time, and until they are reset."""
    for group, ask, frozen_ns in ((2, 90, 20 * SECOND), (3, 91, 0), (1, 92, 0)):
        most = 9 if group == 1 else 1
        market.protect(group, account=CAROL, trades_max=most, frozen_ns=frozen_ns)
        quote = entry((5, 80 - group), (5, ask), name=f"e{group}", protection_group=group)
        market.mass_quote(quote | {"quote_flags": 7}, account=CAROL)
        market.buy(2, at=ask, account=BOB)
    market.protect(1, quantity_max_atoms=1 << 40, quote_asset=0)
    market.mass_quote(
        entry((2, 70), (2, 140)), entry(None, (3, 141), name="e9", protection_group=1)
    )


def _later(market: CrowdedMarket) -> list[bytes]:
    """Amend, trigger, trade, move and let go of everything; return the commands."""
    before = len(market.journal)
    market.resume(Scope.FIRM, 3)
    market.open(1, connection=2)
    for account, connection in ((ALICE, 2), (CAROL, 1)):
        at = {"account": account, "connection": connection}
        market.mass_quote(entry((1, 70), (1, 130)), entry((4, 79), (4, 92), name="e1"), **at)
        market.sell(1, at=70, account=BOB)
        market.reset(3, **at)
        market.report(0, **at)
        market.cancel_quotes(4, instrument=BOOK, entry_id=client_id("e1"), **at)
    for account, connection in ((ALICE, 2), (BOB, 1), (CAROL, 1)):
        for order in range(1, market.ids + 2):
            at = {"account": account, "connection": connection}
            market.amend(order, **at, quantity_lots=7)
            market.amend(order, **at, expire_at_ns=market.now_ns + 30 * SECOND)
            market.amend(order, **at, stop_price_ticks=119, price_ticks=0)
            market.query(order, **at)
    for account in (BOB, CAROL):
        market.buy(40, at=125, account=account)
        market.sell(40, at=85, account=account)
        market.buy(9, at=125, account=account, time_in_force=TimeInForce.FILL_OR_KILL)
    market.limit(price_ticks_max=2_000_000)
    for quote in range(60):
        market.accept(quote, 1 + quote % 2, connection=2)
    market.ask_what_is_open(account=CAROL)
    market.withdraw(account=CAROL)
    market.send(c.SetAssetLimits, account=CAROL, asset=BASE, credit_line_atoms=1 << 61)
    market.phase(Phase.CALL_AUCTION, until_ns=market.now_ns + SECOND)
    market.buy(9, at=110, account=CAROL)
    market.sell(9, at=100, account=BOB)
    market.later(10 * SECOND)
    market.send(c.ReleaseWithdrawal, reference=client_id("w1"))
    market.close(2)
    market.mass_cancel(Scope.FIRM, account=CAROL)
    market.later(100 * SECOND)
    market.phase(Phase.CLOSED)
    return commands_of(bytes(market.journal[before:]))


def commands_of(journal: bytes) -> list[bytes]:
    """Divide bytes into commands; a group is one."""
    found, at = [], 0
    while at < len(journal):
        size = c.whole_command(journal, at)
        found.append(journal[at : at + size])
        at += size
    return found


def flow_case(chance: random.Random, count: int, tail: int) -> Case:
    """Return a snapshot from the middle of a flow, and the commands after it."""
    engine = ReferenceEngine()
    stream = Flow(chance.getrandbits(32), calm=chance.random() < 0.5).run(engine, count + tail)
    snapshot, rest = b"", []
    for step, (command, _) in enumerate(stream):
        if step == count:
            snapshot = engine.snapshot()
        elif step > count:
            rest.append(command)
    return Case(snapshot, rest)


def damages(snapshot: bytes) -> Iterator[Damage]:
    """Yield every damage there is to a snapshot: by record, and by field."""
    records = list(STATE.unpack(snapshot))
    for place in range(len(records) - 1):
        yield from _to_record(records, place)
        for field in records[place].FIELDS:
            yield from _to_field(records, place, field)


def some_damages(chance: random.Random, snapshot: bytes, count: int) -> Iterator[Damage]:
    """Yield as many damages, of all kinds of records alike."""
    records = list(STATE.unpack(snapshot))
    places: dict[type[Record], list[int]] = {}
    for place, record in enumerate(records[:-1]):
        places.setdefault(type(record), []).append(place)
    for _ in range(count):
        place = chance.choice(chance.choice(list(places.values())))
        if chance.random() < 0.2:
            found = list(_to_record(records, place))
        else:
            found = list(_to_field(records, place, chance.choice(records[place].FIELDS)))
        if found:
            yield chance.choice(found)


def _to_record(records: list[Record], place: int) -> Iterator[Damage]:
    record = records[place]
    name = f"{type(record).__name__} {place}"
    before, after = records[:place], records[place + 1 :]
    yield Damage(f"{name} left out", _joined([*before, *after]))
    yield Damage(f"{name} doubled", _joined([*before, record, record, *after]))
    if len(after) > 1:
        yield Damage(f"{name} exchanged", _joined([*before, after[0], record, *after[1:]]))
    empty = record.make(**{name: getattr(record, name) for name in ("length", "kind", "version")})
    yield Damage(f"{name} emptied", _joined([*before, empty, *after]))


def _to_field(records: list[Record], place: int, field: Field) -> Iterator[Damage]:
    record, (name, code, _, size) = records[place], field
    present = getattr(record, name)
    values = {getattr(each, name) for each in records if type(each) is type(record)}
    if code.endswith("s"):
        values |= {bytes(size), b"\xff" * size, present[1:] + b"\0", b"new".ljust(size, b"\0")}
    else:
        span = 1 << 8 * size
        low = -span // 2 if code.islower() else 0
        values |= {present + 1, present - 1, low + span - 1, *EDGES, *SIGNED}
        values = {each for each in values if low <= each < low + span}
    if name in COUNTERS:
        values -= {(1 << 62) - 1}
    whole = b"".join(each.pack() for each in records)
    at = sum(each.LENGTH for each in records[:place]) + field.offset
    for value in sorted(values - {present}):
        data = bytearray(whole)
        struct.pack_into("<" + code, data, at, value)
        yield Damage(f"{type(record).__name__} {place}: {name} = {value!r}", bytes(data))


def _joined(records: list[Record]) -> bytes:
    """Return the records' bytes, their end counting them."""
    end = EndRecord.make(records=len(records) - 1)
    return b"".join(each.pack() for each in (*records[:-1], end))


class Numbered:
    """Gives commands to an engine wherever it stands, numbered and stamped as it needs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def next(self, command: bytes) -> bytes:
        """Return the command with the engine's next number, and a stamp that does not go back."""
        numbered = bytearray(command)
        _, time_ns = NUMBERING.unpack_from(numbered, NUMBERING_AT)
        time_ns = max(time_ns, self.engine.last_time_ns)
        for at, _ in records_of(command):  # all records of a group have its number
            NUMBERING.pack_into(numbered, at + NUMBERING_AT, self.engine.last_sequence + 1, time_ns)
        return bytes(numbered)

    def commands(self, tail: list[bytes]) -> Iterator[bytes]:
        """Yield the tail, and then what lets time pass over what is due; each must be applied."""
        for command in tail:
            yield self.next(command)
        for _ in range(SPAN):
            due = self.engine.next_deadline()
            if due == 0 or due >= 1 << 62:
                return
            yield self.next(c.AdvanceTime.make(time_ns=due).pack())
