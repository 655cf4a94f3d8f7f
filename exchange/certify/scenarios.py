"""The session's test cases, played on every lane of a certification venue at once."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Final

from exchange.certify.runner import play
from exchange.certify.stage import LANES, Stage, constants, lane
from fix_gateway.conformance.cases import DIALECTS, ME, Case, read_folder
from fix_gateway.conformance.verdicts import Verdict

FOLDER: Final = Path(__file__).resolve().parents[2] / "fix_gateway" / "conformance" / "scenarios"


def scenarios() -> list[Case]:
    """Read the cases.

    Raises:
        CaseFileError: a file is wrong.
    """
    return read_folder(FOLDER)


async def play_scenarios(stage: Stage, cases: list[Case]) -> list[Verdict]:
    """Play cases in every dialect that they are for; return verdicts in the cases' order."""
    found: dict[tuple[str, str], Verdict] = {}

    async def run_lane(dialect: str, number: int, waiting: deque[Case]) -> None:
        name = lane(dialect, number)
        identity = stage.identity(name, dialect)
        while waiting:
            case = waiting.popleft()
            found[dialect, case.id] = await play(
                case,
                host=stage.host,
                port=stage.port,
                identities={ME: identity, "twin": identity},
                constants=constants(name),
            )

    async with asyncio.TaskGroup() as group:
        for dialect in DIALECTS:
            waiting = deque(case for case in cases if dialect in case.dialects)
            for number in range(1, LANES + 1):
                group.create_task(run_lane(dialect, number, waiting))
    order = [(dialect, case.id) for dialect in DIALECTS for case in cases]
    return [found[key] for key in order if key in found]
