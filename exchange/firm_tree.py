"""Firms, their accounts and sub-accounts: who belongs to whom, as the session files say.

An account may be a sub-account of another one of its firm. It trades, holds money and is limited
by itself, like every account: the relation says whose it is, for statements and for people. So the
engine does not know it; the configuration's record says since when it is so.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fix_gateway.settings import AccountTable, SessionFile


class Branch(NamedTuple):
    """An account and its sub-accounts, all by number."""

    account: int
    below: tuple[int, ...]


def parents_of(sessions: Mapping[str, SessionFile]) -> dict[int, int]:
    """Return the account that each sub-account is of, by number."""
    accounts = _accounts(sessions.values())
    numbers = {each.name: each.id for each in accounts}
    return {each.id: numbers[each.parent] for each in accounts if each.parent is not None}


def branches(accounts: Iterable[int], parents: Mapping[int, int]) -> list[Branch]:
    """Order accounts so that each is followed by its sub-accounts.

    Args:
        accounts: of one firm, by number.
        parents: of sub-accounts; one whose account is not among ``accounts`` stands by itself.
    """
    there = sorted(accounts)
    below: dict[int, list[int]] = {number: [] for number in there}
    for number in there:
        if (parent := parents.get(number)) in below:
            below[parent].append(number)
    return [
        Branch(number, tuple(below[number])) for number in there if parents.get(number) not in below
    ]


def in_order(accounts: Iterable[int], parents: Mapping[int, int]) -> list[int]:
    """Return accounts, each followed by its sub-accounts."""
    return [
        number
        for branch in branches(accounts, parents)
        for number in (branch.account, *branch.below)
    ]


def _accounts(files: Iterable[SessionFile]) -> list[AccountTable]:
    return [account for file in files for account in file.account]
