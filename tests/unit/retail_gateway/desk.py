"""A retail API without a venue: its table, over desks that have nothing behind them."""

import asyncio
from typing import Any

from retail_gateway.adapters.memory import MemoryHistory, MemoryMoney
from retail_gateway.allowances import Allowances, MemoryCounters
from retail_gateway.core_link import CoreLink
from retail_gateway.countdown import CountdownDesk
from retail_gateway.enquiries import EnquiryDesk
from retail_gateway.exchange_info import GeneralDesk
from retail_gateway.market import Market
from retail_gateway.market_data import MarketDataLink
from retail_gateway.ports import KeyTerms, Signed, Signer
from retail_gateway.refusals import Refusal
from retail_gateway.routes import Desks, Endpoint, endpoints
from retail_gateway.settings import Limits, RetailSettings
from retail_gateway.state import RetailState
from retail_gateway.trading import TradingDesk
from retail_gateway.user_data import UserData
from retail_gateway.wallet import WalletDesk

NOW_NS = 1_800_000_000_000_000_000
SETTINGS = RetailSettings(
    host="127.0.0.1",
    port=0,
    firm=9,
    firm_name="RETAIL",
    session=9,
    session_name="RETAIL",
    first_account=100,
    last_account=199,
)


def a_state(**changes: int) -> RetailState:
    bounds = {"first": 100, "last": 199, "kept_max": 1000} | changes
    return RetailState(Market(session=9), **bounds)


async def nobody(*_arguments: Any) -> Any:
    await asyncio.Event().wait()


class NoSigners:
    """Nobody has a key."""

    async def signer(self, _signed: Signed) -> Signer | Refusal:
        raise AssertionError("nobody signs here")

    async def terms(self, _key_id: str) -> KeyTerms | None:
        return None


def a_table() -> list[Endpoint]:
    state = a_state()
    clock = lambda: NOW_NS  # noqa: E731
    allowances = Allowances(Limits(), MemoryCounters(10))
    link = CoreLink(nobody, state, SETTINGS, clock=clock, user_data=UserData(state, clock))
    return endpoints(
        Desks(
            general=GeneralDesk(state, allowances, clock, name="TEST"),
            trading=TradingDesk(link, state),
            enquiries=EnquiryDesk(state, MemoryHistory(), clock),
            market_data=MarketDataLink(nobody),
            wallet=WalletDesk(
                state, MemoryMoney(), NoSigners(), clock, is_open=link.is_caught_up.is_set
            ),
            countdown=CountdownDesk(link, SETTINGS, clock),
        )
    )
