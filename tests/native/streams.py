"""Command streams for comparing engines: the mixed flow, over wide prices, and disturbed."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from messages.layout import Record
from messages.trading import commands as c
from tests.property.flow import Flow, Place
from tests.property.quote_flow import records_of

WIDE_TICKS = 1 << 20
SET_UP = 100
# What numbers, stamps and groups a command; a disturbed source would silence all that follows.
UNTOUCHED = {
    "length",
    "kind",
    "version",
    "group_left",
    "sequence",
    "time_ns",
    "epoch",
    "source_sequence",
}
EDGES = (0, 1, 2, 3, 4, 5, 7, 9, 11, 100, 255, 1000, 10_000, 65_535, (1 << 31) - 1)
LARGE = (-1, 1 << 40, 1 << 53, 1 << 61, (1 << 62) - 1, 1 << 62, (1 << 63) - 1, -(1 << 62))


class WideFlow(Flow):
    """The flow over so many ticks that no window of a book holds them all."""

    def _instrument_limits(self, instrument: int, *, calm: bool) -> tuple[type[Record], Place]:
        kind, fields = super()._instrument_limits(instrument, calm=calm)
        if fields["price_ticks_max"] == 4000:
            fields["price_ticks_max"] = WIDE_TICKS
            fields["collar_ppm"] = 0
            fields["band_ppm"] = 0
        return kind, fields

    def _price(self, instrument: int) -> int:
        chance = self.chance
        draw = chance.random()
        if draw < 0.6:
            return super()._price(instrument)
        if draw < 0.8:
            return max(1, self.mid.get(instrument, 1000) + chance.randrange(-6000, 6000))
        return chance.choice((3000, 9000, 9001, 9002, 20_000, 20_001, 500_000, WIDE_TICKS))


class Disturber:
    """Makes other commands of recorded ones: a field here and there has another value."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self.chance = chance
        self.share = share

    def disturb(self, commands: list[bytes]) -> Iterator[bytes]:
        """Yield the commands, some of them changed; numbers and stamps stay.

        Mostly the set-up is left alone: without it little else can happen.
        """
        spared = SET_UP if self.chance.random() < 0.8 else 0
        for step, command in enumerate(commands):
            is_changed = step >= spared and self.chance.random() < self.share
            yield self._changed(command) if is_changed else command

    def _changed(self, command: bytes) -> bytes:
        at, kind = self.chance.choice(list(records_of(command)))
        cls: Any = c.COMMANDS.by_kind.get(kind)
        if cls is None:
            return command
        fields = [field for field in cls.FIELDS if field.name not in UNTOUCHED]
        field = self.chance.choice(fields)
        changed = bytearray(command)
        if field.code.endswith("s"):
            place = at + field.offset + self.chance.randrange(field.size)
            changed[place] = self.chance.choice((0, 1, 32, 65, 126, 127, 255))
        else:
            value = self._value(field.size, is_signed=field.code.islower())
            struct.pack_into("<" + field.code, changed, at + field.offset, value)
        return bytes(changed)

    def _value(self, size: int, *, is_signed: bool) -> int:
        chance = self.chance
        value = chance.choice(EDGES)
        if size == 8 and is_signed and chance.random() < 0.3:
            value = chance.choice(LARGE)
        elif chance.random() < 0.3:
            value = chance.randrange(1 << (8 * size - 2))
        return min(value, (1 << (8 * size - (1 if is_signed else 0))) - 1)
