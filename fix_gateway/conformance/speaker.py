"""One side of a FIX session as a case drives it: numbers, headers and proofs, and no initiative.

It does nothing of its own accord, so that a case decides every message. What comes in is checked
against the standard header and the session's numbers, whatever the case expects of it besides.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fix_gateway.conformance.cases import Pairs, Step
from fix_gateway.conformance.names import ABSENT, Names
from fix_gateway.conformance.wire import Message, encoded, in_order, time_ns

Prove = Callable[[str, str, str, str], list[tuple[str, str]]]
"""Makes a Logon's proof of sender, target, number and sending time."""

_AT_HEAD = ("8", "9", "35", "34", "49", "52", "56")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks, and how it proves that."""

    dialect: str
    sender: str
    target: str
    prove: Prove

    @property
    def begin_string(self) -> str:
        """BeginString (8)."""
        return "FIX.4.4" if self.dialect == "FIX.4.4" else "FIXT.1.1"


class Speaker:
    """Composes what one party sends, and follows the numbers of both sides."""

    def __init__(self, identity: Identity, names: Names) -> None:
        """Begin at number one on both sides."""
        self.identity = identity
        self.names = names
        self.next_out = self.next_in = 1
        self.sent: dict[int, list[tuple[str, str]]] = {}
        """What was said under each number, for a resend."""

    def compose(self, step: Step) -> bytes:
        """Make the message that a step says.

        Raises:
            KeyError: a value that stands for nothing.
        """
        given = dict(step.fields + step.examples)
        if step.kind == "A" and given.get("141") == "Y":
            self.next_out = self.next_in = 1
            self.sent.clear()
        number = self._number(given.pop("34", ""))
        head = {
            "8": self.identity.begin_string,
            "9": "#",
            "35": step.kind,
            "34": number,
            "49": self.identity.sender,
            "52": "now",
            "56": self.identity.target,
        }
        pairs = [(tag, given.get(tag, head[tag])) for tag in _AT_HEAD]
        pairs += [pair for pair in step.fields + step.examples if pair[0] not in _AT_HEAD]
        if "10" not in given:
            pairs.append(("10", "#"))
        said = [(tag, self.names.value(value)) for tag, value in pairs if value != ABSENT]
        if step.kind == "A":
            said = self._logon(said, given)
        if number.isdecimal():
            self.sent.setdefault(int(number), said)
            following = int(given["36"]) if step.kind == "4" and "36" in given else 0
            self.next_out = max(self.next_out, int(number) + 1, following)
        return encoded(said)

    def compose_raw(self, fields: Pairs) -> bytes:
        """Make bytes of fields just as they stand."""
        known = {
            "begin": self.identity.begin_string,
            "sender": self.identity.sender,
            "target": self.identity.target,
            "next": str(self.next_out),
        }
        pairs = []
        for tag, value in fields:
            said = known.get(value[1:-1]) if value.startswith("{") else None
            pairs.append((tag, self.names.value(value) if said is None else said))
            if value == "{next}":
                self.next_out += 1
        return in_order(pairs)

    def compose_again(self, number: int, changes: Pairs) -> bytes:
        """Make a message that was sent before, as a possible duplicate."""
        kept = dict(self.sent[number])
        again = {"43": "Y", "122": kept["52"], "52": "now"} | dict(changes)
        again = {tag: kept[tag] if value == "same" else value for tag, value in again.items()}
        said = [(tag, again.pop(tag, value)) for tag, value in self.sent[number]]
        said = [pair for pair in said if pair[0] not in ("9", "10")]
        said += list(again.items())
        said = [("9", "#") if tag == "9" else (tag, value) for tag, value in said]
        named = [(tag, self.names.value(value)) for tag, value in said if value != ABSENT]
        return encoded([named[0], ("9", "#"), *named[1:], ("10", "#")])

    def took(self, message: Message, step: Step | None) -> list[str]:
        """Follow a message that came, and say what of its header is wrong.

        Args:
            message: whole and well summed.
            step: what was expected; it may name a number that is not the next.
        """
        identity = self.identity
        named = {tag for tag, _ in step.fields} if step is not None else set()
        wrong = []
        for tag, value in (
            ("8", identity.begin_string),
            ("49", identity.target),
            ("56", identity.sender),
        ):
            if message[tag] != value and tag not in named:
                wrong.append(f"{tag}={message[tag]}, {value} was expected")
        if time_ns(message["52"]) is None:
            wrong.append(f"52={message['52']} is no time")
        if message.kind == "A" and message["141"] == "Y":
            self.next_in = message.number
        if message.is_again:
            if not time_ns(message["122"]):
                wrong.append("a possible duplicate without OrigSendingTime (122)")
        elif message.number != self.next_in and "34" not in named:
            wrong.append(f"34={message.number}, {self.next_in} was expected")
        following = message.number + 1
        if message.kind == "4" and message["36"].isdecimal():
            following = int(message["36"])
        if not message.is_again or following > self.next_in:
            self.next_in = following
        return wrong

    def _number(self, text: str) -> str:
        if not text:
            return str(self.next_out)
        if text.startswith("next"):
            return str(self.next_out + int(text[4:] or 0))
        return text

    def _logon(self, pairs: list[tuple[str, str]], given: dict[str, str]) -> list[tuple[str, str]]:
        """Add what every Logon has, unless the case says otherwise."""
        values = dict(pairs)
        ready = [("98", "0"), ("108", "30")]
        if self.identity.begin_string == "FIXT.1.1":
            ready.append(("1137", "9"))
        header = [values.get(tag, "") for tag in ("49", "56", "34", "52")]
        ready += self.identity.prove(*header)
        trailer = [pair for pair in pairs if pair[0] == "10"]
        body = [pair for pair in pairs if pair[0] != "10"]
        return [*body, *(pair for pair in ready if pair[0] not in given), *trailer]
