"""Which venue a state directory is: the UUID that its journal was begun with.

It is what tells a venue from every other one, also from a copy of its configuration: a test
venue with the same operators and keys has another.
"""

from exchange.errors import VenueAwayError
from exchange.state import State
from runtime.log_format import HEAD_SIZE, parse_head
from runtime.log_scan import segment_name


def venue_identity(state: State) -> str:
    """Return the venue's UUID: 32 hexadecimal digits.

    Raises:
        VenueAwayError: no journal was begun yet; the core begins one when it first starts.
    """
    path = state.venue / "journal" / segment_name(1)
    try:
        with path.open("rb") as file:
            head = parse_head(file.read(HEAD_SIZE))
    except FileNotFoundError:
        head = None
    if head is None:
        raise VenueAwayError(f"no journal in {state.venue}: it is begun when the core first starts")
    return head.venue.hex()
