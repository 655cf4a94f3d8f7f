"""Whatever bytes stand in an event, clients get whole FIX messages, and the gateway lives.

Other channels and other principals put their own bytes into records, some of which are on the log
because they were wrong.
"""

import pytest
import quickfix as fix
import simplefix
from hypothesis import given
from hypothesis import strategies as st

from fix_gateway.translation.outbound import told_by
from fix_gateway.translation.text import safe_text
from messages.trading import events
from messages.trading.codes import RejectCode
from messages.trading.commands import PlaceOrder
from tests.unit.fix_gateway.market import COPY, OTHER, TRADER, directory, tags_of

KINDS = [record for record in events.EVENTS.by_kind.values() if issubclass(record, events.Event)]
HEAD_SIZE = 8  # length, kind, version, flags, reserved: the journal checks these


def check(record: events.Event) -> list[dict[int, str]]:
    """Translate, and read every message back with two parsers that are not ours."""
    found = []
    for message in told_by(record, directory()):
        fields = tags_of(message.text)
        assert all(fields.values()), f"an empty value: {message.text!r}"
        assert message.text.isascii()
        text = f"8=FIX.4.4\x019=0\x01{message.text}10=000\x01"
        fix.Message(text, False)
        parser = simplefix.FixParser()
        parser.append_buffer(text)
        parsed = parser.get_message()
        assert parsed is not None
        assert parsed.count() == message.text.count("\x01") + 3
        found.append(fields)
    return found


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_any_bytes_in_any_event_become_whole_messages(
    data: st.DataObject, kind: type[events.Event]
) -> None:
    size = kind.LENGTH - HEAD_SIZE
    body = data.draw(st.binary(min_size=size, max_size=size))
    check(kind.unpack(kind.make().pack()[:HEAD_SIZE] + body))


INTERESTING = {
    "account": [0, 11, 21, 999],
    "maker_account": [11, 999],
    "taker_account": [21, 999],
    "session": [0, TRADER, OTHER, 999],
    "origin_session": [0, TRADER, COPY],
    "maker_session": [TRADER, 999],
    "taker_session": [OTHER],
    "instrument": [0, 1, 999],
    "code": [0, *(code.value for code in RejectCode), 65_000],
    "refused_kind": [0, *range(1, 8), 255],
    "side": [0, 1, 2, 3, 255],
}


@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_known_parties_with_any_other_values_get_whole_messages(
    data: st.DataObject, kind: type[events.Event]
) -> None:
    sizes = {"B": 8, "H": 16, "I": 32, "Q": 64}
    values: dict[str, int | bytes] = {}
    for field in kind.FIELDS[3:]:
        if field.name in INTERESTING:
            values[field.name] = data.draw(st.sampled_from(INTERESTING[field.name]))
        elif field.code.endswith("s"):
            values[field.name] = data.draw(st.binary(max_size=field.size))
        elif field.code in sizes:
            top = 2 ** sizes[field.code] - 1
            values[field.name] = data.draw(st.integers(0, 8) | st.integers(0, top))
        else:
            values[field.name] = data.draw(st.integers(-(2**31), 2**31 - 1))
    check(kind.make(**values))


@pytest.mark.parametrize("identifier", [b"a\x01150=F\x01", b"\xff\xfe", "\u00e9".encode(), b"a\0b"])
def test_an_identifier_of_another_channel_injects_nothing(identifier: bytes) -> None:
    record = events.RefusalRecorded.make(
        number=45,
        account=11,
        session=999,
        refused_kind=PlaceOrder.KIND,
        code=RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED,
        client_order_id=identifier,
        text=b"said\x0158=other",
    )
    (copy,) = check(record)
    assert copy[150] == "8"
    assert copy[11] == safe_text(identifier)
    assert copy[58].endswith("said?58=other")


def test_values_newer_than_this_gateway_are_told_sensibly() -> None:
    record = events.OrderCancelled.make(
        number=1,
        account=11,
        session=TRADER,
        instrument=1,
        side=9,
        status=99,
        order_type=99,
        time_in_force=99,
        reason=999,
        quantity_lots=5,
        filled_lots=2,
        client_order_id=b"o",
    )
    fields = check(record)[0]
    assert (fields[39], fields[54], fields[58], fields[378]) == ("4", "7", "REASON_999", "99")
    assert 40 not in fields
    assert 59 not in fields
    refused = events.RefusalRecorded.make(number=2, session=TRADER, refused_kind=77, code=60_000)
    (fields,) = check(refused)
    assert (fields[35], fields[372], fields[380]) == ("j", "NONE", "0")
    assert fields[58].startswith("CODE_60000")


def test_text_is_printable_ascii_of_the_same_length() -> None:
    assert safe_text(bytes(range(256))) == "?" * 32 + bytes(range(32, 127)).decode() + "?" * 129
    assert safe_text(b"abc" + bytes(5)) == "abc"
