"""What the wallet's endpoints take and answer, in Binance's shape (``/sapi/v1``)."""

from typing import Annotated, Final, Literal

import msgspec

from retail_gateway.answers import Answer
from retail_gateway.parameters import Milliseconds, Parameters

MOVEMENTS_MAX: Final = 1000
"""Deposits or withdrawals in one answer."""
OFFSET_MAX: Final = 10_000
"""How far one may page; beyond, ask for a shorter range of time."""

Coin = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9]{1,16}$")]
Count = Annotated[int, msgspec.Meta(ge=1, le=MOVEMENTS_MAX)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)]
Name = Annotated[str, msgspec.Meta(max_length=64)]


class MovementRange(Parameters, frozen=True, kw_only=True):
    """Which deposits or withdrawals: newest first, 90 days at most."""

    coin: Coin | None = None
    start_time: Milliseconds | None = None
    end_time: Milliseconds | None = None
    offset: Offset = 0
    limit: Count = MOVEMENTS_MAX


class DepositRange(MovementRange, frozen=True, kw_only=True):
    """Which deposits; each of ours has the status 1 (success)."""

    status: Literal[0, 1, 2, 6, 7, 8] | None = None
    tx_id: Name | None = None
    include_source: bool = False


class WithdrawalRange(MovementRange, frozen=True, kw_only=True):
    """Which withdrawals: by status 1 (taken back), 4 (on its way), 6 (done); others we have none.

    ``withdrawOrderId`` is a client's own name of a withdrawal, and none has one here.
    """

    status: Literal[0, 1, 2, 3, 4, 5, 6] | None = None
    withdraw_order_id: Name | None = None


class SystemStatus(Answer, frozen=True, kw_only=True):
    """Whether the venue takes orders."""

    status: int
    msg: str


class Network(Answer, frozen=True, kw_only=True):
    """A way for a coin to come and go; all that there is so far are the venue's own books."""

    network: str
    coin: str
    name: str
    is_default: bool = True
    deposit_enable: bool = False
    withdraw_enable: bool = False
    withdraw_integer_multiple: str
    withdraw_fee: str = "0"
    withdraw_min: str = "0"
    withdraw_max: str = "0"
    min_confirm: int = 0
    un_lock_confirm: int = 0
    same_address: bool = False
    busy: bool = False


class CoinAnswer(Answer, frozen=True, kw_only=True):
    """A coin, what its ways are, and what somebody has of it."""

    coin: str
    name: str
    deposit_all_enable: bool = False
    withdraw_all_enable: bool = False
    trading: bool
    is_legal_money: bool
    free: str
    locked: str
    freeze: str = "0"
    withdrawing: str
    ipoing: str = "0"
    ipoable: str = "0"
    storage: str = "0"
    network_list: list[Network]


class TradeFee(Answer, frozen=True, kw_only=True):
    """What an account pays on a market, as fractions of the value."""

    symbol: str
    maker_commission: str
    taker_commission: str


class MovementAnswer(Answer, frozen=True, kw_only=True):
    """What a deposit and a withdrawal have in common.

    ``successTime`` is where ccxt looks for the time of the end.
    """

    id: str
    amount: str
    transaction_fee: str = "0"
    coin: str
    network: str
    status: int
    address: str = ""
    address_tag: str = ""
    tx_id: str
    transfer_type: int = 1
    wallet_type: int = 0


class Deposit(MovementAnswer, frozen=True, kw_only=True):
    """Money that came in."""

    insert_time: int
    complete_time: int
    success_time: int
    confirm_times: str = "1/1"
    unlock_confirm: int = 0


class Withdrawal(MovementAnswer, frozen=True, kw_only=True):
    """Money that went out, or is on its way: then it has no end yet."""

    apply_time: str
    complete_time: str | None
    success_time: int | None


class KeyRestrictions(Answer, frozen=True, kw_only=True):
    """What the key of the request may do."""

    ip_restrict: bool
    create_time: int
    enable_reading: bool
    enable_spot_and_margin_trading: bool
    enable_withdrawals: bool
    enable_internal_transfer: bool = False
    enable_margin: bool = False
    enable_futures: bool = False
    enable_vanilla_options: bool = False
    enable_portfolio_margin_trading: bool = False
    enable_fix_api_trade: bool = False
    enable_fix_read_only: bool = False
    permits_universal_transfer: bool = False
    trading_authority_expiration_time: int
