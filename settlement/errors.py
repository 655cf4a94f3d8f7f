"""What can go wrong in settlement, and whose fault it is. ``exit_code`` is the process's.

- ``SettlementError``
    - ``EventGapError``: the feed's, or the core's behind it: an event is missing or came twice.
    - ``UnsettleableEventError``: ours: an event that we do not know how to book.
    - ``PositionMovedError``: ours, or an operator's: the stored position is not where we left it.
    - ``LedgerRefusedError``: ours or the engine's: the database refused what breaks its rules.
    - ``LedgerBehindError``: outside: the ledger did not reach the wanted event in time.
    - ``SettlementRefusedError``: the operator's: a decision that cannot be; numbered.
    - ``ConsumerBusyError``: the operator's: another settlement process holds this database.
    - ``DatabaseError``
        - ``ForeignSchemaError``: the operator's: the database is not Rialto's, or was changed.
        - ``SchemaVersionError``: the operator's: migrate first, or run the newer program.
        - ``LoginRefusedError``: the operator's: wrong password, right or database name.
        - ``UnfinishedLedgerError``: the operator's: a ledger's making broke off.
        - ``ForeignVenueError``: the operator's: the database holds another venue's ledger.
"""

from settlement.cycle_terms import SettlementCode


class SettlementError(Exception):
    """Settlement cannot go on."""

    exit_code = 70


class EventGapError(SettlementError):
    """The events are not contiguous with what was booked. Never retried."""


class UnsettleableEventError(SettlementError):
    """An event moves money in a way that has no posting rule, or names what was never defined."""


class PositionMovedError(SettlementError):
    """Somebody else wrote the stored position while we held the right to."""


class LedgerRefusedError(SettlementError):
    """The database refused a batch because it breaks a rule of the ledger."""


class LedgerBehindError(SettlementError):
    """A consumer did not reach an event in time; it may be running still, or not at all."""

    exit_code = 69


class SettlementRefusedError(SettlementError):
    """A decision about settlement that cannot be, with the limit that it meets and its usage."""

    exit_code = 1

    def __init__(self, code: SettlementCode, text: str, *, limit: int = 0, usage: int = 0) -> None:
        super().__init__(f"{code.value} {code.name}: {text} (limit {limit}, usage {usage})")
        self.code = code
        self.limit = limit
        self.usage = usage


class ConsumerBusyError(SettlementError):
    """Another process consumes events into this database."""

    exit_code = 75


class DatabaseError(SettlementError):
    """The database is there, and is not one that we may use."""

    exit_code = 78


class ForeignSchemaError(DatabaseError):
    """Tables are in the way, or ours are not as our migrations leave them."""


class UnfinishedLedgerError(DatabaseError):
    """A ledger is not finished: in the place of one that was set aside, or at its last step."""


class SchemaVersionError(DatabaseError):
    """The schema is ours and of another version than this program."""


class LoginRefusedError(DatabaseError):
    """The server is there and does not let us in."""


class ForeignVenueError(DatabaseError):
    """The database belongs to another venue."""
