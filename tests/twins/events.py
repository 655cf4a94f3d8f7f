"""Where events of some kinds are, found slowly: one record after the other."""

from __future__ import annotations

import struct
from collections.abc import Collection

from messages.trading.events import EVENTS

_HEAD = struct.Struct("<HHBBHQQqq")
"""What every event begins with: length, kind, …, number, sequence, stamp and receipt."""


def slow_find(
    data: bytes, first: int, wanted: Collection[int]
) -> tuple[int, int, list[tuple[int, int]]] | str:
    """Return what ``core.event_finder`` finds, or the words of its error."""
    offset, expected, time_ns = 0, first, 0
    found: list[tuple[int, int]] = []
    while offset < len(data):
        if len(data) - offset < _HEAD.size:
            return f"event {expected}: cut short"
        length, kind, _, _, _, number, _, time_ns, _ = _HEAD.unpack_from(data, offset)
        if number != expected:
            return f"expected event {expected}, found {number}"
        known = EVENTS.by_kind.get(kind)
        if known is None or length != known.LENGTH or offset + length > len(data):
            return f"event {number}: kind {kind} with {length} bytes"
        if kind in wanted:
            found.append((kind, offset))
        offset += length
        expected += 1
    return expected - 1, time_ns, found
