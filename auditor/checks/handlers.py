"""How a check says which events it looks at."""

from collections.abc import Callable, Mapping
from typing import Any

from messages.layout import Record

Handlers = Mapping[type[Record], Callable[[Any], None]]
