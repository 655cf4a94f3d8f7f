"""Every endpoint of the API in one table: what it takes, costs and answers, and who does it.

REST, the WebSocket API, the OpenAPI document, and the tests of isolation are made from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from retail_gateway import answers, countdown, parameters, wallet_terms
from retail_gateway.countdown import CountdownDesk
from retail_gateway.enquiries import EnquiryDesk
from retail_gateway.exchange_info import GeneralDesk
from retail_gateway.market_data import QUESTIONS, MarketDataLink
from retail_gateway.parameters import Parameters
from retail_gateway.trading import Asked, TradingDesk
from retail_gateway.wallet import WalletDesk

Handler = Callable[[Asked, Any], Awaitable[Any]]


class Security(StrEnum):
    """What a request must prove; the words are those of an API key's permissions."""

    NONE = ""
    READ = "read"
    TRADE = "trade"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One thing that can be asked."""

    method: str
    path: str
    summary: str
    handle: Handler
    takes: type[Any] = Parameters
    answers: Any = answers.Empty
    security: Security = Security.NONE
    weight: int = 1
    weigh: Callable[[Mapping[str, str]], int] | None = None
    """Says the weight of a request with these parameters, where it is not always the same."""
    orders: int = 0
    """How many new orders a request counts as."""
    changes: bool = False
    """Whether a repeat would do something again."""
    socket_method: str = ""
    """What the WebSocket API calls it; empty where it has no such thing."""

    @property
    def door(self) -> str:
        """Name it in a word."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Desks:
    """Who answers."""

    general: GeneralDesk
    trading: TradingDesk
    enquiries: EnquiryDesk
    market_data: MarketDataLink
    wallet: WalletDesk
    countdown: CountdownDesk


def endpoints(desks: Desks) -> list[Endpoint]:
    """Return the table."""
    return [
        *_general(desks.general),
        *_market_data(desks.market_data),
        *_trade(desks.trading),
        *_changes(desks.trading),
        *_orders(desks.enquiries),
        *_account(desks),
        *_wallet(desks.wallet),
        _countdown(desks.countdown),
    ]


def _general(desk: GeneralDesk) -> list[Endpoint]:
    return [
        Endpoint(
            method="GET",
            path="/api/v3/ping",
            summary="Test connectivity",
            handle=desk.ping,
            socket_method="ping",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/time",
            summary="Server time",
            handle=desk.time,
            answers=answers.ServerTime,
            socket_method="time",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/exchangeInfo",
            summary="Markets, their filters, and the rate limits",
            handle=desk.exchange_info,
            takes=parameters.Symbols,
            answers=dict[str, Any],
            weight=20,
            socket_method="exchangeInfo",
        ),
    ]


def _market_data(link: MarketDataLink) -> list[Endpoint]:
    async def ask(_asked: Asked, question: Any) -> Any:
        return await link.ask(question)

    return [
        Endpoint(
            method="GET",
            path=question.path,
            summary=question.summary,
            handle=ask,
            takes=question.takes,
            answers=Any,
            weight=question.weigh({}),
            weigh=question.weigh,
            socket_method=question.socket_method,
        )
        for question in QUESTIONS
    ]


def _trade(desk: TradingDesk) -> list[Endpoint]:
    trade = Security.TRADE
    return [
        Endpoint(
            method="POST",
            path="/api/v3/order",
            summary="Place an order",
            handle=desk.place,
            takes=parameters.Terms,
            answers=answers.PlacedAnswer,
            security=trade,
            orders=1,
            changes=True,
            socket_method="order.place",
        ),
        Endpoint(
            method="POST",
            path="/api/v3/order/test",
            summary="Check an order as it would be placed, and place none",
            handle=desk.test,
            takes=parameters.TestTerms,
            answers=dict[str, Any],
            security=trade,
            socket_method="order.test",
        ),
        Endpoint(
            method="DELETE",
            path="/api/v3/order",
            summary="Cancel an order",
            handle=desk.cancel,
            takes=parameters.CancelledOrder,
            answers=answers.CancelledAnswer,
            security=trade,
            changes=True,
            socket_method="order.cancel",
        ),
        Endpoint(
            method="DELETE",
            path="/api/v3/openOrders",
            summary="Cancel all open orders of a market",
            handle=desk.cancel_open,
            takes=parameters.OneSymbol,
            answers=list[answers.CancelledAnswer],
            security=trade,
            changes=True,
            socket_method="openOrders.cancelAll",
        ),
    ]


def _changes(desk: TradingDesk) -> list[Endpoint]:
    trade = Security.TRADE
    return [
        Endpoint(
            method="POST",
            path="/api/v3/order/cancelReplace",
            summary="Cancel an order and place another",
            handle=desk.replace,
            takes=parameters.Replacement,
            answers=answers.ReplacedAnswer,
            security=trade,
            orders=1,
            changes=True,
            socket_method="order.cancelReplace",
        ),
        Endpoint(
            method="PUT",
            path="/api/v3/order/amend/keepPriority",
            summary="Make an order smaller in its place",
            handle=desk.amend,
            takes=parameters.AmendedOrder,
            answers=answers.AmendedAnswer,
            security=trade,
            weight=4,
            changes=True,
            socket_method="order.amend.keepPriority",
        ),
    ]


def _of(handle: Callable[[int, Any], Awaitable[Any]]) -> Handler:
    """Make a handler of a question about an account."""

    async def handled(asked: Asked, wanted: Parameters) -> Any:
        return await handle(asked.account, wanted)

    return handled


def _orders(desk: EnquiryDesk) -> list[Endpoint]:
    read = Security.READ
    return [
        Endpoint(
            method="GET",
            path="/api/v3/order",
            summary="Where an order stands",
            handle=_of(desk.order),
            takes=parameters.NamedOrder,
            answers=answers.OrderAnswer,
            security=read,
            weight=4,
            socket_method="order.status",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/openOrders",
            summary="Open orders",
            handle=_of(desk.open_orders),
            takes=parameters.OptionalSymbol,
            answers=list[answers.OrderAnswer],
            security=read,
            weight=6,
            socket_method="openOrders.status",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/allOrders",
            summary="Orders, open and done",
            handle=_of(desk.orders),
            takes=parameters.OrderRange,
            answers=list[answers.OrderAnswer],
            security=read,
            weight=20,
            socket_method="allOrders",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/myTrades",
            summary="Trades",
            handle=_of(desk.trades),
            takes=parameters.TradeRange,
            answers=list[answers.TradeAnswer],
            security=read,
            weight=20,
            socket_method="myTrades",
        ),
    ]


def _account(desks: Desks) -> list[Endpoint]:
    desk, read = desks.enquiries, Security.READ
    return [
        Endpoint(
            method="GET",
            path="/api/v3/account",
            summary="Balances, rates and rights",
            handle=_of(desk.account),
            takes=parameters.AccountView,
            answers=answers.AccountAnswer,
            security=read,
            weight=20,
            socket_method="account.status",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/account/commission",
            summary="Rates on a market",
            handle=_of(desk.commission),
            takes=parameters.OneSymbol,
            answers=answers.CommissionAnswer,
            security=read,
            weight=20,
            socket_method="account.commission",
        ),
        Endpoint(
            method="GET",
            path="/api/v3/rateLimit/order",
            summary="How many orders were counted",
            handle=desks.general.order_counts,
            answers=list[answers.RateLimitAnswer],
            security=read,
            weight=40,
            socket_method="account.rateLimits.orders",
        ),
    ]


def _wallet(desk: WalletDesk) -> list[Endpoint]:
    read = Security.READ
    return [
        Endpoint(
            method="GET",
            path="/sapi/v1/system/status",
            summary="Whether the venue takes orders",
            handle=desk.system_status,
            answers=wallet_terms.SystemStatus,
        ),
        Endpoint(
            method="GET",
            path="/sapi/v1/capital/config/getall",
            summary="Coins, and what the account has of them",
            handle=desk.coins,
            answers=list[wallet_terms.CoinAnswer],
            security=read,
            weight=10,
        ),
        Endpoint(
            method="GET",
            path="/sapi/v1/asset/tradeFee",
            summary="Rates on one market, or on all",
            handle=desk.trade_fees,
            takes=parameters.OptionalSymbol,
            answers=list[wallet_terms.TradeFee],
            security=read,
        ),
        Endpoint(
            method="GET",
            path="/sapi/v1/capital/deposit/hisrec",
            summary="Deposits, newest first",
            handle=desk.deposits,
            takes=wallet_terms.DepositRange,
            answers=list[wallet_terms.Deposit],
            security=read,
            weight=20,
        ),
        Endpoint(
            method="GET",
            path="/sapi/v1/capital/withdraw/history",
            summary="Withdrawals, newest first",
            handle=desk.withdrawals,
            takes=wallet_terms.WithdrawalRange,
            answers=list[wallet_terms.Withdrawal],
            security=read,
            weight=20,
        ),
        Endpoint(
            method="GET",
            path="/sapi/v1/account/apiRestrictions",
            summary="What the key of the request may do",
            handle=desk.restrictions,
            answers=wallet_terms.KeyRestrictions,
            security=read,
        ),
    ]


def _countdown(desk: CountdownDesk) -> Endpoint:
    return Endpoint(
        method="POST",
        path="/api/v3/countdownCancelAll",
        summary="Cancel all of the account's orders unless this is said again in time",
        handle=desk.set,
        takes=countdown.Countdown,
        answers=countdown.CountdownAnswer,
        security=Security.TRADE,
        weight=10,
        changes=True,
        socket_method="countdownCancelAll",
    )
