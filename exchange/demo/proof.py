"""Proof with figures that a run left everything in order: what was told, booked and held agree.

Every comparison is a pure function that names what differs. A comparison of nothing with nothing
proves nothing, so each says how much it compared.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from exchange.demo.market import Market, decimal_value
from exchange.demo.orders import Report
from messages.trading.identity import event_number_of, execution_id
from messages.trading.terms import Side

DIFFERENCES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared: the figures, and what differs."""

    name: str
    figures: str
    differences: tuple[str, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class BookedTrade(NamedTuple):
    """A trade as settlement has booked it."""

    event_number: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    taker_side: int
    maker_account: int
    maker_fee_atoms: int
    maker_client_order_id: str
    taker_account: int
    taker_fee_atoms: int
    taker_client_order_id: str


class Execution(NamedTuple):
    """One side of a trade, from whichever place it is read."""

    account: str
    symbol: str
    side: int
    price_ticks: int
    quantity_lots: int
    fee_atoms: int
    client_order_id: str


class Units(NamedTuple):
    """What it takes to compare text with integers."""

    markets: Mapping[str, Market]
    fee_scales: Mapping[str, int]
    """By symbol: the scale of the quote asset, in which fees are."""
    account_names: Mapping[int, str]


def since(reports: Iterable[Report], event_number: int) -> list[Report]:
    """Keep the reports of events after a number; answers to questions report no event."""
    return [
        report
        for report in reports
        if not report.is_status_answer and event_number_of(report.execution_id) > event_number
    ]


def drop_copy_equals(told: Sequence[Report], copied: Sequence[Report]) -> Check:
    """Compare what a firm's trading sessions were told with what its drop copy was."""
    differences = [
        *_repeats("told", told),
        *_repeats("copied", copied),
        *_compare(
            {report.execution_id: report for report in told},
            {report.execution_id: report for report in copied},
            names=("told", "copied"),
        ),
    ]
    trades = sum(report.is_trade for report in told)
    copies = sum(report.is_trade for report in copied)
    quantities = (_quantities(told), _quantities(copied))
    if quantities[0] != quantities[1]:
        differences.append(f"quantity told {quantities[0]}, copied {quantities[1]}")
    return Check(
        "drop copy = executions",
        f"{trades} executions, {copies} copies; {len(told)} reports, {len(copied)} copies",
        tuple(differences),
    )


def trades_equal(
    told: Sequence[Report], booked: Sequence[BookedTrade], units: Units, accounts: Iterable[str]
) -> Check:
    """Compare executions that the clients were told with the trades that settlement has booked.

    Args:
        told: of all the accounts, by whichever session.
        booked: every trade since the run began.
        units: of the venue.
        accounts: by name, those whose reports were gathered.
    """
    ours = set(accounts)
    fills = [report for report in told if report.is_trade]
    expected = {
        identifier: execution
        for trade in booked
        for identifier, execution in _sides(trade, units)
        if execution.account in ours
    }
    found = {report.execution_id: _execution(report, units) for report in fills}
    differences = [
        *([] if expected or fills else ["nothing was traded, so nothing was shown"]),
        *_repeats("told", fills),
        *_compare(found, expected, names=("told", "booked")),
    ]
    return Check(
        "executions = trades in PostgreSQL",
        f"{len(fills)} executions, {len(expected)} sides of {len(booked)} trades",
        tuple(differences),
    )


def sums_are_zero(sums: Mapping[str, tuple[int, int]]) -> Check:
    """Check that everything posted in each asset sums to zero.

    Args:
        sums: by asset: how many entries, and their sum in atoms.
    """
    return Check(
        "every asset sums to zero",
        ", ".join(
            f"{asset} {total} of {count} entries" for asset, (count, total) in sorted(sums.items())
        ),
        tuple(f"{asset}: {total} atoms too many" for asset, (_, total) in sums.items() if total)
        or (() if sums else ("nothing was posted",)),
    )


def nothing_is_open(
    open_orders: Sequence[tuple[str, str]],
    held: Mapping[tuple[str, str], int],
    *,
    placed: int,
    left: Sequence[str] = (),
) -> Check:
    """Check that no order of ours is left and nothing is held for one.

    Args:
        open_orders: account and client order id, from the order history.
        held: atoms that the engine holds, by account and asset.
        placed: how many orders there were.
        left: what the clients could not clear up.
    """
    differences = [*left, *(f"{account}: {order} is open" for account, order in open_orders)]
    differences += [
        f"{name} {asset}: {atoms} held" for (name, asset), atoms in held.items() if atoms
    ]
    return Check(
        "no order is left",
        f"{len(open_orders)} open of {placed} placed, "
        f"{sum(held.values())} held in {len(held)} balances",
        tuple(differences),
    )


def mistakes_were_refused(made: int, refused: int, surprises: Sequence[str]) -> Check:
    """Check that each deliberate mistake was refused with its code, and nothing odd came."""
    differences = [f"{what} ({count} times)" for what, count in Counter(surprises).items()]
    if made != refused and not differences:
        differences.append(f"{made} were made, {refused} refused")
    return Check(
        "mistakes are refused", f"{refused} of {made}, each with its code", tuple(differences)
    )


def _sides(trade: BookedTrade, units: Units) -> list[tuple[str, Execution]]:
    """Say how each side of a booked trade must have been reported."""
    symbol = next(
        (name for name, each in units.markets.items() if each.instrument == trade.instrument), ""
    )
    taker_side = Side(trade.taker_side)
    maker_side = Side.SELL if taker_side is Side.BUY else Side.BUY
    maker = (trade.maker_account, trade.maker_fee_atoms, trade.maker_client_order_id)
    taker = (trade.taker_account, trade.taker_fee_atoms, trade.taker_client_order_id)
    sides = []
    for side, (account, fee_atoms, client_order_id) in ((maker_side, maker), (taker_side, taker)):
        execution = Execution(
            account=units.account_names.get(account, str(account)),
            symbol=symbol,
            side=side,
            price_ticks=trade.price_ticks,
            quantity_lots=trade.quantity_lots,
            fee_atoms=fee_atoms,
            client_order_id=client_order_id,
        )
        sides.append((execution_id(trade.event_number, side), execution))
    return sides


def _execution(report: Report, units: Units) -> Execution | str:
    """Read an execution; one that cannot be read is a difference, and says why."""
    try:
        market = units.markets[report.symbol]
        return Execution(
            account=report.account,
            symbol=report.symbol,
            side=int(report.side),
            price_ticks=market.ticks(report.last_price),
            quantity_lots=market.lots(report.last_quantity),
            fee_atoms=decimal_value(report.fee or "0", units.fee_scales[report.symbol]),
            client_order_id=report.client_order_id,
        )
    except (KeyError, ValueError) as error:
        return f"{report}: {type(error).__name__} {error}"


def _repeats(name: str, reports: Iterable[Report]) -> list[str]:
    counts = Counter(report.execution_id for report in reports)
    return [f"{name} {count} times: {key}" for key, count in counts.items() if count > 1]


def _quantities(reports: Iterable[Report]) -> dict[str, int]:
    """Add up what was executed, by symbol, in the smallest unit that any quantity here has."""
    total: Counter[str] = Counter()
    for report in reports:
        if report.is_trade:
            total[report.symbol] += decimal_value(report.last_quantity or "0", 18)
    return dict(total)


def _compare(
    left: Mapping[str, object], right: Mapping[str, object], *, names: tuple[str, str]
) -> list[str]:
    """Say what one side has that the other has not, or has otherwise."""
    differences = [f"{names[0]}, not {names[1]}: {left[key]}" for key in left if key not in right]
    differences += [f"{names[1]}, not {names[0]}: {right[key]}" for key in right if key not in left]
    differences += [
        f"{key}: {names[0]} {left[key]}, {names[1]} {right[key]}"
        for key in left
        if key in right and left[key] != right[key]
    ]
    return differences
