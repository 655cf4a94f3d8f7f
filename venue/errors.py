"""What can end the core, with the process's exit code.

``VenueError`` and below; the log's own tree is ``runtime.log_format.LogError`` (73 for a disk
that fails, 65 for damage).
"""

from typing import ClassVar


class VenueError(Exception):
    """Anything that ends the core."""

    exit_code: ClassVar[int] = 70


class ConfigurationError(VenueError):
    """The settings cannot be run; the operator's fault."""

    exit_code: ClassVar[int] = 78


class StateInUseError(VenueError):
    """Another process writes this state directory."""

    exit_code: ClassVar[int] = 75


class StateMismatchError(VenueError):
    """Journal, event log and snapshots do not belong together, or one lost what another has."""

    exit_code: ClassVar[int] = 65


class ReplayMismatchError(VenueError):
    """A replay gave other events than the venue published: this engine is not that engine."""

    exit_code: ClassVar[int] = 70

    def __init__(self, sequence: int, detail: str) -> None:
        super().__init__(f"replay differs at or before sequence {sequence}: {detail}")
        self.sequence = sequence


class InvariantError(VenueError):
    """The engine or the sequencer broke its contract."""

    exit_code: ClassVar[int] = 70


class NotDrainedError(VenueError):
    """What was admitted could not be made durable in the time that a stop may take."""

    exit_code: ClassVar[int] = 73
