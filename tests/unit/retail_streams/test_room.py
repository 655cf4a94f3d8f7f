"""Who may come in, by address and in time."""

from retail_gateway.streams.refusals import Reason
from retail_gateway.streams.room import Room
from retail_gateway.streams.settings import Limits


def _reason(room: Room, address: str, now: float) -> Reason | None:
    refusal = room.judge(address, now)
    return None if refusal is None else refusal.reason


def test_attempts_are_counted_in_windows() -> None:
    room = Room(Limits(attempts_per_address_max=3, attempts_seconds=10))
    for _ in range(3):
        assert _reason(room, "192.0.2.1", 100.0) is None
    assert _reason(room, "192.0.2.1", 109.9) is Reason.TOO_MANY_ATTEMPTS
    assert _reason(room, "192.0.2.2", 109.9) is None
    assert _reason(room, "192.0.2.1", 110.0) is None


def test_no_more_addresses_are_remembered_than_may_be() -> None:
    room = Room(Limits(attempts_per_address_max=1, attempts_seconds=10, addresses_max=2))
    for now, address in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.3")):
        assert _reason(room, address, float(now)) is None
    assert len(room._attempts) == 2
    assert _reason(room, "192.0.2.3", 3.0) is Reason.TOO_MANY_ATTEMPTS
    assert _reason(room, "192.0.2.1", 3.0) is None  # the first was forgotten


def test_an_ipv6_network_is_one_address() -> None:
    room = Room(Limits(connections_per_address_max=2))
    room.enter("2001:db8::1")
    room.enter("2001:db8::2")
    assert _reason(room, "2001:db8::3", 0.0) is Reason.TOO_MANY_OF_ADDRESS
    assert _reason(room, "2001:db8:0:1::3", 0.0) is None
    room.leave("2001:db8::1")
    assert _reason(room, "2001:db8::3", 0.0) is None


def test_those_who_have_not_said_anything_are_bounded_of_an_address_and_in_all() -> None:
    room = Room(Limits(handshakes_max=3, handshakes_per_address_max=2))
    assert room.knock("192.0.2.1")
    assert room.knock("192.0.2.1")
    assert not room.knock("192.0.2.1")
    assert room.knock("192.0.2.2")
    assert not room.knock("192.0.2.3")
    room.go("192.0.2.1")
    assert room.knock("192.0.2.3")
    assert room.knocking == 3


def test_nothing_is_kept_of_who_is_gone() -> None:
    room = Room(Limits())
    room.knock("192.0.2.1")
    room.go("192.0.2.1")
    room.enter("192.0.2.1")
    room.leave("192.0.2.1")
    assert (room.knocking, room.inside) == (0, 0)
    assert not room._knocking
    assert not room._inside
