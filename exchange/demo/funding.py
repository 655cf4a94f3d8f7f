"""Money for the demo's accounts: credits with references, so that a repeat changes nothing."""

from collections.abc import Mapping
from typing import Final

from exchange.directory import Directory
from exchange.errors import CommandRefusedError
from exchange.operator_link import OperatorLink, matching
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.identity import client_id
from messages.trading.terms import BalanceCause

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


async def fund(operator: OperatorLink, known: Directory, amounts: Amounts) -> int:
    """Credit every account once in a venue's life; return how many credits were new.

    Raises:
        CommandError: an account or asset is not there, or the venue refused.
    """
    fresh = 0
    for (account_name, symbol), amount in amounts.items():
        asset, account = known.asset(symbol), known.account(account_name)
        reference = client_id(f"demo-{account_name}-{symbol}")
        command = commands.Credit.make(
            account=account,
            asset=asset.asset,
            amount_atoms=known.atoms(asset, amount),
            reference=reference,
        )
        wanted = matching(
            events.BalanceChanged, account=account, cause=BalanceCause.CREDIT, reference=reference
        )
        try:
            await operator.ask(command, wanted)
        except CommandRefusedError as error:
            if error.code is not RejectCode.DUPLICATE_REFERENCE:
                raise
        else:
            fresh += 1
    return fresh
