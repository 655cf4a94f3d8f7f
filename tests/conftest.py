"""What every test may ask for: the run's seed, and a PostgreSQL server with a fresh database."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import core as hypothesis_core

from runtime.embedded_postgres import Dsn, EmbeddedPostgres

pytest_plugins = ["tests.long_runs"]

SEED = pytest.StashKey[int]()
TESTS_RUN = pytest.StashKey[int]()
REASON_LENGTH_MAX = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="repeat the run that printed this seed")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--seed")
    if seed is None:
        seed = int(os.environ.get("RIALTO_TEST_SEED") or secrets.randbits(32))
    config.stash[SEED] = seed
    config.stash[TESTS_RUN] = 0
    # What hypothesis' own --hypothesis-seed sets.
    hypothesis_core.global_force_seed = seed
    # As hypothesis itself does in CI: how long an example takes says nothing of a busy machine.
    usual = settings.get_profile(settings.get_current_profile_name())
    slow = [HealthCheck.too_slow]
    settings.register_profile("rialto", usual, deadline=None, suppress_health_check=slow)
    settings.load_profile("rialto")


def pytest_runtest_setup(item: pytest.Item) -> None:
    # Python's global generator too, for the library that reaches for it.
    random.seed(f"{item.config.stash[SEED]}:{item.nodeid}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call" and call.excinfo is None:
        item.config.stash[TESTS_RUN] += 1
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # At once: a run that is cut off later has said by then what failed, and why.
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message if crash else report.longreprtext
        sys.stderr.write(f"\nFAILED {report.nodeid} ({report.when}): {why[:REASON_LENGTH_MAX]}\n")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    # A run in which everything was skipped proves nothing, and must not look green.
    is_listing = session.config.getoption("--collect-only")
    long_runs = session.config.pluginmanager.get_plugin("long_runs")
    proven = session.config.stash[TESTS_RUN] + (long_runs.earlier if long_runs else 0)
    is_empty = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if is_empty and not is_listing:
        session.exitstatus = pytest.ExitCode.OK if proven else pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    terminalreporter.write_line(f"seed: {config.stash[SEED]}")


@pytest.fixture(autouse=True)
def logs_stay_as_they_were() -> Iterator[None]:
    """What configures a process's logs runs in a process of its own: it is never undone."""
    before = structlog.get_config()["logger_factory"]
    yield
    assert structlog.get_config()["logger_factory"] is before


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The number that makes this run repeatable."""
    return pytestconfig.stash[SEED]


@pytest.fixture
def chance(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """A random generator that depends on the run's seed and the test's name alone."""
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Dsn]:
    """One embedded server for the whole run: the way in as its owner."""
    folder = Path(tempfile.mkdtemp(prefix="rialto-test-"))
    # Where user namespaces are forbidden the server runs as nobody, who must get through.
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "postgres")
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(folder)


@asynccontextmanager
async def fresh_database(postgres: Dsn, *, template: str = "template1") -> AsyncIterator[str]:
    """A copy of a database for the block: its address for asyncpg."""
    name = f"test_{secrets.token_hex(8)}"
    connection = await asyncpg.connect(postgres.url())
    try:
        await connection.execute(f'create database "{name}" template "{template}"')
        try:
            yield postgres.url(database=name)
        finally:
            await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()


class Templates:
    """Databases that were migrated once: to copy one takes a quarter of the time."""

    def __init__(self, postgres: Dsn) -> None:
        self._postgres = postgres
        self._made: set[str] = set()

    @asynccontextmanager
    async def migrated(
        self, schema: str, migrate: Callable[[str], Awaitable[None]]
    ) -> AsyncIterator[str]:
        """A fresh database with a schema in it: its address for asyncpg."""
        name = f"template_{schema}"
        if name not in self._made:
            connection = await asyncpg.connect(self._postgres.url())
            try:
                await connection.execute(f'drop database if exists "{name}" with (force)')
                await connection.execute(f'create database "{name}"')
                await migrate(self._postgres.url(database=name))
            finally:
                await connection.close()
            self._made.add(name)
        async with fresh_database(self._postgres, template=name) as dsn:
            yield dsn


@pytest.fixture(scope="session")
def templates(postgres: Dsn) -> Templates:
    """Migrated databases, made when they are first asked for."""
    return Templates(postgres)


@pytest.fixture
async def database(postgres: Dsn) -> AsyncIterator[str]:
    """A fresh, empty database: its address for asyncpg."""
    async with fresh_database(postgres) as dsn:
        yield dsn
