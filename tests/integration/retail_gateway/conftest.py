"""One venue for all tests of the retail API: starting one takes its time."""

import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.demo.temporary_config import toml_text
from tests.e2e.venue_run import VenueRun, venue_run
from tests.integration.retail_gateway.trader import Registrar, Trader


@pytest.fixture(scope="package")
def venue() -> Iterator[VenueRun]:
    with tempfile.TemporaryDirectory(prefix="rialto-retail-") as name, venue_run(Path(name)) as run:
        _be_generous(run)
        run.start()
        yield run


def _be_generous(run: VenueRun) -> None:
    """Let one address ask more than all these tests do; how much it may is tested elsewhere."""
    path = run.config / "venue.toml"
    venue = tomllib.loads(path.read_text())
    venue["retail_api"]["limits"]["weight_per_minute"] = 1_000_000
    path.write_text(toml_text(venue))


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
