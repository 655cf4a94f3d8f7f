"""The JSON that the API answers with, in Binance's shape."""

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Part of an answer; with no fields of its own it is ``{}``."""


class Empty(Answer, frozen=True, kw_only=True):
    """Nothing to say but that it was done."""


class ServerTime(Answer, frozen=True, kw_only=True):
    """Our clock, in milliseconds."""

    server_time: int


class OrderAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """An order as it stands."""

    symbol: str
    order_id: int
    order_list_id: int = msgspec.field(default_factory=lambda: -1)
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    # Binance's own spelling.
    cumulative_quote_qty: str = msgspec.field(name="cummulativeQuoteQty")
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: str
    iceberg_qty: str
    time: int
    update_time: int
    is_working: bool
    working_time: int
    self_trade_prevention_mode: str


class FillAnswer(Answer, frozen=True, kw_only=True):
    """What an order traded at once."""

    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class PlacedAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a new order: ACK says the ids only, RESULT the order, FULL its fills too."""

    symbol: str
    order_id: int
    order_list_id: int = msgspec.field(default_factory=lambda: -1)
    client_order_id: str
    transact_time: int
    price: str | None = None
    orig_qty: str | None = None
    executed_qty: str | None = None
    orig_quote_order_qty: str | None = None
    cumulative_quote_qty: str | None = msgspec.field(name="cummulativeQuoteQty", default=None)
    status: str | None = None
    time_in_force: str | None = None
    type: str | None = None
    side: str | None = None
    stop_price: str | None = None
    working_time: int | None = None
    self_trade_prevention_mode: str | None = None
    fills: list[FillAnswer] | None = None


class CancelledAnswer(Answer, frozen=True, kw_only=True):
    """An order that went."""

    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int = -1
    client_order_id: str
    transact_time: int
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    cumulative_quote_qty: str = msgspec.field(name="cummulativeQuoteQty")
    status: str
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str


class AmendedAnswer(Answer, frozen=True, kw_only=True):
    """An order that was made smaller, in its place."""

    transact_time: int
    execution_id: int
    amended_order: OrderAnswer


class CommissionRates(Answer, frozen=True, kw_only=True):
    """Rates as fractions of the value."""

    maker: str
    taker: str
    buyer: str = "0.000000"
    seller: str = "0.000000"


class CommissionAnswer(Answer, frozen=True, kw_only=True):
    """What an account pays on a market."""

    symbol: str
    standard_commission: CommissionRates
    special_commission: CommissionRates
    tax_commission: CommissionRates


class TestedAnswer(Answer, frozen=True, kw_only=True):
    """A dry run that would pass, and what it would pay."""

    standard_commission_for_order: CommissionRates
    special_commission_for_order: CommissionRates
    tax_commission_for_order: CommissionRates


class BalanceAnswer(Answer, frozen=True, kw_only=True):
    """What an account has of an asset."""

    asset: str
    free: str
    locked: str


class AccountAnswer(Answer, frozen=True, kw_only=True):
    """An account: what it may do and what it has."""

    maker_commission: int
    taker_commission: int
    buyer_commission: int = 0
    seller_commission: int = 0
    commission_rates: CommissionRates
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool
    brokered: bool = False
    require_self_trade_prevention: bool = True
    prevent_sor: bool = True
    update_time: int
    account_type: str = "SPOT"
    balances: list[BalanceAnswer]
    permissions: list[str]
    uid: int


class TradeAnswer(Answer, frozen=True, kw_only=True):
    """One side of a trade."""

    symbol: str
    id: int
    order_id: int
    order_list_id: int = -1
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool = True


class RateLimitAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A bound on requests, and how much of it is used where that is asked."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int
    count: int | None = None


class ReplacedAnswer(Answer, frozen=True, kw_only=True):
    """What became of both halves of a cancel-replace."""

    cancel_result: str
    new_order_result: str
    cancel_response: msgspec.Raw
    new_order_response: msgspec.Raw
