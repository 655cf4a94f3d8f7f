"""The state digest: News (B) that says how an account stands at an event number.

docs/protocols/fix-presence.md has the client's side: how to compute the same two sums from one's
own reports.
"""

from fix_gateway.statements.standing import AccountStanding, OpenOrder
from fix_gateway.translation import parts
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading.decimals import decimal_text

LINES_PER_MESSAGE = 50
HEADLINE = "STATE DIGEST"


def order_text(order: OpenOrder, directory: Directory) -> str:
    """Return what is hashed of an open order: 37, 11, 55, 54, 38, 44, 14 and 151 of its reports."""
    unit = directory.instrument(order.instrument)
    return "|".join(
        (
            str(order.order_id),
            safe_text(order.client_order_id) or "NONE",
            unit.symbol,
            parts.side(order.side),
            parts.quantity(order.quantity_lots, unit),
            parts.price(order.price_ticks, unit) if order.price_ticks else "",
            parts.quantity(order.filled_lots, unit),
            parts.quantity(order.leaves_lots, unit),
        )
    )


def digest(
    account: AccountStanding, *, number: int, event: int, now_ns: int, directory: Directory
) -> list[str]:
    """Write an account's digest, unsigned, from 35 on and in the order that is signed.

    Args:
        account: how it stands, all its orders hashed.
        number: the account's.
        event: through which event that is.
        now_ns: the gateway's clock.
        directory: the venue's definitions.
    """
    lines = _lines(account, directory)
    known = directory.accounts.get(number)
    name = known.name if known is not None else str(number)
    pages = -(-len(lines) // LINES_PER_MESSAGE)
    found = []
    for page in range(pages):
        some = lines[page * LINES_PER_MESSAGE : (page + 1) * LINES_PER_MESSAGE]
        text = "".join(f"58={line}\x01" for line in some)
        found.append(
            f"35=B\x0133={len(some)}\x01{text}42={timestamp_text(now_ns)}\x01"
            f"148={HEADLINE} {name} at event {event} page {page + 1} of {pages}\x015002={event}\x01"
        )
    return found


def _lines(account: AccountStanding, directory: Directory) -> list[str]:
    lines = [
        f"orders {account.orders} digest {account.orders_sum:016x}",
        f"executions {account.executions} digest {account.executions_sum:016x}",
    ]
    for instrument, traded in sorted(account.traded.items()):
        unit = directory.instrument(instrument)
        decimals = unit.price_decimals + unit.quantity_decimals
        scale = unit.tick_units * unit.lot_units
        lines.append(
            f"traded {unit.symbol} executions {traded.executions} "
            f"bought {parts.quantity(traded.bought_lots, unit)} "
            f"for {decimal_text(traded.bought_value * scale, decimals)} "
            f"sold {parts.quantity(traded.sold_lots, unit)} "
            f"for {decimal_text(traded.sold_value * scale, decimals)}"
        )
    for number, money in sorted(account.money.items()):
        asset = directory.asset(number)
        lines.append(
            f"money {asset.symbol} balance {decimal_text(money.balance_atoms, asset.scale)} "
            f"held {decimal_text(money.held_atoms, asset.scale)}"
        )
    return lines
