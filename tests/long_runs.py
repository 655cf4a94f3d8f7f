"""Long runs that go on where they were cut off: what passed at this commit is not run again.

``./rialto test --long`` keeps one line for each test that passed in ``.long-runs.jsonl``, with the
commit, the seed and the time it took: that is where the figures in docs/TESTING.md come from.
``--again`` forgets it. A tree with changes that are not committed remembers nothing.
"""

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[1] / ".long-runs.jsonl"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--again", action="store_true", help="run also what passed at this commit")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("-m") == "long":
        config.pluginmanager.register(LongRuns(config), "long_runs")


class LongRuns:
    """What passed, of this commit."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._commit = _commit()
        is_again = config.getoption("--again")
        self._passed = set() if is_again else _passed_at(self._commit)
        self.earlier = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        earlier = [item for item in items if item.nodeid in self._passed]
        self.earlier = len(earlier)
        if earlier:
            self._config.hook.pytest_deselected(items=earlier)
            items[:] = [item for item in items if item.nodeid not in self._passed]
        for item in items:
            item.add_marker(pytest.mark.timeout(0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed or not self._commit:
            return
        line = {
            "test": report.nodeid,
            "commit": self._commit,
            "seed": self._config.stash.get(_seed_key(), 0),
            "seconds": round(report.duration, 1),
            "ended": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        with RESULTS.open("a") as results:
            results.write(json.dumps(line) + "\n")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(
            f"long runs: {self.earlier} passed earlier at commit {self._commit or '(changed)'}"
        )


def _seed_key() -> "pytest.StashKey[int]":
    from tests.conftest import SEED  # noqa: PLC0415  # which loads this module

    return SEED


def _commit() -> str:
    """Return the commit of a tree without changes; empty otherwise."""

    def git(*arguments: str) -> str:
        line = ["git", "-C", str(RESULTS.parent), *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False).stdout.strip()

    return "" if git("status", "--porcelain") else git("rev-parse", "HEAD")


def _passed_at(commit: str) -> set[str]:
    if not commit or not RESULTS.exists():
        return set()
    lines = map(json.loads, RESULTS.read_text().splitlines())
    return {line["test"] for line in lines if line["commit"] == commit}
