"""Requests for trades (AD) and their answers (AQ); the trades themselves are captures (AE).

A request is no command: nothing in the venue changes by it. It is answered from the event log.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.post_trade import Trade, capture
from fix_gateway.translation.raw import Entry, Fields
from fix_gateway.translation.request import Fault
from fix_gateway.translation.text import printable, shown
from fix_gateway.translation.times import day_end_ns, timestamp_ns
from messages.trading.codes import RejectCode
from messages.trading.identity import event_number_of
from messages.trading.terms import CLIENT_ID_LENGTH_MAX, Side

_NAME = re.compile(rf"[!-~](?:[ -~]{{0,{CLIENT_ID_LENGTH_MAX - 2}}}[!-~])?", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_EXECUTION = re.compile(r"[1-9][0-9]{0,17}[BS]", re.ASCII)
_SIDES = {tags.SIDE_BUY: Side.BUY, tags.SIDE_SELL: Side.SELL}
_TYPES = (
    tags.TRADE_REQUEST_TYPE_ALL_TRADES,
    tags.TRADE_REQUEST_TYPE_MATCHED_TRADES,
)
_SUBSCRIPTIONS = (
    tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT_AND_UPDATES,
    tags.SUBSCRIPTION_REQUEST_TYPE_DISABLE_PREVIOUS,
)
_NARROWING = (tags.EXEC_ID, tags.ORDER_ID, tags.TRADE_ID, tags.SYMBOL, tags.SIDE)
_DAY_NS = 86_400 * 10**9
_COPY = "797=Y\x01"

Refuse = Callable[[RejectCode, str], int]


@dataclass(slots=True)
class Wanted:
    """Which trades a session asks for; zero is any."""

    name: str
    """TradeRequestID (568)."""
    kind: str
    """TradeRequestType (569)."""
    accounts: frozenset[int] = frozenset()
    event: int = 0
    trade_id: int = 0
    order_id: int = 0
    instrument: int = 0
    sides: tuple[Side, ...] = (Side.BUY, Side.SELL)
    since_ns: int = 0
    until_ns: int = 0

    def captures(self, record: Trade, directory: Directory, *, session: int) -> Iterator[str]:
        """Yield the captures of an event's sides that are asked for, the buyer's first."""
        if self.trade_id not in {0, record.trade_id}:
            return
        if self.instrument not in {0, record.instrument}:
            return
        for side in self.sides:
            is_taker = record.taker_side == side
            account = record.taker_account if is_taker else record.maker_account
            order_id = record.taker_order_id if is_taker else record.maker_order_id
            if account not in self.accounts or self.order_id not in {0, order_id}:
                continue
            text = capture(record, directory, side=side, request=self.name)
            is_copy = session in directory.copies_of_account.get(account, ())
            yield text + _COPY if is_copy else text


def read_request(
    fields: Fields, directory: Directory, *, session: int
) -> tuple[Wanted, Fault | None]:
    """Read a TradeCaptureReportRequest (AD), and say what is wrong with it, if anything.

    Args:
        fields: the whole message.
        directory: the venue's definitions; the session sees the accounts that it may trade for
            and those that it gets copies of.
        session: who asks.
    """
    name = fields[tags.TRADE_REQUEST_ID]
    wanted = Wanted(printable(name)[:CLIENT_ID_LENGTH_MAX], fields[tags.TRADE_REQUEST_TYPE])
    faults: list[Fault] = []

    def refuse(code: RejectCode, text: str) -> int:
        faults.append(Fault(code, text))
        return 0

    malformed = RejectCode.GATEWAY_FIELD_MALFORMED
    unsupported = RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED
    if not (_NAME.fullmatch(name) and len(name) <= CLIENT_ID_LENGTH_MAX):
        refuse(malformed, f"TradeRequestID is not 1 to {CLIENT_ID_LENGTH_MAX} characters")
    if wanted.kind not in _TYPES:
        refuse(unsupported, f"TradeRequestType (569) {shown(wanted.kind)} is not 0 or 1")
    _read_subscription(fields, refuse)
    _read_names(fields, wanted, refuse)
    if symbol := fields.get(tags.SYMBOL):
        unit = directory.instrument_by_symbol.get(symbol)
        wanted.instrument = unit.number if unit is not None else 0
        if unit is None:
            refuse(RejectCode.GATEWAY_SYMBOL_UNKNOWN, f"no instrument {shown(symbol)}")
    if side := fields.get(tags.SIDE):
        wanted.sides = (_SIDES[side],) if side in _SIDES else ()
        if side not in _SIDES:
            refuse(RejectCode.GATEWAY_SIDE_UNSUPPORTED, f"Side (54) {shown(side)} is not 1 or 2")
    wanted.accounts = _accounts(fields, directory, session, refuse)
    _read_dates(fields, wanted, refuse)
    return wanted, faults[0] if faults else None


def _read_subscription(fields: Fields, refuse: Refuse) -> None:
    """Require that a subscription is to all captures of the session: none are left out."""
    unsupported = RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED
    wish = fields.get(tags.SUBSCRIPTION_REQUEST_TYPE, tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT)
    if wish == tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT:
        return
    if wish not in _SUBSCRIPTIONS:
        refuse(unsupported, f"SubscriptionRequestType (263) {shown(wish)} is not 0, 1 or 2")
    narrowed = [tag for tag in _NARROWING if tag in fields]
    if narrowed or fields.groups.get(tags.NO_PARTY_IDS):
        name = f"tag {narrowed[0]}" if narrowed else "a party"
        refuse(unsupported, f"a subscription is to all captures of the session, without {name}")


def _read_names(fields: Fields, wanted: Wanted, refuse: Refuse) -> None:
    """Read the execution, order and trade that are asked for."""
    malformed = RejectCode.GATEWAY_FIELD_MALFORMED
    if execution := fields.get(tags.EXEC_ID):
        if _EXECUTION.fullmatch(execution):
            wanted.event = event_number_of(execution)
            wanted.sides = (Side.BUY if execution.endswith("B") else Side.SELL,)
        else:
            code = RejectCode.GATEWAY_EXECUTION_UNKNOWN
            refuse(code, f"ExecID (17) {shown(execution)} is not a trade's")
    if order := fields.get(tags.ORDER_ID):
        is_number = bool(_NUMBER.fullmatch(order))
        wanted.order_id = int(order) if is_number else refuse(malformed, "OrderID (37)")
    if trade := fields.get(tags.TRADE_ID):
        is_number = bool(_NUMBER.fullmatch(trade))
        wanted.trade_id = int(trade) if is_number else refuse(malformed, "TradeID (1003)")


def _accounts(fields: Fields, directory: Directory, session: int, refuse: Refuse) -> frozenset[int]:
    """Return the accounts asked for: one that is named, or all that the session sees."""
    seen = set(directory.trading_accounts.get(session, {}).values())
    seen |= {at for at, who in directory.copies_of_account.items() if session in who}
    parties = fields.groups.get(tags.NO_PARTY_IDS, [])
    if not parties:
        return frozenset(seen)
    party = parties[0]
    if len(parties) > 1 or party.get(tags.PARTY_ROLE) != tags.PARTY_ROLE_CUSTOMER_ACCOUNT:
        code = RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED
        refuse(code, "one party, of role 24")
        return frozenset()
    name = party.get(tags.PARTY_ID, "")
    account = directory.account_by_name.get(name)
    if account is None or account.number not in seen:
        # Whether another firm's account exists is not ours to tell.
        code = RejectCode.GATEWAY_ACCOUNT_UNKNOWN
        refuse(code, f"account {shown(name)} is not known here")
        return frozenset()
    return frozenset({account.number})


def _read_dates(fields: Fields, wanted: Wanted, refuse: Refuse) -> None:
    """Read from when on, and before when."""
    dates = fields.groups.get(tags.NO_DATES, [])
    times = [_moment(entry) for entry in dates]
    if len(times) > 2 or None in times:
        refuse(RejectCode.GATEWAY_FIELD_MALFORMED, "NoDates (580): one or two times")
        return
    known = [each for each in times if each is not None]
    wanted.since_ns = known[0] if known else 0
    wanted.until_ns = known[1] if len(known) > 1 else 0
    if wanted.until_ns and wanted.until_ns <= wanted.since_ns:
        refuse(RejectCode.GATEWAY_FIELD_MALFORMED, "NoDates (580): the second is not the later")


def _moment(entry: Entry) -> int | None:
    if tags.TRANSACT_TIME in entry:
        return timestamp_ns(entry[tags.TRANSACT_TIME])
    end_ns = day_end_ns(entry.get(tags.TRADE_DATE, ""))
    return None if end_ns is None else end_ns - _DAY_NS


def accepted(wanted: Wanted) -> str:
    """Take a request."""
    return _answer(wanted, tags.TRADE_REQUEST_STATUS_ACCEPTED)


def completed(wanted: Wanted, *, sent: int, why: str = "") -> str:
    """End an answer, and say how to go on where there is more."""
    text = f"58={why}\x01" if why else ""
    return f"{_answer(wanted, tags.TRADE_REQUEST_STATUS_COMPLETED, count=sent)}{text}"


def refused(wanted: Wanted, fault: Fault) -> str:
    """Refuse a request."""
    result = _RESULTS.get(fault.code, tags.TRADE_REQUEST_RESULT_OTHER)
    return (
        f"{_answer(wanted, tags.TRADE_REQUEST_STATUS_REJECTED, result=result)}"
        f"58={fault.code.name}: {fault.text}\x015001={int(fault.code)}\x01"
    )


def _answer(
    wanted: Wanted,
    status: str,
    *,
    result: str = tags.TRADE_REQUEST_RESULT_SUCCESSFUL,
    count: int | None = None,
) -> str:
    counted = "" if count is None else f"748={count}\x01"
    kind = wanted.kind if wanted.kind in _TYPES else tags.TRADE_REQUEST_TYPE_ALL_TRADES
    return f"35=AQ\x01568={wanted.name}\x01569={kind}\x01{counted}749={result}\x01750={status}\x01"


_RESULTS = {
    RejectCode.GATEWAY_SYMBOL_UNKNOWN: tags.TRADE_REQUEST_RESULT_INVALID_INSTRUMENT,
    RejectCode.GATEWAY_ACCOUNT_UNKNOWN: tags.TRADE_REQUEST_RESULT_INVALID_PARTIES,
    RejectCode.GATEWAY_EXECUTION_UNKNOWN: (
        tags.TRADE_REQUEST_RESULT_INVALID_TYPE_OF_TRADE_REQUESTED
    ),
    RejectCode.GATEWAY_TRADE_REQUEST_UNSUPPORTED: (
        tags.TRADE_REQUEST_RESULT_TRADE_REQUEST_TYPE_NOT_SUPPORTED
    ),
}
