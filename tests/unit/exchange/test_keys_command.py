"""``admin keys``: what an operator does with a session's keys, and what is refused."""

import base64
from pathlib import Path

import pytest

from exchange.__main__ import main
from exchange.demo.logon_proof import read_key
from fix_gateway.guard.key_files import KeyFiles
from fix_gateway.statements.signing import read_signer
from runtime.process import EXIT_OK, EXIT_USAGE

PUBLIC = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def keys(state: Path, *arguments: str) -> int:
    return main(["admin", "keys", *arguments, "--state", str(state)])


def live(state: Path) -> list[str]:
    return [key.id for key in KeyFiles(state / "secrets" / "fix").read("MM1").live]


def test_keys_are_added_rotated_and_revoked(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "for-the-client"
    assert keys(state, "add", "MM1") == EXIT_OK
    assert keys(state, "add", "MM1", "--secret-to", str(copy), "--id", "second") == EXIT_OK
    assert live(state) == ["MM1-1", "second"]
    assert copy.stat().st_mode & 0o077 == 0
    ring = state / "secrets" / "fix" / "MM1.json"
    assert base64.b64decode(copy.read_bytes()) == read_key(ring).material
    assert keys(state, "rotate", "MM1", "--ed25519", PUBLIC) == EXIT_OK
    assert live(state) == ["second", "MM1-2"]
    assert keys(state, "revoke", "MM1", "second") == EXIT_OK
    assert live(state) == ["MM1-2"]
    capsys.readouterr()
    assert keys(state, "list") == EXIT_OK
    said = capsys.readouterr().out
    assert [line.split()[1:4] for line in said.splitlines()] == [
        ["MM1-1", "hmac-sha256", "revoked"],
        ["second", "hmac-sha256", "revoked"],
        ["MM1-2", "ed25519", "live"],
    ]
    assert PUBLIC not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "NOBODY"], "no file in"),
        (["add", "MM1", "--ed25519", "abc"], "32 bytes in base64"),
        (["add", "MM1", "--id", "a b"], "no key id"),
        (["add", "MM1", "--id", "one"], "ids are used once"),
        (["revoke", "MM1", "none"], "no live key none"),
        (["add", "MM1", "--secret-to", "/dev/null/x"], "Not a directory"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert keys(state, "add", "MM1", "--id", "one") == EXIT_OK
    assert keys(state, *arguments) == EXIT_USAGE
    assert said in capsys.readouterr().err
    assert live(state) == ["one"]


def test_a_third_key_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert keys(state, "add", "MM1") == EXIT_OK
    assert keys(state, "add", "MM1") == EXIT_USAGE
    assert "revoke one" in capsys.readouterr().err


def test_the_venues_public_key_is_printed_and_never_made_by_asking(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = state / "secrets" / "venue-signing.key"
    assert keys(state, "venue") == EXIT_USAGE
    assert "makes it at its first start" in capsys.readouterr().err
    assert not path.exists()
    signer = read_signer(path)
    assert keys(state, "venue") == EXIT_OK
    assert capsys.readouterr().out == f"{signer.public_key}\n"
    path.chmod(0o644)
    assert keys(state, "venue") == EXIT_USAGE
    assert "others may read it" in capsys.readouterr().err
