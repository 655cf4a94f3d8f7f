"""Why a client's log and a state digest differ: which order or execution, and since when.

A digest is a sum, so one wrong order shows in the difference of two sums: it is the hash of
something that one side has and the other has not. The numbers of the reports (1181, 1350) name
what is missing in the log even where no single order explains the difference.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from exchange.demo.state_digest import AccountState, hash_of

_MESSAGE = re.compile(r"8=FIX[^\n]*?(?:\x01|\|)10=[0-9]{3}(?=\x01|\||$)", re.MULTILINE)
_HEADLINE = re.compile(r"STATE DIGEST (\S.*) at event ([0-9]+) page ([0-9]+) of ([0-9]+)")
_COUNTED = re.compile(r"(orders|executions) ([0-9]+) digest ([0-9a-f]{16})")
_MONEY = re.compile(r"money (\S+) balance (-?[0-9.]+) held (-?[0-9.]+)")
_NUMBERS_PER_EVENT = 10
_WRAP = (1 << 64) - 1

EXECUTIONS_TRIED_MAX = 2_000_000
"""Events whose ExecIDs are tried when one execution is missing in the log."""

Pairs = list[tuple[int, str]]


@dataclass(slots=True)
class Digest:
    """What the venue stated of one account."""

    account: str
    event: int
    orders: tuple[int, int] = (0, 0)
    """How many, and their sum."""
    executions: tuple[int, int] = (0, 0)
    money: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """By asset: balance and held."""


@dataclass(slots=True)
class Log:
    """A client's log: everything that came, by the event that it tells of."""

    reports: list[tuple[int, dict[int, str]]] = field(default_factory=list)
    """Event number and ExecutionReport, each ExecID once, oldest event first."""
    digests: list[Digest] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)
    """Numbers (1181) before and behind a gap."""


def read_messages(text: str) -> Iterator[Pairs]:
    """Yield the messages in a log: fields separated by SOH or a bar, anything in between."""
    for match in _MESSAGE.finditer(text):
        fields = re.split(r"\x01|\|", match.group())
        pairs = [each.partition("=") for each in fields if "=" in each]
        yield [(int(tag), value) for tag, _, value in pairs if tag.isdecimal()]


def read_log(messages: Iterable[Pairs]) -> Log:
    """Take the messages of one session's log."""
    log = Log()
    reports: dict[str, dict[int, str]] = {}
    pages: dict[tuple[str, int], Digest] = {}
    last_number = 0
    for message in messages:
        fields = dict(message)
        if fields.get(35) == "8" and fields.get(17, "")[:1].isdecimal():
            reports[fields[17]] = fields
        elif fields.get(35) == "B" and (found := _HEADLINE.search(fields.get(148, ""))):
            key = (found.group(1), int(found.group(2)))
            digest = pages.setdefault(key, Digest(*key))
            _take_lines(digest, [value for tag, value in message if tag == 58])
        if 1181 in fields and fields.get(1352) != "Y" and int(fields[1181]) > last_number:
            before = int(fields.get(1350, 0))
            if last_number and before > last_number:
                log.missing.append((last_number, int(fields[1181])))
            last_number = int(fields[1181])
    log.reports = sorted(
        ((event_of(execution), fields) for execution, fields in reports.items()),
        key=lambda entry: entry[0],
    )
    log.digests = sorted(pages.values(), key=lambda digest: digest.event)
    return log


def event_of(execution: str) -> int:
    """Return the event number in an ExecID (17)."""
    return int(execution.rstrip("BS"))


def _take_lines(digest: Digest, lines: list[str]) -> None:
    for line in lines:
        if counted := _COUNTED.fullmatch(line):
            value = (int(counted.group(2)), int(counted.group(3), 16))
            if counted.group(1) == "orders":
                digest.orders = value
            else:
                digest.executions = value
        elif money := _MONEY.fullmatch(line):
            digest.money[money.group(1)] = (Decimal(money.group(2)), Decimal(money.group(3)))


def explain(log: Log, digest: Digest) -> list[str]:
    """Say what differs between a log and a digest; nothing when they agree."""
    earlier = [
        each for each in log.digests if each.account == digest.account and each.event < digest.event
    ]
    state = state_at(log, digest.account, digest.event)
    said = _explain_orders(log, digest, state)
    if earlier:
        said += _explain_executions(log, digest, earlier[0])
    if said:
        agreed = [
            each.event
            for each in earlier
            if state_at(log, each.account, each.event).orders_digest == each.orders[1]
        ]
        if agreed:
            said.append(f"orders agreed last at event {agreed[-1]}")
        said += [
            f"the log has nothing between the numbers (1181) {before} and {behind}: "
            f"ask for them again, events {before // _NUMBERS_PER_EVENT} "
            f"to {behind // _NUMBERS_PER_EVENT}"
            for before, behind in log.missing
            if before // _NUMBERS_PER_EVENT <= digest.event
        ]
    return said


def state_at(log: Log, account: str, event: int) -> AccountState:
    """Return what a log says of an account after an event."""
    state = AccountState()
    for number, report in log.reports:
        if number > event:
            break
        if report.get(1) == account:
            state.take(report)
    return state


def _explain_orders(log: Log, digest: Digest, state: AccountState) -> list[str]:
    count, total = digest.orders
    difference = (total - state.orders_digest) & _WRAP
    if not difference and count == len(state.orders):
        return []
    said = [f"open orders: the venue has {count}, the log {len(state.orders)}"]
    hashes = {order: hash_of(text) for order, text in state.orders.items()}
    for order, value in hashes.items():
        if difference == -value & _WRAP:
            said.append(f"order {order} is open in the log and not at the venue")
    past = AccountState()
    for event, report in log.reports:
        if event > digest.event or report.get(1) != digest.account:
            continue
        past.take(report)
        order = report.get(37, "")
        then = past.orders.get(order)
        if then is None:
            continue
        known = hashes.get(order, 0)
        if then != state.orders.get(order) and difference == (hash_of(then) - known) & _WRAP:
            said.append(
                f"order {order} is at the venue as the log has it after event {event}: {then}"
            )
    return said


def _explain_executions(log: Log, digest: Digest, base: Digest) -> list[str]:
    """Compare the executions after an earlier digest: sums of a longer time take differences."""
    count = digest.executions[0] - base.executions[0]
    mine = {
        report[17]
        for event, report in log.reports
        if base.event < event <= digest.event
        and report.get(1) == digest.account
        and report.get(150) == "F"
    }
    total = digest.executions[1] - base.executions[1]
    difference = (total - sum(hash_of(each) for each in mine)) & _WRAP
    if not difference and count == len(mine):
        return []
    said = [
        f"executions after event {base.event}: the venue has {count}, the log {len(mine)}",
    ]
    said += [
        f"execution {each} is in the log and not at the venue"
        for each in sorted(mine)
        if difference == -hash_of(each) & _WRAP
    ]
    last = min(digest.event, base.event + EXECUTIONS_TRIED_MAX)
    said += [
        f"execution {event}{side} is missing in the log"
        for event in range(base.event + 1, last + 1)
        for side in "BS"
        if difference == hash_of(f"{event}{side}")
    ]
    return said


def movements(log: Log, digest: Digest, base: Digest) -> list[str]:
    """Say what moved an account's money between two digests: its trades, fees, and the rest."""
    traded: dict[str, Decimal] = {}
    for event, report in log.reports:
        is_ours = base.event < event <= digest.event and report.get(1) == digest.account
        if not is_ours or report.get(150) != "F":
            continue
        asset, _, quote = report[55].partition("-")
        quantity, price = Decimal(report[32]), Decimal(report[31])
        sign = 1 if report[54] == "1" else -1
        traded[asset] = traded.get(asset, Decimal(0)) + sign * quantity
        paid = sign * quantity * price + Decimal(report.get(137, "0"))
        traded[quote] = traded.get(quote, Decimal(0)) - paid
    said = []
    for asset, (balance, _) in sorted(digest.money.items()):
        moved = balance - base.money.get(asset, (Decimal(0), Decimal(0)))[0]
        own = traded.get(asset, Decimal(0))
        if moved or own:
            said.append(
                f"{asset}: moved {moved} since event {base.event}, of it {own} by the log's "
                f"trades and fees, {moved - own} otherwise"
            )
    return said
