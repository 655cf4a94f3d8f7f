"""Plays a case: says what to send and what to wait for, and judges what comes. No I/O.

action = player.next()        # send these bytes, connect, cut, wait, done
player.received(party, message)
player.lost(party)
player.timed_out()
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from fix_gateway.conformance.cases import ME, Act, Case, Step
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.speaker import Identity, Speaker
from fix_gateway.conformance.verdicts import Line, Outcome, Verdict
from fix_gateway.conformance.wire import Message, parsed


class Do(Enum):
    """What a player asks of whoever runs it."""

    CONNECT = "connect"
    SEND = "send"
    CUT = "cut"
    WAIT = "wait"
    DESK = "desk"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do."""

    do: Do
    party: str = ME
    data: bytes = b""
    step: Step | None = None


class Player:
    """One run of a case, with every party driven by it."""

    def __init__(
        self,
        case: Case,
        *,
        identities: Mapping[str, Identity],
        constants: Mapping[str, str],
        run: str,
        now_ns: Callable[[], int],
    ) -> None:
        """Begin before the first step; nobody is connected.

        Args:
            case: what to play.
            identities: of the parties that it names.
            constants: what ``{name}`` stands for.
            run: makes ids unique.
            now_ns: our clock.
        """
        self.case = case
        self._names = Names(constants, run=run, now_ns=now_ns)
        self._speakers = {
            party: Speaker(identity, self._names) for party, identity in identities.items()
        }
        self._dialect = identities[ME].dialect
        self._connected: set[str] = set()
        self._at = 0
        self._settling: str = ""
        self._evidence: list[Line] = []
        self._failure = ""

    @property
    def verdict(self) -> Verdict:
        """What is known of the case now."""
        return Verdict(
            case=self.case.id,
            clause=self.case.clause,
            title=self.case.title,
            dialect=self._dialect,
            outcome=Outcome.FAILED if self._failure else Outcome.PASSED,
            reason=self._failure,
            evidence=self._evidence,
        )

    @property
    def _step(self) -> Step | None:
        return self.case.steps[self._at] if self._at < len(self.case.steps) else None

    def next(self) -> Action:
        """Return what is to be done now."""
        step = self._step
        if self._failure or step is None:
            return Action(do=Do.DONE)
        party = step.party
        if step.act is Act.DESK:
            self._at += 1
            return Action(do=Do.DESK, step=step)
        if step.act is Act.CONNECT or party not in self._connected:
            self._at += step.act is Act.CONNECT
            self._connected.add(party)
            self._note(party, "!", "connects")
            return Action(do=Do.CONNECT, party=party)
        if step.act is Act.CUT:
            self._at += 1
            self._connected.discard(party)
            self._note(party, "!", "drops the connection")
            return Action(do=Do.CUT, party=party)
        if step.act in (Act.EXPECT, Act.CLOSED):
            return Action(do=Do.WAIT, party=party, step=step)
        return self._sending(step)

    def _sending(self, step: Step) -> Action:
        speaker = self._speakers[step.party]
        if step.act is Act.SETTLE:
            if self._settling:
                return Action(do=Do.WAIT, party=step.party, step=step)
            self._settling = f"settle-{self._at}"
            request = Step(act=Act.SEND, text="", kind="1", fields=(("112", self._settling),))
            data = speaker.compose(request)
        else:
            self._at += 1
            if step.act is Act.RAW:
                data = speaker.compose_raw(step.fields)
            elif step.act is Act.AGAIN:
                data = speaker.compose_again(int(step.kind), step.fields)
            else:
                data = speaker.compose(step)
        self._note(step.party, ">", str(parsed(data)))
        return Action(do=Do.SEND, party=step.party, data=data, step=step)

    def received(self, party: str, message: Message) -> None:
        """Judge a message of the venue's."""
        if self._failure:
            return
        self._note(party, "<", str(message))
        step = self._step
        is_due = step is not None and step.party == party and step.act is Act.EXPECT
        expected = step if is_due else None
        is_idle = message.kind == "0" and "112" not in message
        if is_idle and not (expected and expected.kind == "0"):
            self._speakers[party].took(message, None)
            return
        wrong = self._speakers[party].took(message, expected)
        if self._settling and step is not None and step.party == party:
            if message.kind == "0" and message["112"] == self._settling:
                self._settling = ""
                self._at += 1
            return
        if expected is None:
            due = step.text if step else "the end"
            self._fail(f"the venue sent {message.kind}, and {due!r} was due")
            return
        if message.kind not in expected.kind.split("|"):
            self._fail(f"35={message.kind} came, and {expected.text!r} was expected")
            return
        wrong += self._names.mismatches(expected.fields, message.all)
        if wrong:
            self._fail(f"{expected.text!r}: {'; '.join(wrong)}")
            return
        self._at += 1

    def lost(self, party: str) -> None:
        """Take note that the venue ended a connection."""
        if party not in self._connected:
            return
        self._connected.discard(party)
        self._note(party, "!", "the venue ends the connection")
        step = self._step
        if step is not None and step.party == party and step.act is Act.CLOSED:
            self._at += 1
        elif not self._failure and step is not None:
            self._fail(f"the venue ended the connection, and {step.text!r} was due")

    def timed_out(self) -> None:
        """Fail: what was expected did not come."""
        step = self._step
        self._fail(f"{step.text if step else ''!r} did not come in time")

    def broken(self, text: str) -> None:
        """Fail: the venue's bytes are no FIX."""
        self._fail(text)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason

    def _note(self, party: str, sign: str, text: str) -> None:
        self._evidence.append(Line(party, sign, text))
