"""Who owns what: assets, firms, accounts and their balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venue.reference.values import BUY

if TYPE_CHECKING:
    from venue.reference.client_ids import MassCancelId
    from venue.reference.orders import Order
    from venue.reference.protection import Protection
    from venue.reference.quote_requests import RfqQuote
    from venue.reference.standing_quotes import Quote, QuoteKey


class Asset:
    """An asset, all of it that is in the venue, and the fees the venue took in it.

    The balances of all accounts and ``fees_atoms`` add up to ``supply_atoms`` and what accounts
    owe since a bust, ``receivable_atoms``, always.
    ``credit_lines_atoms`` is the sum of all accounts' credit lines. ``overdrawn`` are, by account,
    the balances that use more than their line, and some that no longer do.
    """

    __slots__ = (
        "credit_lines_atoms",
        "fees_atoms",
        "number",
        "overdrawn",
        "receivable_atoms",
        "scale",
        "supply_atoms",
        "supply_max_atoms",
        "symbol",
    )

    def __init__(self, *, number: int, scale: int, supply_max_atoms: int, symbol: bytes) -> None:
        self.number = number
        self.scale = scale
        self.supply_max_atoms = supply_max_atoms
        self.symbol = symbol
        self.supply_atoms = 0
        self.fees_atoms = 0
        self.credit_lines_atoms = 0
        self.receivable_atoms = 0
        self.overdrawn: dict[int, Balance] = {}

    def lent_atoms(self) -> int:
        """Return what all accounts may owe: of each its line, or what it uses where that is more.

        Receivables are lent too. Nothing but a new line or receivable makes this grow: within a
        line what is used stays within it, and beyond one it only falls. So bounding it when
        lines are set and receivables raised bounds every balance.
        """
        self.overdrawn = {
            number: balance
            for number, balance in self.overdrawn.items()
            if balance.used_atoms > balance.credit_line_atoms
        }
        beyond = (each.used_atoms - each.credit_line_atoms for each in self.overdrawn.values())
        return self.credit_lines_atoms + sum(beyond) + self.receivable_atoms


class Firm:
    """A firm."""

    __slots__ = ("is_killed", "name", "number")

    def __init__(self, *, number: int, name: bytes) -> None:
        self.number = number
        self.name = name
        self.is_killed = False


class Balance:
    """What an account has of one asset.

    ``held_atoms`` is tied up by open orders, quotes and withdrawals, ``buying_atoms`` is what its
    open buys and bids would bring. ``receivable_atoms`` of the balance were lent by the venue at
    a bust.
    """

    __slots__ = (
        "balance_atoms",
        "buying_atoms",
        "credit_line_atoms",
        "held_atoms",
        "position_max_atoms",
        "receivable_atoms",
    )

    def __init__(self) -> None:
        self.balance_atoms = 0
        self.held_atoms = 0
        self.credit_line_atoms = 0
        self.position_max_atoms = 0
        self.buying_atoms = 0
        self.receivable_atoms = 0

    @property
    def available_atoms(self) -> int:
        """What orders may still tie up."""
        return self.balance_atoms - self.held_atoms + self.credit_line_atoms

    @property
    def free_atoms(self) -> int:
        """What may leave the venue: never borrowed money."""
        return self.balance_atoms - self.held_atoms

    @property
    def used_atoms(self) -> int:
        """What is owed, or would be if all that is held were spent."""
        return max(0, self.held_atoms - self.balance_atoms)


class Account:
    """An account, its limits, its open orders by id (oldest first), client ids and quotes.

    ``group`` is what self-trade prevention compares: the owner group, or the account itself when
    it belongs to none. ``next_free_ns`` is the throttle's state, ``quote_requests`` counts its open
    requests for quote.
    """

    __slots__ = (
        "balances",
        "client_ids",
        "fee_schedules",
        "firm",
        "group",
        "is_killed",
        "kind",
        "message_burst",
        "message_interval_ns",
        "name",
        "next_free_ns",
        "number",
        "open_orders",
        "open_orders_max",
        "owner_group",
        "protections",
        "quote_requests",
        "quotes",
        "self_trade_prevention",
    )

    def __init__(
        self,
        *,
        number: int,
        firm: Firm,
        owner_group: int,
        kind: int,
        self_trade_prevention: int,
        name: bytes,
    ) -> None:
        self.number = number
        self.firm = firm
        self.owner_group = owner_group
        self.group = owner_group or -number
        self.kind = kind
        self.self_trade_prevention = self_trade_prevention
        self.name = name
        self.is_killed = False
        self.open_orders_max = 0
        self.message_burst = 0
        self.message_interval_ns = 0
        self.next_free_ns = 0
        self.quote_requests = 0
        self.balances: dict[int, Balance] = {}
        self.open_orders: dict[int, Order] = {}
        self.client_ids: dict[bytes, Order | MassCancelId | RfqQuote] = {}
        self.fee_schedules: dict[int, int] = {}
        self.quotes: dict[QuoteKey, Quote] = {}
        self.protections: dict[int, Protection] = {}

    def balance(self, asset: int) -> Balance:
        """Return what it has of an asset; an asset it never had is all zeros."""
        balance = self.balances.get(asset)
        if balance is None:
            balance = self.balances[asset] = Balance()
        return balance

    @property
    def owed_assets(self) -> int:
        """How many assets the account owes the venue something of since a bust."""
        return sum(1 for each in self.balances.values() if each.receivable_atoms)


class Withdrawal:
    """Money held until custody says that it left, or will not."""

    __slots__ = ("account", "amount_atoms", "asset")

    def __init__(self, *, account: Account, asset: int, amount_atoms: int) -> None:
        self.account = account
        self.asset = asset
        self.amount_atoms = amount_atoms


def change_hold(order: Order, held_atoms: int) -> None:
    """Let an order tie up ``held_atoms`` from here on."""
    holding = order.quote if order.side == BUY else order.base
    holding.held_atoms += held_atoms - order.held_atoms
    order.held_atoms = held_atoms
