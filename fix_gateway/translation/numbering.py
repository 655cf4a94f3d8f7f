"""Numbers of what is told of events: ApplID (1180), ApplSeqNum (1181), ApplLastSeqNum (1350).

A message's number follows from the event that it reports, so the event log alone gives every
message its number again, whatever the gateway has lost (docs/decisions/0018).
"""

from fix_gateway.translation import tags
from fix_gateway.translation.outbound import Place

STREAM = "ORDERS"
"""ApplID (1180): the one numbered stream of each session."""

STATEMENTS = "STATEMENTS"
"""RefApplID (1355) of the venue's signed statements: they have no numbers but their event's."""

MESSAGES_PER_EVENT_MAX = 10
"""One event tells one session fewer messages than this: the number's last digit."""


def number_of(event: int, rank: int) -> int:
    """Return a message's ApplSeqNum (1181)."""
    assert rank < MESSAGES_PER_EVENT_MAX, rank
    return event * MESSAGES_PER_EVENT_MAX + rank


def place_at(number: int) -> Place:
    """Return what a number numbers."""
    return Place(*divmod(number, MESSAGES_PER_EVENT_MAX))


def last_number_of(event: int) -> int:
    """Return the largest number that an event's messages can have; zero before the first event."""
    return event * MESSAGES_PER_EVENT_MAX + MESSAGES_PER_EVENT_MAX - 1 if event else 0


def numbered(text: str, *, number: int, after: int) -> str:
    """Add a message's number, and the one after which nothing else was told before it."""
    return f"{text}{_NUMBERED}{number}\x01{_AFTER}{after}\x01"


def told_again(text: str, *, number: int, after: int) -> str:
    """Number a message that answers a request for messages (1352=Y)."""
    return f"{text}{_NUMBERED}{number}\x01{_AFTER}{after}\x01{_AGAIN}"


def with_request(text: str, sequence: int) -> str:
    """Name the request that caused a message by its number in the venue's journal."""
    return f"{text}{tags.REQUEST_NUMBER}={sequence}\x01"


_NUMBERED = f"{tags.APPL_ID}={STREAM}\x01{tags.APPL_SEQ_NUM}="
_AFTER = f"{tags.APPL_LAST_SEQ_NUM}="
_AGAIN = f"{tags.APPL_RESEND_FLAG}=Y\x01"
