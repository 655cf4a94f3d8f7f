"""Say what differs between a client's FIX log and the state digests in it."""

import argparse
from pathlib import Path

from rich.console import Console

from exchange.demo.state_digest import is_signed
from exchange.digest_explanation import explain, movements, read_log, read_messages
from exchange.errors import CommandError
from runtime.process import EXIT_OK

EXIT_DIFFERS = 1
LOG_BYTES_MAX = 1 << 30
console = Console(highlight=False)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add what to read."""
    parser.add_argument("log", type=Path, help="FIX messages, with SOH or | between the fields")
    parser.add_argument("--account", help="of one account only")
    parser.add_argument("--event", type=int, help="the digest at this event; default: the last one")
    parser.add_argument("--public-key", help="the venue's, in base64: check the signatures")


def run(options: argparse.Namespace) -> int:
    """Explain the last digest of each account, or the one that is asked for."""
    messages = list(read_messages(_text_of(options.log)))
    if options.public_key:
        stated = [each for each in messages if any(tag == 5073 for tag, _ in each)]
        wrong = [each for each in stated if not is_signed(each, options.public_key)]
        console.print(f"{len(stated) - len(wrong)} statements are signed by the venue")
        if wrong:
            console.print(f"{len(wrong)} are not: the first is number {dict(wrong[0]).get(34)}")
            return EXIT_DIFFERS
    log = read_log(messages)
    accounts = sorted({digest.account for digest in log.digests})
    if options.account:
        accounts = [account for account in accounts if account == options.account]
    if not accounts:
        raise CommandError(f"{options.log}: no state digest in it")
    is_same = True
    for account in accounts:
        known = [digest for digest in log.digests if digest.account == account]
        chosen = [each for each in known if options.event in (None, each.event)]
        if not chosen:
            raise CommandError(f"{options.log}: no digest of {account} at event {options.event}")
        digest = chosen[-1]
        said = explain(log, digest)
        is_same = is_same and not said
        console.print(f"{account} at event {digest.event}: {'differs' if said else 'agrees'}")
        for line in (*said, *movements(log, digest, known[0])):
            console.print(f"  {line}")
    return EXIT_OK if is_same else EXIT_DIFFERS


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > LOG_BYTES_MAX:
            raise CommandError(f"{path}: {path.stat().st_size} bytes, at most {LOG_BYTES_MAX}")
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
