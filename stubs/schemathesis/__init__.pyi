# What tests/integration/retail_gateway/schemathesis_hooks.py uses of schemathesis, which is
# installed apart from the venue's environment (tests/locked_packages.py).

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])

class Operation:
    label: str

class Case:
    operation: Operation

class Response:
    status_code: int
    headers: Mapping[str, list[str]]

class _Auth:
    def set_from_requests(self, auth: Callable[[Any], Any]) -> object: ...

auth: _Auth

def hook(function: _Function) -> _Function: ...
def check(function: _Function) -> _Function: ...
