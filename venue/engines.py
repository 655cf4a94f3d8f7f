"""Chooses an engine by its name."""

from core.engine import NativeEngine
from venue.ports import Engine
from venue.reference.engine import ReferenceEngine

ENGINES = ("native", "reference")
"""The names that a configuration may give."""


def create_engine(name: str) -> Engine:
    """Return a new, empty engine.

    Raises:
        ValueError: a name that is not one of ``ENGINES``.
    """
    match name:
        case "native":
            return NativeEngine()
        case "reference":
            return ReferenceEngine()
    raise ValueError(f"unknown engine {name!r}; there are: {', '.join(ENGINES)}")
