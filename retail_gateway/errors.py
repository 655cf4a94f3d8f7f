"""What may go wrong outside.

- ``SchemaError``: the database's schema is another program's version; the operator's.
- ``ports.HistoryAwayError``: the database does not answer; it passes.
"""


class SchemaError(Exception):
    """The schema is not at the version that this program works with."""

    exit_code = 78
