"""Takes over what operators define: no check by itself, but what the others go by."""

from auditor.checks.handlers import Handlers
from auditor.picture import Account, Asset, Instrument, Picture
from messages.trading import events as e


class Definitions:
    """Keeps assets, instruments, accounts, schedules, limits, phases and kill switches."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def handlers(self) -> Handlers:
        """Say which events are taken."""
        return {
            e.AssetCreated: self._asset,
            e.InstrumentCreated: self._instrument,
            e.AccountCreated: self._account,
            e.SessionGranted: self._session,
            e.FeeScheduleDefined: self._schedule,
            e.FeeScheduleAssigned: self._assignment,
            e.InstrumentLimitsSet: self._limits,
            e.AssetLimitsSet: self._asset_limits,
            e.VenueConfigured: self._configuration,
            e.TradesKept: self._trades_kept,
            e.PhaseChanged: self._phase,
            e.Killed: self._killed,
            e.Resumed: self._resumed,
        }

    def _asset(self, event: e.AssetCreated) -> None:
        self._picture.assets[event.asset] = Asset()

    def _instrument(self, event: e.InstrumentCreated) -> None:
        self._picture.instruments[event.instrument] = Instrument(
            base=event.base_asset,
            quote=event.quote_asset,
            schedule=event.fee_schedule,
            lot_atoms=event.lot_atoms,
            tick_lot_atoms=event.tick_lot_atoms,
        )

    def _account(self, event: e.AccountCreated) -> None:
        group = event.owner_group or -event.account
        self._picture.accounts[event.account] = Account(firm=event.firm, group=group)

    def _session(self, event: e.SessionGranted) -> None:
        self._picture.sessions[event.session] = event.firm

    def _schedule(self, event: e.FeeScheduleDefined) -> None:
        self._picture.schedules[event.fee_schedule] = (event.maker_ppm, event.taker_ppm)

    def _assignment(self, event: e.FeeScheduleAssigned) -> None:
        account = self._picture.accounts.get(event.account)
        if account is not None:
            account.schedules[event.instrument] = event.fee_schedule

    def _limits(self, event: e.InstrumentLimitsSet) -> None:
        instrument = self._picture.instruments.get(event.instrument)
        if instrument is not None:
            instrument.collar_ppm = event.collar_ppm
            instrument.price_min = event.price_ticks_min
            instrument.price_max = event.price_ticks_max
            if event.reference_ticks == instrument.operator_reference:
                instrument.other_reference = event.reference_ticks
            else:
                instrument.reference = instrument.operator_reference = event.reference_ticks
                instrument.other_reference = 0

    def _asset_limits(self, event: e.AssetLimitsSet) -> None:
        holding = self._picture.holding(event.account, event.asset)
        holding.floor = max(holding.floor, event.credit_line_atoms)

    def _configuration(self, event: e.VenueConfigured) -> None:
        self._picture.references_max = event.references_max

    def _trades_kept(self, event: e.TradesKept) -> None:
        self._picture.trades_max = event.trades_max

    def _phase(self, event: e.PhaseChanged) -> None:
        instrument = self._picture.instruments.get(event.instrument)
        if instrument is not None:
            instrument.phase = event.phase

    def _killed(self, event: e.Killed) -> None:
        self._picture.killed.add((event.scope, event.target))

    def _resumed(self, event: e.Resumed) -> None:
        self._picture.killed.discard((event.scope, event.target))
