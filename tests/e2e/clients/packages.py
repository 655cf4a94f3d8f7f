"""People's own clients, installed apart from the venue's environment: their pins are not ours."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements" / "clients.txt"
KEPT = ROOT / "build" / "clients"
INSTALL_SECONDS_MAX = 600


def client_packages() -> Path:
    """Return the folder of the locked packages; the first call for a lock installs them.

    Not ``site-packages``: ccxt's suite refuses to run in a folder of that name. It reads files
    from the folder above, so each lock has a folder to itself.
    """
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    home = KEPT / f"{digest}-{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "packages"
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not packages.is_dir():
            fresh = home / "fresh"
            shutil.rmtree(fresh, ignore_errors=True)
            _install(fresh)
            fresh.rename(packages)
    return packages


def _install(target: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "--quiet", "pip", "install", "--target", str(target)),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK)),
        ],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=INSTALL_SECONDS_MAX,
    )
