"""The page a process shows: metrics, health, and nothing for those who speak no HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.observability import REQUEST_BYTES_MAX, observability


@pytest.fixture
async def port(health: dict[str, object]) -> AsyncIterator[int]:
    registry = CollectorRegistry()
    Counter("orders", "Orders", registry=registry).inc(3)
    async with observability(registry, lambda: health, host="127.0.0.1", port=0) as number:
        yield number


@pytest.fixture
def health() -> dict[str, object]:
    return {"healthy": True, "sequence": 7}


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_metrics_are_shown(port: int) -> None:
    assert b"orders_total 3.0" in await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_health_is_shown_with_its_status(port: int, health: dict[str, object]) -> None:
    well = await ask(port, b"GET /health HTTP/1.1\r\n\r\n")
    assert well.startswith(b"HTTP/1.1 200")
    assert well.endswith(b'{"healthy":true,"sequence":7}\n')
    health["healthy"] = False
    assert (await ask(port, b"GET /health HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.1\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n", b"\r\n\r\n"],
)
async def test_other_requests_find_nothing(port: int, request_bytes: bytes) -> None:
    assert (await ask(port, request_bytes)).startswith(b"HTTP/1.1 404")


async def test_a_request_without_end_is_cut_off(port: int) -> None:
    assert await ask(port, b"x" * (2 * REQUEST_BYTES_MAX)) == b""
    assert b"orders_total" in await ask(port, b"GET /metrics HTTP/1.1\r\n\r\n")
