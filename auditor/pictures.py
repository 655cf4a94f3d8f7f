"""Pictures on disk: written whole or not at all, read back only as they were written."""

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

PICTURE_FORMAT = b"RIALTOP2"
"""Changes with the shape of what is written: another shape begins from the first event."""

Shape = TypeVar("Shape")


def encoded(picture: msgspec.Struct) -> bytes:
    """Return a picture's bytes, as it is now."""
    return msgspec.msgpack.encode(picture)


def write_picture(path: Path, data: bytes) -> None:
    """Put a picture in the place of the one before, durably.

    Args:
        path: the place.
        data: from ``encoded``.

    Raises:
        OSError: the disk refused; the one before stays.
    """
    unfinished = path.with_suffix(".unfinished")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(PICTURE_FORMAT + hashlib.sha256(data).digest() + data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_picture(path: Path, shape: type[Shape]) -> Shape | None:
    """Return the picture that is there; None when there is none that this version can read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head, body = data[: len(PICTURE_FORMAT) + 32], data[len(PICTURE_FORMAT) + 32 :]
    if head != PICTURE_FORMAT + hashlib.sha256(body).digest():
        return None
    try:
        return msgspec.msgpack.decode(body, type=shape)
    except msgspec.DecodeError:
        return None
