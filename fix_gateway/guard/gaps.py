"""What a client sent beyond a gap of its own: QuickFIX keeps it in memory until the gap is filled.

It keeps any number of messages. This class counts them as QuickFIX does, so that the guard can
end a session that lets them grow.
"""


class GapWatch:
    """Follows the number that QuickFIX expects next from one client."""

    __slots__ = ("_ahead", "_first", "_messages_max", "expected")

    def __init__(self, *, messages_max: int) -> None:
        """Begin with a session that is not logged on.

        Args:
            messages_max: that may wait beyond a gap.
        """
        self._messages_max = messages_max
        self._ahead: dict[int, int] = {}  # a waiting number, and the one that follows it
        self._first = 1  # the Logon's number
        self.expected = 1
        """The next number in order; while nothing waits, it may be raised from outside."""

    def __len__(self) -> int:
        return len(self._ahead)

    def logged_on(self, number: int) -> None:
        """Begin after a Logon of this number."""
        self._ahead.clear()
        self._first, self.expected = number, number + 1

    def passed(self, number: int, following: int) -> bool:
        """Take note of a message that was passed on.

        Args:
            number: its MsgSeqNum.
            following: the number after it; for a gap fill the one that it names.

        Returns:
            False when too much waits.
        """
        if number > self.expected:
            self._ahead[number] = following
            return len(self._ahead) <= self._messages_max
        if number == self.expected:
            self._advance(following)
        return True

    def reset_to(self, number: int) -> None:
        """Take note of a SequenceReset that is no gap fill: numbers go on from here."""
        self._advance(max(number, self.expected))

    def asked_from(self, number: int) -> bool:
        """Take note that QuickFIX asks for messages from a number on.

        It asks for less than we expect when the Logon itself came early: what followed it waits.

        Returns:
            False when too much waits.
        """
        if number < self.expected:
            begin = self._first if number < self._first else number + 1
            begin = max(begin, self.expected - self._messages_max - 2)
            self._ahead |= {each: each + 1 for each in range(begin, self.expected)}
            self.expected = number
        return len(self._ahead) <= self._messages_max

    def _advance(self, following: int) -> None:
        self.expected = following
        while (following := self._ahead.pop(self.expected, 0)) > self.expected:
            self.expected = following
