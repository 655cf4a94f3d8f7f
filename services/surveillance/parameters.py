"""What the operator may tune: ``config/surveillance.toml``.

Strict, as every file of the operator: an unknown key, a missing one or a number out of its bounds
is refused with file, key and reason. docs/surveillance.md says what each number means.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from runtime.toml import read_toml

NANOSECONDS = 1_000_000_000
MILLION = 1_000_000

WindowSeconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Few = Annotated[int, msgspec.Meta(ge=1, le=100)]
Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Multiple = Annotated[int, msgspec.Meta(ge=2, le=10_000)]
Share = Annotated[int, msgspec.Meta(ge=1, le=MILLION)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of which every key is known; its numbers go into the alerts made by it."""

    def numbers(self) -> dict[str, int]:
        """Return every parameter by name; yes is 1."""
        return {name: int(value) for name, value in msgspec.structs.asdict(self).items()}


class Wash(Table, frozen=True):
    """``[wash]``: trades and attempted trades with oneself."""

    window_seconds: WindowSeconds
    trades_min: Few
    same_firm: bool
    attempts_min: Many
    attempts_share_ppm: Share


class Circular(Table, frozen=True):
    """``[circular]``: the same quantity back and forth between two owners."""

    window_seconds: WindowSeconds
    rounds_min: Few
    quantity_tolerance_ppm: Annotated[int, msgspec.Meta(ge=0, le=500_000)]
    rest_seconds: WindowSeconds


class Layering(Table, frozen=True):
    """``[layering]``: size shown on one side, taken away once the other side has traded."""

    window_seconds: WindowSeconds
    ratio: Multiple
    near_ppm: Share
    book_share_ppm: Share
    layers_min: Annotated[int, msgspec.Meta(ge=2, le=100)]


class Stuffing(Table, frozen=True):
    """``[stuffing]``: messages that are there to be messages."""

    window_seconds: WindowSeconds
    messages_min: Many
    messages_per_trade_min: Many


class FatFinger(Table, frozen=True):
    """``[fat_finger]``: prices and sizes that somebody hardly meant."""

    trades_min: Annotated[int, msgspec.Meta(ge=1, le=31)]
    price_ppm: Share
    orders_min: Annotated[int, msgspec.Meta(ge=1, le=32)]
    size_multiple: Multiple


class Closing(Table, frozen=True):
    """``[closing]``: who moved the price just before trading ended."""

    window_seconds: WindowSeconds
    move_ppm: Share
    volume_share_ppm: Share


class Bounds(Table, frozen=True):
    """``[bounds]``: what surveillance remembers at most; beyond it the oldest is forgotten."""

    orders_max: Annotated[int, msgspec.Meta(ge=1_000, le=1_000_000)]
    owners_max: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)]
    levels_max: Annotated[int, msgspec.Meta(ge=100, le=100_000)]
    trades_max: Annotated[int, msgspec.Meta(ge=100, le=100_000)]


class Parameters(Table, frozen=True):
    """``config/surveillance.toml``."""

    wash: Wash
    circular: Circular
    layering: Layering
    stuffing: Stuffing
    fat_finger: FatFinger
    closing: Closing
    bounds: Bounds


def read_parameters(path: Path) -> Parameters:
    """Read the operator's file.

    Raises:
        runtime.toml.SettingsError: naming file, key and reason.
    """
    return read_toml(path, Parameters)
