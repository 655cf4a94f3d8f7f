"""The operator's configuration: what the TOML files under ``config/`` and ``sessions/`` may say.

Everything here is strict: an unknown key, a missing one, a number out of its bounds or text that
is not an exact decimal is refused with file, key and reason (``runtime.toml.SettingsError``).
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from fix_gateway.guard.settings import Limits
from fix_gateway.market_data.settings import MarketDataLimits
from fix_gateway.settings import RESEND_MESSAGES_MIN, RecoverySettings
from retail_gateway.settings import RedisTable, RetailApiTable
from retail_gateway.streams.settings import StreamsTable
from runtime.toml import SettingsError, read_toml
from services.accounts import settings as accounts
from services.market_data.settings import MarketDataLimits as RetailDataLimits
from services.surveillance.parameters import Parameters, read_parameters
from venue.reference.bounds import TRADES_KEPT_MAX
from venue.settings import (
    EVENTS_EVERY_SECONDS_MAX,
    BatchSettings,
    JournalSettings,
    LinkSettings,
    SnapshotSettings,
)

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Identifier = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
Count = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400 * 400)]
Decimal = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?$")]
SymbolText = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9][A-Z0-9.\-]{0,15}$")]
NameText = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,32}$")]
PrincipalName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
ClockTime = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of which every key is known."""


class CoreTable(Strict, frozen=True):
    """``[core]``: the sequencer, its journal, and the doors to it."""

    address: str = ""
    host: str = "127.0.0.1"
    port: Port = 0
    journal: JournalSettings = JournalSettings()
    batch: BatchSettings = BatchSettings()
    links: LinkSettings = LinkSettings()
    snapshots: SnapshotSettings = SnapshotSettings()
    drain_seconds: Seconds = 10.0


class FixTable(Strict, frozen=True):
    """``[fix]``: who we are in FIX."""

    comp_id: str = "RIALTO"
    market: str = "XXXX"
    sequence_warning: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000_000
    resend_messages: Annotated[int, msgspec.Meta(ge=RESEND_MESSAGES_MIN, le=10_000_000)] = 50_000
    recovery: RecoverySettings = RecoverySettings()


class FixGuardTable(Strict, frozen=True):
    """``[fix_guard]``: the public FIX ports, and what a client may take."""

    host: str = "127.0.0.1"
    port: Port = 0
    tls_host: str = ""
    tls_port: Port = 0
    certificate_file: str = ""
    key_file: str = ""
    limits: Limits = Limits()


class FixMarketDataTable(Strict, frozen=True):
    """``[fix_market_data]``: what a subscriber may take."""

    limits: MarketDataLimits = MarketDataLimits()


class AloneTable(Strict, frozen=True):
    """``[admin_api.alone]``: up to what one operator alone may set an account's limits."""

    open_orders_max: Count = 10_000
    messages_per_second_max: Count = 10_000
    message_burst_max: Count = 20_000
    position_max: dict[SymbolText, Decimal] = {}


class AdminApiTable(Strict, frozen=True):
    """``[admin_api]``: where operators are served, and what they may take."""

    host: str = "127.0.0.1"
    port: Port = 0
    certificate_file: str = ""
    key_file: str = ""
    body_bytes_max: Annotated[int, msgspec.Meta(ge=256, le=65_536)] = 16_384
    connections_max: Count = 64
    request_seconds_max: Seconds = 60.0
    window_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0
    nonces_max: Count = 100_000
    alone: AloneTable = AloneTable()


class CyclesTable(Strict, frozen=True):
    """``[settlement.cycles]``: when settlement cycles close."""

    close: Literal["daily", "manual", "rebuild"] = "daily"
    close_utc: Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:00"
    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 60


class SettlementTable(Strict, frozen=True):
    """``[settlement]``: the poster, the order-history projector, and the closer of cycles."""

    batch_events_max: Count = 20_000
    gather_seconds: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    cycles: CyclesTable = CyclesTable()


class AuditorTable(Strict, frozen=True):
    """``[auditor]``: how often it looks, and what it may do by itself."""

    may_halt: bool = False
    may_stop_withdrawals: bool = True
    may_kill: bool = False
    figures_seconds: Seconds = 60.0
    ledger_seconds: Seconds = 0.5
    picture_seconds: Seconds = 30.0
    silence_seconds_max: Seconds = 5.0
    heads_seconds: Seconds = 10.0
    signing_key_file: str = ""


class AccountsTable(Strict, frozen=True):
    """``[accounts]``: people, how they sign in, and their API keys."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 0
    certificate_file: str = ""
    key_file: str = ""
    site: str = "http://localhost"
    breached_passwords_file: str = ""
    http: accounts.HttpSettings = accounts.HttpSettings()
    smtp: accounts.SmtpSettings = accounts.SmtpSettings()
    limits: accounts.Limits = accounts.Limits()
    hashing: accounts.Hashing = accounts.Hashing()


class MarketDataTable(Strict, frozen=True):
    """``[market_data]``: where the processes that serve people find it, and what they may take."""

    address: str = ""
    host: str = ""
    port: Port = 0
    limits: RetailDataLimits = RetailDataLimits()


class PostgresTable(Strict, frozen=True):
    """``[postgres]``: an embedded server, or the address of one."""

    dsn: str = ""
    password_file: str = ""
    port: Port = 0


class ObservabilityTable(Strict, frozen=True):
    """``[observability]``: where each process shows its metrics and health."""

    host: str = "127.0.0.1"
    level: Literal["debug", "info", "warning", "error"] = "info"
    core_port: Port = 0
    follower_port: Port = 0
    settlement_port: Port = 0
    auditor_port: Port = 0
    surveillance_port: Port = 0
    market_data_port: Port = 0
    accounts_port: Port = 0
    fix_guard_port: Port = 0
    fix_port: Port = 0
    fix_market_data_port: Port = 0
    admin_api_port: Port = 0
    retail_streams_port: Port = 0
    retail_api_port: Port = 0


class SupervisorTable(Strict, frozen=True):
    """``[supervisor]``: patience with the processes, and who goes first."""

    start_seconds_max: Seconds = 60.0
    stop_seconds_max: Seconds = 30.0
    restarts_max: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 5
    restart_window_seconds: Seconds = 60.0
    background_nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = 10


class BoundsTable(Strict, frozen=True):
    """``[bounds]``: the engine's own limits, which become ConfigureVenue and KeepTrades."""

    client_ids_max: Count
    references_max: Count
    open_orders_max: Count
    accounts_max: Count
    instruments_max: Count
    sessions_max: Count
    client_id_window_seconds: Count
    trades_kept: Annotated[int, msgspec.Meta(ge=0, le=TRADES_KEPT_MAX)]
    indicative_interval_milliseconds: Count
    day_ends_utc: ClockTime


class PrincipalTable(Strict, frozen=True):
    """``[principals.NAME]``: who may connect to the core, and what it may send."""

    number: Annotated[int, msgspec.Meta(ge=2, le=4095)]
    may_send: tuple[str, ...] = ()
    links_max: Count = 4
    events_every_seconds: Annotated[float, msgspec.Meta(ge=0, le=EVENTS_EVERY_SECONDS_MAX)] = 0.0


class VenueFile(Strict, frozen=True):
    """``config/venue.toml``."""

    name: NameText
    engine: Literal["native", "reference"]
    durability: Literal["disk", "process"]
    core: CoreTable
    fix: FixTable
    fix_guard: FixGuardTable
    fix_market_data: FixMarketDataTable
    admin_api: AdminApiTable
    settlement: SettlementTable
    accounts: AccountsTable
    postgres: PostgresTable
    observability: ObservabilityTable
    supervisor: SupervisorTable
    bounds: BoundsTable
    principals: dict[PrincipalName, PrincipalTable]
    auditor: AuditorTable = AuditorTable()
    market_data: MarketDataTable = MarketDataTable()
    retail_streams: StreamsTable = StreamsTable()
    redis: RedisTable = RedisTable()
    retail_api: RetailApiTable = RetailApiTable()


class AssetTable(Strict, frozen=True):
    """``[[asset]]``."""

    id: Identifier
    symbol: SymbolText
    scale: Annotated[int, msgspec.Meta(ge=0, le=18)]
    supply_max: Decimal


class AssetsFile(Strict, frozen=True):
    """``config/assets.toml``."""

    asset: list[AssetTable]


class LimitsTable(Strict, frozen=True):
    """``[instrument.limits]``: becomes a SetInstrumentLimits command."""

    orders_max: Count
    price_min: Decimal
    price_max: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    notional_min: Decimal
    notional_max: Decimal
    display_min: Decimal
    reference_price: Decimal
    collar_percent: Decimal
    protection_percent: Decimal
    band_percent: Decimal
    band_window_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)]
    halt_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)]
    auction_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)]


class InstrumentTable(Strict, frozen=True):
    """``[[instrument]]``."""

    id: Identifier
    symbol: SymbolText
    base: SymbolText
    quote: SymbolText
    tick_size: Decimal
    lot_size: Decimal
    fee_schedule: Identifier
    phase: Literal["pre_open", "call_auction", "continuous", "halted", "closed"]
    limits: LimitsTable


class InstrumentsFile(Strict, frozen=True):
    """``config/instruments.toml``."""

    instrument: list[InstrumentTable]


class ScheduleTable(Strict, frozen=True):
    """``[[schedule]]``: a fee schedule."""

    id: Identifier
    name: NameText
    maker_ppm: Annotated[int, msgspec.Meta(ge=-100_000, le=1_000_000)]
    taker_ppm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class AssignmentTable(Strict, frozen=True):
    """``[[assignment]]``: which account uses which schedule."""

    account: NameText
    instrument: Annotated[str, msgspec.Meta(max_length=16)]
    schedule: Identifier


class TierTable(Strict, frozen=True):
    """``[[tier]]``: the schedule of firms from a volume on."""

    volume_min: Decimal
    schedule: Identifier


class OverrideTable(Strict, frozen=True):
    """``[[override]]``: the schedule of a firm, whatever its volume."""

    firm: NameText
    schedule: Identifier


class VolumeTable(Strict, frozen=True):
    """``[volume]``: what counts as a firm's volume."""

    asset: SymbolText
    days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 30


class FeesFile(Strict, frozen=True):
    """``config/fees.toml``."""

    schedule: list[ScheduleTable]
    assignment: list[AssignmentTable] = []
    volume: VolumeTable | None = None
    tier: list[TierTable] = []
    override: list[OverrideTable] = []


class Configuration(Strict, frozen=True):
    """Everything under ``config/``, read and checked."""

    venue: VenueFile
    assets: list[AssetTable]
    instruments: list[InstrumentTable]
    fees: FeesFile
    surveillance: Parameters


def read_configuration(directory: Path) -> Configuration:
    """Read the five files of a configuration directory and check what they say of each other.

    Raises:
        SettingsError: naming file, key and reason.
    """
    configuration = Configuration(
        venue=read_toml(directory / "venue.toml", VenueFile),
        assets=read_toml(directory / "assets.toml", AssetsFile).asset,
        instruments=read_toml(directory / "instruments.toml", InstrumentsFile).instrument,
        fees=read_toml(directory / "fees.toml", FeesFile),
        surveillance=read_parameters(directory / "surveillance.toml"),
    )
    _check_references(directory, configuration)
    _check_rebates(directory / "fees.toml", configuration.fees.schedule)
    _check_tiers(directory / "fees.toml", configuration)
    return configuration


def _check_tiers(path: Path, configuration: Configuration) -> None:
    """Check that every volume has exactly one tier, and that what is named is there."""
    fees = configuration.fees
    _unique(path, "override", [each.firm for each in fees.override])
    schedules = {schedule.id for schedule in fees.schedule}
    named = [("tier", at, each.schedule) for at, each in enumerate(fees.tier)]
    named += [("override", at, each.schedule) for at, each in enumerate(fees.override)]
    for name, at, schedule in named:
        if schedule not in schedules:
            raise SettingsError(f"{path}: $.{name}[{at}].schedule: no schedule {schedule}")
    if not fees.tier:
        return
    if fees.volume is None:
        raise SettingsError(f"{path}: $.volume: missing; tiers are by volume")
    scales = {asset.symbol: asset.scale for asset in configuration.assets}
    if fees.volume.asset not in scales:
        raise SettingsError(f"{path}: $.volume.asset: no asset {fees.volume.asset}")
    last = -1
    for at, tier in enumerate(fees.tier):
        atoms = scaled(tier.volume_min, scales[fees.volume.asset])
        if atoms is None or atoms <= last or (at == 0 and atoms):
            raise SettingsError(
                f"{path}: $.tier[{at}].volume_min: {tier.volume_min}; tiers begin at 0 and grow, "
                f"in whole atoms of {fees.volume.asset}"
            )
        last = atoms


def _check_rebates(path: Path, schedules: list[ScheduleTable]) -> None:
    """Say early what the engine would refuse: any two schedules can meet in a trade."""
    if not schedules:
        return
    maker = min(schedules, key=lambda each: each.maker_ppm)
    taker = min(schedules, key=lambda each: each.taker_ppm)
    if maker.maker_ppm + taker.taker_ppm < 0:
        raise SettingsError(
            f"{path}: $.schedule: the rebate of schedule {maker.id} ({-maker.maker_ppm} ppm) "
            f"is above the taker rate of schedule {taker.id} ({taker.taker_ppm} ppm)"
        )


def _check_references(directory: Path, configuration: Configuration) -> None:
    fees = configuration.fees
    _unique(directory / "assets.toml", "asset", [a.id for a in configuration.assets])
    _unique(directory / "assets.toml", "asset", [a.symbol for a in configuration.assets])
    _unique(directory / "instruments.toml", "instrument", [i.id for i in configuration.instruments])
    _unique(
        directory / "instruments.toml", "instrument", [i.symbol for i in configuration.instruments]
    )
    _unique(directory / "fees.toml", "schedule", [s.id for s in fees.schedule])
    assets = {asset.symbol for asset in configuration.assets}
    schedules = {schedule.id for schedule in fees.schedule}
    symbols = {instrument.symbol for instrument in configuration.instruments}
    for at, instrument in enumerate(configuration.instruments):
        where = f"{directory / 'instruments.toml'}: $.instrument[{at}]"
        for key, symbol in (("base", instrument.base), ("quote", instrument.quote)):
            if symbol not in assets:
                raise SettingsError(f"{where}.{key}: no asset {symbol} in assets.toml")
        if instrument.base == instrument.quote:
            raise SettingsError(f"{where}.quote: the base asset again")
        if instrument.fee_schedule not in schedules:
            raise SettingsError(f"{where}.fee_schedule: no schedule {instrument.fee_schedule}")
    for at, assignment in enumerate(fees.assignment):
        where = f"{directory / 'fees.toml'}: $.assignment[{at}]"
        if assignment.schedule not in schedules:
            raise SettingsError(f"{where}.schedule: no schedule {assignment.schedule}")
        if assignment.instrument and assignment.instrument not in symbols:
            raise SettingsError(f"{where}.instrument: no instrument {assignment.instrument}")


def _unique(path: Path, table: str, values: Sequence[int | str]) -> None:
    seen: set[int | str] = set()
    for at, value in enumerate(values):
        if value in seen:
            raise SettingsError(f"{path}: $.{table}[{at}]: {value} is there twice")
        seen.add(value)


_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]{1,18}))?")


def scaled(text: str, decimals: int) -> int | None:
    """Read decimal text as an integer of 10**-``decimals``; None if it is not exact there."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole, fraction = match.group(1), (match.group(2) or "").rstrip("0")
    if len(fraction) > decimals:
        return None
    return int(whole + fraction.ljust(decimals, "0"))
