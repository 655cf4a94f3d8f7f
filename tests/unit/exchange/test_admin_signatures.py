"""What is signed is let through once, at one venue, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.admin.plane import Outcome
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.signing import Doorkeeper
from exchange.errors import VenueAwayError
from exchange.venue_identity import venue_identity
from messages.layout import plain_text
from messages.trading import commands
from tests.unit.exchange.plane_desk import (
    ELSEWHERE,
    KILL,
    MONEY,
    REASON,
    VENUE,
    WINDOW_NS,
    PlaneDesk,
    as_version_1,
    code_of,
    kill,
)


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


async def test_a_kill_switch_has_its_operator_its_reason_and_two_entries(desk: PlaneDesk) -> None:
    outcome = await desk.act("ann", "kill", scope="firm", target="MM1")
    assert outcome.said == "firm MM1 killed, 0 orders cancelled"
    (command,) = desk.venue.asked
    assert isinstance(command, commands.Kill)
    assert (command.operator, command.approver, command.cancel_orders) == (1, 0, 1)
    assert plain_text(command.text) == REASON
    asked, done = desk.entries()
    assert (asked.step, done.step, done.events) == ("asked", "done", (outcome.event,))
    assert asked.request is not None
    assert desk.operators.named("ann").has_signed(
        asked.request.signed_bytes(), asked.request.signature
    )
    assert asked.reason == REASON


@pytest.mark.parametrize(
    "forged",
    [
        {"body": '{"scope":"venue","reason":"another body"}'},
        {"path": "/v1/actions/resume"},
        {"method": "GET"},
        {"operator": "ben"},
        {"operator": "nobody"},
        {"operator": "../ann"},
        {"time_ns": 1_000_000_000_001},
        {"nonce": "0" * 32},
        {"signature": "0" * 128},
    ],
    ids=lambda forged: next(iter(forged)),
)
async def test_whatever_is_changed_after_signing_is_refused(
    desk: PlaneDesk, forged: dict[str, object]
) -> None:
    request = desk.signed("ann", "/v1/actions/kill", KILL)
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, msgspec.structs.replace(request, **forged))
    assert code_of(refused) is AdminCode.SIGNATURE_INVALID
    assert desk.entries() == []
    assert desk.venue.asked == []
    await kill(desk, request)


async def test_a_request_is_taken_once(desk: PlaneDesk) -> None:
    request = desk.signed("ann", "/v1/actions/kill", KILL)
    await kill(desk, request)
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, request)
    assert code_of(refused) is AdminCode.REQUEST_REPEATED
    desk.now_ns += WINDOW_NS
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, request)
    assert code_of(refused) is AdminCode.REQUEST_REPEATED, "at the window's last moment"
    desk.now_ns += 1
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, request)
    assert code_of(refused) is AdminCode.REQUEST_STALE


async def test_a_request_from_the_future_cannot_be_used_again_when_its_time_comes(
    desk: PlaneDesk,
) -> None:
    ahead = desk.now_ns + WINDOW_NS
    text = msgspec.json.encode(KILL).decode()
    request = desk.signed_text("ann", "/v1/actions/kill", text, now_ns=ahead)
    await kill(desk, request)
    for _ in range(2):
        desk.now_ns += WINDOW_NS
        with pytest.raises(AdminRefusedError) as refused:
            await kill(desk, request)
        assert code_of(refused) is AdminCode.REQUEST_REPEATED
    desk.now_ns -= 2 * WINDOW_NS + 1
    with pytest.raises(AdminRefusedError):
        await kill(desk, request)
    too_far = desk.signed_text("ann", "/v1/actions/kill", text, now_ns=ahead + WINDOW_NS)
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, too_far)
    assert code_of(refused) is AdminCode.REQUEST_STALE


async def test_a_request_that_was_signed_for_another_venue_is_worth_nothing(
    desk: PlaneDesk,
) -> None:
    text = msgspec.json.encode(KILL).decode()
    foreign = desk.signed_text("ann", "/v1/actions/kill", text, venue=ELSEWHERE)
    unnamed = as_version_1(desk, foreign)
    for request, code in (
        (foreign, AdminCode.VENUE_FOREIGN),
        (unnamed, AdminCode.VENUE_NOT_SIGNED),
        (msgspec.structs.replace(foreign, venue=VENUE), AdminCode.SIGNATURE_INVALID),
        (msgspec.structs.replace(unnamed, venue=VENUE), AdminCode.SIGNATURE_INVALID),
    ):
        with pytest.raises(AdminRefusedError) as refused:
            await kill(desk, request)
        assert code_of(refused) is code
    assert (desk.venue.asked, desk.entries()) == ([], [])
    await kill(desk, desk.signed_text("ann", "/v1/actions/kill", text))
    assert len(desk.venue.asked) == 1


@pytest.mark.parametrize("of", ["another venue", "the first version"])
async def test_a_proposal_from_another_venue_is_closed_when_it_is_approved(
    desk: PlaneDesk, of: str
) -> None:
    """A file that was carried over, or was there before requests named their venue."""
    text = msgspec.json.encode(MONEY | {"reason": REASON}).decode()
    request = desk.signed_text("ann", "/v1/actions/credit", text, venue=ELSEWHERE)
    if of == "the first version":
        request = as_version_1(desk, request)
    carried = desk.plane.proposals.add(request, "credit", "credit of 1,000.500000 USD for MM1")
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", Outcome(said="", proposal=carried, digest=carried.digest))
    assert code_of(refused) is AdminCode.SECOND_OPERATOR_MISSING
    assert desk.venue.asked == []
    assert desk.plane.proposals.find(carried.id).outcome.startswith("refused: ann ")


async def test_before_there_is_a_venue_nobody_is_let_in(desk: PlaneDesk) -> None:
    def none() -> str:
        return venue_identity(desk.state)

    door = Doorkeeper(
        desk.operators, lambda: desk.now_ns, venue=none, window_ns=WINDOW_NS, nonces_max=3
    )
    with pytest.raises(VenueAwayError, match="it is begun when the core first starts"):
        door.admit(desk.signed("ann", "/v1/me", {}))


async def test_a_restart_opens_no_gap_for_replays(desk: PlaneDesk) -> None:
    request = desk.signed("ann", "/v1/actions/kill", KILL)
    await kill(desk, request)
    desk.now_ns += 1
    desk.restarted()
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, request)
    assert code_of(refused) is AdminCode.REQUEST_STALE


async def test_nonces_are_bounded_and_none_is_forgotten_early(desk: PlaneDesk) -> None:
    door = Doorkeeper(
        desk.operators,
        lambda: desk.now_ns,
        venue=lambda: VENUE,
        window_ns=WINDOW_NS,
        nonces_max=3,
    )
    requests = [desk.signed("ann", "/v1/me", {}) for _ in range(4)]
    for request in requests[:3]:
        door.admit(request)
    with pytest.raises(AdminRefusedError) as refused:
        door.admit(requests[3])
    assert code_of(refused) is AdminCode.BUSY
    desk.now_ns += 2 * WINDOW_NS + 1
    door.admit(desk.signed("ann", "/v1/me", {}))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '{"scope":"venue"}',
        '{"scope":"venue","reason":"xx"}',
        '{"scope":"venue","reason":"' + "x" * 97 + '"}',
        '{"scope":"venue","reason":"caf\\u00e9"}',
        '{"scope":"planet","reason":"because"}',
        '{"scope":"venue","reason":"because","more":1}',
        '{"scope":"venue","reason":"because","keep_orders":"yes"}',
        '{"scope":' * 3000,
    ],
)
async def test_a_body_that_is_none_is_refused_and_changes_nothing(
    desk: PlaneDesk, body: str
) -> None:
    request = desk.signed_text("ann", "/v1/actions/kill", body)
    with pytest.raises(AdminRefusedError) as refused:
        await kill(desk, request)
    assert code_of(refused) is AdminCode.BODY_INVALID
    assert (desk.venue.asked, desk.entries()) == ([], [])
