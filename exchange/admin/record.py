"""The record of what operators did: who, when, why, with the request that they signed.

Each entry is a line of ``admin/record.jsonl`` in the state directory, chained by hashes
(``runtime/chained_lines.py``) and durable before what it says is done. So the record is complete:
a command of an operator that has no ``asked`` or ``approved`` entry before it was not asked here.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from exchange.admin.signing import SignedRequest
from runtime.chain_cursor import ChainCursor
from runtime.chained_lines import ChainedLines, Head

Step = Literal[
    "founded",
    "proposed",
    "approved",
    "withdrawn",
    "asked",
    "done",
    "refused",
    "failed",
    "drill",
]
"""What an entry says became true. ``failed``: the outcome is not known, and a repeat finds out."""

SCHEDULE: Final = "(schedule)"
"""Who does what is due by the clock; no operator's name has brackets."""

ROLE_MISSING: Final = "role missing"
FOUND_IN_EVENTS: Final = "found in the events"


class Entry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """One entry. ``request`` is there where an operator asked something, as it was signed."""

    at_ns: int
    step: Step
    operator: str
    action: str
    reason: str
    summary: str = ""
    proposal: str = ""
    outcome: str = ""
    events: tuple[int, ...] = ()
    """The numbers of the events that were brought about."""
    request: SignedRequest | None = None


class Record:
    """The record of one state directory."""

    def __init__(self, lines: ChainedLines) -> None:
        self._lines = lines
        self._cursor = ChainCursor(lines)

    def verify(self) -> Head:
        """Check what is new of it since the last time, at first all.

        Raises:
            ChainBrokenError: somebody changed it.
        """
        return self._cursor.advance()

    def add(self, entry: Entry) -> Head:
        """Write an entry, durably.

        Raises:
            OSError: the disk refused. ChainBrokenError: somebody changed the record's end.
        """
        return self._lines.append(entry)

    def entries(self, *, after: int = 0) -> Iterator[tuple[int, Entry]]:
        """Yield numbered entries, checked; from far behind, without what comes before.

        Raises:
            ChainBrokenError: at the first line that does not fit.
        """
        if after:
            self._cursor.advance()
        for line in self._cursor.read(after=after):
            yield line.number, msgspec.json.decode(line.body, type=Entry)
