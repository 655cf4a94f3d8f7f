"""How fast the auditor catches up: events, commands and ledger rows a second, in one process.

    python -m bench.auditor [--trades N] [--json]

The streams are made by the native engine before the clock starts. ``trading``: for each trade a
maker's order and a taker's order that fills it (five events, as in ``bench.settlement``);
``simple``: the core benchmark's mix of adds, cancels and takes. Measured is processor time of this
process, for three parts:

- ``events``: every check of the events, over one picture.
- ``with commands``: the same, and each command beside its answers.
- ``ledger``: what the events must be in the ledger, compared with rows that say so; without the
  database.
"""

import argparse
import json
import time
from typing import Any, Final

from auditor.audit import EventAudit
from auditor.checks.commands import Commands
from auditor.checks.ledger import LedgerAudit, LedgerPicture
from auditor.findings import Findings
from auditor.picture import Picture
from bench.core_books import ADD, TAKE, Step
from bench.core_records import MID_TICKS, Encoder
from bench.core_workloads import make_steps
from messages.trading.commands import COMMANDS, whole_command
from messages.trading.events import EVENTS, TradeExecuted
from messages.trading.terms import Side
from venue.engines import create_engine

COMMANDS_OF_A_BATCH: Final = 64
NEEDED_TRADES_A_SECOND: Final = 2_000

Batch = tuple[bytes, bytes]
"""Commands, and the events that they caused."""


def trading_steps(trades: int) -> list[Step]:
    """Return an offer and its taker for each trade."""
    steps = []
    for number in range(trades):
        price, lots = MID_TICKS + number % 7, 1 + number % 90
        steps.append(Step(ADD, Side.SELL, 2 * number + 1, price, lots))
        steps.append(Step(TAKE, Side.BUY, 2 * number + 2, price, lots))
    return steps


def recorded(steps: list[Step]) -> tuple[Batch, list[Batch]]:
    """Return the set-up and the batches of a stream, run by the native engine."""
    encoder, engine = Encoder(), create_engine("native")
    head = encoder.set_up()
    first = (head, engine.apply(head))
    data, batches, at = encoder.records(steps), [], 0
    while at < len(data):
        end = at
        for _ in range(COMMANDS_OF_A_BATCH):
            if end < len(data):
                end += whole_command(data, end)
        batches.append((data[at:end], engine.apply(data[at:end])))
        at = end
    return first, batches


def measure(first: Batch, batches: list[Batch], *, with_commands: bool) -> float:
    """Return the seconds of processor time that the audit of the batches takes."""
    findings = Findings()
    audit = EventAudit(Picture(), findings)
    commands = Commands(audit.picture, findings)
    audit.see(first[1])
    audit.take_answers()
    started = time.process_time()
    for asked, told in batches:
        audit.see(told)
        answers = audit.take_answers()
        if with_commands:
            record: Any
            for record in COMMANDS.unpack(asked):
                commands.see(record, answers.pop(record.sequence, ()))
    seconds = time.process_time() - started
    assert not findings.kept, findings.kept[0]
    return seconds


def measure_ledger(first: Batch, batches: list[Batch]) -> float:
    """Return the seconds of processor time that comparing the ledger's rows takes."""
    expected = LedgerAudit(LedgerPicture(), Findings())
    audit = LedgerAudit(LedgerPicture(), findings := Findings())
    seconds = 0.0
    for _, told in (first, *batches):
        expected.expect(told, offset=0, through=1 << 62)
        rows = expected.expected()
        started = time.process_time()
        audit.expect(told, offset=0, through=1 << 62)
        audit.compare(rows)
        seconds += time.process_time() - started
        expected.compare(rows)
    assert not findings.kept, findings.kept[0]
    return seconds


def main() -> int:
    """Measure, and print a line for each stream and part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trades", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fill, mixed = make_steps("simple", count=5 * options.trades, seed=1)
    figures = []
    for name, steps in (("trading", trading_steps(options.trades)), ("simple", fill + mixed)):
        first, batches = recorded(steps)
        kinds = [cls for _, told in batches for _, cls in EVENTS.walk(told)]
        events, trades = len(kinds), sum(cls is TradeExecuted for cls in kinds)
        for part, seconds in (
            ("events", measure(first, batches, with_commands=False)),
            ("with commands", measure(first, batches, with_commands=True)),
            ("ledger", measure_ledger(first, batches)),
        ):
            rates = {"events_a_second": round(events / seconds)}
            rates["trades_a_second"] = round(trades / seconds)
            rates["busy_percent"] = round(100 * NEEDED_TRADES_A_SECOND * seconds / trades)
            figures.append({"stream": name, "part": part, "trades": trades} | rates)
    if options.json:
        print(json.dumps(figures, indent=2))
        return 0
    print(
        f"{'stream':<9} {'part':<14} {'events/s':>9} {'trades/s':>9}  of one core at 2,000 trades/s"
    )
    for row in figures:
        print(
            f"{row['stream']:<9} {row['part']:<14} {row['events_a_second']:>9,}"
            f" {row['trades_a_second']:>9,}  {row['busy_percent']} % of one core"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
