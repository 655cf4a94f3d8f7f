"""A venue for one test."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.venue_run import VenueRun, venue_run


@pytest.fixture
def run() -> Iterator[VenueRun]:
    # Not pytest's own directory: PostgreSQL may have to run as nobody, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="rialto-e2e-") as name, venue_run(Path(name)) as venue:
        yield venue
