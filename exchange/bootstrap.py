"""The composition root: which processes the venue is made of, and the module that composes each.

A process imports its own module only: what another one needs (QuickFIX, an HTTP framework,
migrations) costs it neither time to start nor memory.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

from exchange.children import COPIES_MAX, PROCESSES, kind_of
from exchange.configuration import Configuration
from exchange.places import Places

ProcessMain = Callable[[Configuration, Places, asyncio.Event], Awaitable[int]]
"""Runs a process until it is asked to stop; returns its exit code."""


def process_main(name: str) -> ProcessMain:
    """Return what runs one of ``PROCESSES`` or ``COPIES``: ``run`` of the module of its kind."""
    kind = kind_of(name)
    assert kind in PROCESSES, name
    run = importlib.import_module(f"exchange.processes.{kind}").run
    return cast(ProcessMain, partial(run, name=name) if kind in COPIES_MAX else run)
