"""Build the QuickFIX wheel once for this user, and keep it in a cache.

QuickFIX is published as source only. ``pip`` compiles its 54 files one after the
other with ``-O3 -g``, which takes about five minutes; two at a time with ``-O1 -g0`` takes
about one. Measured through Python, ``-O3`` parses a message in 1.57 microseconds instead
of 1.73 and builds one in 2.60 instead of 2.69, of some thirty that an order takes in all.
The recipe below is the ``setup.py`` of the release, read and restated: same sources, same
definitions.

The build happens beside the cache and is moved into place by one rename, under a
lock, so two runs at once neither collide nor see half a wheel.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from bootstrap.console import Progress, SetupError, say

DISTRIBUTION = "quickfix"
COMPILE_FLAGS = (
    "-std=c++17",
    "-O1",
    "-g0",
    "-fPIC",
    "-fwrapv",
    "-DNDEBUG",
    "-D__cpp_noexcept_function_type",
    "-w",
)
LINK_FLAGS = ("-shared", "-Wl,-s", "-pthread")
# The largest file needs about 2 GB of memory: more at once may run a small machine dry.
COMPILERS_AT_ONCE_MAX = 4


def cached_wheel(requirement: Path, venv_python: Path) -> Path:
    """Return the path of the wheel for this Python, building it when the cache has none.

    Args:
        requirement: the lock of QuickFIX alone: ``quickfix==<version>`` and its hashes.
        venv_python: an interpreter with ``pip`` and ``setuptools``, which fetches the source.

    Raises:
        SetupError: the source cannot be fetched, differs from its hash, or does not compile.
    """
    version, hashes = read_requirement(requirement)
    python_tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    platform_tag = re.sub(r"[^A-Za-z0-9]+", "_", sysconfig.get_platform())
    wheel_tag = f"{python_tag}-{python_tag}-{platform_tag}"
    recipe = hashlib.sha256(repr((COMPILE_FLAGS, LINK_FLAGS, sorted(hashes))).encode()).hexdigest()
    folder = _cache_folder() / f"{DISTRIBUTION}-{version}-{wheel_tag}-{recipe[:12]}"
    wheel = folder / f"{DISTRIBUTION}-{version}-{wheel_tag}.whl"
    if wheel.exists():
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    with _exclusive(folder / "lock"):
        if not wheel.exists():
            for abandoned in folder.glob("build-*"):  # by a run that was killed
                shutil.rmtree(abandoned)
            with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
                source = _fetch_source(requirement, hashes, venv_python, Path(scratch))
                built = _build(source, Path(scratch), version, wheel_tag)
                built.replace(wheel)
    return wheel


def read_requirement(requirement: Path) -> tuple[str, frozenset[str]]:
    """Return the locked version and the SHA-256 hashes that its files may have."""
    text = requirement.read_text(encoding="utf-8")
    pin = re.search(rf"^{DISTRIBUTION}==([0-9.]+)", text, re.MULTILINE)
    hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
    if pin is None or not hashes:
        raise SetupError(f"{requirement.name} does not lock {DISTRIBUTION} with a hash")
    return pin.group(1), hashes


def _cache_folder() -> Path:
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says to ignore a relative path.
    return (configured if configured.is_absolute() else Path.home() / ".cache") / "rialto"


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building QuickFIX; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_source(
    requirement: Path, hashes: frozenset[str], venv_python: Path, scratch: Path
) -> Path:
    say("fetching the QuickFIX source")
    # pip compares the file with the lock before it opens it. Build isolation is off because
    # it would fetch a setuptools that no lock names; the environment has a locked one.
    command = [
        *(str(venv_python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"),
        *("--requirement", str(requirement), "--dest", str(scratch)),
    ]
    fetched = _call(command)
    if fetched.returncode != 0:
        raise SetupError(f"the QuickFIX source could not be fetched:\n{fetched.stderr.strip()}")
    [archive] = scratch.glob(f"{DISTRIBUTION}-*.tar.gz")
    # Checked again here, because the wheel made from it is installed without a hash.
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest not in hashes:
        raise SetupError(f"{archive.name} has SHA-256 {digest}, which is not in the lock")
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):
            opened.extractall(scratch, filter="data")
        else:  # Debian 12's 3.11.2; the archive's hash was checked above
            opened.extractall(scratch)  # noqa: S202
    return scratch / archive.name.removesuffix(".tar.gz")


def _build(source: Path, scratch: Path, version: str, wheel_tag: str) -> Path:
    # The largest first: it takes longest, and must not be the last one running alone.
    sources = sorted((source / "C++").glob("*.cpp"), key=lambda path: -path.stat().st_size)
    started = time.monotonic()
    objects = _compile(source, sources, scratch)
    library = scratch / f"_quickfix{sysconfig.get_config_var('EXT_SUFFIX')}"
    _run([_compiler(), *map(str, objects), *LINK_FLAGS, "-o", str(library)])
    wheel = _pack(source, library, scratch, version, wheel_tag)
    say(f"built QuickFIX {version} in {time.monotonic() - started:.0f} s")
    return wheel


def _compile(source: Path, sources: Sequence[Path], scratch: Path) -> list[Path]:
    includes = [f"-I{source / 'C++'}", f"-I{source / 'swig'}"]
    includes += [f"-I{sysconfig.get_path('include')}", f"-I{sysconfig.get_path('platinclude')}"]
    objects = [scratch / f"{path.stem}.o" for path in sources]
    workers = min(len(os.sched_getaffinity(0)), COMPILERS_AT_ONCE_MAX)
    commands = [
        [_compiler(), *COMPILE_FLAGS, *includes, "-c", str(path), "-o", str(made)]
        for path, made in zip(sources, objects, strict=True)
    ]
    progress = Progress("compiling QuickFIX, once for this user", len(sources))
    with progress, ThreadPoolExecutor(workers) as pool:
        try:
            for finished in as_completed([pool.submit(_run, command) for command in commands]):
                finished.result()
                progress.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return objects


def _compiler() -> str:
    return os.environ.get("CXX") or "g++"


def _run(command: Sequence[str]) -> None:
    done = _call(command)
    if done.returncode == 0:
        return
    killed = " (killed: is there enough memory?)" if done.returncode < 0 else ""
    raise SetupError(f"QuickFIX does not compile{killed}:\n{done.stderr.strip()[-2000:]}")


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _pack(source: Path, library: Path, scratch: Path, version: str, wheel_tag: str) -> Path:
    information = f"{DISTRIBUTION}-{version}.dist-info"
    data = f"{DISTRIBUTION}-{version}.data/data/share/quickfix"
    contents: dict[str, bytes] = {
        **{path.name: path.read_bytes() for path in sorted(source.glob("quickfix*.py"))},
        library.name: library.read_bytes(),
        **{f"{data}/{path.name}": path.read_bytes() for path in source.glob("spec/FIX*.xml")},
        f"{information}/LICENSE": (source / "LICENSE").read_bytes(),
        f"{information}/METADATA": (source / "PKG-INFO").read_bytes(),
        f"{information}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: rialto\nRoot-Is-Purelib: false\nTag: {wheel_tag}\n"
        ).encode(),
    }
    record = f"{information}/RECORD"
    lines = [f"{name},{_record_hash(body)},{len(body)}\n" for name, body in contents.items()]
    contents[record] = "".join([*lines, f"{record},,\n"]).encode()
    wheel = scratch / f"{DISTRIBUTION}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in contents.items():
            archive.writestr(name, body)
    return wheel


def _record_hash(body: bytes) -> str:
    encoded = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=")
    return "sha256=" + encoded.decode()
