"""An engine that trades nothing: it counts, and answers every command with one event.

It keeps the whole engine contract, so that the sequencer, the journal and recovery can be
tested and measured without a market in the way.
"""

import hashlib

import msgspec

from messages.trading.commands import AdvanceTime, Command
from messages.trading.events import LAST_OF_COMMAND, CommandRejected
from messages.trading.identity import principal_of

COMMAND_HEAD = AdvanceTime.CODEC
"""What every command begins with: AdvanceTime is nothing else."""

assert AdvanceTime.__struct_fields__ == Command.__struct_fields__


class _State(msgspec.Struct, array_like=True):
    sequence: int = 0
    event: int = 0
    time_ns: int = 0
    commands_digest: bytes = bytes(32)
    next_tick_ns: int = 0
    sources: dict[int, tuple[int, int]] = msgspec.field(default_factory=dict)


class CountingEngine:
    """See ``venue.ports.Engine``. With ``tick_ns`` it asks for AdvanceTime at that interval."""

    def __init__(self, *, tick_ns: int = 0) -> None:
        self._tick_ns = tick_ns
        self._state = _State()

    @property
    def last_sequence(self) -> int:
        """See ``Engine``."""
        return self._state.sequence

    @property
    def last_event(self) -> int:
        """See ``Engine``."""
        return self._state.event

    @property
    def last_time_ns(self) -> int:
        """See ``Engine``."""
        return self._state.time_ns

    def apply(self, commands: bytes) -> bytes:
        """Answer each command with one event, except repeats, which are dropped."""
        state = self._state
        events: list[bytes] = []
        offset = 0
        while offset < len(commands):
            head = COMMAND_HEAD.unpack_from(commands, offset)
            (length, kind, _, _, _, sequence, time_ns, _, source, epoch, number, *rest) = head
            assert sequence == state.sequence + 1, f"{sequence} after {state.sequence}"
            assert time_ns >= state.time_ns
            record = commands[offset : offset + length]
            state.commands_digest = hashlib.sha256(state.commands_digest + record).digest()
            state.sequence, state.time_ns = sequence, time_ns
            if kind == AdvanceTime.KIND and self._tick_ns:
                state.next_tick_ns = time_ns + self._tick_ns
            if (epoch, number) > state.sources.get(source, (0, 0)):
                state.sources[source] = (epoch, number)
                state.event += 1
                events.append(_event(state, kind, source, number, rest[0]))
            offset += length
        if self._tick_ns and not state.next_tick_ns:
            state.next_tick_ns = state.time_ns + self._tick_ns
        return b"".join(events)

    def snapshot(self) -> bytes:
        """See ``Engine``."""
        state = msgspec.structs.replace(
            self._state, sources=dict(sorted(self._state.sources.items()))
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """See ``Engine``."""
        self._state = msgspec.msgpack.decode(snapshot, type=_State)

    def next_deadline(self) -> int:
        """See ``Engine``."""
        return self._state.next_tick_ns

    def sources(self, principal: int) -> list[tuple[int, int, int]]:
        """See ``Engine``."""
        return sorted(
            (source, *position)
            for source, position in self._state.sources.items()
            if principal_of(source) == principal
        )

    def definitions(self) -> bytes:
        """See ``Engine``: nothing is ever defined."""
        return b""

    def books(self) -> bytes:
        """See ``Engine``: there are no books."""
        return b""

    def open_orders(self, account: int, *, after: int, limit: int) -> bytes:  # noqa: ARG002
        """See ``Engine``: there are no orders."""
        return b""

    def balances(self) -> list[tuple[int, int, int, int]]:
        """See ``Engine``: there is no money."""
        return []

    def receivables(self) -> list[tuple[int, int, int]]:
        """See ``Engine``: there is no money."""
        return []

    def rfq_holds(self) -> list[tuple[int, int, int]]:
        """See ``Engine``: there is no money."""
        return []

    def assets(self) -> list[tuple[int, int, int]]:
        """See ``Engine``: there is no money."""
        return []


def _event(state: _State, kind: int, source: int, number: int, account: int) -> bytes:
    return CommandRejected.CODEC.pack(
        CommandRejected.LENGTH,
        CommandRejected.KIND,
        CommandRejected.VERSION,
        LAST_OF_COMMAND,
        0,
        state.event,
        state.sequence,
        state.time_ns,
        0,
        account,
        0,
        kind,
        0,
        0,
        source,
        0,
        number,
        0,
        0,
        b"",
    )
