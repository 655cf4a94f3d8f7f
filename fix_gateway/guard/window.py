"""How many messages of one client may be without an answer.

Reports go out in the order of the events, whoever they are for. A session that may have thousands
of requests on their way therefore keeps everybody else waiting for as long as their answers take.
So a client is read only while less than so many of its messages are unanswered: beyond that they
wait where they came from, and TCP tells the client. Nothing is refused, and the order stays.

What others wait is a time and no number, so a window holds as many messages as the gateway deals
with in that time, by the processor time that it says they cost it: its clock would also count the
disk's and the neighbours' share, and hold a client that nobody suffers from.

When half of them are on their way the gateway is asked to tell when those are answered: a client
that stays below half costs no question, and one that is answered in time is never held.
"""

UNBOUNDED = 1 << 62
_LEAST = 8
"""What a window holds whatever messages cost: fewer would not go over the disk together."""


class Window:
    """Counts one client's messages between the guard and their answers."""

    __slots__ = ("_answered", "_asked", "_messages_max", "_microseconds_max", "size")

    def __init__(self, *, messages_max: int, seconds_max: float) -> None:
        """Begin with nothing on its way.

        Args:
            messages_max: that may be unanswered.
            seconds_max: of the gateway's processor time that they may take; of few messages more.
        """
        self._messages_max = messages_max
        self._microseconds_max = int(seconds_max * 1_000_000)
        self.size = messages_max
        """How many may be unanswered now."""
        self._answered = 0
        self._asked = 0

    def logged_on(self, number: int) -> None:
        """Begin after a Logon of this number, which is answered."""
        self._answered, self._asked = number, 0

    def last(self, passed: int) -> int:
        """Return the last number that may be passed on now.

        Args:
            passed: the last number that was passed on in order.
        """
        # QuickFIX may ask for messages from a lower number on.
        self._answered = min(self._answered, passed)
        return self._answered + self.size

    def question(self, passed: int) -> int:
        """Return the number of which to ask now whether all through it are answered; or zero."""
        if self._asked or 2 * (passed - self._answered) < self.size:
            return 0
        self._asked = passed
        return passed

    def answered(self, cost_us: int) -> None:
        """Take note that all through the number that was asked about are answered.

        Args:
            cost_us: what a message costs the gateway, in microseconds; zero if it cannot say yet.
        """
        self._answered, self._asked = max(self._answered, self._asked), 0
        if cost_us:
            size = max(self._microseconds_max // cost_us, _LEAST)
            self.size = min(size, self._messages_max)
