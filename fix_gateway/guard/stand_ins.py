"""Messages that QuickFIX gets in the place of a client's, under the client's number."""

from dataclasses import dataclass

from fix_gateway.guard.framing import frame
from fix_gateway.guard.resends import Page
from fix_gateway.translation.times import timestamp_text


@dataclass(frozen=True, slots=True)
class Names:
    """How a session's messages begin, and between whom they go."""

    begin_string: bytes
    session: str
    comp_id: str


def heartbeat(number: int, names: Names, *, now_ns: int) -> bytes:
    """Make a Heartbeat, which asks for nothing and takes up a number."""
    return _message("0", number, "", names, now_ns=now_ns)


def resend_request(page: Page, names: Names, *, now_ns: int) -> bytes:
    """Make a ResendRequest for one page."""
    body = f"7={page.begin}\x0116={page.end}\x01"
    return _message("2", page.number, body, names, now_ns=now_ns)


def backward_request(number: int, begin: int, names: Names, *, now_ns: int) -> bytes:
    """Make a ResendRequest that QuickFIX rejects for its EndSeqNo (16).

    One that ends before it begins it would answer by a gap fill that goes backwards.
    """
    return _message("2", number, f"7={begin}\x0116=before-7\x01", names, now_ns=now_ns)


def _message(kind: str, number: int, body: str, names: Names, *, now_ns: int) -> bytes:
    header = f"35={kind}\x0134={number}\x0149={names.session}\x0152={timestamp_text(now_ns)}\x01"
    text = f"{header}56={names.comp_id}\x01{body}".encode("ascii")
    return frame(text, begin_string=names.begin_string)
