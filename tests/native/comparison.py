"""Drives the reference and the native engine side by side and compares all that they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from core.engine import NativeEngine
from messages.trading.commands import COMMANDS
from messages.trading.events import EVENTS, AccountCreated, OrderReported
from tests.property.flow import GATEWAYS
from tests.property.quote_flow import records_of
from venue.ports import Engine
from venue.reference.engine import ReferenceEngine


class Pair:
    """Two engines that must agree; ``compared`` counts, by kind, the records both were given."""

    def __init__(self, steps_per_command_max: int | None = None) -> None:
        self.steps_per_command_max = steps_per_command_max
        self.reference: Engine = ReferenceEngine()
        self.native: Engine = self.new_native()
        self.compared: Counter[int] = Counter()

    def new_native(self) -> NativeEngine:
        """Return an empty native engine."""
        return NativeEngine(steps_per_command_max=self.steps_per_command_max)

    def give(self, command: bytes, told: bytes | None = None) -> bytes:
        """Apply a command to both (to the native one alone where the other's events are given).

        Returns:
            The events, which are the same.
        """
        expected = self.reference.apply(command) if told is None else told
        got = self.native.apply(command)
        if got != expected:
            raise AssertionError(explain(command, expected, got))
        assert self.native.next_deadline() == self.reference.next_deadline()
        self.compared.update(kind for _, kind in records_of(command))
        return expected

    def give_all(self, commands: Iterable[bytes]) -> None:
        """Apply commands one by one."""
        for command in commands:
            self.give(command)

    def check(self) -> bytes:
        """Compare the states; return the snapshot."""
        reference, native = self.reference, self.native
        snapshot = reference.snapshot()
        assert native.snapshot() == snapshot
        assert native.definitions() == reference.definitions()
        assert native.books() == reference.books()
        for account in accounts_in(reference):
            assert pages(native, account) == pages(reference, account)
        assert native.balances() == reference.balances()
        assert native.assets() == reference.assets()
        assert native.receivables() == reference.receivables()
        assert native.rfq_holds() == reference.rfq_holds()
        for principal in GATEWAYS:
            assert native.sources(principal) == reference.sources(principal)
        assert native.last_sequence == reference.last_sequence
        assert native.last_event == reference.last_event
        assert native.last_time_ns == reference.last_time_ns
        return snapshot

    def restart_native(self) -> None:
        """Let the native engine go on from the reference's snapshot."""
        snapshot = self.check()
        self.native = self.new_native()
        self.native.restore(snapshot)
        assert self.native.next_deadline() == self.reference.next_deadline()

    def exchange_states(self) -> None:
        """Let each engine go on from the other's snapshot."""
        snapshot = self.check()
        self.reference, self.native = ReferenceEngine(), self.new_native()
        self.reference.restore(snapshot)
        self.native.restore(snapshot)
        self.check()


def explain(command: bytes, expected: bytes, got: bytes) -> str:
    """Say which command made the engines differ, and what each answered."""
    lines = ["the engines differ on:"]
    lines += [f"  {record}" for record in COMMANDS.unpack(command)]
    lines += ["reference:", *(f"  {record}" for record in EVENTS.unpack(expected))]
    lines += ["native:", *(f"  {record}" for record in EVENTS.unpack(got))]
    return "\n".join(lines)


def accounts_in(engine: Engine) -> list[int]:
    """The accounts that an engine knows, and one that it does not."""
    known = EVENTS.unpack(engine.definitions())
    return [each.account for each in known if isinstance(each, AccountCreated)] + [4_000_000_000]


def pages(engine: Engine, account: int) -> list[bytes]:
    """An account's open orders, in pages of three."""
    found, after = [], 0
    while page := engine.open_orders(account, after=after, limit=3):
        found.append(page)
        last = list(EVENTS.unpack(page))[-1]
        assert isinstance(last, OrderReported)
        assert last.order_id > after
        after = last.order_id
    return found
