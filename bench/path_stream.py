"""The commands that one link of the generator sends: orders that rest, cancelled a little later.

Half of the commands place, half cancel, and nothing trades. So every command has exactly two
events, its acknowledgement and the level that it changed, and an event's number says which command
it answers.
"""

import struct
from typing import Final

from bench.core_records import MID_TICKS, PRINCIPAL
from messages.trading.commands import CancelOrder, Command, PlaceOrder
from messages.trading.events import BookLevelChanged, OrderAccepted, OrderCancelled
from messages.trading.identity import source_number
from messages.trading.terms import OrderType, Side, TimeInForce

EVENTS_PER_COMMAND: Final = 2
ANSWER_KINDS: Final = {OrderAccepted.KIND, OrderCancelled.KIND, BookLevelChanged.KIND}
DEPTH: Final = 1_000
LEVELS: Final = 100

_U64: Final = struct.Struct("<Q")
_PRICE: Final = struct.Struct("<q")
_NAME: Final = struct.Struct("<40s")


class _Template:
    """A packed record of which some fields differ from command to command."""

    def __init__(self, kind: type[Command], account: int, **terms: int) -> None:
        self._record = bytearray(
            kind.make(
                source=source_number(PRINCIPAL, account),
                epoch=1,
                account=account,
                session=account,
                connection=1,
                instrument=1,
                **terms,
            ).pack()
        )
        self._offsets = {field.name: field.offset for field in kind.FIELDS}

    def put(self, layout: struct.Struct, name: str, value: int | bytes) -> None:
        """Set a field."""
        layout.pack_into(self._record, self._offsets[name], value)

    def packed(self) -> bytes:
        """Return the record as it stands."""
        return bytes(self._record)


class Stream:
    """One link's commands, of an account and a source of its own."""

    def __init__(self, account: int) -> None:
        self._account = account
        self._source_sequence = 0
        self._placed = 0
        self._cancelled = 0
        resting = {
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
            "quantity_lots": 10,
        }
        self._places = {side: _Template(PlaceOrder, account, side=side, **resting) for side in Side}
        self._cancel_record = _Template(CancelOrder, account)

    def fill(self) -> list[bytes]:
        """Return the orders that come before everything else, so that some always rest."""
        return [self._place() for _ in range(DEPTH)]

    def commands(self, count: int) -> list[bytes]:
        """Return commands that place and cancel by turns."""
        return [self._cancel() if turn % 2 else self._place() for turn in range(count)]

    def _place(self) -> bytes:
        self._placed += 1
        side = Side.BUY if self._placed % 2 else Side.SELL
        away = 1 + self._placed // 2 % LEVELS
        record = self._places[side]
        record.put(_PRICE, "price_ticks", MID_TICKS + (away if side == Side.SELL else -away))
        return self._named(record, b"p%d" % self._placed)

    def _cancel(self) -> bytes:
        self._cancelled += 1
        record = self._cancel_record
        record.put(_NAME, "original_client_order_id", b"p%d" % self._cancelled)
        return self._named(record, b"c%d" % self._cancelled)

    def _named(self, record: _Template, name: bytes) -> bytes:
        self._source_sequence += 1
        record.put(_U64, "source_sequence", self._source_sequence)
        record.put(_NAME, "client_order_id", name)
        return record.packed()
