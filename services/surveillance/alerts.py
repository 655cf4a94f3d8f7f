"""What surveillance says: an alert, with the evidence that lets anybody judge it again."""

from enum import StrEnum

import msgspec

EVIDENCE_MAX = 100
"""Events and orders that one alert names; of more, the last ones. Its figures count all."""


class AlertKind(StrEnum):
    """What was seen; docs/surveillance.md defines each."""

    WASH_TRADE = "wash_trade"
    SELF_TRADE_ATTEMPTS = "self_trade_attempts"
    CIRCULAR_TRADES = "circular_trades"
    SPOOFING = "spoofing"
    LAYERING = "layering"
    QUOTE_STUFFING = "quote_stuffing"
    FAT_FINGER_PRICE = "fat_finger_price"
    FAT_FINGER_SIZE = "fat_finger_size"
    MARKING_THE_CLOSE = "marking_the_close"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern was complete with event ``event_number``.

    ``owner`` is who is meant: an owner group, or minus the account where an account has none.
    ``figures`` is what was measured, ``parameters`` what it was measured against.
    """

    kind: AlertKind
    event_number: int
    time_ns: int
    instrument: int
    owner: int
    accounts: tuple[int, ...]
    events: tuple[int, ...]
    orders: tuple[int, ...]
    figures: dict[str, int]
    parameters: dict[str, int]

    @property
    def alert_id(self) -> str:
        """Its name for ever: the same events give the same one, however often they are read."""
        owner = f"g{self.owner}" if self.owner > 0 else f"a{-self.owner}"
        return f"{self.kind}-{self.event_number}-{owner}"


def evidence(numbers: list[int]) -> tuple[int, ...]:
    """Return the numbers that an alert names: each once, ascending, of many the last."""
    return tuple(sorted(set(numbers)))[-EVIDENCE_MAX:]
