"""What a file under ``sessions/`` may say, and what the gateway is told about itself.

A session's file seeds a new venue with its firm, accounts, limits and rights, and tells guard and
gateway who may log on. What the venue knows is changed later only by ``admin apply``. Comp ids,
heartbeats and throttles are the gateway's own and are read at its start; addresses and
certificates are the guard's, which reads them again whenever they change.
"""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fix_gateway.dialects.names import DIALECTS, Dialect, DialectName
from fix_gateway.schedule import ScheduleTable
from fix_gateway.translation.levels import Level
from runtime.toml import SettingsError, read_toml

SESSION_ID_MAX = (1 << 19) - 1
"""Sub-sources above this are the sessions' connection records (``fix_gateway.sessions``)."""

SessionNumber = Annotated[int, msgspec.Meta(ge=1, le=SESSION_ID_MAX)]
Identifier = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
CompId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,31}$")]
MarketId = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{4}$")]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
Network = Annotated[str, msgspec.Meta(max_length=49)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]{0,30}[!-~])?$")]
SymbolText = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,15}$")]
Amount = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
CancelMode = Literal["none", "session", "account"]
_CANCEL_MODES: tuple[CancelMode, ...] = ("none", "session", "account")
"""From the one that takes nothing to the one that takes most."""

GraceSeconds = Annotated[int, msgspec.Meta(ge=0, le=3600)]
HeartbeatSeconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of which every key is known."""


class FirmTable(Strict, frozen=True, kw_only=True):
    """``[firm]``: who the counterparty is; the same in all of its files."""

    id: Identifier
    name: Name
    clearing_firm: Name | None = None
    """The firm that clears for it, whose drop copies may see it."""


class AccountLimitsTable(Strict, frozen=True, kw_only=True):
    """``[account.limits]``: becomes SetAccountLimits. Zero messages per second: no throttle."""

    open_orders_max: Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
    message_burst: Count = 0
    messages_per_second: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0


class AccountAssetTable(Strict, frozen=True, kw_only=True):
    """``[[account.asset]]``: becomes SetAssetLimits; amounts in units, position zero for none."""

    asset: SymbolText
    credit_line: Amount = "0"
    position_max: Amount = "0"


class ProtectionTable(Strict, frozen=True, kw_only=True):
    """``[[account.protection]]``: a protection group of quotes; amounts of zero are no limit."""

    group: Identifier
    base: Name
    quote: str = ""
    quantity_max: Amount = "0"
    notional_max: Amount = "0"
    delta_max: Amount = "0"
    trades_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1000
    window_ms: Annotated[int, msgspec.Meta(ge=1, le=86_400_000)] = 1000
    frozen_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)] = 0


class AccountTable(Strict, frozen=True, kw_only=True):
    """``[[account]]``: an account that the session trades for."""

    id: Identifier
    name: Name
    parent: Name | None = None
    """The account of the firm that this one is a sub-account of, by name."""

    owner_group: Identifier
    kind: Literal["client", "house"] = "client"
    settlement: Literal["gross", "net"] | None = None
    """How its trades are settled; unless the file says so, net once it has a credit line."""

    self_trade_prevention: Literal[
        "cancel_resting", "cancel_incoming", "cancel_both", "decrement_and_cancel"
    ] = "cancel_incoming"
    limits: AccountLimitsTable
    asset: list[AccountAssetTable] = []
    protection: list[ProtectionTable] = []


class DropCopyTable(Strict, frozen=True, kw_only=True):
    """``[drop_copy]``: whose reports a drop-copy session sees, by name, and how much of them."""

    firms: list[Name] = []
    accounts: list[Name] = []
    state_digest_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 0
    cleared_firms: bool = False
    """Every firm that names the session's firm as its clearing firm."""

    level: Level = "requests"
    open_orders: bool = False
    """Whether each Logon is followed by the orders that are open."""


class HeartbeatTable(Strict, frozen=True, kw_only=True):
    """``[heartbeat]``: what HeartBtInt (108) may be, in seconds."""

    seconds_min: HeartbeatSeconds = 5
    seconds_max: HeartbeatSeconds = 300


class ThrottleTable(Strict, frozen=True, kw_only=True):
    """``[throttle]``: requests of the session in so many seconds; zero messages for no limit."""

    messages: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1000
    seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 1


class MarketDataTable(Strict, frozen=True, kw_only=True):
    """``[market_data]``: how a market-data session is told of changes."""

    interval_milliseconds: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 100
    """Between updates; zero for every change, as long as the session keeps up."""


class SessionFile(Strict, frozen=True, kw_only=True):
    """``sessions/<NAME>.toml``: one FIX session of a counterparty."""

    id: SessionNumber
    kind: Literal["order_entry", "drop_copy", "market_data"]
    sender_comp_id: CompId
    addresses: tuple[Network, ...] = ()
    client_certificate_file: FileName | None = None
    dialect: DialectName = "FIX.4.4"
    heartbeat: HeartbeatTable = HeartbeatTable()
    throttle: ThrottleTable = ThrottleTable()
    schedule: ScheduleTable = ScheduleTable()
    is_suspended: bool = False
    cancel_on_disconnect: CancelMode = "session"
    cancel_on_disconnect_choices: tuple[CancelMode, ...] | None = None
    disconnect_grace_seconds: GraceSeconds = 0
    disconnect_grace_seconds_max: GraceSeconds | None = None
    disconnect_receipt: Literal["never", "cancels", "always"] = "cancels"
    trade_captures: bool = False
    firm: FirmTable
    account: list[AccountTable] = []
    shared_accounts: list[Name] = []
    answers_quote_requests: bool = False
    """Whether it is told of requests for quote, and may answer them for its accounts."""
    drop_copy: DropCopyTable = DropCopyTable()
    market_data: MarketDataTable = MarketDataTable()

    @property
    def spoken(self) -> Dialect:
        """The dialect that the session speaks."""
        return DIALECTS[self.dialect]

    @property
    def cancel_choices(self) -> tuple[CancelMode, ...]:
        """What 8013 may ask for; unless the file says so, nothing weaker than its own mode."""
        if self.cancel_on_disconnect_choices is not None:
            return self.cancel_on_disconnect_choices
        return _CANCEL_MODES[_CANCEL_MODES.index(self.cancel_on_disconnect) :]

    @property
    def grace_seconds_max(self) -> int:
        """What 5070 may ask for at most; unless the file says so, its own grace."""
        most = self.disconnect_grace_seconds_max
        return self.disconnect_grace_seconds if most is None else most


class Doors(Strict, frozen=True, kw_only=True):
    """Where guard and gateway meet: two Unix sockets and a file, open to their own user only."""

    fix: Path
    """QuickFIX's only socket."""
    control: Path
    """Where the guard asks the gateway to log a client out."""
    credential: Path
    """What the gateway lets the guard in by; new at each of its starts."""


class RecoverySettings(Strict, frozen=True, kw_only=True):
    """``[fix.recovery]``: how requests for messages (BW) are answered."""

    days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 30
    """How far back: what is older is refused."""

    messages_max: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    """In the answer to one request; the client asks on."""

    messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 2000
    """Of all answers together."""

    time_percent_max: Annotated[int, msgspec.Meta(ge=1, le=90)] = 25
    """Of the gateway's time, for all answers together."""

    turn_seconds: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.25
    """After which the next session that waits has its turn."""


RESEND_MESSAGES_MIN = 20_000
"""Fewer would not reach back to the last checkpoint (``fix_gateway.store``)."""

RESERVED_COMP_IDS = "RIALTO-PACEMAKER"
"""How the gateway's own begin (``fix_gateway.pacemaker``)."""


class GatewaySettings(Strict, frozen=True, kw_only=True):
    """How the gateway runs; ``exchange`` fills it from ``config/venue.toml``."""

    principal: int
    comp_id: CompId
    market: MarketId = "XXXX"
    """LastMkt (30): the venue's ISO 10383 code; XXXX says that it has none."""

    doors: Doors
    state: Path
    signing_key: Path | None = None
    """The venue's private key, which statements are signed with; made at the first start."""

    dictionaries: Path
    bridge_messages_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    bridge_session_messages_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """One session's share of ``bridge_messages_max``; None for a quarter, but at least 100."""

    recovery: RecoverySettings = RecoverySettings()

    send_bytes_max: Annotated[int, msgspec.Meta(ge=4096)] = 1 << 20
    latency_seconds_max: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 120
    thread_switch_seconds: Annotated[float, msgspec.Meta(gt=0, le=0.1)] = 0.0005
    checkpoint_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    sessions: Path | None = None
    """The sessions' files, to be read again when they change; None for never."""
    sequence_warning: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000_000
    """Above this MsgSeqNum, of either side, a session is warned."""
    resend_messages: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 50_000
    """How many of its last messages a session can have sent again by FIX itself, at least."""
    reload_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.5
    reconnect_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.2
    logout_seconds_max: Annotated[float, msgspec.Meta(gt=0, le=60)] = 8.0

    @property
    def key_path(self) -> Path:
        """Where the venue's private key is: not in the state, which may be lost without it."""
        return self.signing_key or self.state.with_name("venue-signing.key")

    @property
    def session_messages_max(self) -> int:
        """How many requests of one session may wait for the loop."""
        return self.bridge_session_messages_max or max(self.bridge_messages_max // 4, 100)


def read_sessions(directory: Path) -> dict[str, SessionFile]:
    """Read every session file of a directory, by its file's name, and check them together.

    Raises:
        SettingsError: naming file, key and reason.
    """
    files = {path.stem: read_toml(path, SessionFile) for path in sorted(directory.glob("*.toml"))}
    numbers: dict[int | str, str] = {}
    comp_ids: dict[int | str, str] = {}
    firms: dict[int, tuple[FirmTable, str]] = {}
    accounts: dict[int | str, str] = {}
    account_ids: dict[int | str, str] = {}
    for name, file in files.items():
        where = directory / f"{name}.toml"
        _once(where, "$.id", file.id, numbers, name)
        _once(where, "$.sender_comp_id", file.sender_comp_id, comp_ids, name)
        _check_firm(where, file.firm, *firms.setdefault(file.firm.id, (file.firm, name)))
        for at, account in enumerate(file.account):
            _once(where, f"$.account[{at}].name", account.name, accounts, name)
            _once(where, f"$.account[{at}].id", account.id, account_ids, name)
        _check_kind(where, file)
    for name, file in files.items():
        _check_references(directory / f"{name}.toml", file, files)
    return files


def traded_accounts(file: SessionFile, files: dict[str, SessionFile]) -> list[int]:
    """Return the accounts that a session trades for: its own and those it shares."""
    shared = set(file.shared_accounts)
    return [account.id for account in file.account] + [
        account.id
        for other in files.values()
        for account in other.account
        if account.name in shared and other is not file
    ]


def copied_accounts(file: SessionFile, files: dict[str, SessionFile]) -> list[int]:
    """Return the accounts whose reports a drop-copy session sees."""
    wanted = file.drop_copy
    return [
        account.id
        for other in files.values()
        for account in other.account
        if account.name in wanted.accounts
        or other.firm.name in wanted.firms
        or (wanted.cleared_firms and other.firm.clearing_firm == file.firm.name)
    ]


def networks(
    where: Path, key: str, texts: Iterable[str]
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Read networks in CIDR notation.

    Raises:
        SettingsError: naming file, key and reason.
    """
    found = []
    for at, text in enumerate(texts):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise SettingsError(f"{where}: $.{key}[{at}]: {error}") from error
    return tuple(found)


def _once(where: Path, key: str, value: int | str, seen: dict[int | str, str], name: str) -> None:
    other = seen.get(value)
    if other is not None:
        raise SettingsError(f"{where}: {key}: {value!r} is in {other}.toml already")
    seen[value] = name


def _check_firm(where: Path, firm: FirmTable, known: FirmTable, name: str) -> None:
    if known.name != firm.name:
        raise SettingsError(f"{where}: $.firm.name: {name}.toml calls it {known.name!r}")
    if known.clearing_firm != firm.clearing_firm:
        raise SettingsError(
            f"{where}: $.firm.clearing_firm: {name}.toml says {known.clearing_firm!r}"
        )
    if firm.clearing_firm == firm.name:
        raise SettingsError(f"{where}: $.firm.clearing_firm: the firm itself")


def _check_kind(where: Path, file: SessionFile) -> None:
    networks(where, "addresses", file.addresses)
    if file.heartbeat.seconds_min > file.heartbeat.seconds_max:
        raise SettingsError(f"{where}: $.heartbeat.seconds_min: above seconds_max")
    if file.grace_seconds_max < file.disconnect_grace_seconds:
        raise SettingsError(
            f"{where}: $.disconnect_grace_seconds_max: below disconnect_grace_seconds"
        )
    if file.sender_comp_id.startswith(RESERVED_COMP_IDS):
        raise SettingsError(f"{where}: $.sender_comp_id: {file.sender_comp_id} is the venue's own")
    is_copy = file.kind == "drop_copy"
    if is_copy and (file.account or file.shared_accounts):
        raise SettingsError(f"{where}: $.account: a drop-copy session trades for none")
    copied = file.drop_copy
    if is_copy and not (copied.firms or copied.accounts or copied.cleared_firms):
        raise SettingsError(f"{where}: $.drop_copy: names neither firms nor accounts")
    if not is_copy and copied != DropCopyTable():
        raise SettingsError(f"{where}: $.drop_copy: only a drop-copy session has it")
    has_accounts = bool(file.account or file.shared_accounts)
    if file.kind == "market_data" and has_accounts:
        raise SettingsError(f"{where}: $.account: a market-data session trades for none")
    if file.kind != "market_data" and file.market_data != MarketDataTable():
        raise SettingsError(f"{where}: $.market_data: only a market-data session has it")
    if file.kind != "order_entry" and file.answers_quote_requests:
        raise SettingsError(f"{where}: $.answers_quote_requests: only an order-entry session may")
    if file.kind == "order_entry" and not has_accounts:
        raise SettingsError(f"{where}: $.account: an order-entry session trades for at least one")


def _check_references(where: Path, file: SessionFile, files: dict[str, SessionFile]) -> None:
    accounts = {account.name: other.firm for other in files.values() for account in other.account}
    firms = {other.firm.name: other.firm for other in files.values()}
    for key, names in (
        ("shared_accounts", file.shared_accounts),
        ("drop_copy.accounts", file.drop_copy.accounts),
    ):
        for at, name in enumerate(names):
            if name not in accounts:
                raise SettingsError(f"{where}: $.{key}[{at}]: no session defines account {name!r}")
    for at, name in enumerate(file.shared_accounts):
        if accounts[name].id != file.firm.id:
            raise SettingsError(f"{where}: $.shared_accounts[{at}]: of another firm")
    for at, name in enumerate(file.drop_copy.firms):
        if name not in firms:
            raise SettingsError(f"{where}: $.drop_copy.firms[{at}]: no session names firm {name!r}")
        _check_entitled(f"{where}: $.drop_copy.firms[{at}]", file.firm, firms[name])
    for at, name in enumerate(file.drop_copy.accounts):
        _check_entitled(f"{where}: $.drop_copy.accounts[{at}]", file.firm, accounts[name])
    _check_parents(where, file, files)
    clearing = file.firm.clearing_firm
    if clearing is not None and clearing not in firms:
        raise SettingsError(f"{where}: $.firm.clearing_firm: no session names firm {clearing!r}")


def _check_parents(where: Path, file: SessionFile, files: dict[str, SessionFile]) -> None:
    """Require that a sub-account is one of an account of its firm that is none itself."""
    there = {
        account.name: (other, account) for other in files.values() for account in other.account
    }
    for at, account in enumerate(file.account):
        if account.parent is None:
            continue
        key = f"{where}: $.account[{at}].parent"
        if account.parent not in there:
            raise SettingsError(f"{key}: no session defines account {account.parent!r}")
        other, parent = there[account.parent]
        if other.firm.id != file.firm.id:
            raise SettingsError(f"{key}: of another firm")
        if parent is account or parent.parent is not None:
            raise SettingsError(f"{key}: {account.parent} is itself, or a sub-account")


def _check_entitled(where: str, firm: FirmTable, copied: FirmTable) -> None:
    """Refuse copies of a firm that is neither the session's own nor cleared by it."""
    if firm.id != copied.id and copied.clearing_firm != firm.name:
        raise SettingsError(
            f"{where}: {copied.name} is another firm, whose clearing firm is not {firm.name}"
        )
