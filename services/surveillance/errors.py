"""What can go wrong in surveillance, and whose fault it is. ``exit_code`` is the process's.

- ``SurveillanceError``
    - ``PositionMovedError``: ours, or an operator's: the stored position is not where we left it.
    - ``DatabaseRefusedError``: ours: the database refused what breaks its rules.
    - ``ConsumerBusyError``: the operator's: another surveillance process holds this database.
    - ``DatabaseError``: the operator's: not a database that we may use; migrate it, or mend the
      login.
    - ``UnknownAlertError``: the operator's: no such alert or account, or no reason is given.

``records.UnreadableEventsError`` stands beside it, with the records: the feed's, or the core's
behind it.
"""


class SurveillanceError(Exception):
    """Surveillance cannot go on."""

    exit_code = 70


class PositionMovedError(SurveillanceError):
    """Somebody else wrote the stored position while we held the right to."""


class DatabaseRefusedError(SurveillanceError):
    """The database refused what we wrote because it breaks a rule of its own."""


class ConsumerBusyError(SurveillanceError):
    """Another process watches into this database."""

    exit_code = 75


class DatabaseError(SurveillanceError):
    """The database is there, and is not one that we may use."""

    exit_code = 78


class UnknownAlertError(SurveillanceError):
    """Nothing has this name, or what is said of it is not enough."""

    exit_code = 1
