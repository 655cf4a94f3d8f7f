"""Signatures that were used: until the end of their own windows, and never twice."""

from retail_gateway.refusals import Refusal
from retail_gateway.signing import Held, Replays

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
DOOR = "POST /api/v3/order"


def used(
    replays: Replays, name: bytes, *, window: int = 5, now_ns: int = NOW, signed_ns: int = NOW
) -> str:
    held = Held(signed_ns, signed_ns + window * SECOND)
    refused = replays.use(name, DOOR, held, now_ns=now_ns, changes=True)
    return refused.details.name if isinstance(refused, Refusal) else ""


def test_a_signature_is_good_once() -> None:
    replays = Replays(10, begun_ns=0)
    assert used(replays, b"a") == ""
    assert used(replays, b"a") == "REQUEST_REPLAYED"
    assert used(replays, b"a", now_ns=NOW + 5 * SECOND - 1) == "REQUEST_REPLAYED"


def test_place_is_kept_until_a_window_ends_and_no_longer() -> None:
    replays = Replays(2, begun_ns=0)
    assert used(replays, b"a", window=1) == ""
    assert used(replays, b"b", window=60) == ""
    assert used(replays, b"c") == "OVERLOADED"
    later = NOW + 2 * SECOND
    assert used(replays, b"c", now_ns=later, signed_ns=later) == ""
    assert used(replays, b"d", now_ns=later, signed_ns=later) == "OVERLOADED"
    assert used(replays, b"b", window=60, now_ns=later) == "REQUEST_REPLAYED"


def test_what_was_signed_before_we_began_changes_nothing() -> None:
    replays = Replays(10, begun_ns=NOW)
    assert used(replays, b"a", signed_ns=NOW - 1) == "TIMESTAMP_OUTSIDE_WINDOW"
    assert used(replays, b"a") == ""
    held = Held(NOW - 1, NOW + SECOND)
    assert replays.use(b"b", DOOR, held, now_ns=NOW, changes=False) is None


def test_a_request_of_which_nothing_came_may_be_sent_again() -> None:
    replays = Replays(1, begun_ns=0)
    held = Held(NOW, NOW + 5 * SECOND)
    assert used(replays, b"a") == ""
    replays.release(b"a", held)
    replays.release(b"a", held)
    assert used(replays, b"b") == "", "its place is free, once"
    assert used(replays, b"c") == "OVERLOADED"
