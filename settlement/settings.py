"""What the operator may set of settlement."""

import msgspec


class SettlementSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds of the two consumers, and how to reach the database.

    ``dsn`` may name the owner of the schema or a login that is a member of the application's
    role: either way every connection works as that role and can do no more than it.
    """

    dsn: str
    batch_events_max: int = 50_000
    """Events of one transaction; a single frame of the feed may exceed it, never by more."""
    batch_bytes_max: int = 8 * 1024 * 1024
    """Bytes of one transaction's events, counted before a further frame is added."""
    pending_bytes_max: int = 16 * 1024 * 1024
    """Bytes read ahead of the database, per consumer; more stay with the core."""
    gather_seconds: float = 0.05
    """At most so long between two transactions while little is waiting: a transaction costs much
    the same for one event as for a hundred. It is part of the lag."""
    post_seconds_max: float = 60.0
    """After this a transaction counts as lost, and its outcome is looked up."""
    connect_seconds_max: float = 10.0
    takeover_seconds_max: float = 90.0
    """How long to wait for another holder of the position before giving up: longer than the server
    takes to notice that a client of its is gone (keep-alives, idle transactions: one minute)."""
    pause_seconds_first: float = 0.05
    pause_seconds_last: float = 5.0
    """Between two attempts while PostgreSQL is away: doubling, between these."""
    cycle_close_utc_minutes: int | None = None
    """The minute of the day at which a settlement cycle closes; None for by operators only."""
    cycle_grace_seconds: float = 60.0
    """After that minute, and after the poster has caught up with the venue, for what came before
    to arrive. What comes later still is in the next cycle."""
    decides: bool = True
    """Whether cycles close and configured modes are recorded without anybody; not while a ledger
    is made again, whose decisions come from a copy."""
    cycle_poll_seconds: float = 5.0
    """Between looks at whether a cycle is due, and at how old what is unsettled is."""
