"""Turn configuration text into definition commands: decimals to ticks, lots and atoms, exactly."""

from exchange.configuration import AssetTable, Configuration, InstrumentTable, scaled
from fix_gateway.settings import (
    AccountTable,
    ProtectionTable,
    SessionFile,
    copied_accounts,
    traded_accounts,
)
from messages.layout import Record, padded_text
from messages.trading import commands
from messages.trading.terms import (
    AMOUNT_LIMIT,
    AccountKind,
    CancelOnDisconnect,
    Phase,
    SelfTradePrevention,
    SessionRight,
)
from runtime.toml import SettingsError

NANOSECONDS = 1_000_000_000
_NANOSECONDS_A_MILLISECOND = NANOSECONDS // 1000


def wanted_definitions(
    configuration: Configuration, sessions: dict[str, SessionFile]
) -> list[Record]:
    """Return every definition that the configuration asks for, as commands.

    Args:
        configuration: checked.
        sessions: the counterparties' files, by name, checked.

    Raises:
        SettingsError: a value that is not a whole number of its unit, or does not fit.
    """
    assets = {asset.symbol: asset for asset in configuration.assets}
    wanted: list[Record] = [
        _venue(configuration),
        commands.KeepTrades.make(trades_max=configuration.venue.bounds.trades_kept),
    ]
    wanted += [_asset(asset) for asset in configuration.assets]
    wanted += [
        commands.DefineFeeSchedule.make(
            fee_schedule=schedule.id, maker_ppm=schedule.maker_ppm, taker_ppm=schedule.taker_ppm
        )
        for schedule in configuration.fees.schedule
    ]
    for instrument in configuration.instruments:
        wanted += _Instrument(instrument, assets).commands()
    accounts = _counterparties(sessions, assets, wanted)
    symbols = {instrument.symbol: instrument.id for instrument in configuration.instruments}
    for at, assignment in enumerate(configuration.fees.assignment):
        if assignment.account not in accounts:
            raise SettingsError(
                f"fees.toml: $.assignment[{at}].account: no session file names account "
                f"{assignment.account}"
            )
        wanted.append(
            commands.AssignFeeSchedule.make(
                account=accounts[assignment.account],
                instrument=symbols.get(assignment.instrument, 0),
                fee_schedule=assignment.schedule,
            )
        )
    return wanted


def wanted_phases(configuration: Configuration) -> dict[int, Phase]:
    """Return the phase each instrument begins in, by instrument."""
    return {table.id: Phase[table.phase.upper()] for table in configuration.instruments}


def _venue(configuration: Configuration) -> Record:
    bounds = configuration.venue.bounds
    hours, minutes = map(int, bounds.day_ends_utc.split(":"))
    return commands.ConfigureVenue.make(
        client_ids_max=bounds.client_ids_max,
        references_max=bounds.references_max,
        open_orders_max=bounds.open_orders_max,
        accounts_max=bounds.accounts_max,
        instruments_max=bounds.instruments_max,
        sessions_max=bounds.sessions_max,
        client_id_window_ns=bounds.client_id_window_seconds * NANOSECONDS,
        indicative_interval_ns=bounds.indicative_interval_milliseconds * 1_000_000,
        day_offset_ns=(hours * 60 + minutes) * 60 * NANOSECONDS,
    )


def _asset(asset: AssetTable) -> Record:
    return commands.CreateAsset.make(
        asset=asset.id,
        scale=asset.scale,
        supply_max_atoms=_atoms(asset.supply_max, asset, f"assets.toml: {asset.symbol}.supply_max"),
        symbol=padded_text(asset.symbol, 16),
    )


def _atoms(text: str, asset: AssetTable, where: str) -> int:
    atoms = scaled(text, asset.scale)
    if atoms is None:
        raise SettingsError(f"{where}: {text} has more than {asset.scale} decimals")
    if atoms >= AMOUNT_LIMIT:
        raise SettingsError(f"{where}: {text} is {atoms} atoms, not below 2**62")
    return atoms


class _Instrument:
    """One instrument's decimals, brought to integers."""

    def __init__(self, table: InstrumentTable, assets: dict[str, AssetTable]) -> None:
        self._table = table
        self._base, self._quote = assets[table.base], assets[table.quote]
        self._where = f"instruments.toml: {table.symbol}"
        self._price_decimals = _decimals(table.tick_size)
        self._quantity_decimals = _decimals(table.lot_size)
        self._tick_units = self._units(table.tick_size, self._price_decimals, "tick_size")
        self._lot_units = self._units(table.lot_size, self._quantity_decimals, "lot_size")

    def commands(self) -> list[Record]:
        """Return the instrument's definition and its limits."""
        table, limits = self._table, self._table.limits
        lot_atoms = scaled(table.lot_size, self._base.scale)
        if lot_atoms is None:
            raise SettingsError(
                f"{self._where}.lot_size: {table.lot_size} is not a whole number of atoms of "
                f"{table.base}, whose scale is {self._base.scale}"
            )
        created = commands.CreateInstrument.make(
            instrument=table.id,
            base_asset=self._base.id,
            quote_asset=self._quote.id,
            fee_schedule=table.fee_schedule,
            lot_atoms=lot_atoms,
            tick_lot_atoms=self._tick_lot_atoms(),
            tick_units=self._tick_units,
            lot_units=self._lot_units,
            price_decimals=self._price_decimals,
            quantity_decimals=self._quantity_decimals,
            symbol=padded_text(table.symbol, 16),
        )
        limited = commands.SetInstrumentLimits.make(
            instrument=table.id,
            orders_max=limits.orders_max,
            price_ticks_min=self._ticks("price_min", limits.price_min),
            price_ticks_max=self._ticks("price_max", limits.price_max),
            quantity_lots_min=self._lots("quantity_min", limits.quantity_min),
            quantity_lots_max=self._lots("quantity_max", limits.quantity_max),
            notional_min_atoms=self._quote_atoms("notional_min", limits.notional_min),
            notional_max_atoms=self._quote_atoms("notional_max", limits.notional_max),
            display_lots_min=self._lots("display_min", limits.display_min),
            reference_ticks=self._ticks("reference_price", limits.reference_price),
            collar_ppm=self._ppm("collar_percent", limits.collar_percent),
            protection_ppm=self._ppm("protection_percent", limits.protection_percent),
            band_ppm=self._ppm("band_percent", limits.band_percent),
            band_window_ns=limits.band_window_seconds * NANOSECONDS,
            halt_ns=limits.halt_seconds * NANOSECONDS,
            auction_ns=limits.auction_seconds * NANOSECONDS,
        )
        return [created, limited]

    def _tick_lot_atoms(self) -> int:
        """Return the quote atoms in a tick times a lot; a whole number, so notionals are exact."""
        decimals = self._price_decimals + self._quantity_decimals
        product = self._tick_units * self._lot_units * 10**self._quote.scale
        atoms, rest = divmod(product, 10**decimals)
        if rest or not atoms:
            raise SettingsError(
                f"{self._where}: tick_size x lot_size is not a whole number of atoms of "
                f"{self._table.quote}, whose scale is {self._quote.scale}"
            )
        return int(atoms)

    def _units(self, text: str, decimals: int, key: str) -> int:
        units = scaled(text, decimals)
        if not units:
            raise SettingsError(f"{self._where}.{key}: must be above zero")
        return units

    def _ticks(self, key: str, text: str) -> int:
        return self._whole(key, text, self._price_decimals, self._tick_units, "ticks")

    def _lots(self, key: str, text: str) -> int:
        return self._whole(key, text, self._quantity_decimals, self._lot_units, "lots")

    def _whole(self, key: str, text: str, decimals: int, unit: int, name: str) -> int:
        units = scaled(text, decimals)
        if units is None or units % unit:
            raise SettingsError(
                f"{self._where}.limits.{key}: {text} is not a whole number of {name}"
            )
        return units // unit

    def _quote_atoms(self, key: str, text: str) -> int:
        return _atoms(text, self._quote, f"{self._where}.limits.{key}")

    def _ppm(self, key: str, text: str) -> int:
        ppm = scaled(text, 4)
        if ppm is None or ppm > 1_000_000:
            raise SettingsError(f"{self._where}.limits.{key}: 0 to 100, at most 4 decimals")
        return ppm


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


def _counterparties(
    sessions: dict[str, SessionFile], assets: dict[str, AssetTable], wanted: list[Record]
) -> dict[str, int]:
    """Add firms, accounts, limits and session rights; return account numbers by name."""
    firms = {session.firm.id: session.firm.name for session in sessions.values()}
    wanted += [
        commands.CreateFirm.make(firm=number, name=padded_text(name, 32))
        for number, name in sorted(firms.items())
    ]
    accounts: dict[str, int] = {}
    for name, session in sorted(sessions.items()):
        for account in session.account:
            accounts[account.name] = account.id
            wanted += _account(name, session, account, assets)
        wanted += [
            _grant(name, session, account, _trading_rights(session))
            for account in traded_accounts(session, sessions)
        ]
        wanted += [
            _grant(name, session, account, SessionRight.DROP_COPY)
            for account in copied_accounts(session, sessions)
        ]
    return accounts


def _trading_rights(session: SessionFile) -> SessionRight:
    if session.answers_quote_requests:
        return SessionRight.TRADE | SessionRight.QUOTE_REQUESTS
    return SessionRight.TRADE


def _grant(name: str, session: SessionFile, account: int, rights: SessionRight) -> Record:
    return commands.GrantSession.make(
        account=account,
        session=session.id,
        rights=rights,
        cancel_on_disconnect=CancelOnDisconnect[session.cancel_on_disconnect.upper()],
        firm=session.firm.id,
        disconnect_grace_ns=session.disconnect_grace_seconds * NANOSECONDS,
        name=padded_text(name, 32),
    )


def _account(
    file: str, session: SessionFile, account: AccountTable, assets: dict[str, AssetTable]
) -> list[Record]:
    limits = account.limits
    rate = limits.messages_per_second
    records: list[Record] = [
        commands.CreateAccount.make(
            account=account.id,
            firm=session.firm.id,
            owner_group=account.owner_group,
            account_kind=AccountKind[account.kind.upper()],
            self_trade_prevention=SelfTradePrevention[account.self_trade_prevention.upper()],
            name=padded_text(account.name, 32),
        ),
        commands.SetAccountLimits.make(
            account=account.id,
            open_orders_max=limits.open_orders_max,
            message_burst=limits.message_burst,
            message_interval_ns=NANOSECONDS // rate if rate else 0,
        ),
    ]
    for line in account.asset:
        where = f"{file}.toml: account {account.name}, asset {line.asset}"
        if line.asset not in assets:
            raise SettingsError(f"{where}: no such asset in assets.toml")
        records.append(
            commands.SetAssetLimits.make(
                account=account.id,
                asset=assets[line.asset].id,
                credit_line_atoms=_atoms(line.credit_line, assets[line.asset], where),
                position_max_atoms=_atoms(line.position_max, assets[line.asset], where),
            )
        )
    return records + [_protection(file, account, group, assets) for group in account.protection]


def _protection(
    file: str, account: AccountTable, group: ProtectionTable, assets: dict[str, AssetTable]
) -> Record:
    where = f"{file}.toml: account {account.name}, protection {group.group}"
    base, quote = assets.get(group.base), assets.get(group.quote)
    if base is None or (group.quote and quote is None):
        raise SettingsError(f"{where}: no such asset in assets.toml")
    notional = 0
    if quote is not None:
        notional = _atoms(group.notional_max, quote, where)
    elif group.notional_max != "0":
        raise SettingsError(f"{where}: notional_max needs quote")
    return commands.DefineProtection.make(
        account=account.id,
        protection_group=group.group,
        base_asset=base.id,
        quote_asset=quote.id if quote is not None else 0,
        trades_max=group.trades_max,
        quantity_max_atoms=_atoms(group.quantity_max, base, where),
        notional_max_atoms=notional,
        delta_max_atoms=_atoms(group.delta_max, base, where),
        window_ns=group.window_ms * _NANOSECONDS_A_MILLISECOND,
        frozen_ns=group.frozen_ms * _NANOSECONDS_A_MILLISECOND,
    )
