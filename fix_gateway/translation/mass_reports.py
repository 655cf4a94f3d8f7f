"""The answers to mass actions (BZ) and dry runs (DG)."""

from fix_gateway.translation import tags
from fix_gateway.translation.directory import NO_SYMBOL, Directory, Instrument
from fix_gateway.translation.parts import (
    account,
    identifier,
    price,
    quantity,
    sentence,
    side,
    target_firm,
)
from fix_gateway.translation.reasons import (
    Figures,
    mass_action_reject_reason,
    refusal_text,
    risk_check_result,
)
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text
from messages.trading import events
from messages.trading.decimals import decimal_text
from messages.trading.terms import MassActionType, Scope, Side

_ACCEPTED = f"1375={tags.MASS_ACTION_RESPONSE_ACCEPTED}\x01"
_COMPLETED = f"1375={tags.MASS_ACTION_RESPONSE_COMPLETED}\x01"
_REJECTED = f"1375={tags.MASS_ACTION_RESPONSE_REJECTED}\x01"


_ACTIONS = frozenset(MassActionType)


def accepted_action(record: events.MassActionAccepted, directory: Directory) -> str:
    """Report a mass action that will be done now."""
    return _action(record, directory, action=record.action, scope=record.scope, outcome=_ACCEPTED)


def completed_action(record: events.MassActionCompleted, directory: Directory) -> str:
    """Report a mass action that is done."""
    outcome = f"{_COMPLETED}533={record.affected}\x01"
    return _action(record, directory, action=record.action, scope=record.scope, outcome=outcome)


def rejected_action(record: events.MassActionRejected, directory: Directory) -> str:
    """Report a mass action that the venue refused."""
    figures = Figures(record.instrument, record.side, record.limit, record.usage)
    return _action(
        record,
        directory,
        action=record.action,
        scope=record.scope,
        outcome=f"{_REJECTED}1376={mass_action_reject_reason(record.code)}\x01",
        refusal=f"58={refusal_text(record.code, figures, directory)}\x015001={record.code}\x01",
    )


def refused_action(record: events.RefusalRecorded, directory: Directory) -> str:
    """Report a mass action that the gateway refused; 1374 is 7 where the scope is unknown."""
    return _action(
        record,
        directory,
        action=record.order_type,
        scope=0,
        outcome=f"{_REJECTED}1376={mass_action_reject_reason(record.code)}\x01",
        refusal=f"58={sentence(record)}\x015001={record.code}\x01",
    )


def _action(
    record: events.MassActionEvent | events.RefusalRecorded,
    directory: Directory,
    *,
    action: int,
    scope: int,
    outcome: str,
    refusal: str = "",
) -> str:
    unit = directory.instruments.get(record.instrument)
    whose = (
        target_firm(record.account, directory)
        if scope == Scope.FIRM
        else account(record.account, directory)
    )
    known = action if action in _ACTIONS else MassActionType.CANCEL  # 1373 must have a value
    return (
        f"35=BZ\x01{identifier(record.client_order_id)}1369={record.number}\x01"
        f"1373={known}\x011374={_scope(scope, record.instrument)}\x01{outcome}{whose}"
        + (f"55={unit.symbol}\x01" if unit is not None else "")
        + (f"54={side(record.side)}\x01" if record.side else "")
        + f"60={timestamp_text(record.time_ns)}\x01{refusal}5002={record.number}\x01"
    )


def _scope(scope: int, instrument: int) -> str:
    if scope == Scope.SESSION:
        return tags.MASS_ACTION_SCOPE_ALL_ORDERS_FOR_A_TRADING_SESSION
    if instrument:
        return tags.MASS_ACTION_SCOPE_ALL_ORDERS_FOR_A_SECURITY
    return tags.MASS_ACTION_SCOPE_ALL_ORDERS


def checked_order(record: events.OrderChecked, directory: Directory) -> str:
    """Answer a dry run: the refusal, or how near each bound the order would come."""
    unit = directory.instruments.get(record.instrument)
    terms = ""
    if unit is not None:
        terms = f"38={quantity(record.quantity_lots, unit)}\x01"
        if record.price_ticks > 0:
            terms += f"44={price(record.price_ticks, unit)}\x01"
    if record.code:
        figures = Figures(record.instrument, record.side, record.limit, record.usage)
        text = refusal_text(record.code, figures, directory)
        return _check(record, directory, code=record.code, text=text, terms=terms)
    limits = "" if unit is None else _limits(record, unit, directory)
    return _check(record, directory, terms=terms + limits)


def refused_check(record: events.RefusalRecorded, directory: Directory) -> str:
    """Answer a dry run that the gateway refused, as it would have refused the order."""
    return _check(record, directory, code=record.code, text=sentence(record))


def _check(
    record: events.OrderChecked | events.RefusalRecorded,
    directory: Directory,
    *,
    terms: str = "",
    code: int = 0,
    text: str = "",
) -> str:
    unit = directory.instruments.get(record.instrument)
    status = (
        tags.RISK_LIMIT_CHECK_REQUEST_STATUS_REJECTED
        if code
        else tags.RISK_LIMIT_CHECK_REQUEST_STATUS_APPROVED
    )
    return (
        f"35=DG\x012318={safe_text(record.client_order_id) or 'NONE'}\x012319={record.number}\x01"
        f"2325={status}\x012326={risk_check_result(code)}\x012320=0\x012321=0\x01"
        f"{identifier(record.client_order_id)}{account(record.account, directory)}"
        f"54={side(record.side)}\x0155={unit.symbol if unit else NO_SYMBOL}\x01"
        f"60={timestamp_text(record.time_ns)}\x01{terms}"
        + (f"58={text}\x015001={code}\x01" if code else "")
        + f"5002={record.number}\x01"
    )


def _limits(record: events.OrderChecked, unit: Instrument, directory: Directory) -> str:
    """Write each bound that there is, with what would be used of it."""
    quote = directory.asset(unit.quote_asset)
    base = directory.asset(unit.base_asset)
    funds = quote if record.side == Side.BUY else base

    def limit(kind: str, bound: str, used: str, asset: str = "") -> str:
        currency = f"1532={asset}\x01" if asset else ""
        return f"1530={kind}\x011531={bound}\x011766={used}\x01{currency}"

    def amount(kind: str, bound: int, used: int, scale: int, symbol: str) -> str:
        return limit(kind, decimal_text(bound, scale), decimal_text(used, scale), symbol)

    entries = [
        amount(
            tags.RISK_LIMIT_TYPE_CREDIT_LIMIT,
            record.available_atoms,
            record.needed_atoms,
            funds.scale,
            funds.symbol,
        )
    ]
    if record.position_max_atoms:
        kind, scale, symbol = tags.RISK_LIMIT_TYPE_LONG_LIMIT, base.scale, base.symbol
        bound, used = record.position_max_atoms, record.position_atoms
        entries.append(amount(kind, bound, used, scale, symbol))
    for kind, bound in (
        (tags.RISK_LIMIT_TYPE_MAX_NOTIONAL_ORDER_SIZE, record.notional_max_atoms),
        (tags.RISK_LIMIT_TYPE_MIN_NOTIONAL, record.notional_min_atoms),
    ):
        if bound:
            entries.append(amount(kind, bound, record.notional_atoms, quote.scale, quote.symbol))
    if record.message_burst:
        kind = tags.RISK_LIMIT_TYPE_TRANSACTION_EXECUTION_LIMIT_PER_TIME_PERIOD
        entries.append(limit(kind, str(record.message_burst), str(record.messages)))
    if record.collar_ticks > 0:
        collar = price(record.collar_ticks, unit)
        kind = tags.RISK_LIMIT_TYPE_PRICE_COLLAR
        entries.append(limit(kind, collar, price(record.price_ticks, unit), quote.symbol))
    kind = tags.RISK_LIMIT_TYPE_OPEN_ORDERS
    entries.append(limit(kind, str(record.open_orders_max), str(record.open_orders)))
    kind = tags.RISK_LIMIT_TYPE_BOOK_ORDERS
    entries.append(limit(kind, str(record.book_orders_max), str(record.book_orders)))
    return f"1529={len(entries)}\x01{''.join(entries)}"
