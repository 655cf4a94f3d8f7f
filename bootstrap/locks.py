"""Write ``requirements/*.txt`` anew: exact versions with hashes, and no registry's address.

``uv`` resolves; its own lock file records where every file came from, so it is never
committed and only the exported lists are.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from bootstrap.console import SetupError, say

if TYPE_CHECKING:
    from bootstrap.environment import Environment

SOURCE_ONLY = "quickfix"
APART = ("clients", "schemathesis")
"""For tests, each in an environment of its own, for they pin what we use: people's own clients,
and what makes up requests."""
HEADING = "# Made by `./rialto lock` from {source}; not edited by hand.\n"


def write(environment: Environment) -> int:
    """Resolve to the newest versions that ``pyproject.toml`` allows, and write the locks."""
    _uv(environment, "lock", "--upgrade")
    exports = {
        "runtime": _export(environment, "--group", "build", "--no-emit-package", SOURCE_ONLY),
        "dev": _export(
            environment, "--group", "build", "--group", "dev", "--no-emit-package", SOURCE_ONLY
        ),
        SOURCE_ONLY: _entry(_export(environment), SOURCE_ONLY),
        **{name: _compiled(environment, name) for name in APART},
    }
    for name, text in exports.items():
        if "://" in text:
            raise SetupError(f"the export for {name}.txt holds an address; nothing was written")
    for name, text in exports.items():
        heading = HEADING.format(source=f"{name}.in" if name in APART else "pyproject.toml")
        (environment.requirements / f"{name}.txt").write_text(heading + text, encoding="utf-8")
        say(f"wrote requirements/{name}.txt")
    return 0


def _export(environment: Environment, *selection: str) -> str:
    form = ("--format", "requirements.txt", "--no-header", "--no-annotate", "--no-emit-project")
    return _uv(environment, "export", "--frozen", "--no-default-groups", *form, *selection)


def _compiled(environment: Environment, name: str) -> str:
    form = ("--generate-hashes", "--universal", "--no-header", "--no-annotate", "--upgrade")
    oldest = ("--python-version", "3.11")
    return _uv(
        environment, "pip", "compile", *form, *oldest, str(environment.requirements / f"{name}.in")
    )


def _entry(export: str, distribution: str) -> str:
    found = re.search(rf"^{distribution}==.*?(?=^\S|\Z)", export, re.MULTILINE | re.DOTALL)
    if found is None:
        raise SetupError(f"pyproject.toml no longer asks for {distribution}")
    return found.group()


def _uv(environment: Environment, *arguments: str) -> str:
    done = subprocess.run(
        [str(environment.python), "-m", "uv", "--quiet", *arguments],
        cwd=environment.root,
        env={**os.environ, "UV_PYTHON": str(environment.python)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SetupError(f"uv {arguments[0]} failed with exit code {done.returncode}")
    return done.stdout
