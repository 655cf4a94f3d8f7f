"""How many messages of one client may be without an answer.

Reports go out in the order of the events, whoever they are for. A session that may have thousands
of requests on their way therefore keeps everybody else waiting for as long as their answers take.
So a client is read only while less than so many of its messages are unanswered: beyond that they
wait where they came from, and TCP tells the client. Nothing is refused, and the order stays.

When half of them are on their way the gateway is asked to tell when those are answered: a client
that stays below half costs no question, and one that is answered in time is never held.
"""

UNBOUNDED = 1 << 62


class Window:
    """Counts one client's messages between the guard and their answers."""

    __slots__ = ("_answered", "_asked", "_messages_max")

    def __init__(self, *, messages_max: int) -> None:
        """Begin with nothing on its way.

        Args:
            messages_max: that may be unanswered.
        """
        self._messages_max = messages_max
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
        return self._answered + self._messages_max

    def question(self, passed: int) -> int:
        """Return the number of which to ask now whether all through it are answered; or zero."""
        if self._asked or 2 * (passed - self._answered) < self._messages_max:
            return 0
        self._asked = passed
        return passed

    def answered(self) -> None:
        """Take note that all through the number that was asked about are answered."""
        self._answered, self._asked = max(self._answered, self._asked), 0
