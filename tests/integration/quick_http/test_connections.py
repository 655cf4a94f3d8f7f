"""What connections may take, whatever they say; handshakes are connections too."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime import quick_server
from runtime.connection_room import SPARE_CONNECTIONS
from runtime.quick_http import House
from tests.integration.quick_http.stage import (
    BOUNDS,
    PATIENCE_SECONDS,
    Client,
    Stage,
    client,
    contexts,
    staged,
)

GET = b"GET /a HTTP/1.1\r\n\r\n"
GATED = b"GET /gated HTTP/1.1\r\n\r\n"
ONE_ONLY = replace(BOUNDS, connections_per_network_max=1)
HASTY = replace(BOUNDS, exchange_seconds_max=0.2)


@contextlib.asynccontextmanager
async def held(stage: Stage, count: int) -> AsyncIterator[list[Client]]:
    """Hold connections that say nothing."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client(stage)) for _ in range(count)]


async def until_answered(stage: Stage, trust: ssl.SSLContext | None = None) -> None:
    """Come again until there is room."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with client(stage, trust) as one:
                    one.say(GET)
                    assert (await one.hears())[0] == 200
                    return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", [b"", b"GET", GET, b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
async def test_who_keeps_the_server_waiting_is_cut(said: bytes) -> None:
    async with staged(HASTY) as stage, client(stage) as one:
        one.say(said)
        await one.ends()  # answered or not: it is a short time


async def test_a_body_too_large_may_not_come_for_ever() -> None:
    async with staged(HASTY) as stage, client(stage) as one:
        one.say(b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        await one.ends()


async def test_a_network_has_its_share() -> None:
    async with staged(ONE_ONLY) as stage:
        async with client(stage) as one:
            one.say(GET)
            await one.hears()
            async with client(stage) as other:
                assert await other.is_left()
        await until_answered(stage)


@pytest.mark.parametrize(
    "said", [b"", b"GET", b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", GATED, GATED + GET]
)
async def test_who_leaves_early_gives_the_place_back_and_is_no_news(said: bytes) -> None:
    with capture_logs() as logs:
        async with staged(ONE_ONLY) as stage:
            async with client(stage) as one:
                one.say(said)
            stage.gate.set()
            await until_answered(stage)
    assert [each for each in logs if each["log_level"] not in ("debug", "info")] == []


async def test_a_further_connection_takes_the_place_of_who_says_nothing() -> None:
    async with staged(replace(BOUNDS, connections_max=2)) as stage, held(stage, 2) as (one, two):
        one.say(GET)
        await one.hears()  # so that the other has been silent for longer
        async with client(stage) as third:
            third.say(GET)
            assert (await third.hears())[0] == 200
            assert await two.is_left()
            one.say(GET)
            assert (await one.hears())[0] == 200


async def test_when_all_have_a_request_in_hand_a_few_more_are_served_and_then_none() -> None:
    async with (
        staged(replace(BOUNDS, connections_max=2)) as stage,
        contextlib.AsyncExitStack() as stack,
    ):
        clients = []
        for _ in range(2 + SPARE_CONNECTIONS):
            clients.append(await stack.enter_async_context(client(stage)))
            clients[-1].say(GATED)
            await stage.is_asked(len(clients))
        async with client(stage) as further:
            assert (await further.hears())[0] == 503
            assert await further.is_left()
        stage.gate.set()
        for one in clients:
            assert (await one.hears())[0] == 200


async def test_a_stop_answers_what_is_in_hand_and_ends_the_others() -> None:
    async with staged() as stage, held(stage, 2) as (one, idle):
        one.say(GATED)
        await stage.is_asked(1)
        stage.stop.set()
        assert await idle.is_left()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", stage.port)
        stage.gate.set()
        _, headers, said = await one.hears()
        assert (said["path"], headers["connection"]) == ("/gated", "close")
        assert await one.is_left()


async def test_a_stop_does_not_wait_for_ever() -> None:
    async with staged(replace(BOUNDS, stop_seconds_max=0.1)) as stage, client(stage) as one:
        one.say(GATED)
        await stage.is_asked(1)
        stage.stop.set()
        assert await one.is_left()


async def test_tls_is_served(tmp_path: Path) -> None:
    served, trust = contexts(tmp_path)
    async with staged(BOUNDS, served) as stage:
        async with client(stage, trust) as one:
            for _ in range(2):
                one.say(GET)
                assert (await one.hears())[2]["path"] == "/a"
            async with client(stage) as plain:
                plain.say(GET)
                assert await plain.is_left()
        async with client(stage, trust) as one:
            one.say(GATED)
            stage.gate.set()
            stage.stop.set()


async def test_handshakes_have_a_time_and_count_as_their_networks_connections(
    tmp_path: Path,
) -> None:
    served, trust = contexts(tmp_path)
    bounds = replace(BOUNDS, connections_per_network_max=2, handshake_seconds_max=300)
    async with staged(bounds, served) as stage:
        async with held(stage, 2), client(stage) as third:
            assert await third.is_left()  # before the two have said a byte
        await until_answered(stage, trust)
    hasty = replace(bounds, handshake_seconds_max=0.2)
    async with staged(hasty, served) as stage, held(stage, 2) as silent:
        for one in silent:
            assert await one.is_left()
        await until_answered(stage, trust)


async def test_a_stop_ends_handshakes(tmp_path: Path) -> None:
    served, _ = contexts(tmp_path)
    async with staged(BOUNDS, served) as stage, held(stage, 2) as silent:
        silent[0].say(b"\x16\x03\x01")
        stage.stop.set()
        for one in silent:
            assert await one.is_left()


class Line(asyncio.Transport):
    """A connection that says nothing, and how often it was cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[str] = []

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name == "peername" else default

    def abort(self) -> None:
        self.cuts.append("abort")

    def is_closing(self) -> bool:
        return bool(self.cuts)


async def test_the_time_of_a_request_in_hand_begins_when_it_is_taken() -> None:
    loop, stage, line = asyncio.get_running_loop(), Stage(), Line()
    house = House(stage.answer, BOUNDS)
    connection = house.connection()
    assert isinstance(connection, asyncio.Protocol)
    connection.connection_made(line)
    connected_by = loop.time()
    while loop.time() <= connected_by + 0.001:  # noqa: ASYNC110  # time is all that it waits for
        await asyncio.sleep(0.001)
    connection.data_received(GATED)
    taken_by = loop.time()
    house.room.cut_overdue(connected_by + BOUNDS.exchange_seconds_max)
    assert line.cuts == []
    house.room.cut_overdue(taken_by + BOUNDS.exchange_seconds_max)
    assert line.cuts == ["abort"]
    stage.gate.set()
    await stage.is_asked(1)


def connect(port: int, count: int) -> list[socket.socket]:
    """Connect, while the server's loop, which is the caller's, does nothing."""
    return [
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        for _ in range(count)
    ]


async def test_as_many_connections_may_wait_for_the_loop_as_may_be_open() -> None:
    # 100, a loop's own backlog, would not do; nor need a kernel allow more than 128.
    bounds = replace(BOUNDS, connections_max=125, connections_per_network_max=125)
    async with staged(bounds) as stage:
        for each in connect(stage.port, 120):
            each.close()


async def failing(_house: House) -> None:
    raise RuntimeError("a fault of the server")


async def test_the_server_ends_if_nobody_looks_at_the_time_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(House, "sweep", failing)
    with pytest.RaisesGroup(RuntimeError):
        await served_alone(None)


async def test_the_server_ends_if_nobody_accepts_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, _ = contexts(tmp_path)

    async def fail(house: House, _listener: object, _context: object) -> None:
        await failing(house)

    monkeypatch.setattr(quick_server, "_accept", fail)
    with pytest.RaisesGroup(RuntimeError):
        await served_alone(served)


async def served_alone(context: ssl.SSLContext | None) -> None:
    """Serve, and nobody says stop."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await quick_server.serve(
            Stage().answer,
            ("127.0.0.1", 0),
            BOUNDS,
            context,
            asyncio.Event(),
            table="[test]",
            listening=lambda _address: None,
        )
