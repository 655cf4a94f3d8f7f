"""What a newcomer meets first: ``./rialto`` on a machine where nothing is made yet."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap import environment, quickfix_wheel
from bootstrap.console import SetupError
from bootstrap.environment import Environment, Needs
from bootstrap.native_core import NativeCore

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """The files that ./rialto needs, and no environment."""
    shutil.copy(ROOT / "rialto", tmp_path)
    for folder in ("bootstrap", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def rialto(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(checkout / "rialto"), *arguments],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_needs_no_environment(bare_checkout: Path, arguments: tuple[str, ...]) -> None:
    answer = rialto(bare_checkout, *arguments)
    assert answer.returncode == 0
    assert answer.stdout.startswith("usage: ./rialto")
    assert not (bare_checkout / ".venv").exists()


def test_an_old_python_can_read_the_script_far_enough_to_be_told() -> None:
    ast.parse((ROOT / "rialto").read_text(), feature_version=(3, 7))


def test_a_run_without_assertions_is_refused(bare_checkout: Path) -> None:
    answer = rialto(bare_checkout, "up", PYTHONOPTIMIZE="1")
    assert answer.returncode == 1
    assert "refuses to run under python -O" in answer.stderr
    assert not (bare_checkout / ".venv").exists()


def test_a_missing_compiler_is_named_with_its_remedy(bare_checkout: Path) -> None:
    answer = rialto(bare_checkout, "setup", CXX="no-such-compiler")
    assert answer.returncode == 1
    assert "a C++ compiler" in answer.stderr
    assert re.search(r"apt-get install -y g\+\+$", answer.stderr, re.MULTILINE)
    assert not (bare_checkout / ".venv").exists()


def test_this_machine_lacks_nothing() -> None:
    environment.check_machine()


def test_only_the_stamp_of_these_locks_counts(bare_checkout: Path) -> None:
    made = Environment(bare_checkout)
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    stamp = made.folder / "rialto-stamp"
    assert not made._is_ready(Needs.RUNNING)
    stamp.write_text(made._stamp_line(Needs.RUNNING) + "\n")
    assert made._is_ready(Needs.RUNNING)
    assert not made._is_ready(Needs.DEVELOPMENT)
    with (made.requirements / "runtime.txt").open("a") as lock:
        lock.write("# another version\n")
    assert not made._is_ready(Needs.RUNNING)


def test_a_lock_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "quickfix.txt"
    lock.write_text("quickfix==1.16.0\n")
    with pytest.raises(SetupError, match="does not lock quickfix with a hash"):
        quickfix_wheel.read_requirement(lock)


def test_every_locked_version_has_a_hash_and_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert entries
        assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
        assert "://" not in text


def test_the_development_lock_contains_the_running_lock() -> None:
    running, development = (
        set(re.findall(r"^\S+==[^ ;]+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("runtime.txt", "dev.txt")
    )
    assert running < development


def test_the_cached_wheel_is_whole() -> None:
    wheel = quickfix_wheel.cached_wheel(
        ROOT / "requirements" / "quickfix.txt", Path(sys.executable)
    )
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    recorded = [name for name in names if name.endswith(".dist-info/RECORD")]
    assert len(recorded) == 1
    assert {"quickfix.py", "quickfix44.py"} <= set(names)
    assert any(name.endswith("share/quickfix/FIX44.xml") for name in names)


def change_a_source(checkout: Path) -> None:
    with (checkout / "core" / "native" / "src" / "engine.cpp").open("a") as source:
        source.write("// one line more\n")


def cut_the_module(checkout: Path) -> None:
    [module] = (checkout / "core").glob("_native*.so")
    with module.open("r+b") as file:
        file.truncate(1000)


def remove_the_module(checkout: Path) -> None:
    [module] = (checkout / "core").glob("_native*.so")
    module.unlink()


@pytest.mark.parametrize("damage", [change_a_source, cut_the_module, remove_the_module])
def test_the_native_core_is_built_again_when_anything_of_it_has_changed(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(ROOT / "core", tmp_path / "core")
    (tmp_path / "build" / "core").mkdir(parents=True)
    shutil.copy(ROOT / "build" / "core" / "rialto-stamp", tmp_path / "build" / "core")
    assert NativeCore(tmp_path).is_built()
    damage(tmp_path)
    assert not NativeCore(tmp_path).is_built()
