"""REST, in the shape of the Binance Spot API v3: docs/protocols/rest.md."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from rialto_client.keys import ApiKey

Parameters = Mapping[str, str | int]


class RefusedError(Exception):
    """The venue said no. What was asked did not happen."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        self.status = status
        self.code = int(answer["code"])
        self.said = str(answer["msg"])
        self.details: Mapping[str, Any] = answer.get("details") or {}
        """The venue's own number and name of the refusal, with the limit and the usage."""
        super().__init__(f"{status} {self.code}: {self.said} {dict(self.details)}")


class UnknownOutcomeError(Exception):
    """The venue did not say in time. An order may yet happen: ask for it by the client's id."""


class RestClient:
    """One connection, for one key or none."""

    def __init__(self, url: str, key: ApiKey | None = None) -> None:
        self._key = key
        headers = {"X-MBX-APIKEY": key.key_id} if key is not None else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=30)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._http.close()

    def public(self, path: str, **parameters: str | int) -> Any:
        """Ask what everybody may know."""
        return self._answer("GET", path, urlencode(parameters))

    def signed(self, method: str, path: str, **parameters: str | int) -> Any:
        """Ask in the name of the key's owner."""
        assert self._key is not None, "a signed request needs a key"
        stamp = time.time_ns() // 1_000_000
        text = urlencode({**parameters, "timestamp": stamp})
        return self._answer(
            method, path, f"{text}&{urlencode({'signature': self._key.sign(text.encode())})}"
        )

    def account(self) -> Any:
        """Return balances and rights; the first call opens the trading account."""
        return self.signed("GET", "/api/v3/account")

    def place(self, *, symbol: str, side: str, quantity: str, **terms: str | int) -> Any:
        """Place an order.

        Args:
            symbol: such as BTCUSD.
            side: BUY or SELL.
            quantity: in base units, as decimal text; money is never a float.
            terms: ``type``, ``price``, ``timeInForce``, ``newClientOrderId`` and so on.

        Raises:
            RefusedError: it was not accepted.
            UnknownOutcomeError: it may have been.
        """
        return self.signed(
            "POST", "/api/v3/order", symbol=symbol, side=side, quantity=quantity, **terms
        )

    def order(self, *, symbol: str, order_id: int) -> Any:
        """Return where an order stands."""
        return self.signed("GET", "/api/v3/order", symbol=symbol, orderId=order_id)

    def cancel(self, *, symbol: str, order_id: int) -> Any:
        """Cancel an order."""
        return self.signed("DELETE", "/api/v3/order", symbol=symbol, orderId=order_id)

    def open_orders(self, symbol: str) -> Any:
        """Return the open orders of a market."""
        return self.signed("GET", "/api/v3/openOrders", symbol=symbol)

    def _answer(self, method: str, path: str, query: str) -> Any:
        answer = self._http.request(method, f"{path}?{query}" if query else path)
        if answer.status_code == httpx.codes.GATEWAY_TIMEOUT:
            raise UnknownOutcomeError(answer.text)
        if answer.status_code != httpx.codes.OK:
            raise RefusedError(answer.status_code, answer.json())
        return answer.json()
