"""The audit of the events: every check, over one picture of the venue."""

from collections.abc import Callable
from typing import Any, Final

from auditor.checks.books import Books
from auditor.checks.contiguity import Contiguity
from auditor.checks.definitions import Definitions
from auditor.checks.handlers import Handlers
from auditor.checks.money import Money
from auditor.checks.orders import Orders
from auditor.checks.rules import Rules
from auditor.findings import Check, Findings
from auditor.picture import Picture
from messages.layout import RECORD_PREFIX, MalformedRecordError, Record
from messages.trading.events import EVENTS, LAST_OF_COMMAND

_Reader = tuple[
    int, Callable[[bytes, int], tuple[Any, ...]], type[Record], tuple[Callable[[Any], None], ...]
]
"""How events of a kind are read, and which checks look at them: their length, what unpacks their
fields, their class, and the handlers. Plain, for each event takes it apart."""

_UNKNOWN: Final[_Reader] = (-1, RECORD_PREFIX.unpack_from, Record, ())


class EventAudit:
    """Looks at events, in order; pure: bytes in, findings out."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        """Go on from a picture; the first event must be the one after it."""
        self.picture = picture
        self.findings = findings
        findings.place = picture
        self.answers: dict[int, list[Any]] = {}
        """The events of each command since they were last taken, by its sequence."""
        self.books = Books(picture, findings)
        self._contiguity = Contiguity(picture, findings)
        self._rules = Rules(picture, findings)
        self._money = Money(picture, findings)
        # Rules and books look at an order as it was before the event, then it is taken over.
        parts: list[Handlers] = [
            Definitions(picture).handlers(),
            self._rules.handlers(),
            self.books.handlers(),
            Orders(picture, findings).handlers(),
            self._money.handlers(),
        ]
        self._readers: dict[int, _Reader] = {
            kind: (
                cls.LENGTH,
                cls.CODEC.unpack_from,
                cls,
                tuple(part[cls] for part in parts if cls in part),
            )
            for kind, cls in EVENTS.by_kind.items()
        }

    def take_answers(self) -> dict[int, list[Any]]:
        """Return the events since the last time, by command."""
        answers, self.answers = self.answers, {}
        return answers

    def see(
        self, data: bytes, *, offset: int = 0, through: int = 0, bytes_max: int = 1 << 62
    ) -> int:
        """Look at the events of whole commands.

        Args:
            data: event records.
            offset: where to begin.
            through: stop behind this event, the last one of a command; zero for all.
            bytes_max: stop behind the command that goes beyond so many bytes.

        Returns:
            The offset of what was not looked at.

        Raises:
            MalformedRecordError: what is there is no event of this version.
        """
        enough, end = offset + bytes_max, len(data)
        read_prefix, readers, answers = RECORD_PREFIX.unpack_from, self._readers, self.answers
        see_head, end_command = self._contiguity.see, self._end_command
        sequence, told = -1, list[Any]()
        while offset < end:
            length, kind = read_prefix(data, offset)
            known_length, unpack, make, handlers = readers.get(kind, _UNKNOWN)
            if length != known_length or offset + length > end:
                raise MalformedRecordError(f"events: kind {kind} with {length} bytes at {offset}")
            event: Any = make(*unpack(data, offset))
            offset += length
            see_head(event)
            if event.sequence != sequence:
                sequence = event.sequence
                told = answers.setdefault(sequence, [])
            told.append(event)
            try:
                for handle in handlers:
                    handle(event)
            except (KeyError, IndexError, ValueError) as error:
                self._say_misfit(event, error)
            if event.flags & LAST_OF_COMMAND:
                end_command()
                if offset >= enough or event.number == through:
                    break
        return offset

    def _end_command(self) -> None:
        self._rules.end_command()
        self.books.end_command()
        self._money.end_command()

    def _say_misfit(self, event: Any, error: Exception) -> None:
        """Put on record an event that speaks of what never was: the picture cannot hold it."""
        self.findings.add(
            Check.CONTIGUITY, f"{type(event).__name__} does not fit what came before: {error!r}"
        )
