"""Long mixed command streams from a seed: every kind, several instruments and firms, and trouble.

The flow looks at the events of the engine that it drives to find orders worth naming again, so it
is run on the reference engine; another engine is then given the same bytes::

    for command, events in Flow(seed).run(ReferenceEngine(), 10_000):
        assert other.apply(command) == events
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from messages.layout import Record, padded_text
from messages.trading import commands as c
from messages.trading import events as e
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id, source_number
from messages.trading.terms import GroupKind, Phase, Scope
from tests.property import quote_flow
from tests.property.correction_flow import Corrections
from tests.property.rfq_flow import RfqFlow
from venue.ports import Engine

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ASSETS = (1, 2, 3)
INSTRUMENTS = {1: (1, 2), 2: (3, 2), 3: (3, 1)}
FIRM_OF = {11: 1, 12: 1, 21: 2, 22: 2, 31: 3, 41: 4}
GROUP_OF = {11: 1, 12: 1, 21: 2, 22: 7, 31: 3, 41: 0}
SESSIONS = {1: (11, 12), 2: (21, 22), 3: (31,), 4: (41, 31), 5: (11,)}
SCHEDULES = {1: (100, 250), 2: (-50, 300), 3: (0, 50), 4: (999_999, 1_000_000)}
GATEWAYS = (3, 4)
MID = 1000

Coverage = Counter[tuple[str, str]]

Place = dict[str, Any]


class Flow:
    """A stream of commands, and what was reached by them.

    ``calm`` leaves out what makes trading rare (long kills, halts, closing), for runs that are
    after matching.
    """

    def __init__(self, seed: int, *, calm: bool = False) -> None:
        self.chance = random.Random(seed)
        self.calm = calm
        self.now_ns = START
        self.sequence = 0
        self.ids = 0
        self.references = 0
        self.source_sequences: Counter[int] = Counter()
        self.connections: dict[int, int] = {}
        self.last_connections: Counter[int] = Counter()
        self.live: list[Any] = []
        self.done: list[Any] = []
        self.used_ids: list[bytes] = []
        self.withdrawals: list[bytes] = []
        self.coverage: Coverage = Counter()
        self.granted: dict[tuple[int, int], int] = {}
        self.killed: list[tuple[int, int]] = []
        self.phases: dict[int, int] = {}
        self.mid = dict.fromkeys(INSTRUMENTS, MID)
        self.corrections = Corrections(self.chance, tuple(FIRM_OF))
        self.rfq = RfqFlow(
            self.chance,
            asker=self._asker,
            new_id=self._new_id,
            price=self._price,
        )

    def run(self, engine: Engine, count: int) -> Iterator[tuple[bytes, bytes]]:
        """Drive an engine with ``count`` commands after the set-up; yield commands and events."""
        for kind, fields in self._set_up():
            yield self._send(engine, kind, fields)
        for _ in range(count):
            self._let_time_pass()
            due = engine.next_deadline()
            if 0 < due <= self.now_ns:
                yield self._send(engine, c.AdvanceTime, {})
            draw = self.chance.random()
            if draw < 0.08:
                yield self._send_raw(engine, self._mass_quote())
            else:
                yield self._send(engine, *self._choose())

    def _let_time_pass(self) -> None:
        chance = self.chance
        if chance.random() < 0.3:
            lengths = (1000, 1_000_000, SECOND, 20 * SECOND, 20_000 * SECOND)
            self.now_ns += chance.randrange(chance.choices(lengths, (20, 20, 20, 5, 0.1))[0])

    def _send(self, engine: Engine, kind: type[Record], fields: Place) -> tuple[bytes, bytes]:
        self.sequence += 1
        values = {"received_at_ns": self.now_ns - 5} | fields
        record = kind.make(sequence=self.sequence, time_ns=self.now_ns, **values)
        return self._apply(engine, record.pack())

    def _send_raw(self, engine: Engine, record: bytes) -> tuple[bytes, bytes]:
        return self._apply(engine, record)

    def _apply(self, engine: Engine, data: bytes) -> tuple[bytes, bytes]:
        told = engine.apply(data)
        for event in e.EVENTS.unpack(told):
            self._observe(event)
        return data, told

    def _mass_quote(self) -> bytes:
        self.sequence += 1
        self.ids += 1
        chance = self.chance
        numbered = {"sequence": self.sequence, "time_ns": self.now_ns}
        head = self._from_source(self._asker()) | numbered
        entries = quote_flow.make_entries(chance, mid=self.mid, number=self.ids, now_ns=self.now_ns)
        kind = quote_flow.rarely(chance, GroupKind.MASS_QUOTE, (0, 2), 0.01)
        return quote_flow.packed_group(head, entries, kind)

    def _observe(self, event: Any) -> None:
        self.coverage.update((type(event).__name__, each) for each in _details_of(event))
        self.corrections.observe(event)
        self.rfq.observe(event)
        if isinstance(event, e.OrderAccepted):
            self.live.append(event)
        elif isinstance(event, e.OrderCancelled | e.OrderExpired):
            self._forget(event.order_id)
        elif isinstance(event, e.SessionOpened):
            self.connections[event.session] = event.connection
            self.last_connections[event.session] = event.connection
        elif isinstance(event, e.SessionClosed):
            self.connections.pop(event.session, None)
        elif isinstance(event, e.SessionGranted):
            self.granted[event.session, event.account] = event.rights
        elif isinstance(event, e.Killed):
            self.killed.append((event.scope, event.target))
        elif isinstance(event, e.Resumed):
            self.killed = [each for each in self.killed if each != (event.scope, event.target)]
        elif isinstance(event, e.PhaseChanged):
            self.phases[event.instrument] = event.phase
        elif isinstance(event, e.TradeExecuted):
            self.mid[event.instrument] = event.price_ticks
            for order_id, leaves in (
                (event.maker_order_id, event.maker_leaves_lots),
                (event.taker_order_id, event.taker_leaves_lots),
            ):
                if leaves == 0:
                    self._forget(order_id)

    def _forget(self, order_id: int) -> None:
        for place, order in enumerate(self.live):
            if order.order_id == order_id:
                self.done.append(self.live.pop(place))
                break
        del self.done[:-50]

    # What is sent first: a venue in which everything can happen.

    def _set_up(self) -> Iterator[tuple[type[Record], Place]]:
        yield c.CreateFirm, {"firm": 1, "name": padded_text("early", 32)}
        yield c.PlaceOrder, {"account": 11}
        yield c.AmendOrder, {"account": 11}
        yield c.CancelOrder, {"account": 11}
        yield c.MassCancel, {"account": 11}
        yield c.QueryOrder, {"account": 11}
        yield c.CancelQuotes, {"account": 11}
        yield self._configuration()
        for asset in ASSETS:
            symbol = padded_text(f"A{asset}", 16)
            values = {"asset": asset, "scale": 8, "supply_max_atoms": 1 << 58, "symbol": symbol}
            yield c.CreateAsset, values
        for schedule, (maker, taker) in SCHEDULES.items():
            rates = {"fee_schedule": schedule, "maker_ppm": maker, "taker_ppm": taker}
            yield c.DefineFeeSchedule, rates
        for instrument in INSTRUMENTS:
            yield self._instrument(instrument)
            yield self._instrument_limits(instrument, calm=True)
            yield c.ChangePhase, {"instrument": instrument, "phase": Phase.CONTINUOUS}
        for firm in sorted(set(FIRM_OF.values())):
            yield c.CreateFirm, {"firm": firm, "name": padded_text(f"F{firm}", 32)}
        for account in FIRM_OF:
            yield self._account(account)
            yield self._account_limits(account, calm=True)
            for asset in ASSETS:
                yield self._credit(account, asset, 1 << 44)
        yield self.corrections.keep(self.chance.choice((500, 500, 20)))
        for session, accounts in SESSIONS.items():
            for account in accounts:
                if FIRM_OF[account] == FIRM_OF[accounts[0]]:
                    yield self._grant(session, account, rights=7)
            yield self._open(session, self.last_connections[session] + 1)
        for account in (11, 21, 31):
            for group in quote_flow.GROUPS:
                yield quote_flow.protection(self.chance, account, group)

    def _configuration(self) -> tuple[type[Record], Place]:
        return c.ConfigureVenue, {
            "client_ids_max": self.chance.choice((400, 100, 60)),
            "references_max": self.chance.choice((20_000, 20_000, 20_000, 10)),
            "open_orders_max": self.chance.choice((150, 60)),
            "accounts_max": 7,
            "instruments_max": 4,
            "sessions_max": 6,
            "client_id_window_ns": self.chance.choice((SECOND, 30 * SECOND)),
            "indicative_interval_ns": self.chance.choice((0, SECOND)),
            "day_offset_ns": 3600 * SECOND,
        }

    def _instrument(self, instrument: int) -> tuple[type[Record], Place]:
        base, quote = INSTRUMENTS.get(instrument, (1, 2))
        return c.CreateInstrument, {
            "instrument": instrument,
            "base_asset": base,
            "quote_asset": quote,
            "fee_schedule": self.chance.choice((1, 2)),
            "lot_atoms": self.chance.choice((1, 10, 1000)),
            "tick_lot_atoms": self.chance.choice((1, 7, 100)),
            "tick_units": 1,
            "lot_units": 1,
            "symbol": padded_text(f"I{instrument}", 16),
        }

    def _account(self, account: int) -> tuple[type[Record], Place]:
        return c.CreateAccount, {
            "account": account,
            "firm": FIRM_OF.get(account, 1),
            "owner_group": GROUP_OF.get(account, 0),
            "account_kind": 1,
            "self_trade_prevention": self.chance.randint(1, 4),
            "name": padded_text(f"N{account}", 32),
        }

    # The rest, each by its weight.

    def _choose(self) -> tuple[type[Record], Place]:
        makers = (
            (self._place, 50),
            (self._amend, 14),
            (self._cancel, 9),
            (self._money, 5),
            (self.corrections.choose, 4),
            (self._query, 2),
            (self._check, 2),
            (self._mass_action, 0.7),
            (self._query_orders, 0.3),
            (self._mass_cancel, 1),
            (self._quoting, 3),
            (self._refusal, 1),
            (self._session, 0.3 if self.calm else 2),
            (self._limits, 3),
            (self._switch, 0.2 if self.calm else 1.5),
            (self._phase, 0.2 if self.calm else 2),
            (self._definition, 2),
            (self._oddity, 1),
            (self._negotiate, 6),
        )
        weights = [weight for _, weight in makers]
        (maker,) = self.chance.choices([each for each, _ in makers], weights)
        kind, fields = maker()
        return kind, self._from_source(fields)

    def _from_source(self, fields: Place) -> Place:
        """Give most commands a source; a few are repeats or of an older epoch."""
        chance = self.chance
        if "source" in fields or chance.random() < 0.2:
            return fields
        source = source_number(chance.choice(GATEWAYS), chance.randint(1, 3))
        self.source_sequences[source] += 1
        number = self.source_sequences[source]
        draw = chance.random()
        epoch = 2
        if draw < 0.004:
            number = max(number - 1, 0)
        elif draw < 0.006:
            epoch = 1
        return fields | {"source": source, "epoch": epoch, "source_sequence": number}

    def _asker(self, account: int | None = None) -> Place:
        """Choose who asks: mostly a session that may, on its live connection."""
        chance = self.chance
        pairs = [
            (session, owner)
            for (session, owner), rights in self.granted.items()
            if rights & 1 and account in {None, owner} and session in self.connections
        ]
        session, account = chance.choice(pairs) if pairs else (1, account or 11)
        connection = self.connections.get(session, self.last_connections[session])
        draw = chance.random()
        if draw < 0.005:
            session = chance.choice((0, 1, 2, 99))
        elif draw < 0.01:
            connection = chance.choice((0, connection - 1 if connection else 0, connection + 1))
        elif draw < 0.015:
            account = chance.choice((0, 11, 31, 77))
        return {"account": account, "session": session, "connection": connection}

    def _new_id(self) -> bytes:
        chance = self.chance
        draw = chance.random()
        if draw < 0.01 and self.used_ids:
            return chance.choice(self.used_ids)
        if draw < 0.015:
            return chance.choice(
                (bytes(40), b"\x01".ljust(40, b"\0"), b"x" * 40, b"a\0b" + bytes(37))
            )
        self.ids += 1
        identifier = client_id(f"id-{self.ids}")
        self.used_ids.append(identifier)
        del self.used_ids[:-100]
        return identifier

    def _price(self, instrument: int) -> int:
        chance = self.chance
        mid = self.mid.get(instrument, MID)
        draw = chance.random()
        if draw < 0.85:
            return max(1, mid + int(chance.gauss(0, 8)))
        if draw < 0.97:
            return max(1, mid + int(chance.gauss(0, 150)))
        return chance.choice((0, -5, 1, 5000, 1 << 50))

    def _lots(self) -> int:
        chance = self.chance
        if chance.random() < 0.98:
            return chance.randint(1, 100)
        return chance.choice((0, -1, 1, 10_000, 10_001, 1 << 61))

    def _rarely(self, chance_of: float, *values: int) -> int:
        """Return one of ``values`` now and then, else 0."""
        return self.chance.choice(values) if self.chance.random() < chance_of else 0

    def _place(self) -> tuple[type[Record], Place]:
        chance = self.chance
        instrument = chance.choice((1, 1, 1, 2, 2, 3)) if chance.random() < 0.995 else 9
        order_type = chance.choices((1, 2, 3, 4, 7), (75, 8, 8, 8, 1))[0]
        time_in_force = chance.choices((1, 2, 3, 4, 5, 0), (20, 40, 20, 8, 11, 1))[0]
        lots = self._lots()
        is_priced = order_type in {1, 4} or chance.random() < 0.02
        has_stop = order_type in {3, 4} or chance.random() < 0.01
        may_rest = time_in_force not in {3, 4}
        fields = {
            "instrument": instrument,
            "side": chance.choices((1, 2, 0), (50, 50, 0.5))[0],
            "order_type": order_type,
            "time_in_force": time_in_force,
            "self_trade_prevention": chance.choices((0, 1, 2, 3, 4, 5), (40, 9, 9, 9, 9, 0.3))[0],
            "order_flags": self._rarely(0.08 if may_rest else 0.01, 1, 1, 1, 1, 2, 4),
            "price_ticks": self._price(instrument) if is_priced else 0,
            "quantity_lots": lots,
            "stop_price_ticks": self._price(instrument) if has_stop else 0,
            "display_lots": self._rarely(
                0.15 if may_rest else 0.01, 1, 5, 10, max(lots // 3, 0), lots, lots + 1
            ),
            "minimum_lots": self._rarely(
                0.2 if time_in_force == 3 else 0.005, 1, 10, max(lots // 2, 0), lots, lots + 1
            ),
            "valid_until_ns": self._rarely(0.01, self.now_ns - 1, self.now_ns, self.now_ns + 9),
            "trader": chance.randrange(3),
            "client_order_id": self._new_id(),
        }
        if (time_in_force == 5) != (chance.random() < 0.01):
            fields["expire_at_ns"] = self.now_ns + chance.choice((0, 1, SECOND, 500 * SECOND))
        if chance.random() < (0.4 if order_type == 2 else 0.005):
            fields |= self._cash()
        return c.PlaceOrder, self._asker() | fields

    def _cash(self) -> Place:
        """Return what makes an order one of a cash quantity, mostly a valid one."""
        chance = self.chance
        amounts = (5_000, 50_000, 1_000_000, 20_000_000, 1, 1 << 61, -1, 1 << 62)
        return {
            "order_flags": 2 if chance.random() < 0.97 else chance.choice((0, 3)),
            "cash_atoms": chance.choices(amounts, (5, 20, 30, 20, 2, 1, 1, 1))[0],
            "quantity_lots": self._rarely(0.03, 5),
            "display_lots": 0,
            "minimum_lots": self._rarely(0.02, 1),
        }

    def _check(self) -> tuple[type[Record], Place]:
        _, fields = self._place()
        return c.CheckOrder, fields

    def _target(self) -> tuple[Place, Any]:
        """Choose an order to name, mostly an open one, by its number or by an id."""
        chance = self.chance
        draw = chance.random()
        pool = self.live if draw < 0.9 else self.done
        if not pool or draw > 0.99:
            return self._asker() | {"order_id": chance.choice((0, 10**9))}, None
        order = chance.choice(pool)
        fields = self._asker(order.account if order.account in FIRM_OF else None)
        if chance.random() < 0.5:
            fields["order_id"] = order.order_id
        else:
            fields["original_client_order_id"] = order.client_order_id
        fields["instrument"] = 0 if chance.random() < 0.5 else order.instrument
        if chance.random() < 0.02:
            fields["instrument"] = chance.choice((1, 2, 9))
        fields["side"] = chance.choice((0, order.side)) if chance.random() < 0.98 else 1
        return fields, order

    def _amend(self) -> tuple[type[Record], Place]:
        chance = self.chance
        fields, order = self._target()
        instrument = order.instrument if order is not None else 1
        lots = order.quantity_lots if order is not None else 10
        changes: Place = {}
        if chance.random() < 0.55:
            change = chance.choice((-lots // 2, -1, 1, 5, lots, 0, -lots + 1))
            changes["quantity_lots"] = lots + change
        if chance.random() < 0.4:
            changes["price_ticks"] = self._price(instrument)
        if chance.random() < 0.08:
            changes["stop_price_ticks"] = self._price(instrument)
        if chance.random() < 0.1:
            changes["display_lots"] = chance.choice((1, 5, lots // 2, lots, lots + 100))
        if chance.random() < 0.05:
            changes["expire_at_ns"] = self.now_ns + chance.choice((0, SECOND, 99 * SECOND))
        if chance.random() < 0.01:
            changes["valid_until_ns"] = self.now_ns - 1
        if chance.random() < 0.9:
            changes["client_order_id"] = self._new_id()
        return c.AmendOrder, fields | changes

    def _cancel(self) -> tuple[type[Record], Place]:
        fields, _ = self._target()
        if self.chance.random() < 0.8:
            fields["client_order_id"] = self._new_id()
        return c.CancelOrder, fields

    def _query(self) -> tuple[type[Record], Place]:
        fields, _ = self._target()
        if "original_client_order_id" in fields:
            fields["client_order_id"] = fields.pop("original_client_order_id")
        return c.QueryOrder, fields | {"request_id": client_id("query")}

    def _mass_cancel(self) -> tuple[type[Record], Place]:
        chance = self.chance
        return c.MassCancel, self._asker() | {
            "scope": chance.choices((2, 3, 4, 1), (1, 3, 3, 0.3))[0],
            "side": chance.choices((0, 1, 2, 3), (5, 1, 1, 0.3))[0],
            "instrument": chance.choices((0, 1, 2, 9), (5, 2, 1, 0.3))[0],
            "client_order_id": self._new_id() if chance.random() < 0.8 else bytes(40),
        }

    def _quoting(self) -> tuple[type[Record], Place]:
        chance = self.chance
        account = chance.choice((11, 12, 21, 31))
        draw = chance.random()
        if draw < 0.25:
            return quote_flow.protection(chance, account, chance.choice(quote_flow.GROUPS))
        if draw < 0.35:
            return quote_flow.bent_protection(chance, account)
        if draw < 0.4:  # until the account has no room for more
            return quote_flow.protection(chance, 31, chance.randint(1, 120))
        return quote_flow.request(chance, self._asker())

    def _mass_action(self) -> tuple[type[Record], Place]:
        chance = self.chance
        _, fields = self._mass_cancel()
        suspends = 0.3 if self.calm else 4
        actions = ((1, 2, 3, 0, 4), (suspends, 8, 0.3, 0.2, 0.2))
        if chance.random() < 0.2:  # many of one target
            fields |= {"instrument": chance.randrange(4), "side": chance.randrange(3)}
        return c.MassAction, fields | {"action": chance.choices(*actions)[0]}

    def _query_orders(self) -> tuple[type[Record], Place]:
        _, fields = self._mass_cancel()
        fields.pop("client_order_id")
        after = self._rarely(0.3, *(order.order_id for order in self.live[-3:]), 1 << 63)
        return c.QueryOrders, fields | {"after_order_id": after, "request_id": client_id("list")}

    def _refusal(self) -> tuple[type[Record], Place]:
        return c.RecordRefusal, self._asker() | {
            "refused_kind": 1,
            "code": RejectCode.GATEWAY_PRICE_OFF_TICK,
            "instrument": 1,
            "client_order_id": self._new_id(),
            "text": padded_text("price is off tick", 96),
        }

    def _reference(self) -> bytes:
        chance = self.chance
        draw = chance.random()
        if draw < 0.03:
            return chance.choice((bytes(40), b"y" * 40))
        if draw < 0.06 and self.references:
            return client_id(f"ref-{chance.randint(1, self.references)}")
        self.references += 1
        return client_id(f"ref-{self.references}")

    def _credit(self, account: int, asset: int, amount: int) -> tuple[type[Record], Place]:
        self.references += 1
        reference = client_id(f"ref-{self.references}")
        values = {"account": account, "asset": asset, "amount_atoms": amount}
        return c.Credit, values | {"reference": reference}

    def _money(self) -> tuple[type[Record], Place]:
        chance = self.chance
        account = chance.choice(tuple(FIRM_OF)) if chance.random() < 0.98 else 99
        kind = chance.choice(
            (
                c.Credit,
                c.Debit,
                c.AdjustBalance,
                c.ReserveWithdrawal,
                c.CommitWithdrawal,
                c.ReleaseWithdrawal,
            )
        )
        if kind in {c.CommitWithdrawal, c.ReleaseWithdrawal}:
            reference = self._reference()
            if self.withdrawals and chance.random() < 0.9:
                reference = self.withdrawals.pop(chance.randrange(len(self.withdrawals)))
                if chance.random() < 0.1:
                    self.withdrawals.append(reference)  # once more, later
            return kind, {"account": chance.choice((0, 0, account)), "reference": reference}
        fields: Place = {
            "account": account,
            "asset": chance.choice(ASSETS) if chance.random() < 0.98 else 9,
            "amount_atoms": chance.choice((1, 1000, 1 << 30, 1 << 40, 1 << 59, 0, -1, 1 << 62)),
            "reference": self._reference(),
        }
        if kind is c.ReserveWithdrawal:
            self.withdrawals.append(fields["reference"])
        if kind is c.AdjustBalance:
            operators = {"operator": 1, "approver": chance.choice((2, 2, 2, 0, 1))}
            fields |= operators | {"cause": chance.choice((7, 7, 8, 8, 9, 9, 0, 1, 10, 255))}
        return kind, fields

    def _open(self, session: int, connection: int) -> tuple[type[Record], Place]:
        source = source_number(GATEWAYS[session % 2], 100 + session)
        self.source_sequences[source] += 1
        fields: Place = {
            "session": session,
            "connection": connection,
            "source": source,
            "epoch": 1,
            "source_sequence": self.source_sequences[source],
        }
        if self.chance.random() < 0.5:
            return c.OpenSession, fields
        return c.OpenSessionOnTerms, fields | {
            "cancel_on_disconnect": self.chance.choice((0, 1, 1, 2, 3)),
            "disconnect_grace_ns": self.chance.choice((0, 0, 5 * SECOND, -1)),
        }

    def _grant(self, session: int, account: int, *, rights: int) -> tuple[type[Record], Place]:
        return c.GrantSession, {
            "account": account,
            "session": session,
            "rights": rights,
            "firm": FIRM_OF.get(account, 1),
            "cancel_on_disconnect": self.chance.choice((0, 1, 2)),
            "disconnect_grace_ns": self.chance.choice((0, 0, 5 * SECOND)),
            "name": padded_text(f"S{session}", 32),
        }

    def _session(self) -> tuple[type[Record], Place]:
        chance = self.chance
        closed = [each for each in SESSIONS if each not in self.connections]
        if closed and chance.random() < 0.8:
            session = chance.choice(closed)
            return self._open(session, self.last_connections[session] + 1)
        session = chance.choice((*SESSIONS, 77))
        connection = self.connections.get(session, 0)
        draw = chance.random()
        if draw < 0.35:
            graceful = chance.randrange(2)
            chosen = connection if chance.random() < 0.9 else connection + 7
            return c.CloseSession, {
                "session": session,
                "connection": chosen,
                "graceful": graceful,
            }
        if draw < 0.5:
            return c.LinkLost, {"principal": chance.choice(GATEWAYS)}
        if draw < 0.75:
            number = max(self.last_connections[session] + chance.choice((0, 1, 1, 5)), 0)
            return self._open(session, number)
        account = chance.choice((*FIRM_OF, 99))
        kind, fields = self._grant(
            session, account, rights=chance.choice((7, 7, 7, 3, 3, 1, 1, 2, 0, 8))
        )
        if chance.random() < 0.1:
            fields["firm"] = chance.choice((1, 2, 99))
        if chance.random() < 0.05:
            fields["session"] = chance.choice((0, 6, 7, 8))
        return kind, fields

    def _account_limits(self, account: int, *, calm: bool) -> tuple[type[Record], Place]:
        chance = self.chance
        is_slow = not calm and chance.random() < 0.3
        return c.SetAccountLimits, {
            "account": account,
            "open_orders_max": 40 if calm else chance.choice((40, 40, 5, 0)),
            "message_burst": 3 if is_slow else 0,
            "message_interval_ns": chance.choice((SECOND, 1_000_000, -1)) if is_slow else 0,
        }

    def _instrument_limits(self, instrument: int, *, calm: bool) -> tuple[type[Record], Place]:
        chance = self.chance
        fields = {
            "instrument": instrument,
            "orders_max": 100 if calm else chance.choice((100, 100, 4)),
            "price_ticks_min": 1,
            "price_ticks_max": 4000,
            "quantity_lots_min": 1,
            "quantity_lots_max": 10_000,
            "notional_min_atoms": 0 if calm else chance.choice((0, 5000)),
            "notional_max_atoms": 0 if calm else chance.choice((0, 0, 5_000_000)),
            "display_lots_min": chance.choice((0, 5)),
            "reference_ticks": chance.choice((MID, 0)) if not calm or instrument != 3 else 0,
            "collar_ppm": chance.choice((0, 100_000, 300_000)),
            "protection_ppm": chance.choice((0, 10_000, 200_000)),
            "band_ppm": chance.choice((0, 0, 20_000, 50_000)),
            "band_window_ns": 60 * SECOND,
            "halt_ns": 5 * SECOND,
            "auction_ns": 5 * SECOND,
        }
        if not calm and chance.random() < 0.1:
            fields |= chance.choice(
                (
                    {"price_ticks_min": 0},
                    {"quantity_lots_max": 0},
                    {"price_ticks_max": 1 << 61},
                    {"halt_ns": 0, "band_ppm": 1},
                    {"reference_ticks": 9999},
                )
            )
        return c.SetInstrumentLimits, fields

    def _limits(self) -> tuple[type[Record], Place]:
        chance = self.chance
        draw = chance.random()
        account = chance.choice((*FIRM_OF, *FIRM_OF, 99))
        if draw < 0.3:
            return self._account_limits(account, calm=chance.random() < 0.6)
        if draw < 0.55:
            instrument = chance.choice((1, 2, 3, 1, 2, 3, 9))
            return self._instrument_limits(instrument, calm=chance.random() < 0.6)
        if draw < 0.7:
            return c.AssignFeeSchedule, {
                "account": account,
                "instrument": chance.choice((0, 1, 2, 9)),
                "fee_schedule": chance.choice((1, 2, 3, 4, 99)),
            }
        return c.SetAssetLimits, {
            "account": account,
            "asset": chance.choice((*ASSETS, *ASSETS, 9)),
            "credit_line_atoms": chance.choice((0, 0, 1 << 20, 1 << 40, -1, 1 << 61)),
            "position_max_atoms": chance.choice((0, 0, 0, 1 << 45, 1 << 20)),
        }

    def _switch(self) -> tuple[type[Record], Place]:
        chance = self.chance
        if self.killed and chance.random() < 0.8:
            scope, target = chance.choice(self.killed)
            return c.Resume, {"scope": scope, "target": target}
        scope = chance.choices((1, 2, 3, 4, 5, 9), (1, 2, 2, 2, 2, 0.3))[0]
        targets: dict[int, tuple[int, ...]] = {
            Scope.VENUE: (0, 0, 0, 5),
            Scope.FIRM: (1, 2, 3, 99),
            Scope.ACCOUNT: (*FIRM_OF, 99),
            Scope.SESSION: (*SESSIONS, 99),
            Scope.INSTRUMENT: (*INSTRUMENTS, 99),
        }
        fields = {"scope": scope, "target": chance.choice(targets.get(scope, (0,)))}
        if chance.random() < 0.5:
            return c.Kill, fields | {"cancel_orders": chance.randrange(2)}
        return c.Resume, fields

    def _phase(self) -> tuple[type[Record], Place]:
        chance = self.chance
        away = [each for each, phase in self.phases.items() if phase != Phase.CONTINUOUS]
        if away and chance.random() < 0.6:
            return c.ChangePhase, {"instrument": chance.choice(away), "phase": Phase.CONTINUOUS}
        weights = (1, 3, 2, 1, 0.5, 0.3)
        phase = chance.choices((1, 2, 3, 4, 5, 9), weights)[0]
        until = 0
        if phase in {2, 4} and chance.random() < 0.7:
            until = self.now_ns + chance.choice((SECOND, 10 * SECOND))
        elif chance.random() < 0.03:
            until = self.now_ns
        instrument = chance.choice((*INSTRUMENTS, *INSTRUMENTS, 9))
        return c.ChangePhase, {"instrument": instrument, "phase": phase, "until_ns": until}

    def _definition(self) -> tuple[type[Record], Place]:
        chance = self.chance
        draw = chance.random()
        if draw < 0.2:
            kind, fields = self._configuration()
            if chance.random() < 0.1:
                fields["day_offset_ns"] = -1
            return kind, fields
        if draw < 0.4:
            kind, fields = self._instrument(chance.choice((0, 1, 4, 5)))
            if chance.random() < 0.5:
                fields |= chance.choice(
                    (
                        {"base_asset": 9},
                        {"fee_schedule": 99},
                        {"lot_atoms": 0},
                        {"symbol": bytes(16)},
                    )
                )
            return kind, fields
        if draw < 0.6:
            kind, fields = self._account(chance.choice((0, 11, 51, 52)))
            if chance.random() < 0.5:
                fields |= chance.choice(({"firm": 99}, {"account_kind": 7}))
            return kind, fields
        if draw < 0.75:
            firm = chance.choice((0, 1, *range(5, 30)))
            name = chance.choice((firm, firm, firm, 1))  # now and then one that is in use
            return c.CreateFirm, {"firm": firm, "name": padded_text(f"F{name}", 32)}
        if draw < 0.9:
            asset = chance.choice((0, 1, *range(4, 14)))
            return c.CreateAsset, {
                "asset": asset,
                "scale": chance.choice((8, 8, 8, 19)),
                "supply_max_atoms": chance.choice((1 << 58, 1 << 58, 0)),
                "symbol": padded_text(f"A{asset}", 16),
            }
        return c.DefineFeeSchedule, {
            "fee_schedule": chance.choice((0, 1, *range(5, 25))),
            "maker_ppm": chance.choice((0, 10, -50, -60, -2_000_000)),
            "taker_ppm": chance.choice((50, 60, 49)),
        }

    def _negotiate(self) -> tuple[type[Record], Place]:
        return self.rfq.next(self.now_ns)

    def _oddity(self) -> tuple[type[Record], Place]:
        chance = self.chance
        draw = chance.random()
        if draw < 0.4:
            return c.ActivateRules, {"rules": chance.choice((1, 2))}
        return c.AdvanceTime, {}


def _details_of(event: Any) -> Iterator[str]:
    if isinstance(event, e.MassQuoteAcknowledged):
        for outcome in e.QuoteOutcome.unpack(event.outcomes)[: event.count]:
            yield RejectCode(outcome.code).name
    if hasattr(event, "code"):
        yield RejectCode(event.code).name
    elif hasattr(event, "reason"):
        yield str(event.reason)
    else:
        yield ""
