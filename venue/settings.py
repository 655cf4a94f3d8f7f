"""The core's settings. Unknown keys are refused by msgspec; defaults suit one machine."""

from pathlib import Path
from typing import Literal

import msgspec

from messages.layout import Record
from messages.trading.commands import COMMANDS, GROUP_MEMBERS_MAX, AdvanceTime, LinkLost
from messages.trading.identity import SOURCE_BITS
from runtime.link_frames import FRAME_SIZE_MAX, parse_address
from runtime.log_format import FRAME_SIZE
from venue.errors import ConfigurationError
from venue.rolling import CHECK

SEQUENCER = 1
"""The sequencer's own principal number."""

INTERNAL: frozenset[type[Record]] = frozenset({AdvanceTime, LinkLost})
"""Commands that no link may send."""

COMMANDS_BY_NAME = {
    record.__name__: record for record in COMMANDS.by_kind.values() if record not in INTERNAL
}


WITHIN_A_REALM = frozenset(
    {
        *("PlaceOrder", "CheckOrder", "CancelOrder", "AmendOrder", "MassCancel", "QueryOrder"),
        *("RecordRefusal", "OpenSession", "OpenSessionOnTerms", "CloseSession"),
        *("CreateFirm", "CreateAccount", "SetAccountLimits", "GrantSession"),
    }
)
"""Commands that name accounts and sessions in their head, and a firm where admission looks."""

EVENTS_EVERY_SECONDS_MAX = 1.0
"""Far below the time after which a follower's silence is an alarm."""

COMMAND_BYTES_MAX = max(record.LENGTH for record in COMMANDS.by_kind.values())
EVENTS_IN_FLIGHT_BYTES_MAX = 1 << 30


class Realm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a principal may speak of: accounts, a session for all, timers' sessions, and a firm.

    Accounts and timers' sessions are from one number to another, both included.
    Whoever takes its process over can do nothing about accounts of others (docs/risk.md).
    """

    first_account: int
    last_account: int
    session: int
    first_timer_session: int
    last_timer_session: int
    firm: int


class Principal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may connect, with what secret (hexadecimal, in a file), and what it may send."""

    number: int
    token_file: str
    may_send: tuple[str, ...] = ()
    links_max: int = 4
    events_every_seconds: float = 0.0
    """Events go to it at most this often, all that came meanwhile together; 0: each at once."""
    realm: Realm | None = None
    """What it is bound to; None: it may speak of everybody."""


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The journal and the event log."""

    segment_bytes: int = 64 * 1024 * 1024
    event_segment_bytes: int = 64 * 1024 * 1024
    check_interval: int = 4096
    background_sync_seconds: float = 1.0
    reserve_bytes: int = 8 * 1024 * 1024


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Admission and batching; what is counted are records, of which a group has several."""

    commands_max: int = 1024
    commands_per_link_max: int = 256
    batches_in_flight_max: int = 16
    queued_per_link_max: int = 8192
    queued_max: int = 32768
    unpublished_bytes_max: int = 64 * 1024 * 1024

    @property
    def journal_bytes_max(self) -> int:
        """What can wait for the journal: all batches in flight, each a frame, and their checks.

        One check more than batches: that of a batch which the loop has let go already.
        """
        check_bytes = FRAME_SIZE + CHECK.size
        records_max = self.commands_max + GROUP_MEMBERS_MAX  # a group that is begun goes whole
        batch_bytes_max = FRAME_SIZE + records_max * COMMAND_BYTES_MAX
        return self.batches_in_flight_max * (batch_bytes_max + check_bytes) + check_bytes

    @property
    def event_bytes_max(self) -> int:
        """What can wait for the event log: what is unpublished, and what is made before it shows.

        The second is what the batches in flight can make, which the open orders bound.
        """
        return self.unpublished_bytes_max + EVENTS_IN_FLIGHT_BYTES_MAX


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The core's end of the links."""

    connections_max: int = 64
    frame_bytes_max: int = FRAME_SIZE_MAX
    authentication_seconds: float = 5.0
    ping_seconds: float = 5.0
    silence_seconds: float = 20.0
    send_buffer_bytes: int = 1024 * 1024
    send_buffer_bytes_max: int = 16 * 1024 * 1024
    feed_memory_bytes: int = 32 * 1024 * 1024
    feed_batch_bytes: int = 256 * 1024
    queries_per_link_max: int = 16
    answer_bytes_max: int = 256 * 1024 * 1024


class SnapshotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The follower and its snapshots."""

    every_commands: int = 1_000_000
    every_seconds: float = 300.0
    kept: int = 3
    poll_seconds: float = 0.05
    retry_seconds: float = 10.0


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the core and its follower are told.

    ``directory`` is the venue's state directory, ``listen`` the addresses of the link server
    (``unix:/path``, ``tcp:host:port``; port 0 takes a free one).
    """

    directory: str
    listen: tuple[str, ...]
    principals: dict[str, Principal]
    engine: str = "native"
    durability: Literal["disk", "process"] = "disk"
    journal: JournalSettings = msgspec.field(default_factory=JournalSettings)
    batch: BatchSettings = msgspec.field(default_factory=BatchSettings)
    links: LinkSettings = msgspec.field(default_factory=LinkSettings)
    snapshots: SnapshotSettings = msgspec.field(default_factory=SnapshotSettings)
    drain_seconds: float = 10.0
    thread_switch_seconds: float = 0.0001
    allow_crash_points: bool = False


TOKEN_BYTES_MIN = 16

COMMANDS_PER_BATCH_MAX = 65_536
"""So that a batch is far below the largest frame of the journal, whatever is in it."""


def read_tokens(settings: VenueSettings) -> dict[str, bytes]:
    """Read every principal's secret.

    Raises:
        ConfigurationError: a file that is missing, open to others, or holds no secret.
    """
    tokens: dict[str, bytes] = {}
    for name, principal in settings.principals.items():
        path = Path(principal.token_file)
        try:
            text, mode = path.read_text("ascii").strip(), path.stat().st_mode
            tokens[name] = bytes.fromhex(text)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"principals.{name}.token_file: {path}: {error}") from error
        if mode & 0o077:
            raise ConfigurationError(f"principals.{name}.token_file: {path} is open to others")
        if len(tokens[name]) < TOKEN_BYTES_MIN:
            raise ConfigurationError(
                f"principals.{name}.token_file: {path} holds less than {TOKEN_BYTES_MIN} bytes"
            )
    return tokens


def check_settings(settings: VenueSettings) -> None:
    """Say exactly what in the settings cannot be run.

    Raises:
        ConfigurationError: with the key and the reason.
    """
    numbers: dict[int, str] = {}
    for name, principal in settings.principals.items():
        key = f"principals.{name}"
        if not SEQUENCER < principal.number < 1 << (32 - SOURCE_BITS):
            raise ConfigurationError(f"{key}.number: {principal.number} is not 2 to 4095")
        if principal.number in numbers:
            other = numbers[principal.number]
            raise ConfigurationError(f"{key}.number: {principal.number} is {other}'s already")
        numbers[principal.number] = name
        _check_principal(key, name, principal)
    for address in settings.listen:
        try:
            parse_address(address)
        except ValueError as error:
            raise ConfigurationError(f"listen: {error}") from error
    _check_positive("", settings)
    if settings.journal.segment_bytes % 4096 or settings.journal.event_segment_bytes % 4096:
        raise ConfigurationError("journal: segment sizes are multiples of 4096 bytes")
    if settings.batch.commands_max > COMMANDS_PER_BATCH_MAX:
        raise ConfigurationError(f"batch.commands_max is above {COMMANDS_PER_BATCH_MAX}")
    if settings.batch.commands_max > settings.journal.check_interval:
        raise ConfigurationError("batch.commands_max is above journal.check_interval")


def _check_principal(key: str, name: str, principal: Principal) -> None:
    pause = principal.events_every_seconds
    if not 0 <= pause <= EVENTS_EVERY_SECONDS_MAX:
        raise ConfigurationError(
            f"{key}.events_every_seconds: {pause} is not 0 to {EVENTS_EVERY_SECONDS_MAX}"
        )
    for command in principal.may_send:
        if command not in COMMANDS_BY_NAME:
            raise ConfigurationError(f"{key}.may_send: {command!r} is no command for links")
    if principal.realm is not None and (more := set(principal.may_send) - WITHIN_A_REALM):
        raise ConfigurationError(
            f"{key}.may_send: {', '.join(sorted(more))} may be about others, and {name} is"
            " bound to accounts of its own"
        )


def _check_positive(prefix: str, settings: msgspec.Struct) -> None:
    for field in settings.__struct_fields__:
        value = getattr(settings, field)
        if isinstance(value, msgspec.Struct):
            _check_positive(f"{field}.", value)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
            raise ConfigurationError(f"{prefix}{field}: {value} is not above zero")
