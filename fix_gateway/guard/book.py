"""Whom the guard knows: sessions' files and key rings, read again whenever they change."""

import base64
import os
import secrets
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fix_gateway.guard.key_files import KeyFileError, KeyFiles
from fix_gateway.guard.keys import HMAC_SECRET_BYTES, Key, KeyRing, next_key_id, with_key
from fix_gateway.guard.tls import read_certificates
from fix_gateway.schedule import ScheduleTable
from fix_gateway.settings import SessionFile, networks, read_sessions


@dataclass(frozen=True, slots=True)
class Known:
    """One session, as the guard judges it."""

    ring: KeyRing
    begin_string: bytes
    messages_per_second: int
    """Of its throttle; zero for none."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    certificates: tuple[x509.Certificate, ...]
    is_market_data: bool = False
    is_suspended: bool = False
    schedule: ScheduleTable | None = None
    trouble: str = ""
    """Why its keys cannot be read; nobody is let in by them meanwhile."""


Book = dict[str, Known]
"""By CompID."""


def new_hmac_key(key_id: str, *, now_ns: int) -> Key:
    """Make a shared secret."""
    material = base64.b64encode(secrets.token_bytes(HMAC_SECRET_BYTES)).decode()
    return Key(id=key_id, kind="hmac-sha256", material=material, added_at_ns=now_ns)


def ensure_keys(files: KeyFiles, session: str) -> None:
    """Give a session its first key; one whose keys were all revoked gets none.

    Raises:
        KeyFileError: its ring cannot be read.
    """
    if files.path(session).exists():
        return
    with files.held():
        ring = files.read(session)
        if not ring.keys:
            files.write(with_key(ring, new_hmac_key(next_key_id(ring), now_ns=time.time_ns())))


def read_book(sessions: Path, files: KeyFiles) -> Book:
    """Read what there is to know.

    Raises:
        SettingsError: a session's file cannot be used.
        OSError: a first key could not be written.
    """
    return {
        file.sender_comp_id: _known(sessions / f"{name}.toml", file, files)
        for name, file in read_sessions(sessions).items()
    }


def stamp_of(sessions: Path, files: KeyFiles) -> tuple[object, ...]:
    """Return what changes whenever the book would read differently."""
    with os.scandir(sessions) as entries:
        # Twice a second, beside the loop: paths would be made, split and compared for nothing.
        tables = [
            (entry.name, entry.stat().st_mtime_ns)
            for entry in entries
            if entry.name.endswith((".toml", ".pem"))
        ]
    return (*sorted(tables), *files.stamp())


def trusted_pem(book: Book) -> str:
    """Return every certificate that opens some session."""
    found = {each for known in book.values() for each in known.certificates}
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _known(where: Path, file: SessionFile, files: KeyFiles) -> Known:
    certificate_file = file.client_certificate_file
    trouble, ring = "", KeyRing(session=file.sender_comp_id)
    try:
        ensure_keys(files, file.sender_comp_id)
        ring = files.read(file.sender_comp_id)
    except KeyFileError as error:
        trouble = str(error)
    return Known(
        ring=ring,
        begin_string=file.spoken.begin_string.encode("ascii"),
        messages_per_second=file.throttle.messages // file.throttle.seconds,
        networks=networks(where, "addresses", file.addresses),
        certificates=read_certificates(where.parent / certificate_file) if certificate_file else (),
        is_market_data=file.kind == "market_data",
        is_suspended=file.is_suspended,
        schedule=file.schedule,
        trouble=trouble,
    )
