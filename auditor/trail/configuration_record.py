"""What the operator's files said, and since when: a line whenever one of them changes."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from runtime.chained_lines import ChainedLines, Head

FILE_BYTES_MAX = 64 * 1024
"""Of larger files only the hash is kept."""
CONTENT_BYTES_MAX = 192 * 1024
"""Contents in one line; files beyond it are kept by the next ones."""


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All files by their hashes, and the text of those that are new or other than before."""

    at_ns: int
    files: dict[str, str]
    changed: dict[str, str]


class ConfigurationRecord:
    """The versions of some folders' files."""

    def __init__(self, path: Path, folders: Iterable[Path]) -> None:
        """Read what was recorded last.

        Raises:
            ChainBrokenError: the record is not as it was written.
        """
        self._lines = ChainedLines(path)
        self._folders = tuple(folders)
        self._last: dict[str, str] = {}
        for version in self.versions():
            self._last = version.files

    def versions(self) -> Iterator[Version]:
        """Yield what is recorded, checked."""
        for line in self._lines.read():
            yield msgspec.json.decode(line.body, type=Version)

    def look(self, *, now_ns: int) -> Head | None:
        """Record the files as they are, if any is other than before; return the new line.

        Raises:
            OSError: a file or the record cannot be read or written.
        """
        files, texts = self._read()
        if files == self._last:
            return None
        changed: dict[str, str] = {}
        size = 0
        for name in sorted(files.keys() - {n for n in files if self._last.get(n) == files[n]}):
            text = texts[name]
            if len(text) <= FILE_BYTES_MAX and size + len(text) <= CONTENT_BYTES_MAX:
                changed[name] = text.decode("utf-8", "backslashreplace")
                size += len(text)
        self._last = files
        return self._lines.append(Version(at_ns=now_ns, files=files, changed=changed))

    def _read(self) -> tuple[dict[str, str], dict[str, bytes]]:
        files, texts = {}, {}
        for folder in self._folders:
            for path in sorted(folder.glob("*.toml")):
                data = path.read_bytes()
                name = f"{folder.name}/{path.name}"
                files[name], texts[name] = hashlib.sha256(data).hexdigest(), data
        return files, texts
