"""Watches a client play a numbered case through the certification desk. No I/O.

The client is free in everything that the case leaves open, and may do other things in between:
what it sends that is not what is due passes by and is kept as evidence. What the venue answers to
the due message must be what the case says, and what must never come fails the case at once.
"""

from fix_gateway.conformance.cases import ME, Act, Case, Step
from fix_gateway.conformance.names import Names
from fix_gateway.conformance.player import Action, Do
from fix_gateway.conformance.verdicts import Line, Outcome, Verdict
from fix_gateway.conformance.wire import Message

_IDENTIFYING = frozenset(("11", "41", "45", "112", "117", "131", "262", "320", "571", "1346"))
"""A message that agrees in one of these answers ours, and has to agree in everything else."""


class Watch:
    """One run of a case by a client."""

    def __init__(self, case: Case, *, dialect: str, names: Names) -> None:
        """Begin before the first step.

        Args:
            case: what is to be played.
            dialect: what the client speaks, for the report.
            names: capture what the client chooses.
        """
        self.case = case
        self.names = names
        self._dialect = dialect
        self._at = 0
        self._failure = ""
        self._last_miss = ""
        self._proofs: set[str] = set()
        self._evidence: list[Line] = []

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
    def step(self) -> Step | None:
        """What is due now."""
        return self.case.steps[self._at] if self._at < len(self.case.steps) else None

    def next(self) -> Action:
        """Return what the desk has to do now."""
        step = self.step
        if self._failure or step is None:
            return Action(do=Do.DONE)
        if step.act is Act.DESK:
            self._at += 1
            self._note(step.party, "!", step.text.removeprefix("! "))
            return Action(do=Do.DESK, step=step)
        if step.party != ME and step.act is not Act.EXPECT:
            self._at += 1
            return Action(do=Do.SEND, party=step.party, step=step)
        return Action(do=Do.WAIT, party=step.party, step=step)

    def client_said(self, message: Message) -> None:
        """Look at a message of the client's."""
        self._note(ME, ">", str(message))
        for never in self.case.never:
            is_it = never.act is Act.SEND and message.kind in never.kind.split("|")
            if is_it and not self.names.mismatches(never.fields, message.all):
                self._fail(f"{never.text!r} must not come")
        step = self.step
        if step is None or step.party != ME:
            return
        if step.act is Act.AGAIN:
            if message["96"] in self._proofs:
                self._at += 1
            return
        self._proofs |= {message["96"]} - {""}
        if step.act is Act.SEND and message.kind in step.kind.split("|"):
            wrong = self.names.mismatches(step.fields, message.all)
            self._at += not wrong
            self._last_miss = "; ".join(wrong)

    def venue_said(self, message: Message, party: str = ME) -> None:
        """Look at a message of the venue's to the client, or to another party of the desk's."""
        self._note(party, "<", str(message))
        step = self.step
        if step is None or step.party != party or step.act is not Act.EXPECT:
            return
        if message.kind not in step.kind.split("|"):
            return
        wrong = self.names.mismatches(step.fields, message.all)
        if not wrong:
            self._at += 1
            self._last_miss = ""
            return
        self._last_miss = "; ".join(wrong)
        pointing = [pair for pair in step.fields if pair[0] in _IDENTIFYING and pair[1] != "-"]
        if pointing and not self.names.mismatches(tuple(pointing), message.all):
            self._fail(f"{step.text!r}: {self._last_miss}")

    def connected(self) -> None:
        """Take note that the client came."""
        self._note(ME, "!", "the client connects")
        self._passes(Act.CONNECT)

    def client_left(self) -> None:
        """Take note that the client hung up."""
        self._note(ME, "!", "the client hangs up")
        self._passes(Act.CUT, Act.CLOSED)

    def venue_left(self) -> None:
        """Take note that the venue hung up."""
        self._note(ME, "!", "the venue hangs up")
        self._passes(Act.CLOSED)
        for never in self.case.never:
            if never.act is Act.CLOSED:
                self._fail("the venue had to end the connection")

    def timed_out(self) -> None:
        """Fail: what is due did not come."""
        missed = f" ({self._last_miss})" if self._last_miss else ""
        self._fail(f"{self.step.text if self.step else ''!r} did not come in time{missed}")

    def broken(self, text: str) -> None:
        """Fail: somebody's bytes are no FIX, or the desk could not do its part."""
        self._fail(text)

    def _passes(self, *acts: Act) -> None:
        step = self.step
        if step is not None and step.party == ME and step.act in acts:
            self._at += 1

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason

    def _note(self, party: str, sign: str, text: str) -> None:
        self._evidence.append(Line(party, sign, text))
