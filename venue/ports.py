"""What the venue needs of an engine."""

from typing import Protocol


class Engine(Protocol):
    """The trading state: a function of the commands it was given, and of nothing else."""

    @property
    def last_sequence(self) -> int:
        """The number of the last command applied; zero before the first."""
        ...

    @property
    def last_event(self) -> int:
        """The number of the last event emitted; zero before the first."""
        ...

    @property
    def last_time_ns(self) -> int:
        """The stamp of the last command applied; zero before the first."""
        ...

    def apply(self, commands: bytes) -> bytes:
        """Apply whole records, numbered and stamped by the sequencer; return the event records."""
        ...

    def snapshot(self) -> bytes:
        """Return the state: equal states give equal bytes; SHA-256 of them is the digest."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Take over the state of ``snapshot``.

        Raises:
            ValueError: not a snapshot of this engine and layout version.
        """
        ...

    def next_deadline(self) -> int:
        """Return the stamp, in nanoseconds, at which AdvanceTime is due; zero for none."""
        ...

    def sources(self, principal: int) -> list[tuple[int, int, int]]:
        """Return (source, epoch, source sequence) for each source of a principal seen so far."""
        ...

    def definitions(self) -> bytes:
        """Return event records, all numbered zero, that describe what is defined now."""
        ...

    def books(self) -> bytes:
        """Return every book with its queues: see ``messages.trading.answers.read_books``."""
        ...

    def open_orders(self, account: int, *, after: int, limit: int) -> bytes:
        """Return open orders of an account as OrderReported records numbered zero.

        They are those with order ids above ``after``, the smallest ones first, at most ``limit``.
        """
        ...

    def balances(self) -> list[tuple[int, int, int, int]]:
        """Return (account, asset, balance atoms, held atoms), sorted."""
        ...

    def receivables(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms owed to the venue), sorted, where something is."""
        ...

    def rfq_holds(self) -> list[tuple[int, int, int]]:
        """Return (account, asset, atoms that its answers to requests for quote tie up), sorted."""
        ...

    def assets(self) -> list[tuple[int, int, int]]:
        """Return (asset, supply atoms, fees collected atoms), sorted."""
        ...
