"""The application of a market-data session: its requests, its subscriptions, and their pace.

Nothing is queued for a session beyond what its socket takes. While it reads slowly its lines only
stand where they are, and when it reads on each goes from there to now in one update.
"""

from collections.abc import Callable

from fix_gateway.market_data.clock import TurnClock
from fix_gateway.market_data.gallery import Gallery
from fix_gateway.market_data.grammar import Request
from fix_gateway.market_data.lines import Line
from fix_gateway.market_data.market import Market
from fix_gateway.market_data.metrics import MarketDataMetrics
from fix_gateway.market_data.pieces import piece
from fix_gateway.market_data.requests import End, Refused, Wanted, read_request
from fix_gateway.market_data.session import FixSession
from fix_gateway.market_data.settings import MarketDataLimits
from fix_gateway.market_data.statuses import (
    security_list,
    security_status,
    unknown_security,
    venue_status,
)
from fix_gateway.market_data.views import ViewKey
from fix_gateway.settings import SessionFile
from fix_gateway.token_bucket import TokenBucket
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Instrument
from fix_gateway.translation.reasons import code_name
from fix_gateway.translation.text import printable, shown
from messages.trading.codes import RejectCode

_FLUSH_MESSAGES = 16
_SECOND_NS = 1_000_000_000


class Subscriber:
    """What one session watches."""

    def __init__(
        self,
        session: FixSession,
        file: SessionFile,
        *,
        market: Market,
        gallery: Gallery,
        limits: MarketDataLimits,
        metrics: MarketDataMetrics,
        clock: TurnClock,
        write: Callable[[], None],
        write_later: Callable[[], None],
    ) -> None:
        """Begin without subscriptions.

        Args:
            session: numbers and frames what is sent.
            file: says its interval and its throttle.
            market: books and phases.
            gallery: the views of all subscribers.
            limits: of this session.
            metrics: of the process.
            clock: of the process.
            write: gives what is in the session's ``outgoing`` to the socket.
            write_later: does so at the end of the present turn.
        """
        self.session = session
        self.is_writable = True
        """Whether the socket takes more."""
        self._file = file
        self._market, self._gallery = market, gallery
        self._limits, self._metrics, self._clock = limits, metrics, clock
        self._write, self._write_later = write, write_later
        self._lines: dict[str, list[Line]] = {}
        self._statuses: dict[str, Instrument] = {}
        self._venue_statuses: dict[str, None] = {}
        self._untold: dict[tuple[str, bool], None] = {}
        """Status subscriptions whose news came during a pause: name, and whether of the venue."""
        self._throttle = _throttle_of(file)

    def take_file(self, file: SessionFile) -> None:
        """Go by a changed file: its throttle from now on, its interval for new subscriptions."""
        if file.throttle != self._file.throttle:
            self._throttle = _throttle_of(file)
        self._file = file

    @property
    def number(self) -> int:
        """The session's number in the venue."""
        return self._file.id

    @property
    def subscriptions(self) -> int:
        """How many there are, by instruments."""
        lines = sum(map(len, self._lines.values()))
        return lines + len(self._statuses) + len(self._venue_statuses)

    # --- requests ---

    def requested(self, request: Request) -> None:
        """Answer a request."""
        if not self._throttle.take(self._clock.now_ns):
            self._refuse_by_rate(request)
            return
        if request.kind == tags.MARKET_DATA_REQUEST:
            self._market_data(request)
        elif request.kind == tags.SECURITY_LIST_REQUEST:
            self._security_list(request)
        elif request.kind == tags.SECURITY_STATUS_REQUEST:
            self._security_status(request)
        else:
            self._venue_status(request)

    def _market_data(self, request: Request) -> None:
        directory = self._market.venue.directory
        wanted = read_request(request, directory, self._limits, is_taken=self._lines.__contains__)
        if isinstance(wanted, Wanted):
            wanted = self._refusal_of(wanted) or wanted
        if isinstance(wanted, Refused):
            self._count(request, "refused")
            self._say("Y", wanted.body(printable(request.get(tags.MD_REQ_ID))))
            return
        self._count(request, "accepted")
        if isinstance(wanted, End):
            for line in self._lines.pop(wanted.request_id):
                self._gallery.leave(line.view, line)
            return
        lines = [self._line(wanted, instrument) for instrument in wanted.instruments]
        self._lines[wanted.request_id] = lines
        for line in lines:
            self._feed(line)
        self._forget_done(wanted.request_id)

    def _refusal_of(self, wanted: Wanted) -> Refused | None:
        """Say what is wrong with a request that is right in itself."""
        limit = self._limits.subscriptions_max
        count = self.subscriptions + len(wanted.instruments)
        if count > limit:
            detail = f"limit {limit}, requested {count}"
            return Refused(RejectCode.GATEWAY_SUBSCRIPTIONS_EXCEEDED, detail)
        for instrument in wanted.instruments:
            if wanted.is_by_order and self._market.book(instrument.number).orders_disagree:
                detail = f"of {instrument.symbol}; its levels are there"
                return Refused(RejectCode.GATEWAY_ORDER_BOOK_UNAVAILABLE, detail)
        return None

    def _line(self, wanted: Wanted, instrument: Instrument) -> Line:
        line = Line(
            self,
            wanted.request_id,
            is_full=wanted.is_full_refresh,
            is_once=not wanted.has_updates,
        )
        key = ViewKey(
            instrument.number,
            wanted.depth,
            wanted.is_by_order,
            wanted.sides,
            wanted.has_trades,
            self._file.market_data.interval_milliseconds,
        )
        book = self._market.book(instrument.number)
        line.watch(self._gallery.watch(key, book, instrument, line))
        return line

    def _security_list(self, request: Request) -> None:
        directory = self._market.venue.directory
        kind = request.get(tags.SECURITY_LIST_REQUEST_TYPE)
        if kind == tags.SECURITY_LIST_REQUEST_TYPE_ALL_SECURITIES:
            found = sorted(directory.instruments.values(), key=lambda each: each.number)
        elif kind == tags.SECURITY_LIST_REQUEST_TYPE_SYMBOL:
            one = directory.instrument_by_symbol.get(request.get(tags.SYMBOL))
            found = [one] if one is not None else []
        else:
            detail = f"SecurityListRequestType (559): 0 or 4, requested {shown(kind)}"
            self._refuse(request, RejectCode.GATEWAY_SUBSCRIPTION_TYPE_UNSUPPORTED, detail)
            return
        self._count(request, "accepted")
        name = printable(request.get(tags.SECURITY_REQ_ID))
        entries_max = self._limits.entries_per_message_max
        for body in security_list(name, found, self._market.venue, entries_max=entries_max):
            self._say("y", body)

    def _security_status(self, request: Request) -> None:
        name = printable(request.get(tags.SECURITY_STATUS_REQ_ID))
        symbol = request.get(tags.SYMBOL)
        if not self._begins(request, name, self._statuses):
            return
        instrument = self._market.venue.directory.instrument_by_symbol.get(symbol)
        if instrument is None:
            self._say("f", unknown_security(name, printable(symbol)))
            return
        if _wants_updates(request):
            self._statuses[name] = instrument
        self._say("f", security_status(name, instrument, self._market.venue, is_update=False))

    def _venue_status(self, request: Request) -> None:
        name = printable(request.get(tags.TRAD_SES_REQ_ID))
        if not self._begins(request, name, self._venue_statuses):
            return
        if _wants_updates(request):
            self._venue_statuses[name] = None
        self._say("h", venue_status(name, self._market.venue, is_update=False))

    def _begins(
        self, request: Request, name: str, known: dict[str, Instrument] | dict[str, None]
    ) -> bool:
        """Say whether a status is asked for; ends it, or refuses it, if not."""
        kind = request.get(tags.SUBSCRIPTION_REQUEST_TYPE)
        if kind == tags.SUBSCRIPTION_REQUEST_TYPE_DISABLE_PREVIOUS:
            if name in known:
                del known[name]
                self._count(request, "accepted")
            else:
                code = RejectCode.GATEWAY_MARKET_DATA_REQUEST_UNKNOWN
                self._refuse(request, code, "no such subscription")
            return False
        is_new = _wants_updates(request) and name not in known
        limit = self._limits.subscriptions_max
        if is_new and self.subscriptions >= limit:
            detail = f"limit {limit}, requested {self.subscriptions + 1}"
            self._refuse(request, RejectCode.GATEWAY_SUBSCRIPTIONS_EXCEEDED, detail)
            return False
        self._count(request, "accepted")
        return True

    def _refuse(self, request: Request, code: RejectCode, detail: str) -> None:
        self._count(request, "refused")
        self._say(
            "j",
            f"45={request.get(tags.MSG_SEQ_NUM)}\x01372={request.kind}\x01"
            f"380={tags.BUSINESS_REJECT_REASON_OTHER}\x01"
            f"58={code_name(code)}: {detail}\x015001={int(code)}\x01",
        )

    def _refuse_by_rate(self, request: Request) -> None:
        limit, code = self._file.throttle, RejectCode.MESSAGE_RATE_EXCEEDED
        self._count(request, "throttled")
        self._say(
            "j",
            f"45={request.get(tags.MSG_SEQ_NUM)}\x01372={request.kind}\x01"
            f"380={tags.BUSINESS_REJECT_REASON_THROTTLE_LIMIT_EXCEEDED}\x01"
            f"58={code_name(code)}: limit {limit.messages} in {limit.seconds} s\x01"
            f"1610=1\x011611=2\x011612=0\x011613={limit.messages}\x011614={limit.seconds}\x01"
            f"1615=0\x015001={int(code)}\x01",
        )

    def _count(self, request: Request, outcome: str) -> None:
        self._metrics.requests.labels(request.kind, outcome).inc()

    # --- what is told ---

    def line_ready(self, line: Line) -> None:
        """See ``lines.Reader``."""
        if self.is_writable:
            self._feed(line)
        else:
            line.is_behind = True

    def status_changed(self, instrument: int) -> None:
        """Tell of an instrument's phase, or (zero) of the venue's kill switch, who asked for it."""
        names = (
            [name for name, unit in self._statuses.items() if unit.number == instrument]
            if instrument
            else self._venue_statuses
        )
        self._untold.update(dict.fromkeys((name, not instrument) for name in names))
        self._tell_statuses()

    def book_lost(self, line: Line) -> None:
        """End a line of order depth whose book can no longer be told."""
        for name, lines in self._lines.items():
            if line in lines:
                lines.remove(line)
                self._gallery.leave(line.view, line)
                detail = f"of {line.view.unit.symbol}; its levels are there"
                refused = Refused(RejectCode.GATEWAY_ORDER_BOOK_UNAVAILABLE, detail)
                self._say("Y", refused.body(name))
                return

    def paused(self) -> None:
        """Take note that the socket takes no more."""
        self.is_writable = False
        self._metrics.paused.inc()

    def resumed(self) -> None:
        """Send what came in a pause, each book in one go."""
        self.is_writable = True
        self._tell_statuses()
        for name in list(self._lines):
            for line in self._lines[name]:
                line.is_behind = True
                self._feed(line)
            self._forget_done(name)

    def close(self) -> None:
        """Watch nothing any more."""
        for lines in self._lines.values():
            for line in lines:
                self._gallery.leave(line.view, line)
        self._lines.clear()
        self._statuses.clear()
        self._venue_statuses.clear()

    def _tell_statuses(self) -> None:
        venue = self._market.venue
        while self._untold and self.is_writable:
            about = next(iter(self._untold))
            del self._untold[about]
            name, is_of_venue = about
            if is_of_venue:
                if name in self._venue_statuses:
                    self._say("h", venue_status(name, venue, is_update=True))
            elif (instrument := self._statuses.get(name)) is not None:
                self._say("f", security_status(name, instrument, venue, is_update=True))

    def _feed(self, line: Line) -> None:
        """Send what a line has, as long as it is taken."""
        session, metrics = self.session, self._metrics
        entries_max = self._limits.entries_per_message_max
        while self.is_writable and not line.is_done:
            how = line.has_next(entries_max=entries_max)
            if not how:
                break
            if how == "merged":
                metrics.merged.inc()
            elif how == "again":
                metrics.begun_again.inc()
            kind, own, shared = line.next()
            session.send(kind, self._clock.stamp, own, shared)
            if len(session.outgoing) >= _FLUSH_MESSAGES:
                self._write()
        if session.outgoing:
            self._write_later()

    def _forget_done(self, name: str) -> None:
        lines = self._lines[name]
        if lines and all(line.is_done for line in lines):
            for line in self._lines.pop(name):
                self._gallery.leave(line.view, line)

    def _say(self, kind: str, body: str) -> None:
        self.session.send(kind, self._clock.stamp, piece(body))
        self._write_later()


def _wants_updates(request: Request) -> bool:
    kind = request.get(tags.SUBSCRIPTION_REQUEST_TYPE)
    return kind == tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT_AND_UPDATES


def _throttle_of(file: SessionFile) -> TokenBucket:
    throttle = file.throttle
    interval_ns = throttle.seconds * _SECOND_NS // throttle.messages if throttle.messages else 0
    return TokenBucket(burst=max(throttle.messages, 1), interval_ns=interval_ns)
