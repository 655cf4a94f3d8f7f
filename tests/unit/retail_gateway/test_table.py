"""The table of endpoints, and what is made of it without a venue."""

import msgspec
import pytest

from messages.trading.codes import RejectCode
from retail_gateway.refusals import ANSWERS, DoorCode, venue_refusal
from retail_gateway.rest import openapi
from retail_gateway.routes import Endpoint, Security
from retail_gateway.settings import RetailApiTable
from tests.unit.retail_gateway.desk import a_table

TABLE = a_table()

OTHERS = {
    "PROTECTION", "QUOTE", "RFQ", "GROUP", "SUSPENSIONS", "ASSET", "AMOUNT", "SUPPLY", "REFERENCE",
    "WITHDRAWAL", "FEE", "PHASE", "RULES", "REBATE", "CREDIT", "TRADE", "CORRECTION", "APPROVAL",
    "RECEIVABLE", "RECEIVABLES", "FIRMS", "TRANSFER", "DISPUTE", "ADJUSTMENT", "GATEWAY",
}  # fmt: skip
"""First words of refusals that no command of this door can meet: what it never sends."""


@pytest.mark.parametrize("code", list(RejectCode), ids=lambda code: code.name)
def test_every_refusal_of_the_venue_has_words_or_cannot_be_met(code: RejectCode) -> None:
    words = code.name.split("_")
    is_others = words[0] in OTHERS or words[:2] == ["DUPLICATE", "REFERENCE"]
    is_others |= code is RejectCode.DUPLICATE_QUOTE_REQUEST_ID
    assert (code in ANSWERS) is not is_others
    refused = venue_refusal(code, limit=7, usage=8)
    assert refused.code < 0
    assert (refused.details.code, refused.details.limit, refused.details.usage) == (code, 7, 8)
    assert 400 <= refused.status < 600


def test_no_number_is_used_twice() -> None:
    assert not {int(code) for code in DoorCode} & {int(code) for code in RejectCode}


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda each: each.door)
def test_what_changes_something_needs_the_right_to_trade(endpoint: Endpoint) -> None:
    if endpoint.changes or endpoint.orders:
        assert endpoint.security is Security.TRADE
    assert endpoint.changes is (endpoint.method != "GET" and "test" not in endpoint.path)


def test_every_endpoint_is_in_the_document() -> None:
    document = openapi.document(TABLE)
    said = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert said == {endpoint.door for endpoint in TABLE}
    assert len(said) == len(TABLE)
    assert msgspec.json.decode(msgspec.json.encode(document)) == document
    page = openapi.page(TABLE)
    assert all(endpoint.path in page for endpoint in TABLE)


@pytest.mark.parametrize(
    ("number", "is_ours"),
    [
        *((899, False), (900, True), (901, False)),
        *((524_287, False), (524_288, True), (1_024_286, True), (1_024_287, False)),
    ],
)
def test_sessions_of_people_are_their_own_and_the_timers(number: int, *, is_ours: bool) -> None:
    assert RetailApiTable().has_session(number) is is_ours


def test_the_last_accounts_timer_is_a_session_that_fits_its_source() -> None:
    assert RetailApiTable(first_timer_session=548_577).first_timer_session == 548_577
    with pytest.raises(ValueError, match="would be session 1048576; sessions end before 1048576"):
        RetailApiTable(first_timer_session=548_578)
