"""The OpenAPI 3.1 document of the table of endpoints, and a page to read it by."""

import html
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from retail_gateway.market_data import LIMIT_DIGITS_MAX
from retail_gateway.parameters import Parameters
from retail_gateway.routes import Endpoint, Security

DOCUMENT_PATH: Final = "/api/v3/openapi.json"
PAGE_PATH: Final = "/api/v3/docs"

_REF: Final = "#/components/schemas/{name}"
_PROOF: Final = (
    ("timestamp", True, {"type": "integer", "minimum": 0}, "When it was signed, in milliseconds."),
    (
        "recvWindow",
        False,
        {"type": "number", "exclusiveMinimum": 0, "maximum": 60000, "default": 5000},
        "For how many milliseconds after that it holds.",
    ),
    (
        "signature",
        True,
        {"type": "string"},
        "Over query and body, joined, without it: HMAC-SHA256 in hexadecimal or Ed25519 base64.",
    ),
)


class Details(msgspec.Struct):
    """Our own number of a refusal."""

    code: int
    name: str
    limit: int
    usage: int


class Refused(msgspec.Struct):
    """A request that was refused."""

    code: int
    msg: str
    details: Details


class RefusedQuestion(msgspec.Struct):
    """A question that was refused: by market data itself, without details."""

    code: int
    msg: str
    details: Details | msgspec.UnsetType = msgspec.UNSET


def document(table: list[Endpoint]) -> dict[str, Any]:
    """Return the document."""
    types = [endpoint.answers for endpoint in table]
    schemas, components = msgspec.json.schema_components(
        (*types, Refused, RefusedQuestion), ref_template=_REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, schema in zip(table, schemas, strict=False):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(
            endpoint, schema, schemas[-1 if _is_question(endpoint) else -2]
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Rialto",
            "version": "3",
            "description": "People's orders, money and market data, in the shape of Binance Spot.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"},
            },
        },
    }


def _operation(endpoint: Endpoint, schema: Any, refused: Any) -> dict[str, Any]:
    is_signed = endpoint.security is not Security.NONE
    parameters = [
        _parameter(field, is_question=_is_question(endpoint))
        for field in msgspec.structs.fields(endpoint.takes)
    ]
    if is_signed:
        parameters += [
            {"name": name, "in": "query", "required": needed, "schema": kind, "description": said}
            for name, needed, kind, said in _PROOF
        ]
    said = {"application/json": {"schema": refused}}
    statuses = {"400": "Refused", "418": "Banned", "429": "Too many requests", "503": "Not sent"}
    if is_signed:
        statuses |= {"401": "Not proven", "504": "Outcome unknown"}
    if endpoint.path.endswith("cancelReplace"):
        statuses["409"] = "One half failed"
    operation: dict[str, Any] = {
        "operationId": endpoint.door.lower().replace("/", "_").replace(" ", ""),
        "summary": endpoint.summary,
        "description": f"Weight {endpoint.weight}.",
        "parameters": parameters,
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": schema}}},
            **{code: {"description": text, "content": said} for code, text in statuses.items()},
            "431": {"description": "The request's head is too large"},
        },
    }
    if is_signed:
        operation["security"] = [{"key": []}]
    return operation


def _is_question(endpoint: Endpoint) -> bool:
    """Say whether market data answers."""
    return not issubclass(endpoint.takes, Parameters)


def _parameter(field: msgspec.structs.FieldInfo, *, is_question: bool) -> dict[str, Any]:
    kind = msgspec.json.schema(_given(field.type))
    if is_question and field.encode_name == "limit":
        most = f"Above {kind['maximum']} it is {kind['maximum']}."
        kind = {**kind, "maximum": 10**LIMIT_DIGITS_MAX - 1, "description": most}
    if field.encode_name == "symbols":
        kind = {"type": "string", "description": 'A JSON array such as ["BTCUSD"].'}
    parameter: dict[str, Any] = {
        "name": field.encode_name,
        "in": "query",
        "required": field.required,
        "schema": kind,
    }
    if not field.required and field.default not in (None, msgspec.NODEFAULT):
        parameter["schema"] = {**kind, "default": field.default}
    return parameter


def _given(kind: Any) -> Any:
    """Return the type of an optional parameter when it is given."""
    if get_origin(kind) is Literal:
        return kind
    some = [each for each in get_args(kind) if each is not type(None)]
    return some[0] if len(some) == 1 and type(None) in get_args(kind) else kind


def page(table: list[Endpoint]) -> str:
    """Return a page for people: it needs no script and nothing from elsewhere."""
    rows = []
    for endpoint in table:
        takes = ", ".join(
            f"<b>{name}</b>" if field.required else name
            for field in msgspec.structs.fields(endpoint.takes)
            for name in [html.escape(field.encode_name)]
        )
        security = endpoint.security.value or "none"
        rows.append(
            f"<tr><td><code>{endpoint.method}</code></td><td><code>{endpoint.path}</code></td>"
            f"<td>{html.escape(endpoint.summary)}</td><td>{takes}</td>"
            f"<td>{security}</td><td>{endpoint.weight}</td></tr>"
        )
    return _PAGE.format(rows="\n".join(rows), document=DOCUMENT_PATH)


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Rialto REST API</title><style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }}
table {{ border-collapse: collapse }} td, th {{ border-bottom: 1px solid #ccc; padding: .3em .7em;
text-align: left; vertical-align: top }} code {{ white-space: nowrap }}
</style></head><body><h1>Rialto REST API</h1>
<p>In the shape of Binance Spot. The document for programs is <code>{document}</code>.
What is bold must be given. Signed endpoints (<i>read</i>, <i>trade</i>: what the key must allow)
also take <b>timestamp</b>, recvWindow and <b>signature</b>.</p>
<table><tr><th></th><th>path</th><th></th><th>parameters</th><th>key</th><th>weight</th></tr>
{rows}
</table></body></html>
"""
