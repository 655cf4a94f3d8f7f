"""The native engine's tests, which need it to be built (core/README.md says how)."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("core._native") else ["test_*.py"]
