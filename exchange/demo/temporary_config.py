"""A configuration and session files for a venue of the demo's own, made from the normal ones."""

import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Table = dict[str, Any]

_PATIENCE: dict[tuple[str, ...], dict[str, float]] = {
    ("fix_guard", "limits"): {
        "logon_seconds": 60.0,
        "opening_seconds": 60.0,
        "half_message_seconds": 60.0,
        "logon_window_seconds": 60.0,
    },
    ("market_data", "limits"): {"history_seconds_max": 60.0},
    ("retail_streams", "limits"): {"handshake_seconds": 60.0},
    ("retail_api", "limits"): {"answer_seconds_max": 60.0},
    ("supervisor",): {"start_seconds_max": 240.0, "stop_seconds_max": 60.0},
}
"""Limits on time of a venue that is tried out on a machine that may have other things to do."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def write_configuration(source: Path, target: Path, *, is_recorded: bool = False) -> None:
    """Copy a configuration, with every port free to choose and patience with a busy machine.

    Args:
        source: the operator's configuration directory.
        target: made.
        is_recorded: for the replay of a recording: one market with ticks of 0.01 and lots of
            0.00000001, and bounds that no recorded order meets.
    """
    target.mkdir()
    for path in source.glob("*.toml"):
        shutil.copyfile(path, target / path.name)
    with changed(target / "venue.toml") as venue:
        _free_ports(venue)
        _patient(venue)
    if is_recorded:
        with changed(target / "assets.toml") as assets:
            _recorded_assets(assets)
        with changed(target / "instruments.toml") as instruments:
            _recorded_instruments(instruments)


def write_sessions(
    source: Path, target: Path, *, is_recorded: bool = False, net: Sequence[str] = ()
) -> None:
    """Copy the session files.

    Args:
        source: the counterparties' files.
        target: made.
        is_recorded: without throttles and with room for a recording's orders.
        net: sessions whose accounts are to settle net.
    """
    target.mkdir()
    for path in source.iterdir():
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        else:
            shutil.copyfile(path, target / path.name)
    if is_recorded:
        for path in target.glob("*.toml"):
            with changed(path) as session:
                _unthrottled(session)
    for name in net:
        with changed(target / f"{name}.toml") as session:
            _settles_net(session)


def _settles_net(session: Table) -> None:
    for account in session["account"]:
        account["settlement"] = "net"


def _free_ports(venue: Table) -> None:
    for table in venue.values():
        if isinstance(table, dict):
            table.update({key: 0 for key in table if key == "port" or key.endswith("_port")})


def _patient(venue: Table) -> None:
    for path, limits in _PATIENCE.items():
        table = venue
        for name in path:
            table = table[name]
        table.update(limits)


def _recorded_assets(assets: Table) -> None:
    """Give USD the scale that makes a cent times a hundred-millionth a whole number of atoms."""
    for asset in assets["asset"]:
        if asset["symbol"] == "USD":
            asset.update(scale=10, supply_max="400000000")


def _recorded_instruments(instruments: Table) -> None:
    kept = [each for each in instruments["instrument"] if each["symbol"] == "BTC-USD"]
    for instrument in kept:
        instrument.update(tick_size="0.01", lot_size="0.00000001", phase="continuous")
        instrument["limits"].update(
            price_min="0.01",
            price_max="100000",
            quantity_min="0.00000001",
            quantity_max="1000",
            notional_min="0",
            notional_max="100000000",
            display_min="0.00000001",
            reference_price="236",
            collar_percent="0",
            protection_percent="100",
            band_percent="0",
        )
    instruments["instrument"] = kept


def _unthrottled(session: Table) -> None:
    session["throttle"] = {"messages": 0}
    for account in session.get("account", []):
        account["limits"].update(open_orders_max=200_000, message_burst=0, messages_per_second=0)


@contextmanager
def changed(path: Path) -> Iterator[Table]:
    """Read a document of TOML, and write it with what the block changed."""
    document = tomllib.loads(path.read_text())
    yield document
    path.write_text(toml_text(document))


def toml_text(document: Table) -> str:
    """Write tables, arrays of tables, strings, numbers and lists of them as TOML."""
    return "\n".join(_table_lines(document, ())) + "\n"


def _table_lines(table: Table, path: tuple[str, ...]) -> list[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not _nested(value)]
    for key, value in table.items():
        inner = (*path, _key(key))
        if isinstance(value, dict):
            lines += ["", f"[{'.'.join(inner)}]", *_table_lines(value, inner)]
        elif _nested(value):
            for each in value:
                lines += ["", f"[[{'.'.join(inner)}]]", *_table_lines(each, inner)]
    return lines


def _nested(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(each, dict) for each in value)
    return isinstance(value, dict)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    assert isinstance(value, str), value
    return '"' + "".join(_ESCAPED.get(character, character) for character in value) + '"'
