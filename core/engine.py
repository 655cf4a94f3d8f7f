"""The native engine behind the interface of ``venue.ports.Engine``."""

from __future__ import annotations

import secrets

from core import _native


class NativeEngine:
    """An Engine (``venue.ports``) in C++, byte for byte the reference's twin.

    The GIL is released while commands are applied. One thread uses an engine at a time.
    """

    __slots__ = ("_engine",)

    def __init__(
        self, *, seed: int | None = None, steps_per_command_max: int | None = None
    ) -> None:
        """Make an empty engine.

        Args:
            seed: decides where identifiers stand in memory and nothing else; drawn by chance, so
                that nobody can aim at one place, unless it is given.
            steps_per_command_max: the rule set's (``venue.reference.bounds``) unless given, as
                tests do.
        """
        chosen = secrets.randbits(64) if seed is None else seed
        if steps_per_command_max is None:
            self._engine = _native.Engine(chosen)
        else:
            self._engine = _native.Engine(chosen, steps_per_command_max)

    @property
    def last_sequence(self) -> int:
        """The number of the last command applied; zero before the first."""
        return self._engine.last_sequence

    @property
    def last_event(self) -> int:
        """The number of the last event emitted; zero before the first."""
        return self._engine.last_event

    @property
    def last_time_ns(self) -> int:
        """The stamp of the last command applied; zero before the first."""
        return self._engine.last_time_ns

    def apply(self, commands: bytes) -> bytes:
        """Apply whole records, numbered and stamped by the sequencer; return the event records.

        Raises:
            ValueError: the commands are not such records; nothing was changed.
            RuntimeError: an invariant is broken, and the engine must not be used any more.
        """
        return self._engine.apply(commands)

    def apply_into(self, commands: bytes | bytearray | memoryview, out: bytearray) -> int:
        """Apply commands, and write the events to the start of ``out``.

        Returns:
            How many bytes were written. ``out`` is made longer when it is too short for them.

        Raises:
            ValueError: as ``apply`` does, and when ``out`` overlaps the commands.
            RuntimeError: as ``apply`` does.
        """
        return self._engine.apply_into(commands, out)

    def snapshot(self) -> bytes:
        """Return the state: equal states give equal bytes; SHA-256 of them is the digest."""
        return self._engine.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Take over the state of ``snapshot``.

        Raises:
            ValueError: not a snapshot of any state that this engine can be in; it stays as it was.
        """
        self._engine.restore(snapshot)

    def next_deadline(self) -> int:
        """Return the stamp, in nanoseconds, at which AdvanceTime is due; zero for none."""
        return self._engine.next_deadline()

    def sources(self, principal: int) -> list[tuple[int, int, int]]:
        """Return (source, epoch, source sequence) for each source of a principal seen so far."""
        return self._engine.sources(principal)

    def definitions(self) -> bytes:
        """Return event records, all numbered zero, that describe what is defined now."""
        return self._engine.definitions()

    def books(self) -> bytes:
        """Return every book with its queues: see ``messages.trading.answers.read_books``."""
        return self._engine.books()

    def open_orders(self, account: int, *, after: int, limit: int) -> bytes:
        """Return a page of an account's open orders: see ``venue.ports.Engine``."""
        return self._engine.open_orders(account, after=after, limit=limit)

    def balances(self) -> list[tuple[int, int, int, int]]:
        """Return (account, asset, balance atoms, held atoms), sorted, where one is not zero."""
        return self._engine.balances()

    def receivables(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms owed to the venue), sorted, where something is."""
        return self._engine.receivables()

    def rfq_holds(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms that its answers to requests for quote tie up), sorted."""
        return self._engine.rfq_holds()

    def assets(self) -> list[tuple[int, int, int]]:
        """Return (asset, supply atoms, fees collected atoms), sorted."""
        return self._engine.assets()
