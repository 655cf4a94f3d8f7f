"""A plane over a reference engine: real decisions, no processes, a clock that is ours."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.admin.founding import found_operators
from exchange.admin.plane import Outcome, Plane
from exchange.admin.ports import Venue
from exchange.admin.proposals import Proposals
from exchange.admin.record import Entry, Record
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import Role
from exchange.admin.signing import Doorkeeper, SignedRequest, sign
from exchange.configuration import read_configuration
from exchange.definitions import compare
from exchange.directory import Directory
from exchange.errors import CommandRefusedError, VenueAwayError
from exchange.operator_link import Outcome as Wanted
from exchange.operator_link import explain
from exchange.operators import Operators, Token
from exchange.settlement_desk import CycleOrder, Planned, reference_of
from exchange.state import State
from exchange.wanted import wanted_definitions
from fix_gateway.settings import read_sessions
from messages.layout import Record as MessageRecord
from messages.layout import padded_text
from messages.trading import commands, events
from messages.trading.answers import Balances
from messages.trading.codes import RejectCode
from messages.trading.terms import Phase
from runtime.chained_lines import ChainedLines
from settlement.cycle_decisions import Ask
from settlement.house import HousePosting
from settlement.volumes import FirmVolume
from venue.reference.engine import ReferenceEngine

ROOT = Path(__file__).resolve().parents[3]
WINDOW_NS = 30_000_000_000
REASON = "a reason that is kept"
MONEY = {"account": "MM1", "asset": "USD", "amount": "1000.50", "reference": "r-1"}
KILL = {"scope": "venue", "reason": REASON}
VENUE = "5a" * 16
ELSEWHERE = "7e" * 16
"""A venue that knows the same operators by the same keys."""


class EngineVenue:
    """A venue of one engine, and the events that it told; it may be away for a while."""

    def __init__(self) -> None:
        self.engine = ReferenceEngine()
        self.told: list[events.Event] = []
        self.asked: list[commands.Command] = []
        self.is_away = False
        self.loses_answers = False
        self.last = 0

    def restore(self, snapshot: bytes, last: int) -> None:
        self.engine.restore(snapshot)
        self.last = last

    async def definitions(self) -> list[MessageRecord]:
        return list(events.EVENTS.unpack(self.engine.definitions()))

    async def balances(self) -> Balances:
        engine = self.engine
        return Balances(engine.balances(), engine.assets(), engine.receivables(), [])

    async def ask(self, command: commands.Command, outcome: Wanted) -> MessageRecord:
        if self.is_away:
            raise VenueAwayError("the core is away")
        self.asked.append(command)
        told = self.apply(command)
        if self.loses_answers:
            raise VenueAwayError("the link was lost; asking again is safe")
        for event in told:
            if isinstance(event, events.CommandRejected):
                raise CommandRefusedError(RejectCode(event.code), explain(event))
            if outcome(event):
                return event
        raise AssertionError(f"nothing came of {command}")

    def apply(self, command: commands.Command) -> list[events.Event]:
        self.last += 1
        number = self.last
        numbered = msgspec.structs.replace(
            command, sequence=number, time_ns=number, source=1, epoch=1, source_sequence=number
        )
        told = [
            event
            for event in events.EVENTS.unpack(self.engine.apply(numbered.pack()))
            if isinstance(event, events.Event)
        ]
        self.told += told
        return told

    async def trade_told(self, trade_id: int) -> events.TradeExecuted | events.TradeChanged | None:
        found: events.TradeExecuted | events.TradeChanged | None = None
        for event in self.told:
            if not isinstance(event, events.TradeExecuted | events.TradeChanged):
                continue
            found = event if event.trade_id == trade_id else found
        return found

    async def movements(self, reference: bytes) -> list[events.BalanceChanged]:
        return [
            event
            for event in self.told
            if isinstance(event, events.BalanceChanged) and event.reference == reference
        ]

    async def honoured(self, reference: bytes) -> list[events.Event]:
        return [
            event
            for event in self.told
            if not isinstance(event, events.CommandRejected)
            and getattr(event, "reference", b"") == reference
        ]

    async def events_after(self, after: int) -> AsyncIterator[list[events.Event]]:
        yield [event for event in self.told if event.number > after]

    async def open_orders(self) -> int:
        known = await self.definitions()
        accounts = [each.account for each in known if isinstance(each, events.AccountCreated)]
        pages = [self.engine.open_orders(account, after=0, limit=2000) for account in accounts]
        return sum(len(list(events.EVENTS.unpack(page))) for page in pages)

    async def disputes(self) -> list[events.TradeDisputed]:
        return [event for event in self.told if isinstance(event, events.TradeDisputed)]


class MemoryLedger:
    """Volumes that a test decides."""

    def __init__(self) -> None:
        self.rows: list[FirmVolume] = []
        self.asked: list[tuple[int, int]] = []
        self.postings: list[HousePosting] = []
        self.decided: list[tuple[CycleOrder, Ask]] = []
        self.refused = 0
        self.is_away = False

    async def volumes(self, from_ns: int, until_ns: int) -> list[FirmVolume]:
        if self.is_away:
            self.refused += 1
            raise VenueAwayError("the database is away")
        self.asked.append((from_ns, until_ns))
        return self.rows

    async def post(self, posting: HousePosting) -> int:
        if self.is_away:
            raise VenueAwayError("the database is away")
        self.postings.append(posting)
        return len(self.postings)

    async def cycle_plan(self, order: CycleOrder) -> Planned:
        order = msgspec.structs.replace(order, reference=reference_of(order, highest=9))
        return Planned(f"{order.kind} {order.reference}", order)

    async def decide(self, order: CycleOrder, ask: Ask) -> str:
        self.decided.append((order, ask))
        return f"{order.kind} done"


@cache
def _seeded() -> tuple[bytes, int]:
    """Return the state of a venue that was seeded by the shipped files, and its last command."""
    venue = EngineVenue()
    configuration = read_configuration(ROOT / "config")
    wanted = wanted_definitions(configuration, read_sessions(ROOT / "sessions"))
    for difference in compare(wanted, []):
        assert isinstance(difference.command, commands.Command)
        venue.apply(difference.command)
    for instrument in configuration.instruments:
        venue.apply(commands.ChangePhase.make(instrument=instrument.id, phase=Phase.CONTINUOUS))
    return venue.engine.snapshot(), venue.last


def as_version_1(desk: PlaneDesk, request: SignedRequest) -> SignedRequest:
    """Sign a request as the first version did, which named no venue."""
    unnamed = msgspec.structs.replace(request, venue="")
    lines = (
        *(unnamed.method, unnamed.path, unnamed.operator, str(unnamed.time_ns), unnamed.nonce),
        hashlib.sha256(unnamed.body.encode()).hexdigest(),
    )
    message = "\n".join(("rialto admin request 1", *lines)).encode()
    return msgspec.structs.replace(unnamed, signature=desk.token(request.operator).sign(message))


class PlaneDesk:
    """A plane with operators of every role, whose tokens are at hand."""

    def __init__(self, directory: Path, sessions: Path = ROOT / "sessions") -> None:
        self.sessions = sessions
        self.state = State(directory / "state")
        self.state.prepare()
        self.config = Path(shutil.copytree(ROOT / "config", directory / "config"))
        self.now_ns = 1_000_000_000_000
        self.venue = EngineVenue()
        self.operators = Operators(self.state.operators)
        found_operators(self.state, ["ann", "ben", "cid"], now_ns=self.now_ns)
        self.venue.restore(*_seeded())
        self.alone = read_configuration(self.config).venue.admin_api.alone
        self.ledger = MemoryLedger()
        self.lines = ChainedLines(self.state.admin_record)
        self.plane = self.restarted()

    def restarted(self) -> Plane:
        """Return a plane that knows only what is on the disk."""
        self.plane = Plane(
            state=self.state,
            config=self.config,
            sessions=self.sessions,
            alone=self.alone,
            doorkeeper=Doorkeeper(
                self.operators,
                lambda: self.now_ns,
                venue=lambda: VENUE,
                window_ns=WINDOW_NS,
                nonces_max=1000,
            ),
            proposals=Proposals(self.state.proposals, lambda: self.now_ns),
            record=Record(self.lines),
            venues=self._venues,
            ledger=self.ledger,
            now_ns=lambda: self.now_ns,
        )
        return self.plane

    def _venues(self, *, is_urgent: bool) -> AbstractAsyncContextManager[Venue]:
        assert is_urgent in (False, True)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Venue]:
            yield self.venue

        return opened()

    def token(self, name: str) -> Token:
        return Token.read(self.operators.named(name), self.operators.token_path(name))

    def give(self, name: str, *roles: Role) -> None:
        operator = self.operators.named(name)
        self.operators.write(msgspec.structs.replace(operator, roles=roles))

    def signed(self, name: str, path: str, body: object) -> SignedRequest:
        text = msgspec.json.encode(body).decode()
        return self.signed_text(name, path, text)

    def signed_text(
        self, name: str, path: str, text: str, *, venue: str = VENUE, now_ns: int | None = None
    ) -> SignedRequest:
        stamp = self.now_ns if now_ns is None else now_ns
        return sign(self.token(name), "POST", path, text, venue=venue, now_ns=stamp)

    async def act(self, name: str, action: str, /, **fields: Any) -> Outcome:
        body = {"reason": REASON} | fields
        request = self.signed(name, f"/v1/actions/{action}", body)
        return await self.plane.act(request, action)

    async def approve(self, name: str, proposed: Outcome, digest: str = "") -> Outcome:
        assert proposed.proposal is not None, proposed
        body = {"digest": digest or proposed.digest, "reason": "looked at it"}
        request = self.signed(name, f"/v1/proposals/{proposed.proposal.id}/approve", body)
        return await self.plane.approve(request, proposed.proposal.id)

    async def agreed(self, action: str, /, **fields: Any) -> Outcome:
        """Let ann propose and ben approve."""
        return await self.approve("ben", await self.act("ann", action, **fields))

    def entries(self) -> list[Entry]:
        """Return what is on record since the operators were founded."""
        entries = [entry for _, entry in self.plane.record.entries()]
        return [entry for entry in entries if entry.step != "founded"]


def code_of(raised: pytest.ExceptionInfo[AdminRefusedError]) -> AdminCode:
    return raised.value.code


async def two_accounts(desk: PlaneDesk) -> dict[str, int]:
    """Give a firm a second account, and return what a transfer between both names."""
    known = Directory(await desk.venue.definitions())
    one = known.account("INST1")
    (created,) = [
        each
        for each in known.records
        if isinstance(each, events.AccountCreated) and each.account == one
    ]
    like = {
        name: getattr(created, name)
        for name in ("firm", "owner_group", "account_kind", "self_trade_prevention")
    }
    name = padded_text("INST1-B", len(created.name))
    desk.venue.apply(commands.CreateAccount.make(account=one + 77, name=name, **like))
    await desk.agreed("credit", **MONEY | {"account": "INST1"})
    return {"account": one, "to_account": one + 77, "asset": known.asset("USD").asset}


async def kill(desk: PlaneDesk, request: SignedRequest) -> None:
    await desk.plane.act(request, "kill")
