"""What the command line asks before it signs anything for a venue on another machine."""

import argparse
from pathlib import Path

import pytest

from exchange.commands import admin
from exchange.errors import CommandError, VenueAwayError
from exchange.places import places_parser
from exchange.state import State
from exchange.venue_identity import venue_identity
from runtime.log_scan import segment_name
from tests.twins.journals import begin_journal
from tests.unit.exchange.plane_desk import VENUE, PlaneDesk

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv(admin.VENUE_VARIABLE, raising=False)
    token = PlaneDesk(tmp_path).operators.token_path("ann")
    return ["me", "--as", "ann", "--url", NOBODY, "--token", str(token)]


def ask(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(parents=[places_parser()])
    admin.configure(parser)
    return admin.run(parser.parse_args(arguments))


@pytest.mark.parametrize("venue", [[], ["--venue", ""], ["--venue", VENUE[1:]], ["--venue", "mm"]])
def test_elsewhere_the_operator_says_which_venue_is_meant(
    asked: list[str], venue: list[str]
) -> None:
    with pytest.raises(CommandError, match="--url needs --venue ID, or RIALTO_VENUE"):
        ask([*asked, *venue])


def test_with_a_venue_it_is_asked(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VenueAwayError, match="does not answer"):
        ask([*asked, "--venue", VENUE])
    monkeypatch.setenv(admin.VENUE_VARIABLE, VENUE)
    with pytest.raises(VenueAwayError, match="does not answer"):
        ask(asked)


def test_a_state_directory_says_which_venue_it_is(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(VenueAwayError, match="it is begun when the core first starts"):
        venue_identity(state)
    begin_journal(state.venue / "journal", venue=bytes.fromhex(VENUE))
    assert venue_identity(state) == VENUE
    with (state.venue / "journal" / segment_name(1)).open("r+b") as file:
        file.seek(20)
        file.write(b"\xff")
    with pytest.raises(VenueAwayError):
        venue_identity(state)
