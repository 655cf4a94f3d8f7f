"""Events are numbered without gaps, commands go upwards, stamps never go back."""

from auditor.findings import Check, Findings
from auditor.picture import Picture
from messages.trading.events import LAST_OF_COMMAND, Event


class Contiguity:
    """Looks at the head of every event."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings
        self._is_inside = False
        """Whether the command's last event has still to come."""

    def see(self, event: Event) -> None:
        """Compare an event's head with the one before it, and let it be the last one."""
        picture = self._picture
        number, sequence, time_ns = event.number, event.sequence, event.time_ns
        if (
            number != picture.number + 1
            or sequence < picture.sequence
            or time_ns < picture.time_ns
            or self._is_inside != (sequence == picture.sequence)
        ):
            self._say_what_is_wrong(event)
        self._is_inside = not event.flags & LAST_OF_COMMAND
        picture.number, picture.sequence, picture.time_ns = number, sequence, time_ns

    def _say_what_is_wrong(self, event: Event) -> None:
        picture = self._picture
        if event.number != picture.number + 1:
            self._say(f"event {event.number} follows event {picture.number}")
        if event.sequence < picture.sequence:
            self._say(f"command {event.sequence} follows command {picture.sequence}")
        if event.time_ns < picture.time_ns:
            self._say(f"stamp {event.time_ns} follows stamp {picture.time_ns}")
        if self._is_inside != (event.sequence == picture.sequence):
            self._say(
                f"command {event.sequence} goes on after its last event"
                if event.sequence == picture.sequence
                else f"command {picture.sequence} has no last event"
            )

    def _say(self, text: str) -> None:
        self._findings.add(Check.CONTIGUITY, text)
