"""How often somebody may say something: evenly, and a second's worth at once."""

from typing import Final

_ROUNDING: Final = 1e-9


class Pace:
    """The messages of one connection."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def admits(self, per_second: int, now: float) -> bool:
        """Count a message; False if it is one too many."""
        self._full_at = max(self._full_at, now) + 1 / per_second
        return self._full_at - now <= 1 + _ROUNDING
