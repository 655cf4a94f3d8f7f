"""A client's ResendRequests, page by page and at a pace.

QuickFIX answers a ResendRequest of any size at once, on the thread that serves everybody. Here a
request becomes its first page under the client's own number. The further pages are requests of
ours under that same number, which QuickFIX answers without counting them. While a page is on its
way, a further request of the client's becomes a Heartbeat of the same number, so that numbers stay
in step, and its range takes the place of what was still to come: the client's latest word says
where it stands.

What a page costs is the time until its answer is whole: of that QuickFIX rests four times as long
before this client's next page. A range that is answered by one gap fill (heartbeats, or numbers
that were left out after a crash) may be long, so pages grow while they are answered quickly.
"""

from dataclasses import dataclass

from fix_gateway.token_bucket import TokenBucket

_GROWTH_MAX = 64
_QUICK_NS = 2_000_000
_RESTS_FOR_EACH_WORK = 4


@dataclass(frozen=True, slots=True)
class Page:
    """A ResendRequest for QuickFIX: the client's number, and a range."""

    number: int
    begin: int
    end: int


class ResendPacer:
    """Decides which pages QuickFIX is asked for, and when."""

    __slots__ = (
        "_asked_at_ns",
        "_bucket",
        "_end",
        "_growth",
        "_messages",
        "_next",
        "_number",
        "_page",
        "_rests_until_ns",
        "_size",
        "highest",
    )

    def __init__(self, *, page_messages: int, messages_per_second: int) -> None:
        """Begin idle.

        Args:
            page_messages: numbers asked for at once.
            messages_per_second: of the long run.
        """
        self._bucket = TokenBucket(
            burst=max(messages_per_second, page_messages),
            interval_ns=1_000_000_000 // messages_per_second,
        )
        self._size = page_messages
        self._growth = 1
        self._asked_at_ns = self._rests_until_ns = 0
        self._number = 0
        self._next = self._end = 0  # what is still to come; nothing when _next is zero
        self._page: Page | None = None
        self._messages = 0
        self.highest = 0
        """The last number that QuickFIX used, as far as it was seen."""

    @property
    def is_asked(self) -> bool:
        """Whether a page is on its way, so that answers have to be looked at."""
        return self._page is not None

    @property
    def is_waiting(self) -> bool:
        """Whether more is to come once ``next_page`` gives it."""
        return self._page is None and self._next > 0

    def asked(self, number: int, begin: int, end: int, now_ns: int) -> Page | None:
        """Take a client's ResendRequest.

        Args:
            number: its MsgSeqNum.
            begin: BeginSeqNo (7), from one on.
            end: EndSeqNo (16); zero for all.
            now_ns: our clock.

        Returns:
            What QuickFIX is asked for in its place; None when it has to wait, and a Heartbeat of
            that number takes its place.
        """
        self._number, self._growth = number, 1
        self._end = min(end, self.highest) if end else self.highest
        # Of numbers that were never used there is nothing to send; QuickFIX would make it up.
        self._next = begin if begin <= self._end else 0
        return self.next_page(now_ns)

    def wait_ns(self, now_ns: int) -> int:
        """Return how long the next page has to wait."""
        return max(self._rests_until_ns - now_ns, self._bucket.wait_ns(now_ns), 0)

    def next_page(self, now_ns: int) -> Page | None:
        """Return the next page to ask for, if its time has come."""
        if self._page is not None or not self._next or self.wait_ns(now_ns):
            return None
        begin, end = self._next, min(self._next + self._size * self._growth - 1, self._end)
        self._next = end + 1 if end < self._end else 0
        self._page = Page(self._number, begin, end)
        self._messages, self._asked_at_ns = 0, now_ns
        return self._page

    def answered(self, through: int, *, is_fill: bool, now_ns: int) -> None:
        """Take note of a message that QuickFIX sent again.

        Args:
            through: the last number that it covers; zero of one that was not sent again.
            is_fill: whether it only fills a gap.
            now_ns: our clock.
        """
        page = self._page
        if page is None or not through:
            return
        self._messages += not is_fill
        if through < page.end:
            return
        self._page = None
        took_ns = now_ns - self._asked_at_ns
        self._rests_until_ns = now_ns + _RESTS_FOR_EACH_WORK * took_ns
        self._bucket.spend(now_ns, self._messages)
        is_cheap = not self._messages and took_ns < _QUICK_NS
        self._growth = min(self._growth * 2, _GROWTH_MAX) if is_cheap else 1

    def give_up(self) -> None:
        """Forget a page that was never answered, and what was to come after it."""
        self._page = None
        self._next = 0
