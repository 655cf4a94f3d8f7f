"""One trading client of the demo: a session, its own orders, and everything it was told."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from exchange.demo.fix_codec import Fields, utc_timestamp
from exchange.demo.fix_session import FixSession, SessionSettings
from exchange.demo.latency import LatencyHistogram
from exchange.demo.market import Market
from exchange.demo.orders import OwnOrders, Report, Request
from exchange.demo.sequence_store import MemorySequenceStore, SequenceStore
from messages.trading.codes import RejectCode

REJECT_CODE_TAG: Final = 5001
IN_FLIGHT_MAX: Final = 256
REPORTS_MAX: Final = 2_000_000

_CLOSED_STATUSES: Final = frozenset("248C")


class TooManyReportsError(Exception):
    """A run is longer than the demo's memory for what it has to compare at the end."""


@dataclass(frozen=True, slots=True)
class _Asked:
    request: Request
    number: int
    sent_ns: int


class DropCopy:
    """A client that listens: every ExecutionReport of its firm, from every session."""

    def __init__(self, settings: SessionSettings, store: SequenceStore | None = None) -> None:
        self.name = settings.sender
        self.session = FixSession(settings, self._take, store or MemorySequenceStore())
        self.reports: list[Report] = []
        self.unmarked = 0
        """Reports without CopyMsgIndicator (797=Y)."""
        self.other: Counter[str] = Counter()

    def _take(self, message: Fields, _: int) -> None:
        if message[35] != "8":
            self.other[message[35]] += 1
            return
        self.unmarked += message.get(797) != "Y"
        _keep(self.reports, Report.of(message))


class Participant:
    """A client that trades."""

    def __init__(
        self,
        settings: SessionSettings,
        markets: dict[str, Market],
        store: SequenceStore | None = None,
    ) -> None:
        self.name = settings.sender
        self.session = FixSession(settings, self._take, store)
        self.orders = OwnOrders(markets)
        self.reports: list[Report] = []
        self.latency = LatencyHistogram()
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.mistakes = 0
        self.mistakes_refused = 0
        self.surprises: list[str] = []
        """Mistakes that were accepted or refused for another reason, and protocol errors."""
        self.executions = 0
        self.negotiation: list[Fields] = []
        """What was said of requests for quote, before any trade."""
        self._asked: dict[str, _Asked] = {}

    @property
    def in_flight(self) -> int:
        """How many requests wait for their answer."""
        return len(self._asked)

    def submit(self, request: Request) -> bool:
        """Send a request, unless as many as allowed are under way or it would be ambiguous.

        Raises:
            FixSessionError: the session is not open, or takes no more.
        """
        key = _key(request)
        if len(self._asked) >= IN_FLIGHT_MAX or key in self._asked:
            return False
        body = request.fields
        if request.message_type in "DFGq":
            body = (*body, (60, utc_timestamp(time.time_ns())))
        self.orders.requested(request)
        sent_ns = time.perf_counter_ns()
        number = self.session.send(request.message_type, body)
        self._asked[key] = _Asked(request, number, sent_ns)
        self.asked[request.purpose] += 1
        self.mistakes += request.refusal is not None
        return True

    def _take(self, message: Fields, received_ns: int) -> None:
        match message[35]:
            case "8":
                self._take_report(message, received_ns)
            case "9":
                self._take_cancel_reject(message)
            case "r":
                self._take_mass_cancel_report(message)
            case "R" | "S" | "AI" | "AG":
                self.negotiation.append(message)
            case "j" | "3":
                self._take_protocol_reject(message)
            case other:
                self.surprises.append(f"an unexpected message of type {other}")

    def _take_report(self, message: Fields, received_ns: int) -> None:
        report = Report.of(message)
        _keep(self.reports, report)
        self.executions += report.is_trade
        if report.is_status_answer:
            self._asked.pop(f"status {message.get(790, '')}", None)
            return
        asked = self._asked.get(report.client_order_id)
        if asked is not None and _answers(asked.request, report):
            del self._asked[report.client_order_id]
            if asked.request.message_type == "D":
                self.latency.record(received_ns - asked.sent_ns)
            if report.execution_type == "8":
                self._refused(asked.request, message)
                return
            if asked.request.refusal is not None:
                self.surprises.append(f"accepted: {asked.request.purpose}")
        self.orders.reported(message)

    def _take_cancel_reject(self, message: Fields) -> None:
        asked = self._asked.pop(message.get(11, ""), None)
        if asked is not None:
            self._refused(asked.request, message)
        if message.get(39) in _CLOSED_STATUSES:
            self.orders.forget(message.get(41, ""))

    def _take_mass_cancel_report(self, message: Fields) -> None:
        asked = self._asked.pop(message.get(11, ""), None)
        if asked is not None and message.get(531) == "0":
            self._refused(asked.request, message)

    def _take_protocol_reject(self, message: Fields) -> None:
        """A request that could not even be refused: say so, and forget it."""
        number = int(message.get(45, "0"))
        for key, asked in list(self._asked.items()):
            if asked.number == number:
                del self._asked[key]
                self.orders.refused(asked.request)
        self.surprises.append(f"{message[35]} for message {number}: {message.get(58, '')}")

    def _refused(self, request: Request, message: Fields) -> None:
        code = _code_name(message)
        self.refused[code] += 1
        self.orders.refused(request)
        if request.refusal is None:
            return
        if message.get(REJECT_CODE_TAG) == str(request.refusal):
            self.mistakes_refused += 1
        else:
            self.surprises.append(f"refused with {code}: {request.purpose}")


def _key(request: Request) -> str:
    if request.message_type == "H":
        return f"status {dict(request.fields)[790]}"
    return request.client_order_id


def _answers(request: Request, report: Report) -> bool:
    """Say whether a report is the answer to a request, not news of an older order of that id."""
    if request.refusal == RejectCode.DUPLICATE_CLIENT_ORDER_ID:
        return report.execution_type == "8"
    return True


def _code_name(message: Fields) -> str:
    text = message.get(REJECT_CODE_TAG, "")
    try:
        return RejectCode(int(text)).name.lower()
    except ValueError:
        return f"no code ({message.get(58, '')})"


def _keep(reports: list[Report], report: Report) -> None:
    if len(reports) >= REPORTS_MAX:
        raise TooManyReportsError(f"more than {REPORTS_MAX} reports: run for less time")
    reports.append(report)
