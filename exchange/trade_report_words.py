"""The blotter and the fee report in words: sections of ``exchange.statement_report``."""

from collections import defaultdict
from collections.abc import Sequence

from exchange.ledger_names import LedgerNames
from exchange.statement_report import Report, Section, period_facts, time_text
from messages.trading.terms import Side
from settlement.statement import Period
from settlement.trade_reports import BlotterLine, FeeReportLine


def blotter_report(names: LedgerNames, lines: Sequence[BlotterLine], period: Period) -> Report:
    """Write a trade blotter."""
    rows = []
    for line in lines:
        instrument = names.instruments[line.instrument]
        base, quote = names.assets[instrument.base_asset], names.assets[instrument.quote_asset]
        rows.append(
            (
                str(line.event_number),
                time_text(line.time_ns),
                str(line.trade_id),
                line.what,
                instrument.symbol,
                instrument.price(line.price_ticks),
                instrument.quantity(line.quantity_lots),
                base.text(line.base_atoms),
                quote.text(line.notional_atoms),
                "auction" if line.is_auction else Side(line.taker_side).name.lower(),
                names.account_name(line.maker_account),
                quote.text(line.maker_fee_atoms),
                str(line.maker_order_id),
                names.account_name(line.taker_account),
                quote.text(line.taker_fee_atoms),
                str(line.taker_order_id),
            )
        )
    columns = (
        *("event", "time", "trade", "what", "instrument", "price", "quantity", "base"),
        *("notional", "taker side", "maker", "maker fee", "maker order"),
        *("taker", "taker fee", "taker order"),
    )
    section = Section(
        name="blotter",
        columns=columns,
        numbers=frozenset(
            {"event", "trade", "price", "quantity", "base", "notional", "maker fee", "taker fee"}
            | {"maker order", "taker order"}
        ),
        rows=rows,
        note="Of a bust or a correction, the terms and fees that hold after it.",
    )
    return Report(title="Trade blotter", facts=period_facts(period), sections=[section])


def fees_report(names: LedgerNames, lines: Sequence[FeeReportLine], period: Period) -> Report:
    """Write a fee report, and the venue's income by asset."""
    rows, income = [], defaultdict[int, int](int)
    for line in lines:
        instrument = names.instruments[line.instrument]
        quote = names.assets[instrument.quote_asset]
        paid = line.maker_fee_atoms + line.taker_fee_atoms
        income[quote.asset] += paid
        rows.append(
            (
                names.account_name(line.account),
                instrument.symbol,
                str(line.maker_trades),
                quote.text(line.maker_notional_atoms),
                quote.text(line.maker_fee_atoms),
                str(line.taker_trades),
                quote.text(line.taker_notional_atoms),
                quote.text(line.taker_fee_atoms),
                quote.text(paid),
                quote.symbol,
            )
        )
    columns = (
        *("account", "instrument", "maker trades", "maker notional", "maker fees"),
        *("taker trades", "taker notional", "taker fees", "paid", "in"),
    )
    return Report(
        title="Fee report",
        facts=period_facts(period),
        sections=[
            Section(
                name="fees",
                columns=columns,
                numbers=frozenset(columns[2:-1]),
                rows=rows,
                note="Below zero is a rebate. Notional and fees are after busts and corrections.",
            ),
            Section(
                name="income",
                columns=("asset", "fees less rebates"),
                numbers=frozenset({"fees less rebates"}),
                rows=[
                    (names.assets[asset].symbol, names.assets[asset].text(atoms))
                    for asset, atoms in sorted(income.items())
                ],
                note="Of the accounts listed.",
            ),
        ],
    )
