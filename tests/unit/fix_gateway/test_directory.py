"""What the gateway knows of accounts and rights, one definition after another or all at once."""

from __future__ import annotations

import random

from fix_gateway.translation.directory import Directory
from messages.layout import Record, padded_text
from messages.trading import events as e

STEPS = 400


def definitions(chance: random.Random) -> list[Record]:
    """Accounts of three firms and rights on them, given, changed and taken away."""
    told: list[Record] = []
    for _ in range(STEPS):
        number = chance.randint(1, 12)
        if chance.random() < 0.2:
            name = padded_text(f"A{number}", 32)
            told.append(e.AccountCreated.make(account=number, firm=1 + number % 3, name=name))
        else:
            told.append(
                e.SessionGranted.make(
                    session=chance.randint(1, 5),
                    account=number,
                    firm=1 + number % 3,
                    rights=chance.choice((0, 1, 1, 1, 2, 3, 4, 7)),
                )
            )
    return told


def views(directory: Directory) -> tuple[object, ...]:
    trading = {session: own for session, own in directory.trading_accounts.items() if own}
    asked = [directory.asked_sessions(account) for account in range(1, 13)]
    copies = directory.copies_of_account, directory.copies_of_firm
    return trading, copies, asked, directory.accounts, directory.firm_of_session


def test_one_by_one_and_all_at_once_lead_to_the_same(chance: random.Random) -> None:
    told, single = definitions(chance), Directory()
    has_copies = 0
    for count, record in enumerate(told, start=1):
        edition, before = single.edition, views(single)
        single.learn(record)
        whole = Directory()
        whole.learn_all(told[:count])
        assert views(single) == views(whole), record
        if views(single)[:2] != before[:2]:
            assert single.edition > edition, "whoever goes by the rights has to hear of it"
        has_copies += bool(single.copies_of_firm)
    assert has_copies > 0
    assert single.trading_accounts


def grant(number: int, rights: int = 1) -> Record:
    return e.SessionGranted.make(session=1, account=number, firm=1, rights=rights)


def directory_of(accounts: int) -> Directory:
    """All of one session, which may trade for the first one."""
    directory = Directory()
    for number in range(1, accounts + 1):
        name = padded_text(f"A{number}", 32)
        directory.learn(e.AccountCreated.make(account=number, firm=1, name=name))
    directory.learn(grant(1))
    return directory


def test_who_found_an_account_finds_its_number_whatever_is_taken_away() -> None:
    directory = directory_of(2)
    reading = directory.trading_accounts[1]
    directory.learn(grant(2))
    directory.learn(grant(1, rights=0))
    assert reading == {"A1": 1, "A2": 2}, "QuickFIX's thread may be in the middle of it"
    assert directory.trading_accounts[1] == {"A2": 2}


def test_one_more_account_of_a_session_copies_none_of_the_others() -> None:
    directory = directory_of(50)
    reading = directory.trading_accounts[1]
    for number in range(2, 51):
        directory.learn(grant(number))
    assert directory.trading_accounts[1] is reading
    assert reading == {f"A{number}": number for number in range(1, 51)}
    assert directory.sessions_trading_for(50) == [1]
    assert directory.sessions_trading_for(51) == []
