"""Which of a session's messages are answered, and who waits to hear of it.

The guard lets a session have so many messages without an answer, and asks here when it may go on.
A message is answered once everything that its command caused has been given to QuickFIX, or once
it was refused on the way; what QuickFIX deals with by itself is answered when it is taken. With
the answer goes what a message costs this process, by which the guard says how many may wait.

On the loop, but for what ``LiveSession`` says of its own counts.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from fix_gateway.acceptor import Channel
from fix_gateway.sessions import LiveSession

_LOOK_SECONDS = 0.005
"""Between looks at what no event tells us of: messages that never become commands."""
_MEASURED_SECONDS = 0.05
_MEASURED_MESSAGES = 32
"""A cost is measured over so much time and so many messages at least."""
_STALE_SECONDS = 1.0
"""What was measured over longer is about a quiet time, in which messages bear what the process
takes without any."""


class _Wait(NamedTuple):
    number: int
    tell: Callable[[int], None]


class MessageCost:
    """What a message costs this process with all that it causes: processor time by messages."""

    def __init__(self, count: Callable[[], int]) -> None:
        """Begin to measure.

        Args:
            count: how many messages were taken so far; it falls when a session begins anew.
        """
        self._count = count
        self._messages = count()
        self._cpu_ns, self._at = time.process_time_ns(), time.monotonic()
        self._microseconds = 0

    def microseconds(self) -> int:
        """Return the cost as it was last measured; zero when it has to be measured anew."""
        now = time.monotonic()
        if now - self._at < _MEASURED_SECONDS:
            return self._microseconds
        messages = self._count()
        taken = messages - self._messages
        if 0 <= taken < _MEASURED_MESSAGES:
            return self._microseconds
        cpu_ns = time.process_time_ns()
        if now - self._at > _STALE_SECONDS:
            self._microseconds = 0
        elif taken > 0:
            self._microseconds = (cpu_ns - self._cpu_ns) // (1000 * taken)
        self._messages, self._cpu_ns, self._at = messages, cpu_ns, now
        return self._microseconds


class Progress:
    """Tells the guard how far the gateway has come with each session's messages."""

    def __init__(self, sessions: Mapping[str, LiveSession]) -> None:
        """Begin with nothing on its way.

        Args:
            sessions: by their comp id; others may come.
        """
        self._sessions = sessions
        self.channels: Mapping[str, Channel] = {}
        """QuickFIX's ends by comp id, once the acceptor is made."""
        self._by_receipt: dict[int, tuple[LiveSession, int, int]] = {}
        self._waits: dict[str, _Wait] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._cost = MessageCost(self._taken)

    def _taken(self) -> int:
        return sum(channel.target_next for channel in self.channels.values())

    def sent(self, session: LiveSession, *, epoch: int, sequence: int, received_at_ns: int) -> None:
        """Take note of a request that goes to the core; its events carry its receipt."""
        self._by_receipt[received_at_ns] = session, epoch, sequence
        self._forget_settled()

    def answered(self, received_at_ns: int) -> None:
        """Take note of an event, by the receipt of its command.

        A session's requests are sequenced in their order, so that those before this one are done
        too; should the core have dropped one as a repeat, nothing else would say so.
        """
        found = self._by_receipt.pop(received_at_ns, None)
        if found is not None:
            session, epoch, sequence = found
            session.forget_sent(epoch, through=sequence)

    def _forget_settled(self) -> None:
        """Forget the oldest receipts that no event will name: refused, or dropped as repeats."""
        while self._by_receipt:
            receipt, (session, epoch, sequence) = next(iter(self._by_receipt.items()))
            if session.is_on_its_way(epoch, sequence):
                return
            del self._by_receipt[receipt]

    def forget(self) -> None:
        """Forget what was on its way over a link that is lost."""
        self._by_receipt.clear()
        for session in self._sessions.values():
            session.forget_all_sent()

    def wait(self, name: str, number: int, tell: Callable[[int], None]) -> None:
        """Tell once all of a session's messages through a number are answered, maybe at once.

        Args:
            name: the session's comp id; of one that is not here nobody is told.
            number: the MsgSeqNum. A later question about the same session takes its place.
            tell: is called once, with what a message costs us in microseconds.
        """
        if name in self._sessions:
            self._waits[name] = _Wait(number, tell)
            self.look()

    def look(self) -> None:
        """Tell those whose messages are answered by now."""
        if not self._waits:
            return
        for name, wait in list(self._waits.items()):
            if self._is_through(name, wait.number):
                del self._waits[name]
                wait.tell(self._cost.microseconds())
        if self._waits and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LOOK_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.look()

    def _is_through(self, name: str, number: int) -> bool:
        session = self._sessions.get(name)
        if session is None:
            return True
        # In this order: what QuickFIX takes in between is then found in the next place.
        channel = self.channels.get(name)
        if channel is not None and channel.target_next <= number:
            return False
        if session.taken_through < number and session.handed_over != session.taken:
            return False
        return session.is_answered(number)
