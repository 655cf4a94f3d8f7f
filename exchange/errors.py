"""What the command line says when it cannot do as asked."""

from messages.trading.codes import RejectCode
from runtime.process import EXIT_UNAVAILABLE, EXIT_USAGE


class CommandError(Exception):
    """A command could not be carried out; the message is for the person who gave it."""

    exit_code = EXIT_USAGE


class VenueAwayError(CommandError):
    """No venue answers in the state directory."""

    exit_code = EXIT_UNAVAILABLE


class CommandRefusedError(CommandError):
    """The venue refused a command, and said why."""

    exit_code = 1

    def __init__(self, code: RejectCode, text: str) -> None:
        super().__init__(text)
        self.code = code
