"""How many files a process may have open: each connection is one."""

import resource
from typing import Final

import structlog

log = structlog.get_logger()

OTHER_FILES: Final = 128
"""What a process has open beside its clients' connections."""


def allow_connections(connections: int) -> None:
    """Raise the number of open files as far as we may.

    Where fewer are allowed than the process takes, its bounds are not what keeps others in: a
    server without a descriptor accepts nobody.
    """
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and wanted > hard:
        log.warning("open_files_limited", wanted=wanted, limit=hard)
        wanted = hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
