"""What market-data sessions are told beside the market: a planned stop, and numbers that run high.

The same News (B) as other sessions get. Who takes nothing at the moment is passed over: nothing is
queued for a session beyond what its socket takes.
"""

from collections.abc import Iterable

from fix_gateway.market_data.connection import Connection
from fix_gateway.notices import NUMBERS_HIGH, Announcement, Countdown, news, stop_headline


class MarketNotices:
    """The announcements of one process."""

    def __init__(self, sequence_warning: int) -> None:
        """Begin without a stop.

        Args:
            sequence_warning: the MsgSeqNum above which a connection is warned, once.
        """
        self.closed_text = ""
        """Why no Logon is accepted; empty while they are."""
        self._sequence_warning = sequence_warning
        self._countdown = Countdown()

    def take(self, announcement: Announcement, *, now: float) -> None:
        """Begin to count down, or leave off and let everybody in again."""
        if not self._countdown.take(announcement, now=now):
            self.closed_text = ""

    def look(self, connections: Iterable[Connection], *, now: float, now_ns: int) -> None:
        """Tell what is to be told, and log everybody out when the moment of a stop has come.

        Args:
            connections: of the sessions that are logged on.
            now: the loop's clock in seconds.
            now_ns: the time that messages carry.
        """
        if self._countdown.has_come(now=now):
            self.closed_text = self._countdown.text
            for connection in connections:
                connection.log_out(self.closed_text)
            return
        left = self._countdown.seconds_to_say(now=now)
        for connection in connections:
            if left is not None:
                text = self._countdown.text
                told = news(stop_headline(left), text, is_urgent=True, now_ns=now_ns)
                connection.tell(told)
            self._warn(connection, now_ns)

    def _warn(self, connection: Connection, now_ns: int) -> None:
        session, limit = connection.session, self._sequence_warning
        if session is None or connection.is_warned:
            return
        if max(session.next_out, session.next_in) > limit:
            line = (
                f"next MsgSeqNum ours {session.next_out}, yours {session.next_in}, "
                f"limit {limit}: log on anew, a market-data session begins at 1"
            )
            text = news(NUMBERS_HIGH, line, is_urgent=False, now_ns=now_ns)
            connection.is_warned = connection.tell(text)
