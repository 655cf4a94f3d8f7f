"""Takes a session through the numbered cases: our own client, or somebody else's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from exchange.certify.cast import Cast
from exchange.certify.desk import Desk
from exchange.certify.operators import operator_of
from exchange.certify.party import Party, fresh_names
from exchange.certify.stage import Stage
from fix_gateway.conformance.cases import ME, Act, Case, Step, read_folder
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.verdicts import Verdict
from fix_gateway.conformance.wire import Message

FOLDER: Final = Path(__file__).resolve().parents[2] / "fix_gateway/conformance/certification"
OWN_SECONDS_MAX: Final = 20.0

Told = Callable[[Verdict], None]
Prompt = Callable[[Case, Step, Names], None]


def certification_cases(cast: Cast, only: Sequence[str] = ()) -> list[Case]:
    """Read the cases that are for a session, all of them or some by number.

    Args:
        cast: whose session.
        only: numbers, or what they begin with: ``O13``, ``O``.

    Raises:
        CaseFileError: a file is wrong.
    """
    return [
        case
        for case in read_folder(FOLDER)
        if cast.kind in case.kinds
        and cast.dialect in case.dialects
        and (not only or any(_is_named(case.id, name) for name in only))
    ]


def _is_named(case: str, name: str) -> bool:
    rest = case.removeprefix(name)
    return rest != case and (not rest or rest[0] == "." or not name[-1:].isdigit())


@contextlib.asynccontextmanager
async def open_desk(
    stage: Stage, cast: Cast, prompt: Prompt, *, is_alone: bool = False
) -> AsyncIterator[Desk]:
    """Put up a desk whose own sessions are logged on.

    Args:
        stage: the venue.
        cast: the client's session, and the desk's own.
        prompt: told what the client has to do.
        is_alone: the venue knows no sessions of the desk's, and nobody may operate it.

    Raises:
        OSError: one of them was not let in.
    """
    desks: list[Desk] = []
    parties = {}
    names = fresh_names(cast.constants, "desk", is_watching=False)
    own = () if is_alone else (("mate", cast.mate), ("peer", cast.peer))
    for part, name in own:

        def heard(message: Message, part: str = part) -> None:
            for desk in desks:
                desk.heard(part, message)

        identity = stage.identity(name, "FIX.4.4")
        parties[part] = Party(identity, names, stage.host, stage.port, heard=heard)
    desk = Desk(
        stage.host,
        stage.port,
        dialect=cast.dialect,
        constants=cast.constants,
        parties=parties,
        operator=None if is_alone else operator_of(stage.places),
        prompt=prompt,
    )
    desks.append(desk)
    try:
        for party in parties.values():
            await party.log_on(names, is_reset=True)
        yield desk
    finally:
        await desk.close()
        for party in parties.values():
            await party.close()


async def certify_own_client(
    stage: Stage, cast: Cast, cases: Sequence[Case], told: Told
) -> list[Verdict]:
    """Play the client of a cast ourselves, and judge it as anybody's.

    Raises:
        OSError: one of the desk's sessions was not let in.
    """
    prompts: asyncio.Queue[tuple[Step, Names]] = asyncio.Queue()
    verdicts = []

    def prompt(_: Case, step: Step, names: Names) -> None:
        if step.act in (Act.SEND, Act.CONNECT, Act.AGAIN, Act.CUT):
            prompts.put_nowait((step, names))

    async with open_desk(stage, cast, prompt) as desk:
        port = await desk.open()
        names = fresh_names(cast.constants, "own", is_watching=False)
        identity = stage.identity(cast.client, cast.dialect)
        client = Party(identity, names, "127.0.0.1", port, heard=lambda _message: None)

        async def follow() -> None:
            while True:
                step, names = await prompts.get()
                with contextlib.suppress(OSError):  # what it could not do is missed by the desk
                    await client.perform(step, names)

        following = asyncio.create_task(follow(), name="certify.own_client")
        try:
            for case in cases:
                verdict = await desk.run_case(case, seconds_max=OWN_SECONDS_MAX)
                verdicts.append(verdict)
                told(verdict)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await client.close()
    return verdicts


def task_text(step: Step, names: Names) -> str:
    """Say to somebody what a step asks of them."""
    if step.party != ME:
        return ""
    if step.act is Act.SEND:
        fields = " ".join(f"{tag}={_shown(value, names)}" for tag, value in step.fields)
        examples = " ".join(f"{tag}={_shown(value, names)}" for tag, value in step.examples)
        return f"send 35={step.kind} {fields}" + (f"   for instance {examples}" if examples else "")
    if step.act is Act.AGAIN:
        return "send the same Logon again, byte by byte"
    if step.act in (Act.CONNECT, Act.CUT):
        return "connect anew" if step.act is Act.CONNECT else "drop the line"
    return f"wait for {step.text.removeprefix('< ')}" if step.act is Act.EXPECT else step.act.value


def _shown(value: str, names: Names) -> str:
    if value == "*":
        return "…"
    return names.value(value) if value.startswith("{") else value
