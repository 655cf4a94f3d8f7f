"""What the values of a case's fields stand for.

To send: ``now``, ``now-180`` (seconds), ``@a`` (an id of this run's own), ``$x`` (what was seen
before), ``{account}`` (a constant); anything else is itself, and ``-`` leaves the field out.
To expect: the same, and ``*`` anything, ``-`` nothing, ``~text`` a part, ``a|b`` one of several,
``$x`` whatever it is the first time.
"""

import re
from collections.abc import Callable, Mapping

from fix_gateway.conformance.wire import timestamp

_CONSTANT = re.compile(r"\{([a-z_]+)\}")
_NOW = re.compile(r"now([+-][0-9]+)?")
_SECOND_NS = 1_000_000_000
ABSENT = "-"


class Names:
    """The constants, ids and captured values of one run of a case."""

    def __init__(
        self,
        constants: Mapping[str, str],
        *,
        run: str,
        now_ns: Callable[[], int],
        is_watching: bool = False,
    ) -> None:
        """Begin with nothing captured.

        Args:
            constants: what ``{name}`` stands for.
            run: makes this run's ids differ from every other's.
            now_ns: our clock.
            is_watching: whether somebody else chooses the ids, which are captured then.
        """
        self._is_watching = is_watching
        self._constants = constants
        self._run = run
        self._now_ns = now_ns
        self._seen: dict[str, str] = {}

    def value(self, text: str) -> str:
        """Return what a value to be sent stands for.

        Raises:
            KeyError: a constant or captured value that is not there.
        """
        text = _CONSTANT.sub(lambda found: self._constants[found[1]], text)
        if (now := _NOW.fullmatch(text)) is not None:
            return timestamp(self._now_ns() + int(now[1] or 0) * _SECOND_NS)
        if text.startswith("@"):
            return self._id(text)
        if text.startswith("$"):
            return self._seen[text]
        return text

    def is_known(self, text: str) -> bool:
        """Say whether a value stands for something by now."""
        return not text.startswith("$") or text in self._seen

    def mismatch(self, tag: str, pattern: str, given: str | None) -> str:
        """Say how a field differs from what was expected; empty when it does not.

        Args:
            tag: the field's.
            pattern: what was expected.
            given: its value; None when the field is not there.
        """
        pattern = _CONSTANT.sub(lambda found: self._constants[found[1]], pattern)
        if pattern == ABSENT:
            return "" if given is None else f"{tag}={given} should not be there"
        if given is None:
            return f"{tag} is missing, {pattern} was expected"
        if pattern.startswith("$"):
            pattern = self._seen.setdefault(pattern, given)
        elif pattern.startswith("@"):
            watched = self._seen.setdefault(pattern, given) if self._is_watching else ""
            pattern = watched or self._id(pattern)
        elif pattern.startswith("~"):
            is_there = pattern[1:] in given
            return "" if is_there else f"{tag}={given} does not contain {pattern[1:]!r}"
        is_right = pattern == "*" or given in pattern.split("|")
        return "" if is_right else f"{tag}={given}, {pattern} was expected"

    def mismatches(
        self, fields: tuple[tuple[str, str], ...], values: Callable[[str], list[str]]
    ) -> list[str]:
        """Compare every expected field; of a tag that is expected twice the second is the second.

        Args:
            fields: tags and patterns.
            values: all values of a tag in the message.
        """
        before = dict(self._seen)
        wrong, counted = [], dict.fromkeys((tag for tag, _ in fields), 0)
        for tag, pattern in fields:
            here = values(tag)
            at = counted[tag]
            counted[tag] += 1
            wrong.append(self.mismatch(tag, pattern, here[at] if at < len(here) else None))
        wrong = [each for each in wrong if each]
        if wrong:
            self._seen = before
        return wrong

    def _id(self, text: str) -> str:
        fresh = f"{self._run}-{text[1:]}"
        return self._seen.setdefault(text, fresh) if self._is_watching else fresh
