"""What a report costs in the gateway's publisher: translated, numbered, stored by QuickFIX.

No network and no core: events made here go through a real ``Publisher`` into real QuickFIX stores,
on one thread. Processor time, so that a busy machine disturbs little; the best of the rounds.
Beside it what a trade costs that concerns no session, in deliveries of some trades: two orders, the
trade itself and two levels of the book, which is what a venue's other people do all day.

``--stored N`` sends N messages to one session instead, and says how the process grew with them and
what one cost with the cuts of its store, which are made after every thousandth message here and by
the second in a gateway. ``--resend-messages`` is ``[fix] resend_messages``: a number above N shows
a store that is never cut.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry

from bench import settlement
from fix_gateway.acceptor import FixAcceptor
from fix_gateway.bridge import Bridge
from fix_gateway.dialects.names import FIX_44
from fix_gateway.dictionary import compose_dictionaries
from fix_gateway.metrics import Metrics
from fix_gateway.progress import Progress
from fix_gateway.publisher import Publisher
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import Doors, GatewaySettings, SessionFile
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.signing import Signer
from fix_gateway.translation.directory import Directory
from messages.layout import padded_text
from messages.trading import events
from messages.trading.identity import client_id
from messages.trading.terms import OrderStatus, OrderType, SessionRight, Side, TimeInForce
from runtime.link_frames import EventBatch

_DICTIONARIES = Path(__file__).parents[1] / "sessions" / "dictionary"
_NAMES = {1: "MAKER", 2: "TAKER", 3: "COPY"}
_STEP = 1000
_OTHERS = 500
"""Accounts of nobody here, some of which have numbers of ours."""
_DELIVERY_TRADES = 50
_ROUND_DELIVERIES = 10
_NOW_NS = 1_790_000_000_000_000_000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench publisher", description=__doc__)
    parser.add_argument("--events", type=int, default=300, help="of each kind and round")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--stored", type=int, default=0, help="messages of the long run")
    parser.add_argument("--resend-messages", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.stored:
        grown = asyncio.run(_store(options.stored, options.resend_messages))
        print(json.dumps(grown))
        return 0
    found = asyncio.run(_measure(options.events, options.rounds))
    if options.json:
        print(json.dumps(found))
        return 0
    for name, microseconds in found.items():
        print(f"{name:<40}{microseconds:8.2f} us")
    return 0


async def _measure(count: int, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as folder:
        publisher, acceptor = _publisher(Path(folder))
        found: dict[str, float] = {}
        for name, kind, messages in (
            ("order accepted, to its session", _accepted(1), 1),
            ("order accepted, to session and copy", _accepted(2), 2),
            ("trade, to both sides and a copy", _traded(), 3),
        ):
            best = float("inf")
            for _ in range(rounds):
                batch = _batch(kind, publisher.position, count)
                began_ns = time.thread_time_ns()
                publisher.publish(batch)
                spent_ns = time.thread_time_ns() - began_ns
                best = min(best, spent_ns / 1000 / count / messages)
            found[name] = round(best, 2)
        found["a trade of others, with its orders"] = _others(publisher, rounds)
        acceptor.park()
        return found


def _others(publisher: Publisher, rounds: int) -> float:
    """Publish what accounts of no session do."""
    stream = settlement.Stream(seed=7)
    stream.define(_OTHERS)
    stream.close_frame()
    for _ in range(rounds * _ROUND_DELIVERIES):
        for _ in range(_DELIVERY_TRADES):
            stream.trade(_OTHERS)
        stream.close_frame()
    definitions = len(stream.frames) - rounds * _ROUND_DELIVERIES
    for frame in stream.frames[:definitions]:
        publisher.publish(EventBatch(frame.first, frame.last, frame.data))
    best = float("inf")
    for at in range(definitions, len(stream.frames), _ROUND_DELIVERIES):
        frames = stream.frames[at : at + _ROUND_DELIVERIES]
        batches = [EventBatch(frame.first, frame.last, frame.data) for frame in frames]
        began_ns = time.thread_time_ns()
        for batch in batches:
            publisher.publish(batch)
        spent_ns = time.thread_time_ns() - began_ns
        best = min(best, spent_ns / 1000 / _DELIVERY_TRADES / len(batches))
    return round(best, 2)


async def _store(count: int, resend_messages: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as folder:
        publisher, acceptor = _publisher(Path(folder), resend_messages=resend_messages)
        channel = acceptor.channels["MAKER"]
        before, largest = _resident(), 0
        cuts = longest_ns = 0
        began_ns = time.thread_time_ns()
        for _ in range(count // _STEP):
            publisher.publish(_batch(_accepted(1), publisher.position, _STEP))
            cut_ns = time.thread_time_ns()
            cuts += channel.trim_store()
            longest_ns = max(longest_ns, time.thread_time_ns() - cut_ns)
            largest = max(largest, _resident())
        spent_ns = time.thread_time_ns() - began_ns
        body = next((Path(folder) / "store").glob("*-MAKER.body"))
        found = {
            "messages": count,
            "grown_mib": round((largest - before) / 2**20, 1),
            "disk_mib": round(body.stat().st_blocks * 512 / 2**20, 1),
            "us_a_message": round(spent_ns / 1000 / count, 2),
            "cuts": cuts,
            "longest_cut_ms": round(longest_ns / 1e6, 1),
        }
        acceptor.park()
        return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _publisher(folder: Path, *, resend_messages: int = 50_000) -> tuple[Publisher, FixAcceptor]:
    settings = GatewaySettings(
        principal=3,
        comp_id="RIALTO",
        doors=Doors(fix=folder / "fix", control=folder / "control", credential=folder / "secret"),
        state=folder,
        dictionaries=_DICTIONARIES,
        resend_messages=resend_messages,
    )
    (folder / "store").mkdir()
    dictionaries = compose_dictionaries(FIX_44, ours=_DICTIONARIES, target=folder)
    sessions = {name: _session(number, name) for number, name in _NAMES.items()}
    directory = _directory()
    metrics = Metrics(CollectorRegistry())
    acceptor = FixAcceptor(
        settings,
        {name: session.file.spoken for name, session in sessions.items()},
        _bridge(sessions, directory),
        dictionaries={FIX_44.name: dictionaries},
        pacemaker_secret="none",  # noqa: S106  # nobody connects
    )
    publisher = Publisher(
        directory=directory,
        sessions=sessions.values(),
        channels=acceptor.channels,
        metrics=metrics,
        issuer=Issuer(
            directory=directory,
            sessions=sessions.values(),
            signer=Signer(Ed25519PrivateKey.generate()),
        ),
        progress=Progress(sessions),
        closing=set(),
        connection_refused=lambda _session, _code: None,
    )
    return publisher, acceptor


def _bridge(sessions: dict[str, LiveSession], directory: Directory) -> Bridge:
    return Bridge(
        sessions=sessions,
        directory=directory,
        loop=asyncio.get_running_loop(),
        messages_max=1,
        session_messages_max=1,
        credential="",
        keep_reset=lambda _session, _epoch: None,
        skip_numbers=lambda _session, _count: None,
        wake=lambda: None,
        answer=lambda _session, _text: None,
        fail=lambda _error: None,
    )


def _session(number: int, name: str) -> LiveSession:
    fields = {
        "id": number,
        "kind": "drop_copy" if name == "COPY" else "order_entry",
        "sender_comp_id": name,
        "firm": {"id": 2 if name == "MAKER" else 1, "name": name},
    }
    return LiveSession(msgspec.convert(fields, SessionFile), 3)


def _directory() -> Directory:
    known = Directory(market="XRIA")
    grant = events.SessionGranted.make
    for record in (
        events.AssetCreated.make(asset=1, scale=6, symbol=padded_text("USD", 16)),
        events.AssetCreated.make(asset=2, scale=8, symbol=padded_text("BTC", 16)),
        events.InstrumentCreated.make(
            instrument=1,
            base_asset=2,
            quote_asset=1,
            tick_units=5,
            lot_units=1,
            price_decimals=2,
            quantity_decimals=4,
            symbol=padded_text("BTC-USD", 16),
        ),
        events.FirmCreated.make(firm=1, name=padded_text("F1", 32)),
        events.FirmCreated.make(firm=2, name=padded_text("F2", 32)),
        events.AccountCreated.make(account=11, firm=1, name=padded_text("A11", 32)),
        events.AccountCreated.make(account=21, firm=2, name=padded_text("A21", 32)),
        grant(session=1, account=21, firm=2, rights=SessionRight.TRADE),
        grant(session=2, account=11, firm=1, rights=SessionRight.TRADE),
        grant(session=3, account=11, firm=1, rights=SessionRight.DROP_COPY),
    ):
        known.learn(record)
    return known


def _accepted(session: int) -> events.Event:
    return events.OrderAccepted.make(
        time_ns=_NOW_NS,
        received_at_ns=_NOW_NS - 90_000,
        account=21 if session == 1 else 11,
        session=session,
        instrument=1,
        order_id=7,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GOOD_TILL_CANCEL,
        status=OrderStatus.NEW,
        price_ticks=1_200_000,
        quantity_lots=4000,
        leaves_lots=4000,
        client_order_id=client_id("order-17-of-today"),
    )


def _traded() -> events.Event:
    def side(name: str, *, account: int, session: int, order_id: int) -> dict[str, int | bytes]:
        fields: dict[str, int | bytes] = {
            "account": account,
            "session": session,
            "order_id": order_id,
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "status": OrderStatus.PARTIALLY_FILLED,
            "price_ticks": 1_200_000,
            "quantity_lots": 4000,
            "leaves_lots": 3000,
            "filled_lots": 1000,
            "filled_value": 1_200_000_000,
            "fee_atoms": 60_000,
            "client_order_id": client_id("order-17-of-today"),
        }
        return {f"{name}_{field}": value for field, value in fields.items()}

    return events.TradeExecuted.make(
        time_ns=_NOW_NS,
        received_at_ns=_NOW_NS - 90_000,
        instrument=1,
        taker_side=Side.SELL,
        trade_id=5,
        price_ticks=1_200_000,
        quantity_lots=1000,
        **side("maker", account=21, session=1, order_id=7),
        **side("taker", account=11, session=2, order_id=8),
    )


def _batch(event: events.Event, after: int, count: int) -> EventBatch:
    records = [
        msgspec.structs.replace(event, number=number).pack()
        for number in range(after + 1, after + count + 1)
    ]
    return EventBatch(after + 1, after + count, b"".join(records))


if __name__ == "__main__":
    sys.exit(main())
