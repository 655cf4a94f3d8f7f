"""A process may open as many files as it takes connections, as far as it is allowed to."""

import resource
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from runtime.open_files import OTHER_FILES, allow_connections

FEW = 256


@pytest.fixture
def hard() -> Iterator[int]:
    """Have few files allowed, and a hard limit, for the test."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def allowed() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@pytest.mark.parametrize(
    ("connections", "then"),
    [(0, FEW), (FEW - OTHER_FILES, FEW), (FEW - OTHER_FILES + 1, FEW + 1), (300, 428)],
)
def test_it_is_raised_where_it_does_not_do(hard: int, connections: int, then: int) -> None:
    with capture_logs() as logs:
        allow_connections(connections)
    assert (allowed(), logs) == (then, [])
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard


def test_the_most_that_we_may_is_taken_and_said(hard: int) -> None:
    if hard == resource.RLIM_INFINITY:
        pytest.skip("there is no most here")
    with capture_logs() as logs:
        allow_connections(hard)
    assert allowed() == hard
    (said,) = logs
    assert (said["event"], said["limit"]) == ("open_files_limited", hard)
    assert said["wanted"] == hard + OTHER_FILES
