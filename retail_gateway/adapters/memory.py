"""History and people in memory: for tests, and for a venue whose state is all in the process."""

from collections.abc import Callable, Iterable

from retail_gateway.orders import Order, Trade
from retail_gateway.ports import Beginning, MoneyRange, Movement, MovementState, Range


class MemoryHistory:
    """A ``History`` that was given what it says."""

    def __init__(self, orders: Iterable[Order] = (), trades: Iterable[Trade] = ()) -> None:
        self._orders = {order.order_id: order for order in orders}
        self._trades = list(trades)

    async def beginning(self, first: int, last: int) -> Beginning:
        """See ``History.beginning``."""
        ours = [each for each in self._orders.values() if first <= each.account <= last]
        return Beginning(None, 0, [each for each in ours if each.is_open])

    async def positions(self) -> tuple[int, int]:
        """See ``History.positions``."""
        return 0, 0

    async def order(self, account: int, order_id: int) -> Order | None:
        """See ``History.order``."""
        order = self._orders.get(order_id)
        return order if order is not None and order.account == account else None

    async def order_of_client_id(self, account: int, client_order_id: str) -> Order | None:
        """See ``History.order_of_client_id``."""
        named = [
            each
            for each in self._orders.values()
            if (each.account, each.client_order_id) == (account, client_order_id)
        ]
        return max(named, key=lambda order: order.order_id, default=None)

    async def orders(self, account: int, instrument: int, wanted: Range) -> list[Order]:
        """See ``History.orders``."""
        found = [
            each
            for each in sorted(self._orders.values(), key=lambda order: order.order_id)
            if (each.account, each.instrument) == (account, instrument)
            and each.order_id >= (wanted.from_id or 0)
            and (wanted.start_ns or 0) <= each.created_at_ns <= (wanted.end_ns or 2**63)
        ]
        return _page(found, wanted)

    async def trades(self, account: int, instrument: int, wanted: Range) -> list[Trade]:
        """See ``History.trades``."""
        found = [
            each
            for each in self._trades
            if (each.account, each.instrument) == (account, instrument)
            and each.trade_id >= (wanted.from_id or 0)
            and (wanted.start_ns or 0) <= each.time_ns <= (wanted.end_ns or 2**63)
            and wanted.order_id in (None, each.order_id)
        ]
        return _page(found, wanted)


class MemoryMoney:
    """A ``MoneyHistory`` that was given what it says, by account."""

    def __init__(self) -> None:
        self.came_in: dict[int, list[Movement]] = {}
        self.went_out: dict[int, list[Movement]] = {}

    async def deposits(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """See ``MoneyHistory.deposits``."""
        return _movements(self.came_in.get(account, []), wanted)

    async def withdrawals(self, account: int, wanted: MoneyRange) -> list[Movement]:
        """See ``MoneyHistory.withdrawals``."""
        return _movements(self.went_out.get(account, []), wanted)

    async def withdrawing(self, account: int) -> dict[int, int]:
        """See ``MoneyHistory.withdrawing``."""
        going: dict[int, int] = {}
        for each in self.went_out.get(account, []):
            if each.state is MovementState.PENDING:
                going[each.asset] = going.get(each.asset, 0) + each.amount_atoms
        return going


def _movements(found: list[Movement], wanted: MoneyRange) -> list[Movement]:
    fit = [
        each
        for each in sorted(found, key=lambda movement: -movement.event_number)
        if wanted.start_ns <= each.began_at_ns <= wanted.end_ns
        and wanted.asset in (None, each.asset)
        and wanted.state in (None, each.state)
        and wanted.event_number in (None, each.event_number)
    ]
    return fit[wanted.offset : wanted.offset + wanted.limit]


def _page(found: list, wanted: Range) -> list:  # type: ignore[type-arg]
    is_from = wanted.from_id is not None or wanted.start_ns is not None
    return found[: wanted.limit] if is_from else found[-wanted.limit :]


class MemoryPeople:
    """``People`` that are forgotten with the process."""

    def __init__(self, *, first: int, last: int) -> None:
        self._last = last
        self._next = first
        self._accounts: dict[str, int] = {}

    async def account_of(self, person_id: str, is_taken: Callable[[int], bool]) -> int | None:
        """See ``People.account_of``."""
        account = self._accounts.get(person_id)
        while account is None and self._next <= self._last:
            number, self._next = self._next, self._next + 1
            if not is_taken(number):
                account = self._accounts[person_id] = number
        return account
