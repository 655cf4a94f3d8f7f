"""``./rialto test``: every check that a change must pass, in one command."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bootstrap.console import say

if TYPE_CHECKING:
    from bootstrap.environment import Environment

SEED_VARIABLE = "RIALTO_TEST_SEED"
SEED_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Step:
    """One check: what it is called, and the Python module that makes it."""

    name: str
    command: tuple[str, ...]
    is_shown: bool = False


def run(environment: Environment, arguments: Sequence[str]) -> int:
    """Run every step, also after one fails, and say how each ended.

    Args:
        environment: with the development dependencies.
        arguments: ``--long`` and ``--seed N`` are ours; the rest goes to pytest.

    Returns:
        0 when every step passed, else 1.
    """
    parser = argparse.ArgumentParser(prog="./rialto test", add_help=False, allow_abbrev=False)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int)
    options, for_pytest = parser.parse_known_args(arguments)
    seed = options.seed
    if seed is None:
        seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbits(SEED_BITS))
    if options.long:
        for_pytest = ["-m", "long", *for_pytest]
    say(f"seed {seed} (repeat with: ./rialto test --seed {seed})")

    outcomes: list[tuple[str, bool, float]] = []
    for step in _steps(environment, for_pytest):
        started = time.monotonic()
        passed = _passes(environment, step, seed)
        outcomes.append((step.name, passed, time.monotonic() - started))
    for name, passed, seconds in outcomes:
        say(f"{'passed' if passed else 'FAILED'}  {name}  ({seconds:.1f} s)")
    is_good = all(passed for _, passed, _ in outcomes)
    say("every check passed" if is_good else f"NOT GOOD; the seed was {seed}")
    return 0 if is_good else 1


def _steps(environment: Environment, for_pytest: Sequence[str]) -> list[Step]:
    packages = sorted(path.parent.name for path in environment.root.glob("*/__init__.py"))
    checked = ["rialto", "examples", *packages]
    lint_imports = "from importlinter.cli import lint_imports_command as run; run()"
    return [
        Step(name="ruff check", command=("-m", "ruff", "check", "--quiet", ".")),
        Step(name="ruff format", command=("-m", "ruff", "format", "--check", "--quiet", ".")),
        Step(name="mypy", command=("-m", "mypy", "--no-error-summary", *checked)),
        Step(name="lint-imports", command=("-c", lint_imports, "--no-logo")),
        Step(name="pytest", command=("-m", "pytest", "-q", *for_pytest), is_shown=True),
    ]


def _passes(environment: Environment, step: Step, seed: int) -> bool:
    # No standard input: a check that asks a question must fail, not wait.
    done = subprocess.run(
        [str(environment.python), *step.command],
        cwd=environment.root,
        env={**os.environ, SEED_VARIABLE: str(seed)},
        stdin=subprocess.DEVNULL,
        stdout=None if step.is_shown else subprocess.PIPE,
        stderr=None if step.is_shown else subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0 and not step.is_shown:
        sys.stderr.write(done.stdout)
    return done.returncode == 0
