"""One venue for all that people's clients do with it: starting one takes its time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients.open_market import OpenMarket, open_market
from tests.e2e.venue_run import venue_run


@pytest.fixture(scope="package")
def market() -> Iterator[OpenMarket]:
    with (
        tempfile.TemporaryDirectory(prefix="rialto-clients-") as name,
        venue_run(Path(name)) as run,
        open_market(Path(name), run) as market,
    ):
        yield market


@pytest.fixture(scope="package")
def ada(market: OpenMarket) -> Path:
    """Somebody with dollars, by an HMAC key."""
    return market.person("ada", "hmac-sha256", USD="500000")


@pytest.fixture(scope="package")
def ben(market: OpenMarket) -> Path:
    """Somebody with bitcoin, by an Ed25519 key."""
    return market.person("ben", "ed25519", BTC="10")
