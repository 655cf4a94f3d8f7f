"""Strict reading of TOML: an unknown key, a missing one or a wrong type names file and key.

Settings:
    SettingsError: a file that cannot be read, is not TOML or does not fit its type; the
        operator's fault.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

Settings = TypeVar("Settings")


class SettingsError(Exception):
    """A configuration file is missing or wrong; the message names file, key and reason."""

    exit_code = 78


def read_toml(path: Path, shape: type[Settings]) -> Settings:
    """Read a file into ``shape``, a msgspec struct that forbids unknown fields.

    Raises:
        SettingsError: as the module says.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        return msgspec.toml.decode(text, type=shape)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{path}: {error}") from error
