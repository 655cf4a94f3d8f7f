"""What can go wrong outside of accounts.

AccountsError
    StoreAwayError: the database is away; it passes.
    MailRefusedError: the mail server does not take a letter, now or ever.
    SchemaError: the database is not at this program's version; the operator's.
"""


class AccountsError(Exception):
    """Something outside of the service."""


class StoreAwayError(AccountsError):
    """The database is away, and the outcome of what was asked is not known."""

    exit_code = 69


class MailRefusedError(AccountsError):
    """A letter was not taken."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.is_final = is_final


class SchemaError(AccountsError):
    """The database's schema is not the one that this program works with."""

    exit_code = 78
