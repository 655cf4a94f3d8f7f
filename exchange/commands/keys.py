"""A session's keys: list, add, rotate, revoke. The guard takes changes up by itself.

And the venue's own: the public key that its statements are signed by.
"""

import argparse
import os
import time
from pathlib import Path

from rich.console import Console

from exchange.errors import CommandError
from exchange.places import places_parser
from exchange.state import State
from fix_gateway.guard.book import new_hmac_key
from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.guard.keys import (
    LIVE_KEYS_MAX,
    Key,
    KeyRing,
    KeyRingError,
    next_key_id,
    with_key,
    without_key,
)
from fix_gateway.settings import read_sessions
from fix_gateway.statements.signing import SigningKeyError, read_signer
from runtime.process import EXIT_OK

console = Console(highlight=False, soft_wrap=True)


def configure(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the actions below ``admin keys``."""
    summary = "a session's keys: list, add, rotate, revoke; the venue's own"
    parser = actions.add_parser("keys", help=summary, description=summary)
    parser.set_defaults(is_local=True)
    under = parser.add_subparsers(metavar="what", required=True)
    for name, about, action in (
        ("list", "say which keys each session has", _list),
        ("add", "give a session a second key", _add),
        ("rotate", "give a session a new key; of two live ones, the older is revoked", _rotate),
        ("revoke", "take a key away; whoever is logged on by it is logged out", _revoke),
    ):
        one = under.add_parser(
            name, parents=[places_parser(is_nested=True)], help=about, description=about
        )
        one.set_defaults(action=action)
        one.add_argument("session", nargs="?" if name == "list" else None, help="its comp id")
        if name == "revoke":
            one.add_argument("key", help="its id")
        elif name != "list":
            kind = one.add_mutually_exclusive_group()
            kind.add_argument(
                "--ed25519", metavar="PUBLIC", help="a public key, 32 bytes in base64"
            )
            kind.add_argument(
                "--secret-to", type=Path, metavar="FILE", help="a copy for the client"
            )
            one.add_argument("--id", help="its id, for tag 553; default: the next number")
    about = "print the public key that the venue's statements are signed by"
    venue = under.add_parser(
        "venue", parents=[places_parser(is_nested=True)], help=about, description=about
    )
    venue.set_defaults(action=_venue)


def _list(options: argparse.Namespace) -> int:
    files = KeyFiles(State(options.state).fix_keys)
    for session in [_known(options)] if options.session else _sessions(options):
        for key in files.read(session).keys:
            since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(key.added_at_ns / 1e9))
            state = "live" if key.is_live else "revoked"
            console.print(f"{session:<12} {key.id:<16} {key.kind:<12} {state:<8} since {since}")
    return EXIT_OK


def _venue(options: argparse.Namespace) -> int:
    path = State(options.state).signing_key
    if not path.exists():  # reading would make one, which is the gateway's to do
        raise CommandError(f"{path}: not there; the FIX gateway makes it at its first start")
    try:
        console.print(read_signer(path).public_key)
    except (SigningKeyError, OSError) as error:
        raise CommandError(str(error)) from error
    return EXIT_OK


def _add(options: argparse.Namespace) -> int:
    return _change(options, is_rotation=False)


def _rotate(options: argparse.Namespace) -> int:
    return _change(options, is_rotation=True)


def _change(options: argparse.Namespace, *, is_rotation: bool) -> int:
    session, files = _known(options), KeyFiles(State(options.state).fix_keys)
    with files.held():
        ring = files.read(session)
        if is_rotation and len(ring.live) >= LIVE_KEYS_MAX:
            ring = _without(ring, ring.live[0].id)
        key = _new_key(options, ring)
        try:
            ring = with_key(ring, key)
        except KeyRingError as error:
            raise CommandError(str(error)) from error
        if options.secret_to is not None:
            _write_secret(options.secret_to, key)
        files.write(ring)
    console.print(f"{session} has the live keys {', '.join(each.id for each in ring.live)}")
    if key.kind == "hmac-sha256":
        console.print(f"the secret of {key.id} is in {options.secret_to or files.path(session)}")
    return EXIT_OK


def _revoke(options: argparse.Namespace) -> int:
    session, files = _known(options), KeyFiles(State(options.state).fix_keys)
    with files.held():
        ring = _without(files.read(session), options.key)
        files.write(ring)
    left = ", ".join(each.id for each in ring.live) or "no live key: nobody can log on"
    console.print(f"{options.key} is revoked; {session} has {left}")
    return EXIT_OK


def _new_key(options: argparse.Namespace, ring: KeyRing) -> Key:
    key_id, now_ns = options.id or next_key_id(ring), time.time_ns()
    if options.ed25519 is None:
        return new_hmac_key(key_id, now_ns=now_ns)
    return Key(id=key_id, kind="ed25519", material=options.ed25519, added_at_ns=now_ns)


def _without(ring: KeyRing, key_id: str) -> KeyRing:
    try:
        return without_key(ring, key_id, now_ns=time.time_ns())
    except KeyRingError as error:
        raise CommandError(str(error)) from error


def _write_secret(path: Path, key: Key) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(key.material.encode("ascii") + b"\n")


def _sessions(options: argparse.Namespace) -> list[str]:
    return [file.sender_comp_id for file in read_sessions(options.sessions).values()]


def _known(options: argparse.Namespace) -> str:
    session: str = options.session
    if session not in _sessions(options):
        raise CommandError(f"no file in {options.sessions} has the sender_comp_id {session}")
    return session
