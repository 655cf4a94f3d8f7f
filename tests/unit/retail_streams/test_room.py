"""Who may come in, by address and in time."""

from retail_gateway.streams.refusals import Reason
from retail_gateway.streams.room import Room
from retail_gateway.streams.settings import Limits


class Knocker:
    """A connection that waits at the door."""

    def __init__(self, address: str) -> None:
        self.address = address

    def abort(self) -> None:
        raise AssertionError("it is the house that drops")


def _attempted(room: Room, address: str, now: float) -> Reason | None:
    guest = Knocker(address)
    assert room.knock(guest, now) is None
    room.go(guest)
    return _reason(room, address)


def _reason(room: Room, address: str) -> Reason | None:
    refusal = room.judge(address)
    return None if refusal is None else refusal.reason


def test_attempts_are_counted_in_windows() -> None:
    room = Room(Limits(attempts_per_address_max=3, attempts_seconds=10))
    for _ in range(3):
        assert _attempted(room, "192.0.2.1", 100.0) is None
    assert _attempted(room, "192.0.2.1", 109.9) is Reason.TOO_MANY_ATTEMPTS
    assert _attempted(room, "192.0.2.2", 109.9) is None
    assert _attempted(room, "192.0.2.1", 110.0) is None


def test_who_begins_twice_as_many_as_may_be_is_dropped_unheard() -> None:
    room = Room(Limits(attempts_per_address_max=3, attempts_seconds=10))
    for number in range(6):
        is_refused = _attempted(room, "192.0.2.1", 100.0) is Reason.TOO_MANY_ATTEMPTS
        assert is_refused == (number >= 3)
    one_more = Knocker("192.0.2.1")
    assert room.knock(one_more, 100.0) is one_more
    assert room.knocking == 0
    assert room.knock(Knocker("192.0.2.2"), 100.0) is None


def test_no_more_addresses_are_remembered_than_may_be() -> None:
    room = Room(Limits(attempts_per_address_max=1, attempts_seconds=10, addresses_max=2))
    for now, address in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.3")):
        assert _attempted(room, address, float(now)) is None
    assert len(room._attempts) == 2
    assert _attempted(room, "192.0.2.3", 3.0) is Reason.TOO_MANY_ATTEMPTS
    assert _attempted(room, "192.0.2.1", 3.0) is None  # the first was forgotten


def test_an_ipv6_network_is_one_address() -> None:
    room = Room(Limits(connections_per_address_max=2))
    room.enter("2001:db8::1")
    room.enter("2001:db8::2")
    assert _reason(room, "2001:db8::3") is Reason.TOO_MANY_OF_ADDRESS
    assert _reason(room, "2001:db8:0:1::3") is None
    room.leave("2001:db8::1")
    assert _reason(room, "2001:db8::3") is None


def test_who_knocks_is_let_in_and_the_oldest_of_the_same_network_makes_room() -> None:
    room = Room(Limits(handshakes_max=9, handshakes_per_address_max=2))
    first, second, third = (Knocker("192.0.2.1") for _ in range(3))
    assert room.knock(first, 0.0) is None
    assert room.knock(second, 0.0) is None
    assert room.knock(third, 0.0) is first
    assert room.knocking == 2
    room.go(first)  # as it does when its connection has ended
    assert room.knocking == 2
    room.go(second)
    assert room.knock(first, 0.0) is None


def test_a_full_room_ends_the_oldest_of_the_network_with_the_most() -> None:
    room = Room(Limits(handshakes_max=4, handshakes_per_address_max=3))
    honest = Knocker("192.0.2.9")
    silent = [Knocker(f"2001:db8::{number}") for number in range(3)]
    assert room.knock(honest, 0.0) is None
    for each in silent:
        assert room.knock(each, 0.0) is None
    others = [Knocker(f"192.0.2.{number}") for number in range(3)]
    assert [room.knock(each, 0.0) for each in others] == [silent[0], silent[1], honest]
    assert room.knocking == 4


def test_nothing_is_kept_of_who_is_gone() -> None:
    room = Room(Limits())
    guest = Knocker("192.0.2.1")
    room.knock(guest, 0.0)
    room.go(guest)
    room.go(guest)
    room.enter("192.0.2.1")
    room.leave("192.0.2.1")
    assert (room.knocking, room.inside) == (0, 0)
    assert not room._knocking
    assert not room._inside
