"""What the command of each request begins with, and the refusal that takes a request's place."""

from fix_gateway.translation.request import Arrival, Reader
from messages.layout import Record, padded_text
from messages.trading.commands import RecordRefusal
from messages.trading.identity import NO_CLIENT_ID

_NOTE_SIZE = 96

Head = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, int, int]


def head(record: type[Record], arrival: Arrival, account: int, *, group_left: int = 0) -> Head:
    """Return a command's first fields, up to those of its own kind.

    Args:
        record: the command's class.
        arrival: where and when its request came in.
        account: whose it is; zero for none.
        group_left: how many records of its group still follow.
    """
    return (
        record.LENGTH,
        record.KIND,
        record.VERSION,
        0,
        group_left,
        0,
        0,
        arrival.received_at_ns,
        arrival.source,
        arrival.epoch,
        arrival.sequence,
        account,
        arrival.session,
        arrival.connection,
        0,
    )


def named_head(reader: Reader, account: int) -> dict[str, int]:
    """Return the same by name, for ``Record.make``, which knows the others."""
    arrival = reader.arrival
    return {
        "received_at_ns": arrival.received_at_ns,
        "source": arrival.source,
        "epoch": arrival.epoch,
        "source_sequence": arrival.sequence,
        "account": account,
        "session": arrival.session,
        "connection": arrival.connection,
    }


def refusal(
    reader: Reader,
    kind: int,
    *,
    client_id: bytes = NO_CLIENT_ID,
    original: bytes = NO_CLIENT_ID,
    account: int = 0,
    instrument: int = 0,
    side: int = 0,
    order_type: int = 0,
    time_in_force: int = 0,
    number: int = 0,
) -> RecordRefusal:
    """Put on record why a request could not become the command that it asks for.

    Args:
        reader: has found the fault.
        kind: of that command.
        client_id: what the client calls the request.
        original: what it calls what it asks about.
        account: whose it is, and so on, as far as the request says so.
        instrument: its instrument.
        side: of an order.
        order_type: of an order.
        time_in_force: of an order.
        number: of the order, quote or request that it asks about.
    """
    assert reader.fault is not None
    return RecordRefusal(
        *head(RecordRefusal, reader.arrival, account),
        kind,
        reader.fault.code,
        instrument,
        side,
        order_type,
        time_in_force,
        0,
        0,
        number,
        client_id,
        original,
        note(reader.fault.text),
    )


def note(text: str) -> bytes:
    """Encode as much of a sentence as a record holds."""
    return padded_text(text[:_NOTE_SIZE], _NOTE_SIZE)
