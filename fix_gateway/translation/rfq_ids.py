"""The venue's own names of requests for quote and of the quotes that answer them.

A request is ``RFQ-17``, a quote for it ``RFQ-17-18``: the numbers are the engine's. Clients may not
begin their own QuoteReqID (131) so, which is how a name tells whose it is.
"""

import re
from typing import NamedTuple

_NAME = re.compile(r"RFQ-([1-9][0-9]{0,18})(?:-([1-9][0-9]{0,18}))?", re.ASCII)
RESERVED = "RFQ-"


class RfqName(NamedTuple):
    """A request's number, and a quote's: zero where the name is a request's."""

    request: int
    quote: int


def request_name(request: int) -> str:
    """Name a request."""
    return f"{RESERVED}{request}"


def quote_name(request: int, quote: int) -> str:
    """Name a quote."""
    return f"{RESERVED}{request}-{quote}"


def read_name(text: str) -> RfqName | None:
    """Read a name of the venue; None for any other text."""
    match = _NAME.fullmatch(text)
    return RfqName(int(match.group(1)), int(match.group(2) or 0)) if match else None
