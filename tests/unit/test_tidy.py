"""The parts of the style that a machine can check, over every source file we keep."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# A longer file must be named here, with the reason that splitting it would make it worse.
LONG_FILES_ALLOWED: dict[str, str] = {
    "fix_gateway/translation/tags.py": "generated",
    "messages/trading/commands.py": "the one list of everything that can be asked",
    "messages/trading/events.py": "the one list of everything that can become true",
}

MAY_PRINT = ("exchange/", "bench/", "rialto")
BANNED_MODULES = frozenset({"utils", "util", "helpers", "common", "manager", "base", "misc"})
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Paths of somebody's machine. Written in pieces, so that this file passes its own test.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "home|work|root|Users" + r")/\w")
REGISTRY_HOSTS = re.compile(
    r"pypi\." + r"org|python" + r"hosted|registry\.npm" + r"js|crates\." + r"io|proxy\.golang"
)
LEFT_BY_TOOLS = re.compile(r"^\.(git|venv|rialto|hypothesis)/|_cache/|__pycache__")
BINARY_SUFFIXES = frozenset({".gif", ".gz", ".ico", ".jpg", ".png", ".woff2", ".zip"})


@cache
def kept_files() -> tuple[str, ...]:
    """What git tracks, and what it would: new files are checked before they are committed."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        names = [name for name in listing.stdout.split("\0") if name]
    else:  # an unpacked archive without its history
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        names = [str(path) for path in paths if not LEFT_BY_TOOLS.search(str(path))]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def text_files() -> list[str]:
    return [name for name in kept_files() if Path(name).suffix not in BINARY_SUFFIXES]


def python_files() -> list[str]:
    return [name for name in kept_files() if name.endswith(".py") or name == "rialto"]


def package_files() -> list[str]:
    return [name for name in python_files() if not name.startswith("tests/")]


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(text_of(name), filename=name)


def lines_matching(names: list[str], pattern: re.Pattern[str]) -> Iterator[str]:
    for name in names:
        for number, line in enumerate(text_of(name).splitlines(), start=1):
            if pattern.search(line):
                yield f"{name}:{number}: {line.strip()[:100]}"


def machine_paths() -> Iterator[str]:
    return lines_matching(text_files(), MACHINE_PATHS)


def registry_hosts() -> Iterator[str]:
    return lines_matching(text_files(), REGISTRY_HOSTS)


def unfinished_work() -> Iterator[str]:
    names = [name for name in text_files() if name != "tests/unit/test_tidy.py"]
    return lines_matching(names, BANNED_WORDS)


def long_files() -> Iterator[str]:
    for name in package_files():
        count = len(text_of(name).splitlines())
        if count > FILE_LINES_MAX and name not in LONG_FILES_ALLOWED:
            yield f"{name}: {count} lines, and {FILE_LINES_MAX} are allowed"


def stale_allowances() -> Iterator[str]:
    for name in LONG_FILES_ALLOWED:
        if name not in kept_files() or len(text_of(name).splitlines()) <= FILE_LINES_MAX:
            yield f"{name}: no longer needs its allowance"


def long_functions() -> Iterator[str]:
    for name in python_files():
        for node in ast.walk(tree_of(name)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    yield f"{name}:{node.lineno}: {node.name} has {count} lines"


def prints() -> Iterator[str]:
    for name in package_files():
        if name.startswith(MAY_PRINT):
            continue
        for node in ast.walk(tree_of(name)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "print"
            ):
                yield f"{name}:{node.lineno}: print"


def swallowed_errors() -> Iterator[str]:
    for name in python_files():
        for node in ast.walk(tree_of(name)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            if node.type is None:
                yield f"{name}:{node.lineno}: bare except"
            elif ast.unparse(node.type) in ("Exception", "BaseException") and all(
                isinstance(statement, ast.Pass | ast.Continue) for statement in node.body
            ):
                yield f"{name}:{node.lineno}: every error swallowed"


def banned_modules() -> Iterator[str]:
    for name in python_files():
        for part in Path(name).with_suffix("").parts:
            if part in BANNED_MODULES:
                yield f"{name}: {part} says nothing"


def missing_docstrings() -> Iterator[str]:
    for name in package_files():
        is_private = Path(name).stem.startswith("_") and Path(name).stem != "__main__"
        # A package's __init__ stays empty; a private module answers to its only reader.
        if not is_private and ast.get_docstring(tree_of(name)) is None:
            yield f"{name}: no docstring"


def migrations_out_of_line() -> Iterator[str]:
    """Two migrations after one, as when two changes met: the database could not be made."""
    last: dict[str, str] = {}
    for name in sorted(name for name in package_files() if "/migrations/versions/" in name):
        folder = name.rpartition("/")[0]
        says = {
            node.targets[0].id: str(node.value.value)
            for node in tree_of(name).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        if says["down_revision"] != last.get(folder, "None"):
            before = last.get(folder, "nothing")
            yield f"{name}: follows {says['down_revision']}, and {before} is before it"
        last[folder] = says["revision"]


@pytest.mark.parametrize(
    "offences",
    [
        machine_paths,
        registry_hosts,
        unfinished_work,
        long_files,
        stale_allowances,
        long_functions,
        prints,
        swallowed_errors,
        banned_modules,
        missing_docstrings,
        migrations_out_of_line,
    ],
    ids=lambda offences: offences.__name__,
)
def test_the_source_has_none_of(offences: Callable[[], Iterator[str]]) -> None:
    found = list(offences())
    assert not found, "\n" + "\n".join(found)


def test_the_tidy_test_sees_the_source() -> None:
    assert {"rialto", "runtime/embedded_postgres.py", "pyproject.toml"} <= set(kept_files())
    assert "tests/unit/test_tidy.py" in python_files()
    assert "requirements/dev.txt" in text_files()


@pytest.mark.parametrize(
    ("pattern", "offence"),
    [
        (MACHINE_PATHS, "see /" + "work/main/file"),
        (MACHINE_PATHS, "'/" + "home/alice'"),
        (REGISTRY_HOSTS, "https://pypi" + ".org/simple"),
        (BANNED_WORDS, "# TO" + "DO later"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], offence: str) -> None:
    assert pattern.search(offence)
