"""What an operator does from the command line, each of it twice."""

import json
import os
import signal
from pathlib import Path

import pytest

from exchange.children import BACKGROUND
from tests.e2e.venue_run import VenueRun


@pytest.mark.timeout(2_700)  # a hundred commands, each a process of its own
def test_a_new_venue_comes_up_does_as_told_and_leaves_nothing(run: VenueRun) -> None:
    run.start()
    status = run.wait_healthy()
    assert set(status["processes"]) == {
        "postgres", "core", "follower", "settlement", "auditor",
        "surveillance", "market_data", "accounts",
        "fix_guard", "fix_gateway", "fix_market_data", "admin_api", "retail_streams",
        "retail_api",
    }  # fmt: skip
    _orders_go_first(run.pids())
    while (said := run.command("status", "--json")).returncode != 0:
        assert said.returncode == 69, said.stderr
    assert json.loads(said.stdout)["processes"].keys() == status["processes"].keys()
    assert "already running" in run.done("up")
    assert "the venue agrees with it" in run.done("check")
    _move_money(run)
    _change_and_apply(run)
    _stop_and_go(run)
    assert run.done("reconcile").endswith("clean\n")
    assert run.stop() == 0
    digests = {
        json.loads(run.done("replay", "--engine", engine, "--json"))["digest"]
        for engine in ("native", "reference", "both")
    }
    assert len(digests) == 1
    assert run.command("status", "--json").returncode == 69
    assert "no venue runs" in run.command("admin", "accounts").stderr
    run.start()
    assert "500.000000 USD" in run.done("admin", "accounts")
    assert run.stop() == 0


def _orders_go_first(pids: dict[str, int]) -> None:
    behind = {name for name, pid in pids.items() if os.sched_getscheduler(pid) == os.SCHED_BATCH}
    assert behind == {"postgres"} | BACKGROUND
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    for name, pid in pids.items():
        nice = os.getpriority(os.PRIO_PROCESS, pid)
        assert nice == (max(10, ours) if name in behind else ours), name
        group = Path(f"/proc/{pid}/autogroup")
        if name in BACKGROUND and group.exists():  # where the kernel weighs sessions
            assert group.read_text().split()[-2:] in ([], ["nice", "10"]), name


def _move_money(run: VenueRun) -> None:
    credit = ("credit", "--account", "INST1", "--asset", "USD", "--reference", "r1")
    for _ in range(2):
        run.operated(*credit, "--amount", "1000.5")
    assert "1,000.500000 USD" in run.done("admin", "accounts")
    money = ("--account", "INST1", "--asset", "USD")
    run.operated("reserve", *money, "--amount", "300.5", "--reference", "w1")
    assert "held 300.500000 USD" in run.done("admin", "accounts")
    run.operated("commit", "--account", "INST1", "--reference", "w1")
    run.operated("debit", *money, "--amount", "200", "--reference", "d1")
    assert "500.000000 USD" in run.done("admin", "accounts")
    refused = run.tried("debit", *money, "--amount", "500.01", "--reference", "d2")
    assert refused.returncode == 1
    assert "INSUFFICIENT_FUNDS (210)" in refused.stderr
    other = run.tried(*credit, "--amount", "1000.6")
    assert other.returncode == 64
    assert "used already: credit of 1,000.500000 USD for INST1" in other.stderr
    for amount, said in (("1e3", "not a decimal amount"), ("999999999999999999", "any venue")):
        wrong = run.tried("credit", *money, "--amount", amount, "--reference", "x")
        assert wrong.returncode == 64
        assert said in wrong.stderr


def _change_and_apply(run: VenueRun) -> None:
    instruments = run.config / "instruments.toml"
    _edit(instruments, 'notional_max = "50000000"', 'notional_max = "49000000"')
    assert "admin apply would set it" in run.done("check")
    assert "1 applied, 0 left alone" in run.operated("apply")
    assert "0 applied, 0 left alone" in run.operated("apply")
    _edit(instruments, "fee_schedule = 1", "fee_schedule = 2")
    assert "0 applied, 1 left alone" in run.operated("apply")
    conflict = run.command("admin", "apply", "--dry-run", "--reason", "look")
    assert conflict.returncode == 78
    assert "cannot be changed" in conflict.stdout
    _edit(instruments, "fee_schedule = 2", "fee_schedule = 1")
    _edit(instruments, "id = 1\n", "id = 9\n")
    renamed = run.command("check")
    assert renamed.returncode == 78
    assert "known  instrument=1" in renamed.stdout
    _edit(instruments, "id = 9\n", "id = 1\n")
    for old, new, said in (
        ("[core]", "[core]\ncolour = 1", "`colour` - at `$.core`"),
        ('"CloseSession"', '"CloseSessions"', "'CloseSessions' is no command"),
        ("[principals.settlement]", "[principals.ledger]", "$.principals.settlement: missing"),
    ):
        _edit(run.config / "venue.toml", old, new)
        for command in ("check", "up"):
            refused = run.command(command)
            assert refused.returncode == 78
            assert said in refused.stderr
        _edit(run.config / "venue.toml", new, old)


def _stop_and_go(run: VenueRun) -> None:
    for _ in range(2):
        run.operated("phase", "BTC-USD", "halted")
    run.operated("phase", "BTC-USD", "continuous")
    for scope in (["venue"], ["account", "INST1"], ["instrument", "BTC-USD"], ["firm", "MM1"]):
        for _ in range(2):
            run.operated("kill", *scope)
        for _ in range(2):
            run.operated("resume", *scope)
    run.operated("limits", "--account", "INST1", "--open-orders", "7")
    assert "open_orders_max 7" in run.done("admin", "show", "account-limits")
    assert run.tried("limits", "--account", "INST1", "--burst", "-5").returncode == 64
    assert "may trade|quote requests for MM1" in run.done("admin", "sessions")
    for _ in range(2):
        run.operated("revoke", "INST1-DC", "INST1")
    assert "admin apply would set it" in run.done("check")
    run.operated("apply")


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new, 1))


def test_a_damaged_journal_is_not_started_on(run: VenueRun) -> None:
    run.start()
    assert run.stop() == 0
    journal = run.state.venue / "journal"
    segment = min(journal.iterdir())
    data = bytearray(segment.read_bytes())
    at = data.index(b"BTC-USD") + 2
    data[at] ^= 0x40
    segment.write_bytes(data)
    outcome = run.command("up")
    assert outcome.returncode == 65, outcome.stderr
    assert segment.name in outcome.stderr
    assert run.command("replay").returncode == 65


def test_a_second_core_on_the_same_state_is_refused(run: VenueRun) -> None:
    run.start()
    before = run.pids()
    assert run.command("run", "core").returncode == 75
    assert run.pids() == before
    assert run.wait_healthy()["healthy"]


def test_a_demo_that_loses_its_venue_says_so_in_a_line_and_who_asks_next_waits_for_the_core(
    run: VenueRun,
) -> None:
    run.done("admin", "operators", "found", "treasurer", "controller")  # the demo's own
    run.start()
    with run.begun("demo", "--use-running", "--seconds", "60") as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        while "requests" not in (line := demo.stdout.readline()):
            assert line, demo.stderr.read()
        os.kill(run.pids()["core"], signal.SIGKILL)
        said = demo.stderr.read()
        assert demo.wait(180) == 69
    assert said.startswith("rialto: ")
    assert "the venue is not available" in said
    assert "Traceback" not in said
    # At once: the supervisor is still bringing the core back.
    assert run.done("reconcile").endswith("clean\n")
    assert run.stop() == 0
