"""Runs ccxt's own tests of an exchange against Rialto; started by ``test_ccxt.py``.

    python -S ccxt_suite.py PACKAGES EXAMPLES REST STREAMS SOCKET [--private] [--ws] [--info]

The suite is in ccxt's wheel. It takes an exchange by its name, of each of ccxt's three modules, so
the class of ``examples/rialto_ccxt.py`` is put there. Its exit code says nothing.
"""

import builtins
import importlib
import os
import runpy
import sys
from types import ModuleType
from typing import Any


def rialto(module: ModuleType, terms: dict[str, Any]) -> type:
    """Make the class of one of ccxt's modules."""
    base: Any = module.binanceus

    class Rialto(base):  # type: ignore[misc]  # ccxt ships no types
        def describe(self) -> Any:
            return self.deep_extend(super().describe(), terms)

    return Rialto


def main(packages: str, examples: str, rest: str, streams: str, socket: str, *flags: str) -> None:
    """Put the class in its places, and run the suite."""
    suite = f"{packages}/ccxt/test"
    sys.path[:0] = [packages, suite, examples]
    terms = importlib.import_module("rialto_ccxt").terms(rest, streams, socket)
    for name in ("ccxt", "ccxt.async_support", "ccxt.pro"):
        module: Any = importlib.import_module(name)
        module.rialto = rialto(module, terms)
        module.exchanges.append("rialto")
    builtins.exit = sys.exit  # type: ignore[assignment]  # which site would have put there
    os.chdir(suite)
    sys.argv = ["tests_init.py", "rialto", *flags]
    runpy.run_path(f"{suite}/tests_init.py", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
