"""People's orders over REST on a whole venue: rate, latency at half of it, and a yardstick.

    ./rialto bench retail-orders [--seconds N] [--connections N] [--json]

A venue is started in a temporary directory, with limits that no load meets. Every request is
signed beforehand (HMAC-SHA256) and sent over keep-alive connections by a process of its own; each
is a limit order of one of 32 people, and rests. The answer is what a client gets: the order is in
the journal, synced to disk, and its events have come back. Then, at half the rate, by a clock,
latency is counted from when a request was due. The yardsticks are servers that answer the same
requests with two bytes, in the same run: the least that reads HTTP in Python, the server that the
API runs on, an ASGI application on uvicorn, and Litestar on uvicorn (``bench/retail_echo.py``).
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx
import psutil
import uvloop
from msgspec.structs import replace

from bench.retail_echo import KINDS
from bench.retail_load import Figures, Load
from exchange.accounts import sealing_vault
from exchange.configuration import read_configuration
from exchange.database import database_dsn
from exchange.demo.temporary_config import changed
from exchange.demo.temporary_venue import temporary_venue
from exchange.operator_link import OperatorLink, matching
from exchange.state import State
from messages.trading import commands, events
from messages.trading.identity import client_id
from services.accounts.adapters.postgres import postgres_store
from services.accounts.person import ApiKey, Changed, Person
from services.accounts.signatures import place_of
from services.accounts.terms import KeyKind, Permission, Status

ROOT: Final = Path(__file__).resolve().parents[1]
PEOPLE: Final = 32
ENOUGH: Final = 12_000
"""Requests for each second of a run: more than any process here answers."""
_UNBOUNDED: Final = 100_000_000


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench retail-orders", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = asyncio.run(_measured(options.seconds, options.connections))
    if options.json:
        print(json.dumps(report))
        return 0
    print(f"load average {report['load']:.2f} of {os.cpu_count()} processors before it")
    print(f"orders     {report['rate']:8,.0f} a second of one process, durable")
    print(f"           {report['cpu_us']:8,.1f} us of its processor time each")
    print(f"at half    p50 {report['p50_ms']:.2f} ms, p99 {report['p99_ms']:.2f} ms")
    for kind in KINDS:
        print(
            f"{kind:10} {report[kind]:8,.0f} a second, {report[f'{kind}_us']:.1f} us each: an echo"
        )
    print(f"refused    {report['refused']:8,.0f}")
    return 0


async def _measured(seconds: float, connections: int) -> dict[str, float]:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="rialto-bench-") as name:
        config = Path(name) / "config"
        _unlimited(config)
        async with temporary_venue(config, ROOT / "sessions") as places:
            state = State(places.state)
            page = state.page("retail_api")
            assert page is not None
            url, process = page.addresses["rest"], psutil.Process(page.pid)
            people = await _people(state, places.config)
            await _fund(state, url, people)
            before = sum(process.cpu_times()[:2])
            whole = await _run(url, people, seconds, connections)
            spent = sum(process.cpu_times()[:2]) - before
            half = await _run(url, people, seconds, connections, rate=whole.rate / 2)
    echoes: dict[str, float] = {}
    for kind in KINDS:
        figures, cpu_us = await _echo(kind, people, seconds / 2, connections)
        echoes |= {kind: figures.rate, f"{kind}_us": cpu_us}
    return {
        **echoes,
        "load": load,
        "rate": whole.rate,
        "cpu_us": spent / len(whole.latencies) * 1e6,
        "p50_ms": half.percentile(50) * 1e3,
        "p99_ms": half.percentile(99) * 1e3,
        "refused": float(whole.refused + half.refused),
    }


def _unlimited(target: Path) -> None:
    """Copy the configuration with limits on people that no load meets."""
    shutil.copytree(ROOT / "config", target)
    with changed(target / "venue.toml") as venue:
        venue["retail_api"]["limits"] |= {
            "weight_per_minute": _UNBOUNDED,
            "requests_per_five_minutes": _UNBOUNDED,
            "orders_per_ten_seconds": _UNBOUNDED,
            "orders_per_day": _UNBOUNDED,
            "signatures_max": _UNBOUNDED,
        }
        account = {"open_orders_max": 1_000_000, "messages_per_second": 0, "message_burst": 0}
        venue["retail_api"]["account"] |= account


async def _people(state: State, config: Path) -> list[tuple[str, bytes]]:
    """Register people; returns their keys and secrets."""
    vault, keys = sealing_vault(state), []
    dsn = database_dsn(read_configuration(config), state)
    async with postgres_store(dsn, vault, secrets.token_bytes) as store:
        for _ in range(PEOPLE):
            key_id, secret, now_ns = uuid4().hex, secrets.token_hex(32).encode(), time.time_ns()
            key = ApiKey(
                key_id=key_id,
                label="bench",
                kind=KeyKind.HMAC,
                material=vault.seal(secret, place=place_of(key_id), nonce=secrets.token_bytes(12)),
                permissions=(Permission.READ, Permission.TRADE),
                addresses=(),
                created_at_ns=now_ns,
                expires_at_ns=now_ns + 10**13,
            )
            person = Person(
                person_id=uuid4().hex,
                email=f"{key_id}@example.org",
                status=Status.ACTIVE,
                password_hash="",
                created_at_ns=now_ns,
            )
            await store.add(person, (), ())
            await store.change(person.person_id, partial(_with_key, key))
            keys.append((key_id, secret))
    return keys


def _with_key(key: ApiKey, person: Person) -> Changed[None]:
    return Changed(person=replace(person, api_keys=(key,)), answer=None)


async def _fund(state: State, url: str, people: list[tuple[str, bytes]]) -> None:
    """Open everybody's account, and credit it."""
    async with httpx.AsyncClient() as client, OperatorLink.open(state) as operator:
        for key_id, secret in people:
            query = _signed(secret, {})
            headers = {"X-MBX-APIKEY": key_id}
            answer = await client.get(f"{url}/api/v3/account?{query}", headers=headers)
            account = answer.json()["uid"]
            credit = commands.Credit.make(
                account=account,
                asset=1,
                amount_atoms=10**16,
                operator=1,
                approver=2,
                reference=client_id(secrets.token_hex(8)),
            )
            await operator.ask(credit, matching(events.BalanceChanged, account=account))


def _signed(secret: bytes, parameters: dict[str, str]) -> str:
    stamp = time.time_ns() // 1_000_000
    text = urlencode({**parameters, "recvWindow": "60000", "timestamp": stamp})
    return f"{text}&signature={hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()}"


def _requests(people: list[tuple[str, bytes]], count: int) -> Iterator[bytes]:
    """Make signed orders; no two are alike."""
    for at in range(count):
        key_id, secret = people[at % len(people)]
        terms = {
            "symbol": "BTCUSD",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.001",
            "price": f"{55_000 + at % 400}",
            "newClientOrderId": f"{secrets.token_hex(8)}",
        }
        body = _signed(secret, terms).encode()
        yield (
            b"POST /api/v3/order HTTP/1.1\r\nHost: rialto\r\nX-MBX-APIKEY: %b\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
            % (key_id.encode(), len(body), body)
        )


async def _run(
    url: str,
    people: list[tuple[str, bytes]],
    seconds: float,
    connections: int,
    *,
    rate: float = 0.0,
) -> Figures:
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    target = where.hostname, where.port
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await loop.run_in_executor(
            pool, _generate, target, people, seconds, connections, rate
        )


def _generate(
    target: tuple[str, int],
    people: list[tuple[str, bytes]],
    seconds: float,
    connections: int,
    rate: float,
) -> Figures:
    """Be the load: in a process of its own."""
    count = int((1.2 * rate or ENOUGH) * seconds)
    requests = list(_requests(people, count))

    async def run() -> Figures:
        return await Load(requests, seconds=seconds, rate=rate).run(*target, connections)

    return uvloop.run(run())


async def _echo(
    kind: str, people: list[tuple[str, bytes]], seconds: float, connections: int
) -> tuple[Figures, float]:
    """Measure a yardstick: what it answers, and its processor time for each request, in us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.retail_echo", kind, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        times = psutil.Process(process.pid).cpu_times
        before = sum(times()[:2])
        figures = await _run(url, people, seconds, connections)
        return figures, (sum(times()[:2]) - before) / len(figures.latencies) * 1e6
    finally:
        process.kill()
        await process.wait()
