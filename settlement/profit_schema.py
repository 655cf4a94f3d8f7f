"""The tables of profit marks: what positions had cost, at some events, so that no walk is long.

They follow from trades and corrections alone, by ``settlement.profit``; a ledger made again has
the same.
"""

from sqlalchemy import BigInteger, Column, Table

from settlement.schema import metadata


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


profit_places = Table("profit_places", metadata, _key("event_number"))
"""Events as of which marks were made of every position that had changed."""

profit_marks = Table(
    "profit_marks",
    metadata,
    _key("account"),
    _key("instrument"),
    _key("event_number"),
    _number("base_atoms"),
    _number("cost_atoms"),
    _number("realised_atoms"),
)
"""A position at each place before which it had changed."""
