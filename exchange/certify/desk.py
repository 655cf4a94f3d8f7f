"""The certification desk: between a client and the venue, it watches, and now and then disturbs.

A client connects to the desk as it would to the venue. Every message goes through unchanged, with
the client's own proof and numbers, so what is judged is what would happen without the desk.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from exchange.certify.party import Party, fresh_names
from fix_gateway.conformance.cases import ME, Act, Case, Step
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.player import Do
from fix_gateway.conformance.verdicts import Outcome, Verdict
from fix_gateway.conformance.watch import Watch
from fix_gateway.conformance.wire import BrokenStreamError, Message, Reader, encoded, timestamp

_READ_BYTES: Final = 65536

Prompt = Callable[[Case, Step, Names], None]
"""Told what the client has to do now."""

Operator = Callable[[list[str]], Awaitable[str]]
"""Carries out an operator's action, given as words; returns what went wrong, or nothing."""


@dataclass(slots=True)
class _Wire:
    """One client's connection and the venue's behind it."""

    client: asyncio.StreamWriter
    venue: asyncio.StreamWriter
    held: list[bytes] = field(default_factory=list)
    last: dict[str, Message] = field(default_factory=dict)

    def cut(self) -> None:
        self.client.transport.abort()
        self.venue.transport.abort()


class Desk:
    """Takes one client at a time through cases."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        dialect: str,
        constants: dict[str, str],
        parties: Mapping[str, Party],
        operator: Operator | None,
        prompt: Prompt,
    ) -> None:
        """Put the desk up; nobody is served before ``open``.

        Args:
            host: the venue's FIX address.
            port: of that.
            dialect: of the client, for the report.
            constants: what ``{name}`` stands for.
            parties: sessions of the desk's own, which are logged on.
            operator: None where the desk may not operate the venue.
            prompt: told what the client has to do.
        """
        self._place = host, port
        self._dialect = dialect
        self._constants = constants
        self._parties = parties
        self._operator = operator
        self._prompt = prompt
        self._watch: Watch | None = None
        self._news = asyncio.Event()
        self._wires: list[_Wire] = []
        self._lose: list[tuple[str, str]] = []
        self._is_holding = False
        self._is_stopping = False
        """Whether a stop was announced and not yet taken back."""
        self._source = ""
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen on loopback, and return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """Hang up."""
        for wire in self._wires:
            wire.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def heard(self, party: str, message: Message) -> None:
        """Take note of what one of the desk's own sessions was told."""
        if self._watch is not None:
            self._watch.venue_said(message, party)
            self._news.set()

    async def run_case(self, case: Case, *, seconds_max: float) -> Verdict:
        """Take the client through a case.

        Args:
            case: which.
            seconds_max: for each step.
        """
        missing = [need for need in case.needs if not self._has(need)]
        names = fresh_names(self._constants, f"{case.id}-{secrets.token_hex(4)}", is_watching=True)
        watch = Watch(case, dialect=self._dialect, names=names)
        if missing:
            verdict = watch.verdict
            verdict.outcome = Outcome.NOT_RUN
            verdict.reason = f"the desk has no {', '.join(missing)} here"
            return verdict
        self._watch, self._is_holding, self._source = watch, False, ""
        self._lose.clear()
        prompted: Step | None = None
        while (action := watch.next()).do is not Do.DONE:
            step = action.step
            assert step is not None, "everything but the end is a step"
            if action.do is Do.DESK:
                await self._disturb(watch, step)
            elif action.do is Do.SEND:
                await self._act(watch, step)
            else:
                self._news.clear()
                if step is not prompted and step.party == ME:
                    prompted = step
                    self._prompt(case, step, names)
                await self._wait(watch, step, seconds_max)
        self._watch = None
        if watch.verdict.outcome is Outcome.FAILED:
            await self._clear_up(names)
        return watch.verdict

    async def _clear_up(self, names: Names) -> None:
        """Cancel what a failed case may have left, so that the next begins with an empty book."""
        self._release()
        if self._is_stopping and self._operator is not None:
            self._is_stopping = False
            await self._operator(["announce"])
        await self._bring_back()
        for part, account in (
            ("mate", "account"),
            ("mate", "mate_account"),
            ("peer", "peer_account"),
        ):
            if part in self._parties and self._constants[account]:
                fields = (
                    ("11", f"@{account}"),
                    ("530", "7"),
                    ("1", f"{{{account}}}"),
                    ("60", "now"),
                )
                step = Step(act=Act.SEND, text="clear up", party=part, kind="q", fields=fields)
                with contextlib.suppress(OSError):
                    await self._parties[part].perform(step, names)

    async def _wait(self, watch: Watch, step: Step, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while watch.step is step and watch.next().do is Do.WAIT:
                    await self._news.wait()
                    self._news.clear()
        except TimeoutError:
            watch.timed_out()

    def _has(self, need: str) -> bool:
        return need in self._parties or (need == "operator" and self._operator is not None)

    # --- what the desk does ---

    async def _act(self, watch: Watch, step: Step) -> None:
        try:
            await self._parties[step.party].perform(step, watch.names)
        except OSError as error:
            watch.broken(f"{step.text!r}: the desk's own session: {error}")

    async def _disturb(self, watch: Watch, step: Step) -> None:
        words = [watch.names.value(word) for word in step.kind.split()]
        match words:
            case ["lose", sign, kind]:
                self._lose.append((sign, kind))
            case ["repeat", kind]:
                self._repeat(watch, kind)
            case ["hold"]:
                self._is_holding = True
            case ["release"]:
                self._release()
            case ["cut"]:
                for wire in self._wires:
                    wire.cut()
            case ["source", address]:
                self._source = address
            case ["pause", seconds]:
                await asyncio.sleep(float(seconds))
            case ["operator", *rest] if self._operator is not None:
                self._is_stopping = rest[0] == "announce" and len(rest) > 1
                wrong = await self._operator(rest) or await self._bring_back()
                if wrong:
                    watch.broken(f"{step.text!r}: {wrong}")
            case _:
                raise ValueError(f"{watch.case.id}: the desk cannot {step.kind!r}")

    async def _bring_back(self) -> str:
        """Log those of our own sessions on again that an operator's action ended."""
        for party in self._parties.values():
            if not party.is_connected:
                try:
                    await party.log_on(party.engine.speaker.names, is_reset=True)
                except OSError as error:
                    return str(error)
        return ""

    def _repeat(self, watch: Watch, kind: str) -> None:
        wire = self._wires[-1] if self._wires else None
        last = wire.last.get(kind) if wire is not None else None
        if wire is None or last is None:
            watch.broken(f"there is no {kind} to repeat")
            return
        again = {"9": "#", "10": "#", "52": timestamp(time.time_ns())}
        fields = [(tag, again.get(tag, value)) for tag, value in last.fields]
        flags = [("43", "Y"), ("122", last["52"])]
        wire.client.write(encoded([*(f for f in fields if f[0] not in ("43", "122")), *flags]))

    def _release(self) -> None:
        self._is_holding = False
        for wire in self._wires:
            for data in wire.held:
                wire.venue.write(data)
            wire.held.clear()

    # --- the way through ---

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        local = (self._source, 0) if self._source else None
        try:
            back, venue = await asyncio.open_connection(*self._place, local_addr=local)
        except OSError:
            writer.transport.abort()
            return
        wire = _Wire(writer, venue)
        self._wires.append(wire)
        self._tell(lambda watch: watch.connected())
        tasks = {
            asyncio.create_task(self._from_client(reader, wire)): Watch.client_left,
            asyncio.create_task(self._from_venue(back, wire)): Watch.venue_left,
        }
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._wires.remove(wire)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (writer, venue):
            each.close()
        self._tell(tasks[next(iter(done))])

    async def _from_client(self, reader: asyncio.StreamReader, wire: _Wire) -> None:
        async for message in self._messages(reader, wire.venue):
            self._tell(lambda watch, said=message: watch.client_said(said))  # type: ignore[misc]
            if self._is_lost(">", message):
                continue
            if self._is_holding:
                wire.held.append(message.data)
            else:
                wire.venue.write(message.data)

    async def _from_venue(self, reader: asyncio.StreamReader, wire: _Wire) -> None:
        async for message in self._messages(reader, wire.client):
            if self._is_lost("<", message):
                continue
            wire.last[message.kind] = message
            wire.client.write(message.data)
            self._tell(lambda watch, said=message: watch.venue_said(said))  # type: ignore[misc]

    async def _messages(
        self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter
    ) -> AsyncIterator[Message]:
        messages = Reader()
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                try:
                    found = messages.feed(data)
                except BrokenStreamError as error:
                    onward.write(data)
                    self._tell(lambda watch, said=str(error): watch.broken(said))  # type: ignore[misc]
                    return
                for message in found:
                    yield message

    def _is_lost(self, sign: str, message: Message) -> bool:
        for rule in self._lose:
            if rule in ((sign, message.kind), (sign, "any")):
                self._lose.remove(rule)
                return True
        return False

    def _tell(self, tell: Callable[[Watch], None]) -> None:
        if self._watch is not None:
            tell(self._watch)
        self._news.set()
