"""The parameters of requests: read strictly from query and body, and what each endpoint takes."""

import re
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from retail_gateway.refusals import DoorCode, Refusal, door_refusal

PARAMETERS_MAX: Final = 64

DecimalText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,20})?$", max_length=41)]
SymbolText = Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9-_.]{1,33}$")]
ClientOrderId = Annotated[str, msgspec.Meta(pattern=r"^[.A-Z:/a-z0-9_-]{1,36}$", max_length=36)]
OrderId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
TradeId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=4_611_686_018_427)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]

SideText = Literal["BUY", "SELL"]
TypeText = Literal["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"]
TimeInForceText = Literal["GTC", "IOC", "FOK"]
SelfTradeText = Literal["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]
ResponseText = Literal["ACK", "RESULT", "FULL"]

Taken = TypeVar("Taken", bound=msgspec.Struct)


class Parameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What an endpoint takes; this one takes nothing."""


class OneSymbol(Parameters, frozen=True, kw_only=True):
    """Of one market."""

    symbol: SymbolText


class OptionalSymbol(Parameters, frozen=True, kw_only=True):
    """Of one market, or of all."""

    symbol: SymbolText | None = None


class Terms(Parameters, frozen=True, kw_only=True):
    """The terms of a new order."""

    symbol: SymbolText
    side: SideText
    type: TypeText
    time_in_force: TimeInForceText | None = None
    quantity: DecimalText | None = None
    quote_order_qty: DecimalText | None = None
    price: DecimalText | None = None
    new_client_order_id: ClientOrderId | None = None
    stop_price: DecimalText | None = None
    iceberg_qty: DecimalText | None = None
    new_order_resp_type: ResponseText | None = None
    self_trade_prevention_mode: SelfTradeText | None = None


class TestTerms(Terms, frozen=True, kw_only=True):
    """A new order that is only checked."""

    compute_commission_rates: bool = False


class NamedOrder(Parameters, frozen=True, kw_only=True):
    """An order, by the venue's id or the client's."""

    symbol: SymbolText
    order_id: OrderId | None = None
    orig_client_order_id: ClientOrderId | None = None


class CancelledOrder(NamedOrder, frozen=True, kw_only=True):
    """An order that shall go."""

    new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"] | None = None


class Replacement(Terms, frozen=True, kw_only=True):
    """An order that shall go, and another in its place."""

    cancel_replace_mode: Literal["STOP_ON_FAILURE", "ALLOW_FAILURE"]
    cancel_order_id: OrderId | None = None
    cancel_orig_client_order_id: ClientOrderId | None = None
    cancel_new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"] | None = None


class AmendedOrder(NamedOrder, frozen=True, kw_only=True):
    """An order whose quantity shall fall."""

    new_qty: DecimalText
    new_client_order_id: ClientOrderId | None = None


class OrderRange(Parameters, frozen=True, kw_only=True):
    """Which orders."""

    symbol: SymbolText
    order_id: TradeId | None = None
    start_time: Milliseconds | None = None
    end_time: Milliseconds | None = None
    limit: Limit = 500


class TradeRange(OrderRange, frozen=True, kw_only=True):
    """Which trades."""

    from_id: TradeId | None = None


class AccountView(Parameters, frozen=True, kw_only=True):
    """How much of the account."""

    omit_zero_balances: bool = False


class Symbols(Parameters, frozen=True, kw_only=True):
    """Which markets exchangeInfo tells of."""

    symbol: SymbolText | None = None
    symbols: Annotated[str, msgspec.Meta(max_length=8192)] | None = None
    permissions: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    show_permission_sets: bool = True
    symbol_status: Literal["TRADING", "HALT", "BREAK"] | None = None


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_ORDINARY = re.compile(
    rb"[A-Za-z][A-Za-z0-9]{0,63}=[!-$'-*,-<>-~]{1,8192}"
    rb"(?:&[A-Za-z][A-Za-z0-9]{0,63}=[!-$'-*,-<>-~]{1,8192})*"
)
"""Parameters that say what they are: nothing escaped, nothing empty, nothing odd."""
_VALUE = re.compile(rb"[ -~]{0,8192}")
_PERCENT_FAULT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FIELD_OF_ERROR = re.compile(r"`\$\.([A-Za-z]+)")
_FIELD_NAMED = re.compile(r"field `([^`]*)`")
_WRONG_CHOICE: Final = {
    "side": (-1117, "Invalid side."),
    "type": (-1116, "Invalid orderType."),
    "timeInForce": (-1115, "Invalid timeInForce."),
}
_LEGAL: Final = {
    "quantity": r"^([0-9]{1,20})(\.[0-9]{1,20})?$",
    "price": r"^([0-9]{1,20})(\.[0-9]{1,20})?$",
    "newClientOrderId": r"^[\.A-Z\:/a-z0-9_-]{1,36}$",
}


def missing(name: str) -> Refusal:
    """Refuse a request without a parameter that it needs."""
    return door_refusal(
        DoorCode.PARAMETER_MISSING,
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def malformed(name: str) -> Refusal:
    """Refuse a parameter that cannot be read."""
    legal = _LEGAL.get(name)
    text = f"; legal range is '{legal}'." if legal else "."
    return door_refusal(
        DoorCode.PARAMETER_MALFORMED, -1100, f"Illegal characters found in parameter '{name}'{text}"
    )


SYMBOL_DOUBLED: Final = door_refusal(
    DoorCode.PARAMETER_REPEATED, -1151, "Symbol is present multiple times in the list."
)
"""What is named twice would weigh as much as once and be made twice."""


def not_allowed(name: str) -> Refusal:
    """Refuse a parameter that does not go with the others."""
    return door_refusal(
        DoorCode.PARAMETER_NOT_ALLOWED, -1106, f"Parameter '{name}' sent when not required."
    )


def read(*parts: bytes) -> dict[str, str] | Refusal:
    """Read the parameters of query and body, each of them form-encoded.

    A name may come once in all parts together: a request that says two things is refused, rather
    than read as one of them.
    """
    return _read_ordinary(parts) or read_anything(*parts)


def _read_ordinary(parts: tuple[bytes, ...]) -> dict[str, str] | None:
    """Read what most requests are, five times as fast; None for what needs to be looked at."""
    pairs: list[list[str]] = []
    for part in parts:
        if part:
            if _ORDINARY.fullmatch(part) is None:
                return None
            pairs += [pair.split("=") for pair in part.decode("ascii").split("&")]
    if len(pairs) > PARAMETERS_MAX:
        return None
    found = dict(pairs)
    return found if len(found) == len(pairs) else None


def read_anything(*parts: bytes) -> dict[str, str] | Refusal:
    """Read as ``read`` does, one parameter after the other: it says what is wrong with which."""
    found: dict[str, str] = {}
    for part in parts:
        if not part:
            continue
        for pair in part.split(b"&"):
            name, equals, value = pair.partition(b"=")
            text = name.decode("latin-1")
            # A bare "=" would let the border between query and body be moved under a signature.
            is_bare = b"=" in value and name != b"signature"
            is_fit = equals and not is_bare and _NAME.fullmatch(text) is not None
            if not is_fit or len(found) >= PARAMETERS_MAX:
                return door_refusal(
                    DoorCode.PARAMETER_MALFORMED,
                    -1101,
                    "Too many parameters, or text that is none.",
                    limit=PARAMETERS_MAX,
                    usage=len(found) + 1,
                )
            if text in found:
                return door_refusal(
                    DoorCode.PARAMETER_REPEATED,
                    -1101,
                    f"Duplicate values for parameter '{text}' detected.",
                )
            plain = value
            if b"%" in value or b"+" in value:
                if _PERCENT_FAULT.search(value):
                    return malformed(text)
                plain = unquote_to_bytes(value.replace(b"+", b" "))
            if _VALUE.fullmatch(plain) is None:
                return malformed(text)
            if not plain:
                return door_refusal(
                    DoorCode.PARAMETER_MISSING, -1105, f"Parameter '{text}' was empty."
                )
            found[text] = plain.decode("ascii")
    return found


def taken(values: dict[str, Any], kind: type[Taken]) -> Taken | Refusal:
    """Return what an endpoint takes, or what is wrong with it."""
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        said = str(error)
    named = _FIELD_NAMED.search(said)
    if named and "missing" in said:
        return missing(named[1])
    if named and "unknown" in said:
        known = len(set(values) & {field.encode_name for field in msgspec.structs.fields(kind)})
        return door_refusal(
            DoorCode.PARAMETER_UNKNOWN,
            -1104,
            f"Not all sent parameters were read; read '{known}' parameter(s) "
            f"but was sent '{len(values)}'.",
            limit=known,
            usage=len(values),
        )
    place = _FIELD_OF_ERROR.search(said)
    name = place[1] if place else ""
    if name in _WRONG_CHOICE:
        code, msg = _WRONG_CHOICE[name]
        return door_refusal(DoorCode.PARAMETER_MALFORMED, code, msg)
    return malformed(name)
