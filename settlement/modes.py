"""How accounts settle: gross unless there is a word, net from the first credit line on.

The word is a row with the event that it holds after, so that every entry has one mode for ever.
The first credit line of an account is such a word, by the event itself (``settlement.ledger``);
every other is a decision, by configuration when the venue is new or by an operator later.
"""

from collections.abc import Mapping

from runtime.postgres import Connection
from settlement.cycle_decisions import Ask, Recorded, deciding, ledger_position, record
from settlement.cycle_queries import mode_of, modes
from settlement.cycle_terms import DecisionKind, SettlementCode, SettlementMode
from settlement.errors import SettlementRefusedError


async def set_mode(
    connection: Connection, ask: Ask, *, account: int, mode: SettlementMode
) -> Recorded:
    """Let an account settle otherwise from the next event on.

    What it traded before stays as it was: settled, or part of a cycle.

    Raises:
        SettlementRefusedError: there is no such account, or it settles so already.
    """
    # Events must not be booked between reading the position and the word that holds after it.
    async with deciding(connection, isolation="read_committed"):
        after_event = await ledger_position(connection, is_held=True)
        request = {"account": account, "mode": mode.name}
        made = await record(connection, ask, DecisionKind.SET_MODE, request)
        if made.is_repeat:
            return made
        if not await connection.fetchval(
            "select exists (select from settlement.accounts where account = $1)", account
        ):
            raise SettlementRefusedError(
                SettlementCode.NO_SUCH_ACCOUNT, f"no account {account}", usage=account
            )
        if mode_of(await modes(connection), account) is mode:
            raise SettlementRefusedError(
                SettlementCode.MODE_HOLDS_ALREADY,
                f"account {account} settles {mode.name.lower()} already",
            )
        await enact_mode(
            connection, account, after_event=after_event, decision=made.decision, mode=mode
        )
        return made


async def seed_modes(
    connection: Connection, wanted: Mapping[int, SettlementMode], *, decided_at_ns: int
) -> int:
    """Put configured modes on record, of accounts that no event and no word was about yet.

    Returns:
        How many were new. An account that is there already is left to an operator.
    """
    fresh = 0
    if not wanted:
        return fresh
    async with deciding(connection, isolation="read_committed"):
        after_event = await ledger_position(connection, is_held=True)
        for account, mode in sorted(wanted.items()):
            known = await connection.fetchval(
                "select exists (select from settlement.account_modes"
                " where account = $1 and decision > 0)"
                " or exists (select from settlement.accounts where account = $1)",
                account,
            )
            if known:
                continue
            ask = Ask(
                operator=0,
                reference=f"configured-{account}-{mode.name.lower()}",
                decided_at_ns=decided_at_ns,
                reason="the account's session file",
            )
            request = {"account": account, "mode": mode.name}
            made = await record(connection, ask, DecisionKind.SET_MODE, request)
            await enact_mode(
                connection, account, after_event=after_event, decision=made.decision, mode=mode
            )
            fresh += 1
    return fresh


async def enact_mode(
    connection: Connection, account: int, *, after_event: int, decision: int, mode: SettlementMode
) -> None:
    """Write what a recorded word about a mode comes to, in the caller's transaction."""
    await connection.execute(
        "insert into settlement.account_modes (account, after_event, decision, mode)"
        " values ($1, $2, $3, $4)",
        account,
        after_event,
        decision,
        mode,
    )
