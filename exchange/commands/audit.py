"""The auditor's findings, its drill, and the audit trail."""

import argparse
import asyncio
import sys
import time
from datetime import UTC, datetime

import msgspec

from exchange.admin.record import Entry, Record
from exchange.audit_trail import export, verify
from exchange.commands.tokens import add_token_arguments, token_of
from exchange.configuration import read_configuration
from exchange.directory import Directory
from exchange.drill_day import drill_day
from exchange.operator_link import connect
from exchange.places import places_parser
from exchange.state import State
from exchange.withdrawal_gate import let_withdrawals_go_on, stopped
from messages.trading.events import EVENTS
from runtime.chained_lines import ChainedLines
from runtime.process import EXIT_DAMAGED, EXIT_OK

EXIT_FOUND = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(metavar="action", required=True)
    findings = _add(
        actions, "findings", "what the auditor found and nobody acknowledged", _findings
    )
    findings.add_argument("--limit", type=int, default=50, help="at most so many, the last ones")
    acknowledge = _add(
        actions, "acknowledge", "say that all findings were seen; withdrawals go on", _acknowledge
    )
    add_token_arguments(acknowledge)
    acknowledge.add_argument("--why", required=True, help="what came of them, for the record")
    drill = _add(actions, "drill", "plant errors in a shadow, and see that each is found", _drill)
    drill.add_argument("--engine", choices=("native", "reference"), default="native")
    check = _add(
        actions, "verify", "check journal, records and signed heads for any change", _verify
    )
    check.add_argument("--key", default="", help="file with the public key, kept elsewhere")
    check.add_argument(
        "--known", default="", help="NUMBER:SHA256 of a head that was kept elsewhere"
    )
    out = _add(actions, "export", "one account's part of the trail, as JSON lines", _export)
    out.add_argument("--account", required=True, help="number, or name while the venue runs")
    out.add_argument("--from", dest="begin", type=_moment, required=True, help="ISO 8601, UTC")
    out.add_argument("--to", dest="end", type=_moment, required=True, help="ISO 8601, not included")


def run(options: argparse.Namespace) -> int:
    """Do one of them."""
    return int(options.action(options))


def _add(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    action: object,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name, parents=[places_parser(is_nested=True)], help=summary, description=summary
    )
    parser.set_defaults(action=action)
    return parser


def _findings(options: argparse.Namespace) -> int:
    # Imported here: most of these actions need a part of the auditor, none all of it.
    from auditor.findings_file import FindingsFile  # noqa: PLC0415

    state = State(options.state)
    found = FindingsFile(state.auditor / "findings.jsonl").open
    gate = stopped(state.auditor)
    if gate is not None:
        print(f"withdrawals are stopped: {gate.why}")
    for finding in found[-options.limit :]:
        places = [
            f"{name} {number}"
            for name, number in (
                ("instrument", finding.instrument),
                ("account", finding.account),
                ("asset", finding.asset),
            )
            if number
        ]
        where = ", ".join([f"event {finding.number}", *places])
        print(f"{finding.check} ({finding.consequence.name}) at {where}: {finding.text}")
    print(f"{len(found)} findings" if found else "no findings")
    return EXIT_FOUND if found else EXIT_OK


def _acknowledge(options: argparse.Namespace) -> int:
    from auditor.findings_file import FindingsFile  # noqa: PLC0415

    state, token = State(options.state), token_of(options, about="findings")
    file, now_ns = FindingsFile(state.auditor / "findings.jsonl"), time.time_ns()
    record = Record(ChainedLines(state.admin_record))
    entry = Entry(
        at_ns=now_ns,
        step="asked",
        operator=token.name,
        action="audit.acknowledge",
        reason=options.why,
        summary="say that the auditor's findings were seen, and let withdrawals go on",
    )
    record.add(entry)
    count = file.acknowledge(by=token.name, why=options.why, at_ns=now_ns, sign=token.sign)
    let_withdrawals_go_on(state.auditor)
    outcome = f"{count} findings acknowledged"
    record.add(msgspec.structs.replace(entry, step="done", outcome=outcome))
    print(f"{count} findings acknowledged")
    return EXIT_OK


def _drill(options: argparse.Namespace) -> int:
    from auditor.drill.drill import FOUND_SECONDS_MAX, run_drill  # noqa: PLC0415
    from auditor.drill.shadow import Shadow  # noqa: PLC0415

    day = drill_day(options.engine)
    missed = 0
    for outcome in run_drill(Shadow(day.events, day.commands)):
        is_good = outcome.is_found and outcome.seconds <= FOUND_SECONDS_MAX
        missed += not is_good
        verdict = "found" if is_good else "MISSED"
        print(f"{verdict:<6} {outcome.seconds:6.3f} s  {outcome.check:<18} {outcome.name}")
    print(f"{missed} missed" if missed else "every planted error was found")
    return EXIT_FOUND if missed else EXIT_OK


def _verify(options: argparse.Namespace) -> int:
    state = State(options.state)
    is_running = state.is_held()
    found = verify(
        read_configuration(options.config),
        state,
        key=options.key,
        known=options.known,
        is_running=is_running,
    )
    print(
        f"{found.commands} commands in {found.segments} segments, {found.signed_commands} of them"
        f" under {found.heads} signed heads, {found.unsigned_commands} not signed yet"
    )
    for name, lines in found.lines.items():
        print(f"{name}: {lines} lines")
    for problem in found.problems:
        print(f"WRONG {problem}")
    print(f"keep elsewhere: {found.last_head.number}:{found.last_head.sha256}")
    print("the trail is as it was written" if not found.problems else "the trail was changed")
    return EXIT_DAMAGED if found.problems else EXIT_OK


def _export(options: argparse.Namespace) -> int:
    from auditor.trail.export import Period  # noqa: PLC0415

    state = State(options.state)
    period = Period(from_ns=options.begin, to_ns=options.end)
    account = asyncio.run(_account(state, options.account))
    for line in export(read_configuration(options.config), state, account=account, period=period):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    return EXIT_OK


async def _account(state: State, text: str) -> int:
    """Return an account's number; a name is asked of the running venue."""
    if text.isdecimal():
        return int(text)
    link = await connect(state, "admin", patience_seconds=0)
    try:
        answer = await link.query("definitions")
    finally:
        await link.close()
    return Directory(EVENTS.unpack(answer.payload)).account(text)


def _moment(text: str) -> int:
    """Read a moment as nanoseconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not ISO 8601: {text}") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(moment.timestamp()) * 1_000_000_000
