"""The data dictionary that QuickFIX checks messages by: the standard's, with our messages in it.

Errors:
    SettingsError: a dictionary file is missing or does not fit; the operator's fault.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from runtime.toml import SettingsError

_DATA_TYPES = frozenset({"DATA", "XMLDATA", "RAWDATA"})


def standard_dictionary() -> Path:
    """Return where the QuickFIX wheel keeps its dictionary of FIX 4.4."""
    return Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"


def compose_dictionary(*, standard: Path, ours: Path, target: Path) -> None:
    """Write the standard dictionary with our messages and fields in the place of its own.

    Args:
        standard: QuickFIX's dictionary of FIX 4.4.
        ours: ``sessions/dictionary/RIALTO44.xml``.
        target: where QuickFIX is told to read.

    Raises:
        SettingsError: as the module says.
    """
    base, overlay = _read(standard), _read(ours)
    for section, key in (("messages", "msgtype"), ("fields", "number")):
        into, source = base.find(section), overlay.find(section)
        if into is None or source is None:
            raise SettingsError(f"{ours}: no <{section}> here or in {standard}")
        places = {element.get(key): at for at, element in enumerate(into)}
        for element in source:
            place = places.get(element.get(key))
            if place is None:
                into.append(element)
            else:
                into[place] = element
    _forget_data_fields(base)
    target.write_bytes(ET.tostring(base))


def _forget_data_fields(base: ET.Element) -> None:
    """Let no field be read by a length that its sender gives.

    QuickFIX takes a data field's bytes by the length before it, separators included, and they
    would be fields again in the text that it hands on: whose fields, the sender could choose.
    No message of ours has a use for them, so they are text like all others, and in header and
    trailer they are not known at all.
    """
    fields = base.find("fields")
    assert fields is not None, "checked by the caller"
    data = {each.get("name") for each in fields if each.get("type") in _DATA_TYPES}
    for each in fields:
        if each.get("type") in _DATA_TYPES:
            each.set("type", "STRING")
    for part in (base.find("header"), base.find("trailer")):
        for each in list(part if part is not None else ()):
            if each.get("name") in data:
                assert part is not None
                part.remove(each)


def _read(path: Path) -> ET.Element:
    try:
        return ET.fromstring(path.read_bytes())  # noqa: S314  # the installation's own files
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ET.ParseError as error:
        raise SettingsError(f"{path}: {error}") from error
