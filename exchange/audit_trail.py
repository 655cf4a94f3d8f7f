"""The trail of a state directory: which files it is made of, and how it is checked and exported."""

import sys
from collections.abc import Iterator
from pathlib import Path

from auditor.trail.configuration_record import ConfigurationRecord
from auditor.trail.export import Period, ProvedLines, export_account, operators_lines
from auditor.trail.heads import HeadError, Heads, SignedHead, SigningKey, VerifyingKey, public_path
from auditor.trail.keeper import TrailKeeper
from auditor.trail.verification import Verified, verify_trail
from exchange.configuration import Configuration
from exchange.errors import CommandError
from exchange.places import Places
from exchange.state import State
from runtime.chained_lines import ChainedLines, Head
from runtime.storage import DiskStorage


def signing_key_path(configuration: Configuration, state: State) -> Path:
    """Say where the trail's key is: the operator keeps it apart, or it lies with the secrets."""
    name = configuration.venue.auditor.signing_key_file
    return Path(name) if name else state.secrets / "audit-signing.key"


def heads_path(state: State) -> Path:
    """Say where the signed heads are."""
    return state.auditor / "heads.jsonl"


def records_of(state: State) -> dict[str, Path]:
    """Return the chains that are signed with the journal."""
    return {
        "operators": state.admin_record,
        "findings": state.auditor / "findings.jsonl",
        "configuration": state.auditor / "configuration.jsonl",
    }


def make_keeper(configuration: Configuration, places: Places) -> TrailKeeper:
    """Make what writes the trail."""
    state, records = places.state, records_of(places.state)
    return TrailKeeper(
        journal=state.venue / "journal",
        heads=heads_path(state),
        key=SigningKey.at(signing_key_path(configuration, state)),
        records=records,
        configuration=ConfigurationRecord(
            records["configuration"], (places.config, places.sessions)
        ),
    )


def verify(
    configuration: Configuration, state: State, *, key: str, known: str, is_running: bool
) -> Verified:
    """Check the whole trail.

    Args:
        configuration: says where the key is.
        state: whose trail.
        key: a file with the public key, where it is not beside the signing key.
        known: ``NUMBER:SHA256`` of a head that was kept elsewhere, or nothing.
        is_running: the venue writes meanwhile.
    """
    path = Path(key) if key else public_path(signing_key_path(configuration, state))
    try:
        public = VerifyingKey(path.read_text())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    return verify_trail(
        journal=state.venue / "journal",
        heads=heads_path(state),
        key=public,
        records=records_of(state),
        known=known_head(known) if known else None,
        is_running=is_running,
    )


def known_head(text: str) -> Head:
    """Read ``NUMBER:SHA256``.

    Raises:
        CommandError: it is not that.
    """
    number, _, digest = text.partition(":")
    if not number.isdecimal() or len(digest) != 64:
        raise CommandError(f"not NUMBER:SHA256, as ./rialto audit verify prints it: {text}")
    return Head(int(number), digest)


def export(
    configuration: Configuration, state: State, *, account: int, period: Period
) -> Iterator[bytes]:
    """Yield the lines of an export, and at last the proof.

    Raises:
        CommandError: there is no trail here.
    """
    path = signing_key_path(configuration, state)
    try:
        key, public = SigningKey.at(path), VerifyingKey(public_path(path).read_text())
        heads = list(Heads(heads_path(state)).read(public))
    except (HeadError, OSError) as error:
        raise CommandError(str(error)) from error
    if not heads:
        raise CommandError(f"{heads_path(state)}: no signed head; has the auditor run here?")
    proved, last, numbers = ProvedLines(), 0, set[int]()
    for body in export_account(
        journal=DiskStorage(state.venue / "journal", read_only=True),
        events=DiskStorage(state.venue / "events", read_only=True),
        venue=bytes.fromhex(heads[-1].venue),
        account=account,
        period=period,
    ):
        last = body["sequence"]
        numbers |= {event["number"] for event in body["events"]}
        yield proved.line(body)
    for body in operators_lines(ChainedLines(state.admin_record), numbers):
        yield proved.line(body)
    yield proved.proof(key, _covering(heads, last))


def _covering(heads: list[SignedHead], sequence: int) -> SignedHead | None:
    """Return the first head that reaches a command; None when none does yet."""
    found = next((head for head in heads if head.journal.sequence >= sequence), None)
    if found is None:
        sys.stderr.write(f"rialto: command {sequence} is not signed yet; export again later\n")
    return found
