"""The data dictionaries that QuickFIX checks messages by: ours, with the standard's own values.

Errors:
    SettingsError: a dictionary file is missing or does not fit; the operator's fault.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from fix_gateway.dialects.names import MARKET_DATA_TYPES, Dialect
from fix_gateway.translation.standard import Standard
from runtime.toml import SettingsError

_DATA_TYPES = frozenset({"DATA", "XMLDATA", "RAWDATA"})
_STANDARD_FILES = {
    "RIALTO44": "FIX44.xml",
    "RIALTO50SP2": "FIX50SP2.xml",
    "RIALTOT11": "FIXT11.xml",
}


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """One dialect's dictionaries for QuickFIX, and what it must be told of the standard."""

    transport: Path
    application: Path
    standard: Standard


def standard_dictionaries() -> Path:
    """Return where the QuickFIX wheel keeps its dictionaries of the standard."""
    return Path(sys.prefix) / "share" / "quickfix"


def compose_dictionaries(
    dialect: Dialect, *, ours: Path, target: Path, standards: Path | None = None
) -> Dictionaries:
    """Write a dialect's dictionaries as QuickFIX is to read them.

    A value that the standard has and the venue does not offer is refused by the request's own
    reject, with a code: so our application fields get the values that they have in the standard.

    Args:
        dialect: which one.
        ours: the directory of the generated dictionaries.
        target: the directory to write to.
        standards: the directory of QuickFIX's dictionaries, by default the installed one.

    Raises:
        SettingsError: as the module says.
    """
    standards = standards or standard_dictionaries()
    message_types: set[str] = set()
    known_tags: set[int] = set()
    for name in dialect.dictionaries:
        own, standard = _read(ours / f"{name}.xml"), _read(standards / _STANDARD_FILES[name])
        values = _values(standard)
        _forget_market_data(own)
        _add_values(own, values)
        _forget_data_fields(own)
        (target / f"{name}.xml").write_bytes(ET.tostring(own))
        message_types |= {message.get("msgtype", "") for message in standard.iter("message")}
        known_tags |= values.keys()
    return Dictionaries(
        target / f"{dialect.transport}.xml",
        target / f"{dialect.application}.xml",
        Standard(frozenset(message_types), frozenset(known_tags)),
    )


def standard_of(
    dialect: Dialect, *, standards: Path | None = None
) -> tuple[Standard, dict[int, frozenset[str]]]:
    """Return what a dialect's standard has: types and tags, and the values of fields by tag.

    Args:
        dialect: which one.
        standards: the directory of QuickFIX's dictionaries, by default the installed one.

    Raises:
        SettingsError: as the module says.
    """
    standards = standards or standard_dictionaries()
    message_types: set[str] = set()
    values: dict[int, frozenset[str]] = {}
    for name in dialect.dictionaries:
        standard = _read(standards / _STANDARD_FILES[name])
        message_types |= {message.get("msgtype", "") for message in standard.iter("message")}
        for tag, found in _values(standard).items():
            known = frozenset(each.get("enum", "") for each in found)
            values[tag] = values.get(tag, frozenset()) | known
    return Standard(frozenset(message_types), frozenset(values)), values


def _values(standard: ET.Element) -> dict[int, list[ET.Element]]:
    """Return the values of the standard's fields, by tag."""
    fields = standard.find("fields")
    assert fields is not None, "QuickFIX's"
    return {int(each.get("number", "0")): list(each) for each in fields}


def _add_values(own: ET.Element, values: dict[int, list[ET.Element]]) -> None:
    """Add the standard's values to those of our fields that have some and are no session's."""
    fields = own.find("fields")
    assert fields is not None, "generated"
    used = {
        each.get("name")
        for message in own.iter("message")
        if message.get("msgcat") == "app"
        for each in message.iter("field")
    }
    for field in fields:
        known = {value.get("enum") for value in field}
        if known and field.get("name") in used:
            field.extend(
                value
                for value in values.get(int(field.get("number", "0")), [])
                if value.get("enum") not in known
            )


def _forget_market_data(own: ET.Element) -> None:
    """Leave out what only the sessions of another process may send or get."""
    messages = own.find("messages")
    assert messages is not None, "generated"
    for message in list(messages):
        if message.get("msgtype") in MARKET_DATA_TYPES:
            messages.remove(message)


def _forget_data_fields(own: ET.Element) -> None:
    """Let no field be read by a length that its sender gives.

    QuickFIX takes a data field's bytes by the length before it, separators included, and they
    would be fields again in the text that it hands on: whose fields, the sender could choose.
    """
    fields = own.find("fields")
    assert fields is not None, "generated"
    for each in fields:
        if each.get("type") in _DATA_TYPES:
            each.set("type", "STRING")


def _read(path: Path) -> ET.Element:
    try:
        return ET.fromstring(path.read_bytes())  # noqa: S314  # the installation's own files
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ET.ParseError as error:
        raise SettingsError(f"{path}: {error}") from error
