"""What can go wrong in market data, and whose fault it is. ``exit_code`` is the process's.

- ``MarketDataError``
    - ``UnreadableEventsError``: the feed's, or the core's behind it: a gap, half a record.
    - ``BookGapError``: likewise: a book's changes do not follow each other.
    - ``PositionMovedError``: ours, or an operator's: the stored position is not where we left it.
    - ``DatabaseRefusedError``: ours: the database refused what breaks its rules.
    - ``RecorderBusyError``: the operator's: another market data process holds this database.
    - ``DatabaseError``: the operator's: not a database that we may use; migrate it, or mend the
      login.

Two never end the process:

- ``HistoryAwayError``: PostgreSQL's: what is asked cannot be read now; the asker is told 503.
- ``RefusedError``: the asker's: answered 400, with a code of Binance's.
"""


class MarketDataError(Exception):
    """Market data cannot go on."""

    exit_code = 70


class UnreadableEventsError(MarketDataError):
    """The events are not what they should be."""


class BookGapError(MarketDataError):
    """The feed and our book do not follow each other."""


class PositionMovedError(MarketDataError):
    """Somebody else wrote the stored position while we held the right to."""


class DatabaseRefusedError(MarketDataError):
    """The database refused what we wrote because it breaks a rule of its own."""


class RecorderBusyError(MarketDataError):
    """Another process records into this database."""

    exit_code = 75


class DatabaseError(MarketDataError):
    """The database is there, and is not one that we may use."""

    exit_code = 78


class HistoryAwayError(Exception):
    """The database cannot be read now; it may pass."""


class RefusedError(Exception):
    """A question cannot be answered as it was put; ``code`` is Binance's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
