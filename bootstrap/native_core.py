"""Build the C++ core, and put the module beside its Python face in ``core/``.

scikit-build-core runs CMake and Ninja, all three locked like every other dependency, in
``build/core``: after a change only what it touches is compiled again. The module appears by
one rename, so a venue that runs on the old one keeps it.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from bootstrap.console import Progress, SetupError


class NativeCore:
    """The compiled module of one checkout."""

    def __init__(self, root: Path) -> None:
        self._sources = root / "core" / "native"
        self._module = root / "core" / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
        self._folder = root / "build" / "core"
        self._stamp = self._folder / "rialto-stamp"

    def is_built(self) -> bool:
        """Say whether the module is there, and made from these sources for this Python."""
        try:
            return self._stamp.read_text("utf-8") == self._recipe() + _hash_of(self._module)
        except FileNotFoundError:
            return False

    def build(self, python: Path, *, lock: int) -> None:
        """Compile what has changed, and replace the module.

        Args:
            python: an interpreter with pip and the locked build dependencies.
            lock: a locked file's descriptor, which the compilers keep open: should this process
                be killed, the next run waits for what it left behind.

        Raises:
            SetupError: it does not compile, or the checkout cannot be written to.
        """
        try:
            self._build(python, lock)
        except PermissionError as error:
            raise SetupError(f"the native core cannot be built here: {error}") from error

    def _build(self, python: Path, lock: int) -> None:
        recipe = self._recipe()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stamp.unlink(missing_ok=True)
        for abandoned in self._folder.glob("wheel-*"):  # by a run that was killed
            shutil.rmtree(abandoned)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="wheel-") as scratch:
            with Progress("compiling the native core", 1) as progress:
                self._make_wheel(python, Path(scratch), lock)
                progress.advance()
            [wheel] = Path(scratch).glob("*.whl")
            built = Path(scratch) / self._module.name
            with zipfile.ZipFile(wheel) as archive:
                built.write_bytes(archive.read(f"core/{self._module.name}"))
            built.chmod(0o755)
            built.replace(self._module)
        self._require_importable(python)
        self._stamp.write_text(recipe + _hash_of(self._module), encoding="utf-8")

    def _require_importable(self, python: Path) -> None:
        command = [str(python), "-c", "from core import _native"]
        done = subprocess.run(
            command, cwd=self._sources.parents[1], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SetupError(f"the native core cannot be imported:\n{done.stderr.strip()[-2000:]}")

    def _make_wheel(self, python: Path, folder: Path, lock: int) -> None:
        command = [
            *(str(python), "-m", "pip", "wheel", "--no-input", "--disable-pip-version-check"),
            # Isolation would fetch build tools that no lock names.
            *("--no-deps", "--no-index", "--no-build-isolation"),
            *("--config-settings", f"build-dir={self._folder / 'cmake'}"),
            *("--wheel-dir", str(folder), str(self._sources)),
        ]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=(lock,),
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).strip()[-4000:]
            raise SetupError(f"the native core does not compile:\n{said}")

    def _recipe(self) -> str:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        digest = hashlib.sha256(f"{version} {platform.machine()}\n".encode())
        for path in sorted(self._sources.rglob("*")):
            if path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(self._sources)} {content}\n".encode())
        return digest.hexdigest()


def _hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
