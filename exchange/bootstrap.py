"""The composition root: which processes the venue is made of, and the module that composes each.

A process imports its own module only: what another one needs (QuickFIX, an HTTP framework,
migrations) costs it neither time to start nor memory.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import cast

from exchange.children import PROCESSES
from exchange.configuration import Configuration
from exchange.places import Places

ProcessMain = Callable[[Configuration, Places, asyncio.Event], Awaitable[int]]
"""Runs a process until it is asked to stop; returns its exit code."""


def process_main(name: str) -> ProcessMain:
    """Return what runs one of ``PROCESSES``: ``run`` of the module of its name."""
    assert name in PROCESSES, name
    return cast(ProcessMain, importlib.import_module(f"exchange.processes.{name}").run)
