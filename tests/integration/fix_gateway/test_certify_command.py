"""``./rialto certify`` from outside: a client that comes to the desk, and a log that is judged."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.__main__ import main
from exchange.demo.logon_proof import read_key
from exchange.demo.temporary_venue import temporary_venue
from tests.integration.fix_gateway.fix_client import FixClient
from tests.integration.fix_gateway.places import CONFIG, ROOT, SESSIONS

DESK = re.compile(r"connect (\S+) .* to 127\.0\.0\.1:(\d+), TargetCompID (\S+); .* of (\S+)")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    line = [sys.executable, "-m", "exchange", "certify", "--session", "MM1"]
    options = ["--only", "S1", "--step-seconds", "120", "--state", str(tmp_path / "none")]
    with subprocess.Popen([*line, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        yield child
        child.kill()


def test_a_client_of_its_own_engine_is_led_through_a_case(desk: "subprocess.Popen[str]") -> None:
    assert desk.stdout is not None
    said = []
    for line in desk.stdout:
        said.append(line)
        if found := DESK.search(line):
            break
    else:
        raise AssertionError("".join(said))
    sender, port, target, keys = found.groups()
    client = FixClient(sender=sender, target=target, key=read_key(Path(keys) / f"{sender}.json"))
    client.connect("127.0.0.1", int(port))
    client.logon(is_reset=True)
    rest = desk.stdout.read()
    assert desk.wait(timeout=180) == 0, rest
    assert "1 passed, 0 failed, 0 not run" in rest
    client.abort()


def test_the_desk_stands_before_the_venue_that_runs() -> None:
    async def certified() -> str:
        async with temporary_venue(CONFIG, SESSIONS) as places:
            desk = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "exchange", "certify", "--session", "MM1", "--running"),
                *("--only", "S1", "--only", "P1", "--step-seconds", "120", *places.arguments()),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            assert desk.stdout is not None
            said = ""
            while not (found := DESK.search(said)):
                line = await desk.stdout.readline()
                assert line, said
                said += line.decode()
            sender, port, target, keys = found.groups()
            key = read_key(Path(keys) / f"{sender}.json")
            client = FixClient(sender=sender, target=target, key=key)
            client.connect("127.0.0.1", int(port))
            client.logon(is_reset=True, wait=False)  # the desk's report says what came of it
            said += (await desk.stdout.read()).decode()
            assert await desk.wait() == 0, said
            client.abort()
            return said

    said = asyncio.run(certified())
    assert "passed  S1 " in said
    assert "the desk has no peer here" in said
    assert "1 passed, 0 failed, 1 not run" in said


def test_a_log_is_judged_and_one_of_nothing_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = FixClient(sender="MM1", target="RIALTO", key=None)
    log = tmp_path / "client.log"
    log.write_bytes(client.encoded("D", [(11, "a")], number=1))
    assert main(["certify", "--log", str(log), "--sender", "MM1"]) == 1
    said = capsys.readouterr().out
    assert "35=D before the Logon was answered" in said
    log.write_bytes(b"nothing")
    assert main(["certify", "--log", str(log)]) not in (0, 1)
    assert "no FIX message" in capsys.readouterr().err
