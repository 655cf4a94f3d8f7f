"""A process that ends by a link's error ends with the code that says whose fault it was."""

from __future__ import annotations

import pytest

from runtime.link import AheadOfVenue, EventGap, ForeignVenue, LinkError, LinkLost, LinkRefused
from runtime.link_frames import ByeCode
from runtime.process import exit_code_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LinkLost("gone"), 69),
        (EventGap("gap"), 70),
        (AheadOfVenue("ahead"), 70),
        (ForeignVenue("foreign"), 70),
        (LinkRefused(ByeCode.NOT_AUTHENTICATED, "who?"), 78),
        (LinkRefused(ByeCode.AHEAD_OF_VENUE, "ahead"), 70),
        (LinkRefused(ByeCode.STOPPING, "later"), 69),
        (LinkRefused(ByeCode.TOO_MANY_CONNECTIONS, "full"), 69),
        (LinkRefused(99, "a code of a later version"), 69),
    ],
)
def test_every_link_error_has_an_exit_code(error: LinkError, code: int) -> None:
    assert exit_code_of(error) == code
    assert exit_code_of(ExceptionGroup("of a task group", [error])) == code
