"""Structured logs: JSON lines in a file or pipe, readable lines on a terminal."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logs(process: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Send every log of this process, the libraries' included, through structlog.

    Args:
        process: written on every line as ``process``.
        level: the least level that is written: debug, info, warning or error.
        stream: where to write; standard error when not given. A terminal gets readable lines.
    """
    out = stream or sys.stderr
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if out.isatty()
        else structlog.processors.JSONRenderer(sort_keys=False)
    )
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.ExceptionRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(),
                renderer,
            ],
        )
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler], force=True)
    structlog.contextvars.bind_contextvars(process=process)
