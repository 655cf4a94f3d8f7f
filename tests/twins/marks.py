"""Which balances are written down, worked out slowly and from the words of docs/ledger.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from settlement.marks import MarkRules

VENUE = 0


class Moved(NamedTuple):
    """An entry, as far as marks care."""

    event_number: int
    time_ns: int
    kind: int
    account: int
    asset: int
    amount_atoms: int


Row = tuple[int, int, int, int, int]


def naive_marks(
    entries: Iterable[Moved], rules: MarkRules
) -> tuple[list[tuple[int, int]], set[Row]]:
    """Return the places with their stamps, and rows (kind, account, asset, place, balance)."""
    told = sorted(entries)
    places: list[tuple[int, int]] = []
    rows: set[Row] = set()
    written: dict[tuple[int, int, int], int] = {}
    for before, after in pairwise(told):
        place = (after.event_number - 1) // rules.place_events * rules.place_events
        if before.event_number > place:
            continue
        former = (before.event_number - 1) // rules.place_events * rules.place_events
        is_whole = place // rules.whole_events > former // rules.whole_events
        places.append((place, before.time_ns))
        until = [entry for entry in told if entry.event_number <= place]
        counts = Counter(entry.account for entry in until if entry.event_number > former)
        for key in {(entry.kind, entry.account, entry.asset) for entry in until}:
            own = [entry for entry in until if (entry.kind, entry.account, entry.asset) == key]
            is_due = is_whole or key[1] == VENUE or counts[key[1]] >= rules.busy_entries
            if is_due and own[-1].event_number > written.get(key, 0):
                written[key] = place
                rows.add((*key, place, sum(entry.amount_atoms for entry in own)))
    return places, rows
