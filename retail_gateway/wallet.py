"""The desk for the wallet: coins, fees, what came in and went out, and what a key may do.

Deposits and withdrawals are what settlement has booked; it follows the venue by a moment. Nothing
is moved here: money comes and goes by operators' commands, until there is custody.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from messages.trading.decimals import decimal_text
from retail_gateway.market import Asset
from retail_gateway.parameters import OptionalSymbol, Parameters
from retail_gateway.ports import (
    Clock,
    HistoryAwayError,
    MoneyHistory,
    MoneyRange,
    Movement,
    MovementState,
    Signers,
)
from retail_gateway.refusals import (
    DATABASE_AWAY,
    INVALID_SYMBOL,
    DoorCode,
    Refusal,
    door_refusal,
)
from retail_gateway.state import RetailState
from retail_gateway.trading import Asked
from retail_gateway.translation import reports
from retail_gateway.translation.reports import MILLISECOND
from retail_gateway.wallet_terms import (
    CoinAnswer,
    Deposit,
    DepositRange,
    KeyRestrictions,
    MovementRange,
    Network,
    SystemStatus,
    TradeFee,
    Withdrawal,
    WithdrawalRange,
)

RANGE_MS_MAX: Final = 90 * 86_400_000
NETWORK: Final = "LEDGER"
"""The one way for money so far: operators book it in the venue's ledger."""
_NETWORK_NAME: Final = "The venue's own ledger"
_LEGAL_MONEY: Final = frozenset({"AUD", "BRL", "CAD", "CHF", "EUR", "GBP", "JPY", "SGD", "USD"})
_DEPOSITED: Final = 1
_WITHDRAWAL_STATUS: Final = {
    MovementState.TAKEN_BACK: 1,
    MovementState.PENDING: 4,
    MovementState.DONE: 6,
}
_STATES: Final = {status: state for state, status in _WITHDRAWAL_STATUS.items()}
_EVENT_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_INVALID_COIN: Final = door_refusal(DoorCode.COIN_UNKNOWN, -1121, "Invalid coin.")
_BACKWARDS: Final = door_refusal(DoorCode.RANGE_INVALID, -1127, "startTime after endTime.")
_KEY_GONE: Final = door_refusal(
    DoorCode.SIGNATURE_REFUSED, -1022, "Signature for this request is not valid.", status=401
)


class WalletDesk:
    """Answers what a person may know of the own money and key."""

    def __init__(
        self,
        state: RetailState,
        money: MoneyHistory,
        signers: Signers,
        clock: Clock,
        *,
        is_open: Callable[[], bool],
    ) -> None:
        """Answer from the state and from what is booked; ``is_open``: whether orders are taken."""
        self._state = state
        self._money = money
        self._signers = signers
        self._clock = clock
        self._is_open = is_open

    async def system_status(self, _asked: Asked, _wanted: Parameters) -> SystemStatus:
        """Say whether orders are taken."""
        if self._is_open():
            return SystemStatus(status=0, msg="normal")
        return SystemStatus(status=1, msg="system_maintenance")

    async def coins(self, asked: Asked, _wanted: Parameters) -> list[CoinAnswer] | Refusal:
        """List all coins, with what the account has of them."""
        try:
            going = await self._money.withdrawing(asked.account)
        except HistoryAwayError:
            return DATABASE_AWAY
        market = self._state.market
        traded = {
            asset.number
            for instrument in market.by_symbol.values()
            for asset in (instrument.base, instrument.quote)
        }
        return [
            self._coin(asked.account, asset, going.get(asset.number, 0), traded)
            for asset in market.assets.values()
        ]

    def _coin(self, account: int, asset: Asset, going: int, traded: set[int]) -> CoinAnswer:
        balance, held = self._state.balance(account, asset.number)
        # The ledger follows the state by a moment: neither may say more than is held.
        withdrawing = min(going, held)
        way = Network(
            network=NETWORK,
            coin=asset.symbol,
            name=_NETWORK_NAME,
            withdraw_integer_multiple=decimal_text(1, asset.scale),
        )
        return CoinAnswer(
            coin=asset.symbol,
            name=asset.symbol,
            trading=asset.number in traded,
            is_legal_money=asset.symbol in _LEGAL_MONEY,
            free=asset.text(balance - held),
            locked=asset.text(held - withdrawing),
            withdrawing=asset.text(withdrawing),
            network_list=[way],
        )

    async def trade_fees(self, asked: Asked, wanted: OptionalSymbol) -> list[TradeFee] | Refusal:
        """Say the account's rates on one market, or on all."""
        market = self._state.market
        chosen = list(market.by_symbol.values())
        if wanted.symbol is not None:
            instrument = market.instrument(wanted.symbol)
            if instrument is None:
                return INVALID_SYMBOL
            chosen = [instrument]
        fees = []
        for each in chosen:
            rates = reports.rates_answer(market.fee_rates(asked.account, each))
            fees.append(
                TradeFee(
                    symbol=each.symbol, maker_commission=rates.maker, taker_commission=rates.taker
                )
            )
        return fees

    async def deposits(self, asked: Asked, wanted: DepositRange) -> list[Deposit] | Refusal:
        """List what came in."""
        scope = self._scope(wanted)
        if isinstance(scope, Refusal):
            return scope
        if wanted.status not in (None, _DEPOSITED):
            return []
        if wanted.tx_id is not None:
            if _EVENT_NUMBER.fullmatch(wanted.tx_id) is None:
                return []
            scope = scope._replace(event_number=int(wanted.tx_id))
        try:
            found = await self._money.deposits(asked.account, scope)
        except HistoryAwayError:
            return DATABASE_AWAY
        return [_deposit(each, self._state.market.assets[each.asset]) for each in found]

    async def withdrawals(
        self, asked: Asked, wanted: WithdrawalRange
    ) -> list[Withdrawal] | Refusal:
        """List what went out, or is on its way."""
        scope = self._scope(wanted)
        if isinstance(scope, Refusal):
            return scope
        if wanted.withdraw_order_id is not None:
            return []
        if wanted.status is not None:
            if wanted.status not in _STATES:
                return []
            scope = scope._replace(state=_STATES[wanted.status])
        try:
            found = await self._money.withdrawals(asked.account, scope)
        except HistoryAwayError:
            return DATABASE_AWAY
        return [_withdrawal(each, self._state.market.assets[each.asset]) for each in found]

    def _scope(self, wanted: MovementRange) -> MoneyRange | Refusal:
        asset = None
        if wanted.coin is not None:
            assets = self._state.market.assets.values()
            asset = next((each.number for each in assets if each.symbol == wanted.coin), None)
            if asset is None:
                return _INVALID_COIN
        start_ms, end_ms = wanted.start_time, wanted.end_time
        if end_ms is None:
            now_ms = self._clock() // MILLISECOND
            end_ms = now_ms if start_ms is None else start_ms + RANGE_MS_MAX
        if start_ms is None:
            start_ms = max(end_ms - RANGE_MS_MAX, 0)
        if start_ms > end_ms:
            return _BACKWARDS
        if end_ms - start_ms > RANGE_MS_MAX:
            return door_refusal(
                DoorCode.RANGE_INVALID,
                -1127,
                "More than 90 days between startTime and endTime.",
                limit=RANGE_MS_MAX,
                usage=end_ms - start_ms,
            )
        return MoneyRange(
            start_ns=start_ms * MILLISECOND,
            end_ns=(end_ms + 1) * MILLISECOND - 1,
            limit=wanted.limit,
            offset=wanted.offset,
            asset=asset,
        )

    async def restrictions(self, asked: Asked, _wanted: Parameters) -> KeyRestrictions | Refusal:
        """Say what the key of the request may do."""
        try:
            terms = await self._signers.terms(asked.key_id)
        except HistoryAwayError:
            return DATABASE_AWAY
        if terms is None:
            return _KEY_GONE
        return KeyRestrictions(
            ip_restrict=terms.has_addresses,
            create_time=terms.created_at_ns // MILLISECOND,
            enable_reading="read" in terms.permissions,
            enable_spot_and_margin_trading="trade" in terms.permissions,
            enable_withdrawals="withdraw" in terms.permissions,
            trading_authority_expiration_time=terms.expires_at_ns // MILLISECOND,
        )


def _deposit(moved: Movement, asset: Asset) -> Deposit:
    at_ms = moved.began_at_ns // MILLISECOND
    return Deposit(
        id=str(moved.event_number),
        tx_id=str(moved.event_number),
        amount=asset.text(moved.amount_atoms),
        coin=asset.symbol,
        network=NETWORK,
        status=_DEPOSITED,
        insert_time=at_ms,
        complete_time=at_ms,
        success_time=at_ms,
    )


def _withdrawal(moved: Movement, asset: Asset) -> Withdrawal:
    has_ended = moved.state is not MovementState.PENDING
    return Withdrawal(
        id=str(moved.event_number),
        tx_id=str(moved.event_number),
        amount=asset.text(moved.amount_atoms),
        coin=asset.symbol,
        network=NETWORK,
        status=_WITHDRAWAL_STATUS[moved.state],
        apply_time=_time_text(moved.began_at_ns),
        complete_time=_time_text(moved.ended_at_ns) if has_ended else None,
        success_time=moved.ended_at_ns // MILLISECOND if has_ended else None,
    )


def _time_text(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
