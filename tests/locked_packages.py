"""Packages that are installed apart from the venue's environment, for their pins are not ours."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTALL_SECONDS_MAX = 600


def locked_packages(name: str) -> Path:
    """Return the folder of the packages of a lock; the first call for a lock installs them.

    Not ``site-packages``: ccxt's suite refuses to run in a folder of that name. It reads files
    from the folder above, so each lock has a folder to itself.

    Args:
        name: of the lock, ``requirements/<name>.txt``; they go below ``build/<name>``.
    """
    locked, kept = ROOT / "requirements" / f"{name}.txt", ROOT / "build" / name
    digest = hashlib.sha256(locked.read_bytes()).hexdigest()[:16]
    home = kept / f"{digest}-{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "packages"
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not packages.is_dir():
            fresh = home / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            _install(locked, fresh)
            fresh.rename(packages)
    return packages


def _install(locked: Path, target: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "--quiet", "pip", "install", "--target", str(target)),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", str(locked)),
        ],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=INSTALL_SECONDS_MAX,
    )
