"""Register a person, make an API key, and open the trading account.

    .venv/bin/python examples/open_account.py ada@example.org --key ada.json

It asks for a password, and then for the token from the letter that the venue sends. A venue
without a mail server keeps its letters; ``./rialto accounts ada@example.org --letters`` on the
venue's machine prints them.
"""

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rialto_client.command_line import ACCOUNTS, REST, parser, say
from rialto_client.keys import ApiKey, Kind
from rialto_client.rest import RestClient

KEY_SECONDS = 30 * 86400


class Accounts:
    """The door of the accounts service: docs/accounts.md."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/accounts/v1", timeout=30)

    def register(self, email: str, password: str) -> None:
        """Ask for an account; a letter follows."""
        self._post("/registration", {"email": email, "password": password})

    def confirm(self, token: str, password: str) -> None:
        """Finish the registration with the letter's token."""
        self._post("/registration/verify", {"token": token, "password": password})

    def sign_in(self, email: str, password: str) -> None:
        """Begin a session; somebody with a second factor would be asked for it here."""
        answer = self._post("/sign-in", {"email": email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['tokens']['access_token']}"

    def make_key(self, password: str, kind: Kind) -> ApiKey:
        """Make a key that may look and trade; an Ed25519 key's private half never leaves us."""
        proof = {"purpose": "manage_api_keys", "proof": {"password": password}}
        grant = self._post("/step-up", proof)["grant"]
        private = Ed25519PrivateKey.generate()
        wanted: dict[str, Any] = {
            "label": "examples",
            "kind": kind,
            "permissions": ["read", "trade"],
            "seconds": KEY_SECONDS,
        }
        if kind == "ed25519":
            wanted["public_key"] = private.public_key().public_bytes_raw().hex()
        made = self._post("/api-keys", wanted, {"Rialto-Step-Up": grant})
        secret = private.private_bytes_raw() if kind == "ed25519" else made["secret"].encode()
        return ApiKey(key_id=made["key"]["key_id"], kind=kind, secret=secret)

    def _post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        answer = self._http.post(path, json=body, headers=headers)
        if answer.is_error:
            sys.exit(f"{path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None


def asked(what: str, *, is_secret: bool = False) -> str:
    """Ask on the terminal, or read a line of what is piped in."""
    if is_secret and sys.stdin.isatty():
        return getpass.getpass(f"{what}: ")
    say(f"{what}:")
    return sys.stdin.readline().strip()


def run(options: argparse.Namespace) -> None:
    """Go through all of it."""
    accounts = Accounts(options.accounts)
    password = asked("a password of 15 characters or more", is_secret=True)
    accounts.register(options.email, password)
    accounts.confirm(asked("the token from the letter, after the #"), password)
    accounts.sign_in(options.email, password)
    key = accounts.make_key(password, options.kind)
    key.write(options.key)
    with RestClient(options.rest, key) as client:
        number = client.account()["uid"]
    say(f"the key is in {options.key}, the account is RETAIL-{number}; to give it money:")
    say(
        f"./rialto admin credit --account RETAIL-{number} --asset USD --amount 100000 "
        f'--reference opening-{number} --reason "opening balance" --as ann'
    )


def main() -> None:
    """Read what was asked for, and do it."""
    arguments = parser(__doc__)
    arguments.add_argument("email")
    arguments.add_argument("--accounts", default=ACCOUNTS, help="the URL of the accounts service")
    arguments.add_argument("--rest", default=REST, help="the URL of the REST door")
    arguments.add_argument("--key", type=Path, required=True, help="a new file for the key")
    arguments.add_argument("--kind", choices=("hmac-sha256", "ed25519"), default="hmac-sha256")
    run(arguments.parse_args())


if __name__ == "__main__":
    main()
