"""The examples do what they say, on a venue as its user starts it."""

import re
from decimal import Decimal
from pathlib import Path

from tests.e2e.clients.open_market import OpenMarket

MONEY = re.compile(r"^(\w+): ([\d.]+) free, ([\d.]+) locked$")


def money(lines: list[str]) -> dict[str, Decimal]:
    """Read what a script says is left of each asset, free and locked."""
    found = (MONEY.match(line) for line in lines)
    return {each[1]: Decimal(each[2]) + Decimal(each[3]) for each in found if each}


def test_an_order_by_rest_is_placed_seen_and_cancelled(
    market: OpenMarket, ada: Path, ben: Path
) -> None:
    bought = market.finished("rest_order.py", *market.rest, "--key", str(ada), "--price", "55000")
    assert bought[0].endswith("NEW, 0.0100 at 55000.00")
    assert bought[1].endswith("NEW, filled 0.0000")
    assert bought[2].endswith("CANCELED")
    assert "USD: 500000.000000 free, 0.000000 locked" in bought
    terms = ("--side", "SELL", "--price", "65000", "--quantity", "0.5")
    sold = market.finished("rest_order.py", *market.rest, "--key", str(ben), *terms)
    assert sold[0].endswith("NEW, 0.5000 at 65000.00")
    assert sold[2].endswith("CANCELED")


def test_a_refusal_says_why(market: OpenMarket, ada: Path) -> None:
    terms = ("--side", "SELL", "--price", "65000", "--quantity", "100")
    lines = market.finished("rest_order.py", *market.rest, "--key", str(ada), *terms)
    assert lines[0].startswith("refused: 400 -2010: Account has insufficient balance")
    assert "INSUFFICIENT_FUNDS" in lines[0]


def test_a_market_maker_over_fix_and_a_person_over_rest_trade_and_all_books_say_so(
    market: OpenMarket, ada: Path
) -> None:
    doors = (*market.rest, *market.streams)
    before = money(market.finished("rest_order.py", *market.rest, "--key", str(ada)))
    with (
        market.script("drop_copy.py", *market.fix("MM1-DC")) as copies,
        market.script("follow_book.py", *doors) as book,
        market.script("follow_account.py", *market.socket, "--key", str(ada)) as account,
        market.script("fix_market_maker.py", *market.fix("MM1"), "--quantity", "0.2") as maker,
    ):
        account.said("subscribed")
        maker.said("offer 0.2000 at 60010.00")
        book.said("bid 0.2000 at 59990.00, offer 0.2000 at 60010.00")
        take = ("rest_order.py", *market.rest, "--key", str(ada), "--take", "--quantity", "0.2")
        taken = market.finished(*take)
        assert taken[0].endswith("FILLED")
        trade = re.fullmatch(r"trade (\d+): 0\.2000 at 60010\.00, fee 6\.001000", taken[1])
        assert trade is not None, taken

        execution = maker.said("sold 0.2000 at 60010.00").partition("execution ")[2]
        copies.said(f"{execution} MM1", "traded 0.2000 at 60010.00")
        account.said("TRADE", "FILLED", f"trade {trade[1]}", "0.2000 at 60010.00")
        maker.said("offer 0.2000 at 60020.00")
        book.said("bid 0.2000 at 60000.00, offer 0.2000 at 60020.00")

        assert maker.stopped() == 0
        maker.said("bid is gone")
        maker.said("offer is gone")
        book.said("bid nothing, offer nothing")
        after = money(taken)
    assert after["BTC"] - before["BTC"] == Decimal("0.2")
    assert before["USD"] - after["USD"] == Decimal(12002) + Decimal("6.001")
    had = {asset: amount for asset, amount in after.items() if amount}
    assert market.settled(market.accounts[ada]) == had
    market.run.done("reconcile")


def test_a_drop_copy_is_told_what_happened_while_it_was_away(market: OpenMarket) -> None:
    with (
        market.script("drop_copy.py", *market.fix("MM1-DC")) as copies,
        market.script("fix_market_maker.py", *market.fix("MM1")) as maker,
    ):
        maker.said("offer 0.1000 at 60010.00")
        copies.said("sell 0.1000 BTC-USD: accepted")
        assert copies.stopped() == 0
        assert maker.stopped() == 0
    with market.script("drop_copy.py", *market.fix("MM1-DC")) as copies:
        copies.said("sell 0.1000 BTC-USD: cancelled")
        copies.said("buy 0.1000 BTC-USD: cancelled")
        assert not [line for line in copies.lines if "accepted" in line]
        assert copies.stopped() == 0
