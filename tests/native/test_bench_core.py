"""`./rialto bench core` on a few hundred commands: its shape, and that all engines trade alike."""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.core import Sizes, measure
from bench.core_books import ADD, CANCEL, MOVE, TAKE, SortedBook, Step
from bench.core_engines import BenchError, Traded, require_equal
from bench.core_table import TITLES, table
from bench.core_workloads import NAMES, make_steps

COMMANDS = 600
PARTS = {"commands_per_s", "p50_ns", "p99_ns"}


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be found that is not installed, and lightmatchingengine not be."""
    for name in ("lightmatchingengine", "lightmatchingengine.lightmatchingengine"):
        monkeypatch.setitem(sys.modules, name, None)
    settings = {"NO_INDEX": "1", "FIND_LINKS": "", "CONFIG_FILE": os.devnull}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)


@pytest.mark.usefixtures("no_packages")
def test_a_run_has_the_promised_shape_and_says_what_is_missing(
    tmp_path: Path, chance: random.Random
) -> None:
    sizes = Sizes(
        commands=COMMANDS,
        short=COMMANDS // 2,
        rounds=1,
        seed=chance.getrandbits(32),
        memory=0.01,
        replayed=COMMANDS,
    )
    found: dict[str, Any] = json.loads(json.dumps(measure(sizes, tmp_path)))

    assert set(found["core"]) == set(TITLES)
    for engine, workloads in found["core"].items():
        assert list(workloads) == list(NAMES)
        for figures in workloads.values():
            assert set(figures) >= PARTS
            measured = [figures[part] is not None for part in PARTS]
            assert all(measured) or engine == "lightmatchingengine"
    assert found["core"]["lightmatchingengine"]["simple"]["commands_per_s"] is None
    assert found["about"]["workloads"]["simple"]["trades"] > 0
    assert found["replay"]["native"]["commands"] > COMMANDS
    text = table(found)
    assert "lightmatchingengine is not installed" in text
    assert "peers.txt" in text


def test_engines_that_trade_otherwise_are_found() -> None:
    first, second = (1, 3, 100, 5), (2, 3, 100, 5)
    same = {"a": Traded.of([first, second]), "b": Traded.of([first, second])}
    assert require_equal(same, "x") == Traded.of([first, second])
    with pytest.raises(BenchError, match=r"a: 2 .* b: 2"):
        require_equal(same | {"b": Traded.of([second, first])}, "x")


def test_the_hash_is_the_published_rule() -> None:
    mixed = 2 * 31 + 7 * 17 + 100_000 * 7 + 5
    expected = (1469598103934665603 ^ mixed) * 1099511628211 % 2**64
    assert Traded.of([(2, 7, 100_000, 5)]) == Traded(1, expected)


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_workloads(name: str, chance: random.Random) -> None:
    seed = chance.getrandbits(32)
    assert make_steps(name, count=500, seed=seed) == make_steps(name, count=500, seed=seed)
    assert make_steps(name, count=500, seed=seed) != make_steps(name, count=500, seed=seed + 1)


@pytest.mark.parametrize(
    ("name", "shares"),
    [
        ("simple", {ADD: 0.5, CANCEL: 0.4, TAKE: 0.1}),
        ("xcore", {ADD: 0.09, CANCEL: 0.06, TAKE: 0.03, MOVE: 0.82}),
        ("normal", {ADD: 0.425, CANCEL: 0.41, TAKE: 0.075, MOVE: 0.085}),
    ],
)
def test_a_workload_has_its_mix(name: str, shares: dict[int, float], chance: random.Random) -> None:
    count = 20_000
    fill, steps = make_steps(name, count=count, seed=chance.getrandbits(32))
    found = Counter(step.action for step in steps)
    assert len(steps) == count
    assert {action: found[action] / count for action in found} == pytest.approx(shares, abs=0.02)
    book = SortedBook()
    for step in (*fill, *steps):
        book.run(step)
    assert 0.015 < len(book.trades) / count < 0.25
    assert sum(book.resting.values()) > 20


def test_normal_sends_some_cancels_of_orders_that_are_gone(chance: random.Random) -> None:
    _, steps = make_steps("normal", count=20_000, seed=chance.getrandbits(32))
    cancels = Counter(step.order_id for step in steps if step.action == CANCEL)
    assert 0.01 < sum(count > 1 for count in cancels.values()) / len(cancels) < 0.03


def test_a_moved_order_trades_and_loses_its_place() -> None:
    book = SortedBook()
    for step in (
        Step(ADD, 1, 1, 99, 5),
        Step(ADD, 1, 2, 98, 5),
        Step(MOVE, 1, 2, 99, 0),
        Step(ADD, 2, 3, 101, 4),
        Step(MOVE, 2, 3, 99, 0),
        Step(CANCEL, 2, 3, 0, 0),
    ):
        book.run(step)
    assert book.trades == [(1, 3, 99, 4)]
    assert book.sides[1][99] == {1: 1, 2: 5}
