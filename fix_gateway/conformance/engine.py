"""A small FIX engine of a client's: what it answers by itself. Bytes and messages, no I/O.

It keeps its numbers across connections, answers TestRequest and ResendRequest, asks for gaps,
drops possible duplicates, and ends a session politely. The application's messages are steps.
"""

from fix_gateway.conformance.cases import Act, Step
from fix_gateway.conformance.speaker import Speaker
from fix_gateway.conformance.wire import ADMINISTRATIVE, Message, parsed


class ClientEngine:
    """One session, from a client's side."""

    def __init__(self, speaker: Speaker) -> None:
        """Begin at number one, not connected."""
        self.speaker = speaker
        self.is_live = False
        self._ahead: dict[int, Message] = {}
        self._asked_through = 0

    def connected(self) -> None:
        """Begin a new connection; numbers go on."""
        self.is_live = False
        self._ahead.clear()
        self._asked_through = 0

    def compose(self, step: Step) -> bytes:
        """Make the message that a step asks a client for: examples fill in what may be anything."""
        values = dict(step.fields)
        chosen = {
            tag: value
            for tag, value in values.items()
            if value != "*"
            and not value.startswith("~")
            and "|" not in value
            and self.speaker.names.is_known(value)
        }
        examples = tuple(pair for pair in step.examples if pair[0] not in chosen)
        fields = tuple(pair for pair in step.fields if pair[0] in chosen)
        said = Step(act=Act.SEND, text=step.text, kind=step.kind, fields=fields + examples)
        return self.speaker.compose(said)

    def take(self, message: Message) -> list[bytes]:
        """Take a message of the venue's, and return what it is answered by."""
        speaker, number = self.speaker, message.number
        if message.kind == "A":
            self.is_live = True
            if message["141"] == "Y":
                speaker.next_in = number
        if message.kind == "4" and message["123"] != "Y":
            speaker.next_in = int(message["36"])
            return []
        if message.kind == "5" and "1409" in message:
            return []  # a refusal, whose number is not the session's
        if number < speaker.next_in:
            return []  # it came before
        if number > speaker.next_in:
            return self._early(message)
        replies = self._deliver(message)
        while (waiting := self._ahead.pop(speaker.next_in, None)) is not None:
            replies += self._deliver(waiting, is_answered=waiting.kind == "2")
        return replies

    def heartbeat(self) -> bytes:
        """Make a Heartbeat."""
        return self._say("0")

    def logout(self) -> bytes:
        """Make a Logout."""
        return self._say("5")

    def _early(self, message: Message) -> list[bytes]:
        replies = self._resend(message) if message.kind == "2" else []
        self._ahead[message.number] = message
        if self._asked_through < self.speaker.next_in:
            self._asked_through = message.number - 1
            asked = (("7", str(self.speaker.next_in)), ("16", str(message.number - 1)))
            replies.append(self._say("2", *asked))
        return replies

    def _deliver(self, message: Message, *, is_answered: bool = False) -> list[bytes]:
        self.speaker.next_in = message.number + 1
        if message.kind == "4":
            self.speaker.next_in = int(message["36"])
            for number in [early for early in self._ahead if early < self.speaker.next_in]:
                del self._ahead[number]
        elif message.kind == "1":
            return [self._say("0", ("112", message["112"]))]
        elif message.kind == "2" and not is_answered:
            return self._resend(message)
        elif message.kind == "5" and self.is_live:
            self.is_live = False
            return [self.logout()]
        return []

    def _resend(self, request: Message) -> list[bytes]:
        begin, end = int(request["7"]), int(request["16"])
        last = self.speaker.next_out - 1
        end = min(end or last, last)
        replies, gap_from = [], 0
        for number in range(begin, end + 1):
            kept = dict(self.speaker.sent.get(number, ()))
            if kept.get("35", "0") in ADMINISTRATIVE:
                gap_from = gap_from or number
                continue
            if gap_from:
                replies.append(self._fill(gap_from, number))
                gap_from = 0
            replies.append(self.speaker.compose_again(number, ()))
        if gap_from:
            replies.append(self._fill(gap_from, end + 1))
        return replies

    def _fill(self, begin: int, following: int) -> bytes:
        again = (("34", str(begin)), ("43", "Y"), ("122", "now"))
        return self._say("4", *again, ("123", "Y"), ("36", str(following)))

    def _say(self, kind: str, *fields: tuple[str, str]) -> bytes:
        return self.speaker.compose(Step(act=Act.SEND, text="", kind=kind, fields=fields))


def is_logout(data: bytes) -> bool:
    """Say whether bytes of ours are a Logout, after which the other side hangs up."""
    return parsed(data).kind == "5"
