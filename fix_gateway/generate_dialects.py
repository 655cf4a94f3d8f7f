"""Writes what follows from ``sessions/dictionary``: ``python -m fix_gateway.generate_dialects``.

The QuickFIX dictionaries, the constants of the translation and the reference tables all come from
one description, so that they cannot drift apart: a test generates them again and compares.
``--check`` compares too, and writes nothing.
"""

import argparse
import sys
from pathlib import Path

from fix_gateway.dialects.constants import constants
from fix_gateway.dialects.quickfix_xml import dictionaries
from fix_gateway.dialects.reference import reference
from fix_gateway.dialects.source import DIRECTORY, read_source

ROOT = Path(__file__).parents[1]
CONSTANTS = ROOT / "fix_gateway" / "translation" / "tags.py"
REFERENCE = ROOT / "docs" / "protocols" / "fix-reference.md"


def generated() -> dict[Path, str]:
    """Return what each generated file has to say.

    Raises:
        SettingsError: the description is not consistent.
    """
    source = read_source()
    files = {DIRECTORY / f"{name}.xml": text for name, text in dictionaries(source).items()}
    return files | {CONSTANTS: constants(source), REFERENCE: reference(source)}


def stale_files() -> list[Path]:
    """Return the generated files that do not say what the description says."""
    return [
        path
        for path, text in generated().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` say which are stale."""
    parser = argparse.ArgumentParser(prog="python -m fix_gateway.generate_dialects")
    parser.add_argument("--check", action="store_true")
    is_check = parser.parse_args(arguments).check
    stale = stale_files()
    if not is_check:
        texts = generated()
        for path in stale:
            path.write_text(texts[path], encoding="utf-8")
    for path in stale:
        sys.stdout.write(f"{'stale' if is_check else 'written'}: {path.relative_to(ROOT)}\n")
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
