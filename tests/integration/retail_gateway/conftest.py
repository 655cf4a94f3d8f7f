"""One venue for all tests of the retail API: starting one takes its time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.venue_run import VenueRun, venue_run
from tests.integration.retail_gateway.trader import Registrar, Trader


@pytest.fixture(scope="package")
def venue() -> Iterator[VenueRun]:
    with tempfile.TemporaryDirectory(prefix="rialto-retail-") as name, venue_run(Path(name)) as run:
        run.start()
        yield run


@pytest.fixture(scope="package")
def registrar(venue: VenueRun) -> Iterator[Registrar]:
    registrar = Registrar(venue)
    yield registrar
    registrar.close()


@pytest.fixture
async def ada(registrar: Registrar) -> Trader:
    """Somebody with dollars."""
    return await registrar.funded(USD="100000")


@pytest.fixture
async def ben(registrar: Registrar) -> Trader:
    """Somebody with bitcoin."""
    return await registrar.funded(BTC="10")
