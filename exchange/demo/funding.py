"""Money for a demo's accounts: two operators credit it, so it is signed and on the record."""

import asyncio
from collections.abc import Mapping
from typing import Final

from exchange.admin.pair import OperatorPair
from exchange.directory import Directory
from exchange.operator_link import OperatorLink
from exchange.state import State

Amounts = Mapping[tuple[str, str], str]
"""Decimal amounts by account and asset."""

SEEDED_FLOW: Final[Amounts] = {
    ("MM1", "USD"): "50000000",
    ("MM1", "BTC"): "1000",
    ("MM1", "ETH"): "20000",
    ("MM2", "USD"): "50000000",
    ("MM2", "BTC"): "1000",
    ("MM2", "ETH"): "20000",
    ("INST1", "USD"): "10000000",
    ("INST1", "BTC"): "200",
    ("INST1", "ETH"): "4000",
}

RECORDED_FLOW: Final[Amounts] = {
    ("MM1", "USD"): "150000000",
    ("MM2", "BTC"): "95000",
    ("INST1", "USD"): "50000000",
    ("INST1", "BTC"): "20000",
}

FOUNDERS: Final = ("treasurer", "controller")
"""Who asks and who agrees, founded where a venue has no operators yet."""


async def fund(state: State, amounts: Amounts, names: tuple[str, str] = FOUNDERS) -> None:
    """Credit every account that has nothing of the asset.

    Raises:
        CommandError: an account, an asset or the two operators are not there, or the venue refused.
    """
    async with OperatorLink.open(state) as link:
        known = Directory(await link.definitions())
        balances = (await link.balances()).balances
    there = {(account, asset) for account, asset, balance, _ in balances if balance}
    missing = [
        (account, asset, amount)
        for (account, asset), amount in amounts.items()
        if (known.account(account), known.asset(asset).asset) not in there
    ]
    if missing:
        await asyncio.to_thread(_credit, state, missing, names)


def _credit(state: State, missing: list[tuple[str, str, str]], names: tuple[str, str]) -> None:
    pair = OperatorPair.of(state, names)
    for account, asset, amount in missing:
        body = {
            "account": account,
            "asset": asset,
            "amount": amount,
            "reference": f"demo-{account}-{asset}",
            "reason": "opening balance",
        }
        pair.carry_out("credit", body)
