"""Show that a FIX client fits this venue, and that the venue keeps the standard."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

import uvloop

from exchange.certify.cast import Cast, client_cast, own_cast
from exchange.certify.certification import (
    certification_cases,
    certify_own_client,
    open_desk,
    task_text,
)
from exchange.certify.scenarios import play_scenarios, scenarios
from exchange.certify.stage import Stage, certification_venue, running_stage
from exchange.demo.temporary_venue import Places
from exchange.errors import CommandError
from exchange.state import State
from fix_gateway.conformance.cases import DIALECTS, KINDS, Case, Step
from fix_gateway.conformance.log_judge import judge_log
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.verdicts import Outcome, Verdict, counts, report_text
from runtime.logs import configure_logs
from runtime.process import EXIT_OK

EXIT_FAILED = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument(
        "--self",
        dest="is_self",
        action="store_true",
        help="play every case ourselves, against a temporary venue; all must pass",
    )
    how.add_argument(
        "--session",
        metavar="NAME",
        help="open a desk on a temporary venue for the client of a session's file",
    )
    how.add_argument(
        "--log", type=Path, metavar="FILE", help="judge a client's own log of its FIX messages"
    )
    parser.add_argument(
        "--running",
        action="store_true",
        help="with --session: a desk before the venue that runs on --state; its orders are real",
    )
    parser.add_argument("--sender", default="", help="with --log: the client's comp id")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="O13, O, 2B …")
    parser.add_argument("--dialect", choices=DIALECTS, help="with --self: one of them")
    parser.add_argument("--step-seconds", type=float, default=300.0, help="for a client's step")
    parser.add_argument("--json", action="store_true", help="the report, for programs")
    parser.add_argument(
        "--evidence", action="store_true", help="show every message, not of failures only"
    )


def run(options: argparse.Namespace) -> int:
    """Certify; the exit code is 0 only when nothing failed."""
    if options.log:
        verdicts = _of_log(options.log, options.sender)
    else:
        configure_logs("certify", level="error")
        verdicts = uvloop.run((_of_ourselves if options.is_self else _of_client)(options))
    if not verdicts:
        raise CommandError("no case is called that")
    if options.json:
        report: dict[str, Any] = {
            "counts": counts(verdicts),
            "cases": [verdict.as_dict() for verdict in verdicts],
        }
        print(json.dumps(report, indent=2))
    else:
        print(report_text(verdicts, with_evidence=options.evidence))
    is_failed = any(verdict.outcome is Outcome.FAILED for verdict in verdicts)
    return EXIT_FAILED if is_failed else EXIT_OK


def _of_log(path: Path, sender: str) -> list[Verdict]:
    if not path.is_file():
        raise CommandError(f"{path}: no such file")
    verdicts = judge_log(path.read_bytes(), sender=sender)
    if all(verdict.outcome is Outcome.NOT_RUN for verdict in verdicts):
        raise CommandError(f"{path}: there is no FIX message in it")
    return verdicts


async def _of_ourselves(options: argparse.Namespace) -> list[Verdict]:
    dialects = (options.dialect,) if options.dialect else DIALECTS
    casts = [own_cast(dialect, kind) for dialect in dialects for kind in KINDS]
    played = [case for case in scenarios() if not options.only or case.id in options.only]
    _say(options, "starting a venue ...")
    async with certification_venue(options.config, options.sessions, casts) as stage:
        verdicts = await play_scenarios(stage, played)
        verdicts = [each for each in verdicts if each.dialect in dialects]
        _say(options, f"{len(verdicts)} cases of the standard played")
        for cast in casts:
            cases = certification_cases(cast, options.only)
            verdicts += await certify_own_client(stage, cast, cases, lambda _verdict: None)
            _say(options, f"{cast.client}: {len(cases)} cases of the certification played")
    return verdicts


async def _of_client(options: argparse.Namespace) -> list[Verdict]:
    cast = client_cast(options.sessions, options.session)
    cases = certification_cases(cast, options.only)
    keys = State(options.state).fix_keys
    if options.running:
        stage = await running_stage(Places(options.state, options.config, options.sessions))
        return await _lead(options, stage, cast, cases)
    _say(options, "starting a venue ...")
    async with certification_venue(options.config, options.sessions, [cast], keys=keys) as stage:
        return await _lead(options, stage, cast, cases)


async def _lead(
    options: argparse.Namespace, stage: Stage, cast: Cast, cases: list[Case]
) -> list[Verdict]:
    shown: list[str] = []

    def prompt(case: Case, step: Step, names: Names) -> None:
        if case.id not in shown:
            shown.append(case.id)
            _say(options, f"\n{case.id}  {case.title}\n    {case.task}")
        _say(options, f"    - {task_text(step, names)}")

    async with open_desk(stage, cast, prompt, is_alone=options.running) as desk:
        port = await desk.open()
        _say(
            options,
            f"connect {cast.comp_id} ({cast.dialect}) to 127.0.0.1:{port}, TargetCompID "
            f"{stage.target}; its keys are those of {stage.places.state / 'secrets/fix'}",
        )
        verdicts = []
        for case in cases:
            verdict = await desk.run_case(case, seconds_max=options.step_seconds)
            _say(options, f"    {verdict.outcome.value} {verdict.reason}".rstrip())
            verdicts.append(verdict)
            await asyncio.sleep(0)
    return verdicts


def _say(options: argparse.Namespace, text: str) -> None:
    if not options.json:
        print(text, flush=True)
