"""What a FIX client must remember to come back after a lost connection: numbers and messages."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TextIO

SENT_MESSAGES_MAX: Final = 50_000


class SentMessage(NamedTuple):
    """An application message as it was sent, so that it can be sent again."""

    message_type: str
    sending_time: str
    fields: tuple[tuple[int, str], ...]


class SequenceStore(Protocol):
    """The two sequence numbers of a session, and the messages that it may be asked for again."""

    outgoing_next: int
    incoming_next: int

    def sent(self, number: int) -> SentMessage | None:
        """Return an application message, or None for one that was administrative or is too old."""
        ...

    def record_sent(self, number: int, message: SentMessage | None) -> None:
        """Take the next outgoing number, with its message unless it is administrative."""
        ...

    def record_received(self, next_number: int) -> None:
        """Set the number that is expected next."""
        ...

    def reset(self) -> None:
        """Begin again at one in both directions."""
        ...


class MemorySequenceStore:
    """A store that lives as long as its process, holding a bounded number of sent messages."""

    def __init__(self, sent_messages_max: int = SENT_MESSAGES_MAX) -> None:
        self.outgoing_next = 1
        self.incoming_next = 1
        self._sent: OrderedDict[int, SentMessage] = OrderedDict()
        self._sent_messages_max = sent_messages_max

    def sent(self, number: int) -> SentMessage | None:
        """See ``SequenceStore``."""
        return self._sent.get(number)

    def record_sent(self, number: int, message: SentMessage | None) -> None:
        """See ``SequenceStore``."""
        assert number == self.outgoing_next, (number, self.outgoing_next)
        self.outgoing_next = number + 1
        if message is not None:
            self._sent[number] = message
            if len(self._sent) > self._sent_messages_max:
                self._sent.popitem(last=False)

    def record_received(self, next_number: int) -> None:
        """See ``SequenceStore``."""
        self.incoming_next = next_number

    def reset(self) -> None:
        """See ``SequenceStore``."""
        self.outgoing_next = self.incoming_next = 1
        self._sent.clear()


class FileSequenceStore(MemorySequenceStore):
    """A store in a file of JSON lines, for a client that comes back as another process.

    Every change is a line; once there are more than twice as many lines as messages are kept, the
    file is written anew. A last line that a crash cut short is ignored.
    """

    def __init__(self, path: Path, sent_messages_max: int = SENT_MESSAGES_MAX) -> None:
        super().__init__(sent_messages_max)
        self._path = path
        self._file: TextIO | None = None
        self._lines = 0
        if path.exists():
            self._load()
        self._rewrite()

    def record_sent(self, number: int, message: SentMessage | None) -> None:
        """See ``SequenceStore``."""
        super().record_sent(number, message)
        self._append(["sent", number, message])

    def record_received(self, next_number: int) -> None:
        """See ``SequenceStore``."""
        super().record_received(next_number)
        self._append(["received", next_number])

    def reset(self) -> None:
        """See ``SequenceStore``."""
        super().reset()
        self._rewrite()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self) -> None:
        for line in self._path.read_text().splitlines():
            try:
                kind, number, *rest = json.loads(line)
            except ValueError:
                return
            if kind == "received":
                self.incoming_next = number
                continue
            message = rest[0] if rest else None
            self.outgoing_next = number
            super().record_sent(number, _sent_message(message) if message else None)

    def _append(self, line: list[object]) -> None:
        assert self._file is not None, "closed"
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        self._lines += 1
        if self._lines > 2 * self._sent_messages_max + 100:
            self._rewrite()

    def _rewrite(self) -> None:
        unfinished = self._path.with_suffix(".new")
        lines: list[list[object]] = [["received", self.incoming_next]]
        lines += [["sent", number, message] for number, message in self._sent.items()]
        last = self.outgoing_next - 1
        if last and last not in self._sent:
            lines.append(["sent", last, None])
        unfinished.write_text("".join(json.dumps(line) + "\n" for line in lines))
        unfinished.replace(self._path)
        if self._file is not None:
            self._file.close()
        self._file = self._path.open("a")
        self._lines = len(lines)


def _sent_message(parts: list[object]) -> SentMessage:
    message_type, sending_time, fields = parts
    assert isinstance(fields, list)
    return SentMessage(
        str(message_type), str(sending_time), tuple((int(tag), str(text)) for tag, text in fields)
    )
