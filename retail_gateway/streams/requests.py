"""What readers say over an open connection, and how they are answered: JSON in, JSON out."""

from typing import NamedTuple

import msgspec

from retail_gateway.streams.refusals import Reason, Refusal

Id = int | str | None
_ID_CHARACTERS_MAX = 36
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_COMBINED = "combined"

_UNKNOWN_PROPERTY, _WRONG_TYPE, _INVALID_REQUEST, _INVALID_JSON = 0, 1, 2, 3


class Subscribe(NamedTuple):
    """Begin to send these streams."""

    id: Id
    names: tuple[str, ...]


class Unsubscribe(NamedTuple):
    """Send these streams no more."""

    id: Id
    names: tuple[str, ...]


class ListSubscriptions(NamedTuple):
    """Say what is subscribed to."""

    id: Id


class SetCombined(NamedTuple):
    """Wrap payloads with their stream's name, or do not."""

    id: Id
    is_combined: bool


class GetCombined(NamedTuple):
    """Say whether payloads are wrapped."""

    id: Id


class Wrong(NamedTuple):
    """None of these; the answer says why."""

    answer: bytes


Request = Subscribe | Unsubscribe | ListSubscriptions | SetCombined | GetCombined | Wrong


def result(number: Id, value: object = None) -> bytes:
    """Make the answer to a request that was done."""
    return msgspec.json.encode({"result": value, "id": number})


def invalid(number: Id, refusal: Refusal, code: int = _INVALID_REQUEST) -> bytes:
    """Make the answer to a request that cannot be done.

    ``code`` and ``msg`` are as Binance's clients know them; ``reason`` is our number.
    """
    text = refusal.text if code != _INVALID_REQUEST else f"Invalid request: {refusal.text}"
    error = {"code": code, "msg": text, "reason": refusal.reason.value}
    return msgspec.json.encode({"error": error, "id": number})


def read_request(text: bytes) -> Request:
    """Read one message of a reader's."""
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        refusal = Refusal(Reason.MALFORMED, f"Invalid JSON: {error}")
        return Wrong(invalid(None, refusal, _INVALID_JSON))
    if not isinstance(said, dict):
        return _wrong(None, "not an object")
    number = said.get("id")
    if not _is_id(number):
        return _wrong(None, "request ID must be an integer, a string up to 36 characters, or null")
    method = said.get("method")
    if method is None:
        return _wrong(number, "missing field `method`")
    if method not in _METHODS:
        variants = ", ".join(f"`{each}`" for each in _METHODS)
        return _wrong(number, f"unknown variant, expected one of {variants}")
    if said.keys() - {"id", "method", "params"}:
        return _wrong(number, "too many parameters")
    return _read(method, number, said.get("params"))


def _read(method: str, number: Id, params: object) -> Request:
    if method == "LIST_SUBSCRIPTIONS":
        if params:
            return _wrong(number, "too many parameters")
        return ListSubscriptions(number)
    if not isinstance(params, list):
        return _wrong(number, "params must be an array")
    if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
        if not params or not all(isinstance(name, str) for name in params):
            return _wrong(number, "params must be names of streams")
        names = tuple(dict.fromkeys(params))
        return Subscribe(number, names) if method == "SUBSCRIBE" else Unsubscribe(number, names)
    return _read_property(number, params, is_set=method == "SET_PROPERTY")


def _read_property(number: Id, params: list[object], *, is_set: bool) -> Request:
    if not params or not isinstance(params[0], str):
        return _wrong(number, "property name must be a string")
    if params[0] != _COMBINED:
        refusal = Refusal(Reason.MALFORMED, "Unknown property")
        return Wrong(invalid(number, refusal, _UNKNOWN_PROPERTY))
    if len(params) > 1 + is_set:
        return _wrong(number, "too many parameters")
    if not is_set:
        return GetCombined(number)
    if len(params) == 1 or not isinstance(params[1], bool):
        refusal = Refusal(Reason.MALFORMED, "Invalid value type: expected Boolean")
        return Wrong(invalid(number, refusal, _WRONG_TYPE))
    return SetCombined(number, params[1])


def _is_id(number: object) -> bool:
    if isinstance(number, str):
        return len(number) <= _ID_CHARACTERS_MAX
    return number is None or type(number) is int


def _wrong(number: Id, text: str) -> Wrong:
    return Wrong(invalid(number, Refusal(Reason.MALFORMED, text)))
