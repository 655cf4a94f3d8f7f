"""What readers ask for, by URL or by name, and how market data calls it.

Readers written for other venues spell some streams in more than one way. A stream goes back under
the name that it was asked for by; market data publishes it under one.
"""

from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from messages.market_data import stream_of
from retail_gateway.streams.refusals import Reason, Refusal

_SLOW_SUFFIX: Final = "@1000ms"
_HAVE_SLOW_SUFFIX: Final = frozenset(
    {"depth", "depth5", "depth10", "depth20", "!miniTicker@arr", "!ticker@arr"}
)
_SHOWN: Final = 64
"""Characters of a wrong name that are said back."""


class Asked(NamedTuple):
    """What a URL asks for."""

    is_combined: bool
    names: tuple[str, ...]


def read_target(target: str) -> Asked | Refusal:
    """Read path and query: ``/ws``, ``/ws/<stream>``, ``/stream?streams=<stream>/<stream>``.

    Some clients number their connections by a path such as ``/ws/0``: that asks for no stream.
    """
    path, _, query = target.partition("?")
    parts = [unquote(part) for part in path.strip("/").split("/")]
    match parts:
        case ["ws", *names]:
            return Asked(False, tuple(n for n in names if n and not n.isdecimal()))
        case ["stream"]:
            values = [value for key, value in parse_qsl(query) if key == "streams"]
            return Asked(True, tuple(name for value in values for name in value.split("/") if name))
        case _:
            return Refusal(
                Reason.NO_SUCH_PATH, "served are /ws, /ws/<stream>, /stream?streams=<stream>/..."
            )


def source_of(name: str, *, is_symbol: Callable[[str], bool]) -> str | Refusal:
    """Say how market data calls the stream that a reader asks for by a name."""
    source, stream = name, stream_of(name)
    if stream is None and name.endswith(_SLOW_SUFFIX):
        source = name.removesuffix(_SLOW_SUFFIX)
        stream = stream_of(source)
        if stream is not None and stream.kind not in _HAVE_SLOW_SUFFIX:
            stream = None
    if stream is None:
        return Refusal(Reason.NO_SUCH_STREAM, f"no stream is called {_shown(name)}")
    if stream.symbol and not is_symbol(stream.symbol):
        return Refusal(Reason.NO_SUCH_SYMBOL, f"no symbol {stream.symbol}, in {_shown(name)}")
    return source


def _shown(name: str) -> str:
    plain = name[:_SHOWN].encode("ascii", "backslashreplace").decode("ascii")
    return plain if len(name) <= _SHOWN else f"{plain}..."
