"""Requests as bytes, whole, cut anywhere, and wrong; and the order of their answers."""

import asyncio
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from runtime import quick_http
from runtime.quick_http import PIPELINED_MAX
from tests.integration.quick_http.stage import BOUNDS, client, staged

GET = b"GET /a?b=c%20d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nX-One: 1\r\nContent-Length: 3\r\n\r\nabc"
GATED = b"GET /gated HTTP/1.1\r\n\r\n"


async def test_a_request_is_read_however_it_is_cut() -> None:
    async with staged() as stage, client(stage) as one:
        for size in (1, 2, 7, len(POST)):
            for at in range(0, len(POST), size):
                one.say(POST[at : at + size])
                await asyncio.sleep(0)
            status, headers, said = await one.hears()
            assert (status, headers["x-test"], said["body"]) == (200, "yes", "abc")
            assert said["names"] == ["content-length", "x-one"]
            assert headers["date"].endswith("GMT")
            assert "connection" not in headers
        one.say(GET)
        _, _, said = await one.hears()
        assert (said["path"], said["query"]) == ("/a", "b=c%20d")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/%61", "/a", ""),
        (b"/?", "/", ""),
        (b"http://x/a?b", "/a", "b"),
        (b"*", "*", ""),
        (b"/a?b?c", "/a", "b?c"),
    ],
)
async def test_a_target_is_a_path_and_a_query(target: bytes, path: str, query: str) -> None:
    async with staged() as stage, client(stage) as one:
        one.say(b"OPTIONS %b HTTP/1.1\r\n\r\n" % target)
        _, _, said = await one.hears()
        assert (said["path"], said["query"]) == (path, query)


async def test_answers_come_in_the_order_of_requests_as_many_as_may_wait() -> None:
    async with staged() as stage, client(stage) as one:
        paths = [f"/{number}" for number in range(PIPELINED_MAX)]
        one.say(GATED + b"".join(b"GET %b HTTP/1.1\r\n\r\n" % each.encode() for each in paths))
        async with client(stage) as other:  # it is answered meanwhile
            other.say(GET)
            await other.hears()
        assert stage.answered == ["/a"]
        stage.gate.set()
        said = [(await one.hears())[2]["path"] for _ in ["/gated", *paths]]
        assert said == ["/gated", *paths]
        one.say(GET)  # and it is read on
        assert (await one.hears())[2]["path"] == "/a"


async def test_one_request_too_many_at_once_is_cut() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(GATED + b"GET / HTTP/1.1\r\n\r\n" * (PIPELINED_MAX + 1))
        assert await one.is_left()
        stage.gate.set()
        async with client(stage) as other:
            other.say(GET)
            assert (await other.hears())[0] == 200
        assert "/" not in stage.answered


async def test_a_body_may_be_as_large_as_the_bound() -> None:
    most = BOUNDS.body_bytes_max
    async with staged() as stage, client(stage) as one:
        for size in (0, most):
            one.say(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size))
            _, _, said = await one.hears()
            assert (len(said["body"]), said["body_bytes"]) == (size, size)
        # Announced: it is answered before any of it is there, and to nothing after it.
        one.say(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (most + 1))
        _, headers, said = await one.hears()
        assert (said["body"], said["body_bytes"]) == ("", most + 1)
        assert headers["connection"] == "close"
        one.say(GET)
        one.leave()
    assert stage.answered == ["/", "/", "/"]


async def test_a_body_in_chunks_that_grows_too_large_is_answered_while_it_comes() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        one.say(b"64\r\n" + b"x" * 100 + b"\r\n")
        one.say(b"1\r\nx\r\n")
        _, headers, said = await one.hears()
        assert (said["body"], said["body_bytes"]) == ("", 101)
        assert headers["connection"] == "close"


async def test_the_rest_of_a_body_too_large_may_not_come_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quick_http, "_LINGER_SECONDS", 0.1)
    size = BOUNDS.body_bytes_max + 1
    async with staged() as stage, client(stage) as one:
        one.say(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (size, b"x" * size))
        assert (await one.hears())[2]["body_bytes"] == size
        assert await one.is_left()


async def test_chunks_are_one_body() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        one.say(b"1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n")
        assert (await one.hears())[2]["body"] == "abc"


@pytest.mark.parametrize("cut", [1, 500, 5000])
@pytest.mark.parametrize("more", [0, 1])
async def test_a_head_may_be_as_large_as_the_bound(cut: int, more: int) -> None:
    line = b"GET / HTTP/1.1\r\n"
    rest = BOUNDS.header_bytes_max - len(line) - len(b"x: \r\n\r\n") + more
    head = line + b"x: " + b"y" * rest + b"\r\n\r\n"
    async with staged() as stage, client(stage) as one:
        for at in range(0, len(head), cut):
            one.say(head[at : at + cut])
            await asyncio.sleep(0)
        status, _, _ = await one.hears()
        assert status == (431 if more else 200)


@pytest.mark.parametrize("before", [b"", GET])
async def test_lines_of_one_name_are_all_counted(before: bytes) -> None:
    lines = b"x: y\r\n" * (BOUNDS.header_bytes_max // 6)
    async with staged() as stage, client(stage) as one:
        one.say(before + b"GET / HTTP/1.1\r\n" + lines + b"\r\n")
        status, headers, _ = await one.hears()
        assert (status, headers["connection"]) == (200 if before else 431, "close")
        assert await one.is_left()
        assert "/" not in stage.answered


async def test_a_head_without_end_is_refused() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(GET[:-2] + b"x: " + b"y" * 2 * BOUNDS.header_bytes_max)
        assert (await one.hears())[0] == 431
        assert await one.is_left()
    async with staged() as stage, client(stage) as one:
        one.say(GET[:-2] + b"x: " + b"y" * 2 * BOUNDS.header_bytes_max + b"\r\n\r\n")
        assert (await one.hears())[0] == 431
        assert await one.is_left()
        assert stage.answered == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
        b"GET / HTTP/1.1\r\n: c\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: 1\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused_and_the_connection_ends(
    request_bytes: bytes,
) -> None:
    async with staged() as stage, client(stage) as one:
        one.say(request_bytes)
        assert (await one.hears())[0] == 400
        assert await one.is_left()
        assert stage.answered == []


async def test_a_fault_behind_a_request_does_not_take_its_answer() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(GATED + GET + b"\0\0\0")
        stage.gate.set()
        assert (await one.hears())[2]["path"] == "/gated"
        _, headers, said = await one.hears()
        assert (said["path"], headers["connection"]) == ("/a", "close")
        assert await one.is_left()


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", False),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", False),
    ],
)
async def test_a_connection_is_kept_if_the_client_wants_it(head: bytes, is_kept: bool) -> None:
    async with staged() as stage, client(stage) as one:
        one.say(head)
        status, headers, _ = await one.hears()
        assert (status, headers.get("connection")) == (200, None if is_kept else "close")
        if is_kept:
            one.say(GET)
            assert (await one.hears())[0] == 200
        else:
            assert await one.is_left()


async def test_an_answer_to_head_has_no_body() -> None:
    async with staged() as stage, client(stage) as one:
        one.say(b"HEAD / HTTP/1.1\r\n\r\n" + GET)
        _, headers, _ = await one.hears(has_body=False)
        assert int(headers["content-length"]) > 0
        assert (await one.hears())[2]["path"] == "/a"


async def test_who_waits_to_send_a_body_is_told_to_go_on() -> None:
    async with staged() as stage, client(stage) as one:
        head = b"PUT /p HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        one.say(head)
        assert (await one.hears())[0] == 100
        one.say(b"abc")
        assert (await one.hears())[2]["body"] == "abc"
        one.say(GATED + head)
        stage.gate.set()
        assert (await one.hears())[2]["path"] == "/gated"
        assert (await one.hears())[0] == 100
        one.say(b"abc")
        assert (await one.hears())[2]["body"] == "abc"
        one.say(GET + GET + GET + head)  # of which the last are read with reading paused
        assert [(await one.hears())[2]["path"] for _ in range(3)] == ["/a"] * 3
        assert (await one.hears())[0] == 100
        one.say(b"abc")
        assert (await one.hears())[2]["body"] == "abc"
        one.say(head.replace(b"3", b"300"))
        assert (await one.hears())[2]["body_bytes"] == 300  # at once, without a 100


async def test_answers_that_a_client_is_slow_to_read_all_come() -> None:
    bounds = replace(BOUNDS, header_bytes_max=100_000)
    async with staged(bounds) as stage, client(stage) as one:
        long = b"GET /%b HTTP/1.1\r\n\r\n" % (b"x" * 50_000)
        for _ in range(200):  # answers of ten megabytes
            one.say(long)
        answers = [await one.hears() for _ in range(200)]
        assert {len(said["path"]) for _, _, said in answers} == {50_001}
        assert len(stage.answered) == 200


async def test_who_has_said_all_and_closes_one_direction_is_answered() -> None:
    async with staged() as stage, client(stage) as one, client(stage) as other:
        one.say(GATED + GET)
        await stage.is_asked(1)
        one.says_no_more()
        other.say(GET)
        await other.hears()  # so that the end has been read, too
        stage.gate.set()
        assert (await one.hears())[2]["path"] == "/gated"
        assert (await one.hears())[2]["path"] == "/a"
        assert await one.is_left()


async def test_the_last_request_in_hand_is_answered_to_who_closes_one_direction() -> None:
    async with staged() as stage, client(stage) as one, client(stage) as other:
        one.say(GATED)
        await stage.is_asked(1)
        one.says_no_more()
        other.say(GET)
        await other.hears()
        stage.gate.set()
        _, headers, said = await one.hears()
        assert (said["path"], headers["connection"]) == ("/gated", "close")
        assert await one.is_left()


@pytest.mark.parametrize("said", [b"", GET[:-2], POST[:-1]])
async def test_who_closes_one_direction_before_a_request_is_whole_is_left(said: bytes) -> None:
    async with staged() as stage, client(stage) as one:
        one.say(said)
        one.says_no_more()
        assert await one.is_left()
        assert stage.answered == []


async def test_an_answerer_that_fails_is_answered_for_and_said() -> None:
    with capture_logs() as logs:
        async with staged() as stage, client(stage) as one:
            one.say(b"GET /fault?secret HTTP/1.1\r\n\r\n")
            status, headers, said = await one.hears()
            assert (status, headers["connection"], said) == (500, "close", None)
            assert await one.is_left()
            async with client(stage) as other:
                other.say(GET)
                assert (await other.hears())[0] == 200
    (failed,) = (each for each in logs if each["log_level"] == "error")
    assert (failed["event"], failed["path"]) == ("answer_failed", "/fault")
