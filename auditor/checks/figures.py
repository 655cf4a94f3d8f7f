"""The engine's own figures, as it answers them, beside the auditor's at the same event."""

from collections.abc import Iterable

from auditor.checks.books import Books
from auditor.findings import Check, Findings
from auditor.picture import Picture
from messages.trading.answers import Balances, Book
from messages.trading.terms import Side


def compare_balances(picture: Picture, figures: Balances, findings: Findings) -> None:
    """Compare every balance, hold, supply and fee with the engine's, both ways."""
    engine = {(account, asset): both for account, asset, *both in figures.balances}
    ours = {
        key: [each.balance, each.held]
        for key, each in picture.holdings.items()
        if each.balance or each.held
    }
    for account, asset in engine.keys() | ours.keys():
        theirs, known = engine.get((account, asset)), ours.get((account, asset))
        if theirs != known:
            findings.add(
                Check.ENGINE_FIGURES,
                f"balance and held are {theirs} to the engine, and {known} to the auditor",
                account=account,
                asset=asset,
            )
    for asset, supply, fees in figures.assets:
        sums = picture.assets.get(asset)
        if sums is None or (sums.supply, sums.fees) != (supply, fees):
            findings.add(
                Check.ENGINE_FIGURES,
                f"supply and fees are {supply} and {fees} to the engine, and"
                f" {None if sums is None else (sums.supply, sums.fees)} to the auditor",
                asset=asset,
            )
    owed = {key: each.owed for key, each in picture.holdings.items() if each.owed}
    if owed != {(account, asset): atoms for account, asset, atoms in figures.receivables}:
        findings.add(
            Check.ENGINE_FIGURES, f"owed is {figures.receivables} to the engine, {owed} to us"
        )


def compare_books(
    picture: Picture, books: Books, answer: Iterable[Book], findings: Findings
) -> None:
    """Compare every queue of every book with the engine's: orders, prices, shown and hidden."""
    for book in answer:
        theirs = [
            (each.side, each.order_id, each.price_ticks, each.shown_lots, each.leaves_lots)
            for each in book.orders
        ]
        ours = [
            (side, order_id, price, shown, picture.orders[order_id].leaves)
            for side in (Side.BUY, Side.SELL)
            for order_id, price, shown in books.queue(book.instrument, side)
        ]
        if theirs == ours:
            continue
        at = next(
            (at for at, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]),
            min(len(theirs), len(ours)),
        )
        findings.add(
            Check.BOOKS,
            f"the engine's book differs at place {at} of {len(theirs)}:"
            f" {theirs[at : at + 1]}, not {ours[at : at + 1]} of {len(ours)}",
            instrument=book.instrument,
        )
