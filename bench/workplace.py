"""Where a benchmark works: a folder of its own, gone afterwards."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """Make a folder for the block, also for a PostgreSQL that has to run as nobody.

    Args:
        name: of the benchmark, which the folder's begins with.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"rialto-{name}-{secrets.token_hex(2)}-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
