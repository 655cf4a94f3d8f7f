"""Statements and reports in words: names, units and decimals, in sections of plain rows.

The three renderings (JSON, CSV, HTML) show these rows and nothing else, so they say the same.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from exchange.ledger_names import LedgerNames
from messages.trading.terms import Side
from settlement.chart import MEMORANDA, EntryCause, LedgerAccountKind
from settlement.cycle_terms import InstructionState
from settlement.statement import AccountStatement, Period

_NANOSECONDS = 1_000_000_000

METHOD = (
    "Realised profit is by average cost for each instrument: a trade that reduces a position takes"
    " the same part of its cost with it, rounded down to an atom; what rounding leaves stays with"
    " the position. Busts and corrections count as trades back at the old terms, and corrections as"
    " trades at the new ones, when they happen. Fees are apart, and net is after them."
)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A table: ``numbers`` are the columns that are written to the right."""

    name: str
    columns: tuple[str, ...]
    numbers: frozenset[str] = frozenset()
    rows: Sequence[tuple[str, ...]]
    note: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A document: a title, facts about it, and sections."""

    title: str
    facts: dict[str, str]
    sections: list[Section]


def time_text(time_ns: int) -> str:
    """Write a stamp in UTC, to the nanosecond."""
    seconds, rest = divmod(time_ns, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def period_facts(period: Period) -> dict[str, str]:
    """Write a period, in times and events."""
    return {
        "from": time_text(period.from_ns),
        "until": time_text(period.until_ns),
        "events": f"after {period.after_event} through {period.through_event}",
    }


def statement_report(
    names: LedgerNames, statements: Sequence[AccountStatement], *, title: str, position: int
) -> Report:
    """Write the statement of an account, or of a firm: its accounts' one after the other.

    Args:
        names: of what the ledger knows.
        statements: of one period.
        title: whose it is.
        position: the last event in the ledger when they were made.
    """
    words = _Words(names)
    sections = [
        words.balances(statements),
        words.movements(statements),
        words.profits(statements),
        words.fees(statements),
        words.fills(statements),
        words.settlements(statements),
        words.entries(statements),
    ]
    if len(statements) > 1:
        sections.insert(0, words.totals(statements))
    return Report(
        title=title,
        facts=period_facts(statements[0].period)
        | {
            "accounts": ", ".join(
                f"{names.account_name(each.account)} (settles {each.mode})" for each in statements
            ),
            "ledger at event": str(position),
        },
        sections=sections,
    )


class _Words:
    """Writes the sections of statements."""

    def __init__(self, names: LedgerNames) -> None:
        self._names = names

    def totals(self, statements: Sequence[AccountStatement]) -> Section:
        sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        for each in statements:
            for line in each.balances:
                if line.kind in MEMORANDA:
                    continue
                sums[line.asset][0] += line.opening_atoms
                sums[line.asset][1] += line.closing_atoms
        return Section(
            name="totals",
            columns=("asset", "opening", "closing", "change"),
            numbers=frozenset({"opening", "closing", "change"}),
            rows=[
                (
                    self._symbol(asset),
                    self._units(asset, opening),
                    self._units(asset, closing),
                    self._units(asset, closing - opening),
                )
                for asset, (opening, closing) in sorted(sums.items())
            ],
            note="Of all accounts together: funds and withdrawals, less receivables.",
        )

    def balances(self, statements: Sequence[AccountStatement]) -> Section:
        return Section(
            name="balances",
            columns=("account", "asset", "ledger account", "opening", "closing", "change"),
            numbers=frozenset({"opening", "closing", "change"}),
            rows=[
                (
                    self._names.account_name(each.account),
                    self._symbol(line.asset),
                    _kind(line.kind),
                    self._units(line.asset, line.opening_atoms),
                    self._units(line.asset, line.closing_atoms),
                    self._units(line.asset, line.closing_atoms - line.opening_atoms),
                )
                for each in statements
                for line in each.balances
            ],
            note="A credit line is what the account may go below zero by: no money.",
        )

    def movements(self, statements: Sequence[AccountStatement]) -> Section:
        return Section(
            name="movements",
            columns=("account", "asset", "ledger account", "cause", "amount"),
            numbers=frozenset({"amount"}),
            rows=[
                (
                    self._names.account_name(each.account),
                    self._symbol(line.asset),
                    _kind(line.kind),
                    cause.replace("_", " "),
                    self._units(line.asset, atoms),
                )
                for each in statements
                for line in each.balances
                for cause, atoms in line.movements.items()
            ],
            note="Opening and movements make closing, for each asset and ledger account.",
        )

    def profits(self, statements: Sequence[AccountStatement]) -> Section:
        rows = []
        for each in statements:
            for line in each.profits:
                instrument = self._names.instruments[line.instrument]
                base, quote = instrument.base_asset, instrument.quote_asset
                rows.append(
                    (
                        self._names.account_name(each.account),
                        instrument.symbol,
                        self._units(base, line.opening_base_atoms),
                        self._units(quote, line.opening_cost_atoms),
                        self._units(base, line.closing_base_atoms),
                        self._units(quote, line.closing_cost_atoms),
                        self._units(quote, line.realised_atoms),
                        self._units(quote, line.fees_atoms),
                        self._units(quote, line.net_atoms),
                        self._symbol(quote),
                    )
                )
        columns = (
            "account",
            "instrument",
            "opening position",
            "opening cost",
            "closing position",
            "closing cost",
            "realised",
            "fees",
            "net",
            "in",
        )
        return Section(
            name="positions and profit",
            columns=columns,
            numbers=frozenset(columns[2:-1]),
            rows=rows,
            note=METHOD,
        )

    def fees(self, statements: Sequence[AccountStatement]) -> Section:
        return Section(
            name="fees",
            columns=("account", "asset", "charged", "rebates", "corrected", "paid"),
            numbers=frozenset({"charged", "rebates", "corrected", "paid"}),
            rows=[
                (
                    self._names.account_name(each.account),
                    self._symbol(line.asset),
                    self._units(line.asset, line.charged_atoms),
                    self._units(line.asset, line.rebated_atoms),
                    self._units(line.asset, line.corrected_atoms),
                    self._units(line.asset, line.total_atoms),
                )
                for each in statements
                for line in each.fees
            ],
            note="Paid is what was charged, less rebates and what corrections gave back.",
        )

    def fills(self, statements: Sequence[AccountStatement]) -> Section:
        rows = []
        for each in statements:
            for line in each.fills:
                instrument = self._names.instruments[line.instrument]
                rows.append(
                    (
                        self._names.account_name(each.account),
                        str(line.event_number),
                        time_text(line.time_ns),
                        str(line.trade_id),
                        line.what,
                        instrument.symbol,
                        Side(line.side).name.lower(),
                        "maker" if line.is_maker else "taker",
                        instrument.price(line.price_ticks),
                        instrument.quantity(line.quantity_lots),
                        self._units(instrument.base_asset, line.base_atoms),
                        self._units(instrument.quote_asset, line.quote_atoms),
                        self._units(instrument.quote_asset, line.fee_atoms),
                        line.client_order_id,
                    )
                )
        columns = (
            *("account", "event", "time", "trade", "what", "instrument", "side", "role"),
            *("price", "quantity", "base", "quote", "fee", "client order id"),
        )
        return Section(
            name="trades",
            columns=columns,
            numbers=frozenset({"event", "trade", "price", "quantity", "base", "quote", "fee"}),
            rows=rows,
            note="Of a bust or a correction, base, quote and fee are what it changed.",
        )

    def settlements(self, statements: Sequence[AccountStatement]) -> Section:
        return Section(
            name="settlement",
            columns=(
                *("account", "cycle", "business date", "instruction", "attempt", "way"),
                *("asset", "amount", "confirmed", "state"),
            ),
            numbers=frozenset({"cycle", "instruction", "attempt", "amount", "confirmed"}),
            rows=[
                (
                    self._names.account_name(each.account),
                    str(line.cycle),
                    line.business_date,
                    str(line.instruction),
                    str(line.attempt),
                    "receive" if line.amount_atoms > 0 else "deliver",
                    self._symbol(line.asset),
                    self._units(line.asset, abs(line.amount_atoms)),
                    self._units(line.asset, abs(line.confirmed_atoms)),
                    InstructionState(line.state).name.lower().replace("_", " "),
                )
                for each in statements
                for line in each.settlements
            ],
            note="Instructions of the cycles of these business dates, as they stand now.",
        )

    def entries(self, statements: Sequence[AccountStatement]) -> Section:
        return Section(
            name="entries",
            columns=(
                *("account", "event", "leg", "time", "ledger account", "cause"),
                *("asset", "amount", "balance"),
            ),
            numbers=frozenset({"event", "leg", "amount", "balance"}),
            rows=[
                (
                    self._names.account_name(each.account),
                    str(line.event_number),
                    str(line.leg),
                    time_text(line.time_ns),
                    _kind(line.kind),
                    EntryCause(line.cause).name.lower().replace("_", " "),
                    self._symbol(line.asset),
                    self._units(line.asset, line.amount_atoms),
                    self._units(line.asset, line.balance_atoms),
                )
                for each in statements
                for line in each.entries
            ],
        )

    def _symbol(self, asset: int) -> str:
        return self._names.assets[asset].symbol

    def _units(self, asset: int, atoms: int) -> str:
        return self._names.assets[asset].text(atoms)


def _kind(kind: int) -> str:
    return LedgerAccountKind(kind).name.lower().replace("_", " ")


def as_json(report: Report) -> str:
    """Render as one JSON document; every figure is decimal text."""
    return json.dumps(
        {
            "title": report.title,
            **report.facts,
            "sections": {
                section.name: [dict(zip(section.columns, row, strict=True)) for row in section.rows]
                for section in report.sections
            },
        },
        indent=1,
    )


def as_csv(report: Report, only: str | None = None) -> str:
    """Render as CSV: one section with its heading, or all, each line beginning with its section's.

    Args:
        report: what to render.
        only: a section's name.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for section in report.sections:
        if only is not None and section.name != only:
            continue
        lead = [] if only is not None else [section.name]
        writer.writerow(["section", *section.columns] if lead else section.columns)
        writer.writerows(_safe([*lead, *row]) for row in section.rows)
    return out.getvalue()


def _safe(row: Iterable[str]) -> list[str]:
    """Keep a spreadsheet from taking a client's text for a formula."""
    return [f"'{text}" if text[:1] in ("=", "@", "+", "\t", "\r") else text for text in row]
