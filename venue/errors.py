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


class EngineBrokenError(InvariantError):
    """The engine failed at a command. The journal holds it, so every restart fails there again.

    ``first`` to ``last`` are the commands that were applied together; equal once the one that
    breaks the engine is known. ``docs/protocols/journal.md`` says what an operator can do.
    """

    def __init__(
        self, first: int, last: int, reason: BaseException | str, *, place: str = ""
    ) -> None:
        where = f"command {first}" if first == last else f"commands {first} to {last}"
        if isinstance(reason, BaseException):
            reason = f"{type(reason).__name__}: {reason}"
        super().__init__(f"the engine fails at {where}{place and f' ({place})'}: {reason}")
        self.first, self.last = first, last
        self.place = place
        """The frame in the journal, once it was read from there."""


class EventsTooLargeError(InvariantError):
    """One command made more events than a frame can hold."""


class NotDrainedError(VenueError):
    """What was admitted could not be made durable in the time that a stop may take."""

    exit_code: ClassVar[int] = 73
