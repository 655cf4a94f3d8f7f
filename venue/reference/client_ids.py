"""Clients' own identifiers: unique per account while remembered, never forgotten early.

An id is remembered while its order is open, and for the configured window after it is gone. All
ids of one order go with it, so they are forgotten together, in the order in which orders went.
"""

from __future__ import annotations

from collections import deque

from venue.reference.accounts import Account
from venue.reference.orders import Order


class MassCancelId:
    """The id of a mass cancel, or of a quote that ended: it names no order, and is gone."""

    __slots__ = ("account", "client_order_id")

    def __init__(self, account: Account, client_order_id: bytes) -> None:
        self.account = account
        self.client_order_id = client_order_id


class ClientIds:
    """The venue's memory of client ids, and of the done orders that they still name."""

    __slots__ = ("count", "gone", "orders")

    def __init__(self) -> None:
        self.count = 0
        self.orders: dict[int, Order] = {}
        self.gone: deque[tuple[int, Order | MassCancelId]] = deque()

    def attach(self, order: Order, client_order_id: bytes) -> None:
        """Let one more id name an order."""
        order.client_ids.append(client_order_id)
        order.account.client_ids[client_order_id] = order
        self.count += 1

    def remember_mass_cancel(
        self, account: Account, client_order_id: bytes, *, now_ns: int
    ) -> None:
        """Remember the id of a mass cancel, or of a quote that ended without a trade."""
        owner = MassCancelId(account, client_order_id)
        account.client_ids[client_order_id] = owner
        self.count += 1
        self.gone.append((now_ns, owner))

    def forget(self, *, now_ns: int, window_ns: int) -> None:
        """Forget what went at least ``window_ns`` ago."""
        gone = self.gone
        while gone and gone[0][0] + window_ns <= now_ns:
            _, owner = gone.popleft()
            if isinstance(owner, Order):
                for client_order_id in owner.client_ids:
                    del owner.account.client_ids[client_order_id]
                self.count -= len(owner.client_ids)
                del self.orders[owner.order_id]
            else:
                del owner.account.client_ids[owner.client_order_id]
                self.count -= 1
