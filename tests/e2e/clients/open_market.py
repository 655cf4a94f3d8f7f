"""A whole venue with people, firms and their money, and the examples run against it as they are."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from tests.e2e.venue_run import VenueRun

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
PASSWORD = "three quiet brown foxes"
SAY_SECONDS_MAX = 300.0
DROP_COPY = """
id = 6
kind = "drop_copy"
sender_comp_id = "MM1-DC"
cancel_on_disconnect = "none"

[firm]
id = 1
name = "MM1"

[drop_copy]
firms = ["MM1"]
"""


class Script:
    """An example that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def said(self, *words: str, after: int = 0) -> str:
        """Wait for a line that has all the words in it, and return it."""

        def found() -> str | None:
            lines = (line for line in self.lines[after:] if all(word in line for word in words))
            return next(lines, None)

        with self._news:
            line = self._news.wait_for(found, SAY_SECONDS_MAX)
        assert line is not None, f"{words} not in {self.lines[after:]}"
        return line

    def tell(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def stopped(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        code = self._process.wait(SAY_SECONDS_MAX)
        self._reader.join(SAY_SECONDS_MAX)
        return code


class OpenMarket:
    """The venue, and where its doors are."""

    def __init__(self, run: VenueRun, workplace: Path) -> None:
        self.run = run
        self.workplace = workplace
        self.accounts: dict[Path, str] = {}
        """The account of each person, by the file of the key."""

    def at(self, process: str, door: str) -> str:
        """Return the address of a process's door."""
        page = self.run.state.page(process)
        assert page is not None, process
        return page.addresses[door]

    @property
    def rest(self) -> tuple[str, str]:
        return "--rest", self.at("retail_api", "rest")

    @property
    def streams(self) -> tuple[str, str]:
        return "--streams", self.at("retail_streams", "streams")

    @property
    def socket(self) -> tuple[str, str]:
        return "--socket", self.at("retail_api", "ws_api")

    def fix(self, session: str) -> tuple[str, ...]:
        """Return the options of a script that is a FIX session."""
        _, port = self.run.fix_address()
        state = str(self.run.state.root)
        return ("--session", session, "--port", str(port), "--state", state)

    @contextmanager
    def script(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[Script]:
        """Run an example beside the block, as people run it."""
        process = subprocess.Popen(
            # Without site: only what its environment names is there, if it names anything.
            [sys.executable, *(["-S"] if environment else []), EXAMPLES / name, *arguments],
            cwd=self.workplace,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            script = Script(process)
            try:
                yield script
            finally:
                process.kill()
                process.wait()
                script.ended()

    def finished(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> list[str]:
        """Run an example to its good end, and return its lines."""
        with self.script(name, *arguments, environment=environment) as script:
            code = script.ended()
            assert code == 0, script.lines
            return script.lines

    def person(self, name: str, kind: str, **amounts: str) -> Path:
        """Register somebody, with the letter and the key, and give the account money."""
        key, email = self.workplace / f"{name}.json", f"{name}@example.org"
        accounts = self.at("accounts", "accounts")
        arguments = (email, "--key", str(key), "--kind", kind, "--accounts", accounts, *self.rest)
        with self.script("open_account.py", *arguments) as script:
            script.said("a password")
            script.tell(PASSWORD)
            script.said("the token from the letter")
            letters = self.run.done("accounts", email, "--letters")
            script.tell(letters.partition("/verify#")[2].split()[0])
            account = script.said("the account is").partition("account is ")[2].split(";")[0]
            assert script.ended() == 0
        self.accounts[key] = account
        for asset, amount in amounts.items():
            self.credit(account, asset, amount)
        return key

    def credit(self, account: str, asset: str, amount: str) -> None:
        """Let two operators credit an account."""
        self.run.operated(
            "credit", "--account", account, "--asset", asset, "--amount", amount,
            "--reference", f"opening-{account}-{asset}",
        )  # fmt: skip

    def settled(self, account: str) -> dict[str, Decimal]:
        """Return what the ledger says that an account has, once it has all that happened."""
        status = json.loads(self.run.done("status", "--json"))
        last = status["venue"]["last_event"]
        while True:
            said = json.loads(self.run.done("ledger", "balances", "--json", "--account", account))
            if said["ledger_stands_at_event"] >= last:
                return {each["asset"]: Decimal(each["funds"]) for each in said["free"]}


@contextmanager
def open_market(directory: Path, run: VenueRun) -> Iterator[OpenMarket]:
    """Start a venue with the drop copy of a market maker, who has money."""
    (run.sessions / "MM1-DC.toml").write_text(DROP_COPY)
    run.start()
    workplace = directory / "workplace"
    workplace.mkdir()
    market = OpenMarket(run, workplace)
    market.credit("MM1", "BTC", "100")
    market.credit("MM1", "USD", "5000000")
    yield market
