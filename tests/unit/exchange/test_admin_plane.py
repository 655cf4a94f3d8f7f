"""Signed, once, by two: what the plane lets through, and what it does after a crash."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.admin.plane import Outcome
from exchange.admin.proposals import DONE_WITHIN_NS, LIFETIME_NS, OPEN_MAX, Proposal, Proposals
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import Role
from exchange.admin.signing import Doorkeeper, SignedRequest
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError, VenueAwayError
from exchange.operators import Operators
from exchange.venue_identity import venue_identity
from messages.layout import padded_text, plain_text
from messages.trading import commands, events
from messages.trading.identity import client_id
from tests.unit.exchange.plane_desk import (
    ELSEWHERE,
    REASON,
    VENUE,
    WINDOW_NS,
    PlaneDesk,
    as_version_1,
)
from tests.unit.exchange.test_admin_roles import BODIES, KEY

MONEY = {"account": "MM1", "asset": "USD", "amount": "1000.50", "reference": "r-1"}
KILL = {"scope": "venue", "reason": REASON}


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


def code_of(raised: pytest.ExceptionInfo[AdminRefusedError]) -> AdminCode:
    return raised.value.code


async def two_accounts(desk: PlaneDesk) -> dict[str, int]:
    """Give a firm a second account, and return what a transfer between both names."""
    known = Directory(await desk.venue.definitions())
    one = known.account("INST1")
    (created,) = [
        each
        for each in known.records
        if isinstance(each, events.AccountCreated) and each.account == one
    ]
    like = {
        name: getattr(created, name)
        for name in ("firm", "owner_group", "account_kind", "self_trade_prevention")
    }
    name = padded_text("INST1-B", len(created.name))
    desk.venue.apply(commands.CreateAccount.make(account=one + 77, name=name, **like))
    await desk.agreed("credit", **MONEY | {"account": "INST1"})
    return {"account": one, "to_account": one + 77, "asset": known.asset("USD").asset}


async def kill(desk: PlaneDesk, request: SignedRequest) -> None:
    await desk.plane.act(request, "kill")


# --- signatures ---


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


# --- two operators ---


async def test_money_moves_when_two_agree_and_once(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    assert proposed.said.startswith("proposal ")
    assert desk.venue.asked == []
    done = await desk.approve("ben", proposed)
    assert "it has 1,000.500000 USD" in done.said
    (command,) = desk.venue.asked
    assert isinstance(command, commands.Credit)
    assert (command.operator, command.approver) == (1, 2)
    with pytest.raises(AdminRefusedError, match="executed as event"):
        await desk.approve("ben", proposed)
    again = await desk.agreed("credit", **MONEY)
    assert "honoured before; nothing changed" in again.said
    with pytest.raises(CommandError, match="used already: credit of"):
        await desk.agreed("credit", **MONEY | {"amount": "1"})
    assert [entry.step for entry in desk.entries()][:3] == ["proposed", "approved", "done"]


async def test_nobody_approves_the_own_proposal(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ann", proposed)
    assert code_of(refused) is AdminCode.SECOND_OPERATOR_MISSING
    assert desk.venue.asked == []


async def test_one_key_under_two_names_is_one_operator(desk: PlaneDesk) -> None:
    with pytest.raises(CommandError, match="the key of operator ann"):
        desk.operators.add(
            msgspec.structs.replace(desk.operators.named("ann"), name="dan", number=9)
        )
    proposed = await desk.act("ann", "credit", **MONEY)
    ann = desk.operators.named("ann")
    desk.operators.write(msgspec.structs.replace(ann, name="ben", number=2))
    desk.operators.token_path("ben").write_bytes(desk.operators.token_path("ann").read_bytes())
    with pytest.raises(AdminRefusedError, match="are one operator"):
        await desk.approve("ben", proposed)
    assert desk.venue.asked == []


@pytest.mark.parametrize("revoked", ["ann", "ben"])
async def test_who_is_revoked_takes_proposals_and_approvals_along(
    desk: PlaneDesk, revoked: str
) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    await desk.act("cid", "operators.revoke", name=revoked)
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", proposed)
    expected = AdminCode.SECOND_OPERATOR_MISSING if revoked == "ann" else None
    assert code_of(refused) is (expected or AdminCode.SIGNATURE_INVALID)
    assert desk.venue.asked == []


async def test_an_operator_revoked_between_approval_and_repeat_takes_it_along(
    desk: PlaneDesk,
) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    desk.venue.is_away = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.is_away = False
    desk.operators.write(
        msgspec.structs.replace(desk.operators.named("ann"), revoked_at_ns=desk.now_ns)
    )
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", proposed)
    assert code_of(refused) is AdminCode.SECOND_OPERATOR_MISSING
    assert desk.venue.asked == []


async def test_a_role_taken_away_in_between_counts(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    desk.give("ann", Role.VIEWER)
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", proposed)
    assert code_of(refused) is AdminCode.ROLE_MISSING
    assert desk.venue.asked == []


@pytest.mark.parametrize("changed", ["summary", "action", "request"])
async def test_a_proposal_that_was_changed_on_the_disk_is_not_the_one_that_was_read(
    desk: PlaneDesk, changed: str
) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    proposal = proposed.proposal
    assert proposal is not None
    body = proposal.request.body.replace("1000.50", "9999.50")
    values: dict[str, object] = {
        "summary": "harmless",
        "action": "reserve",
        "proposed_at_ns": 5,
        "request": msgspec.structs.replace(proposal.request, body=body),
    }
    path = desk.state.proposals / f"{proposal.id}.json"
    forged = msgspec.structs.replace(proposal, **{changed: values[changed]})
    path.write_bytes(msgspec.json.encode(forged))
    with pytest.raises(AdminRefusedError) as refused:
        await desk.approve("ben", proposed)
    assert code_of(refused) is AdminCode.PROPOSAL_NOT_OPEN
    with pytest.raises((AdminRefusedError, CommandError)):
        await desk.approve("ben", proposed, digest=forged.digest)
    assert desk.venue.asked == [], "words and request have to agree, whatever the digest"


async def test_an_approval_says_which_proposal_it_is_of(desk: PlaneDesk) -> None:
    first = await desk.act("ann", "credit", **MONEY)
    second = await desk.act("ann", "credit", **MONEY | {"reference": "r-2", "amount": "5"})
    with pytest.raises(AdminRefusedError, match="not the one that was read"):
        await desk.approve("ben", second, digest=first.digest)


async def test_a_proposal_lasts_a_day_and_no_more_than_so_many_are_open(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    desk.now_ns += LIFETIME_NS
    late = await desk.act("ann", "credit", **MONEY | {"reference": "r-2"})
    await desk.approve("ben", proposed)
    desk.now_ns += LIFETIME_NS + 1
    with pytest.raises(AdminRefusedError, match="older than 24 hours"):
        await desk.approve("ben", late)
    assert late.proposal is not None
    for number in range(OPEN_MAX):
        name = f"{number:012x}"
        request = msgspec.structs.replace(late.proposal.request, time_ns=desk.now_ns)
        copy = msgspec.structs.replace(late.proposal, id=name, request=request)
        (desk.state.proposals / f"{name}.json").write_bytes(msgspec.json.encode(copy))
    with pytest.raises(AdminRefusedError) as refused:
        await desk.act("ann", "credit", **MONEY | {"reference": "r-3"})
    assert code_of(refused) is AdminCode.BUSY


async def test_what_is_decided_is_never_read_again_and_found_by_its_id(
    desk: PlaneDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.plane.proposals = Proposals(desk.state.proposals, lambda: desk.now_ns)
    decided = []
    for number in range(5):
        proposed = await desk.act("ann", "credit", **MONEY | {"reference": f"r-{number}"})
        await desk.approve("ben", proposed)
        desk.now_ns += 1
        assert proposed.proposal is not None
        decided.append(proposed.proposal.id)
    waiting = await desk.act("ann", "credit", **MONEY | {"reference": "r-9"})
    assert waiting.proposal is not None
    assert [each.id for each in desk.plane.proposals.listed()] == [*decided, waiting.proposal.id]
    again = Proposals(desk.state.proposals, lambda: desk.now_ns)
    read: list[str] = []
    reading = Proposals._read

    def noted(proposals: Proposals, path: Path) -> Proposal:
        read.append(path.stem)
        return reading(proposals, path)

    monkeypatch.setattr(Proposals, "_read", noted)
    assert [each.id for each in again.listed()] == [waiting.proposal.id]
    again.add(waiting.proposal.request, "credit", "another")
    assert set(read) == {waiting.proposal.id}
    assert again.find(decided[0]).outcome.startswith("executed as event")


async def test_a_crash_between_the_two_places_of_a_decided_proposal_is_mended(
    desk: PlaneDesk,
) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    assert proposed.proposal is not None
    path = desk.state.proposals / f"{proposed.proposal.id}.json"
    undecided = path.read_bytes()
    await desk.approve("ben", proposed)
    assert not path.exists()
    path.write_bytes(undecided)
    assert Proposals(desk.state.proposals, lambda: desk.now_ns).listed() == []
    assert not path.exists()
    # A version before the two folders left what was decided among the others.
    there = desk.state.proposals / "decided" / path.name
    there.rename(path)
    assert Proposals(desk.state.proposals, lambda: desk.now_ns).listed() == []
    assert there.exists()
    assert not path.exists()
    with pytest.raises(AdminRefusedError, match="executed as event"):
        await desk.approve("ben", proposed)


async def test_what_nobody_approved_in_time_is_closed_by_the_next_one(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    assert proposed.proposal is not None
    desk.now_ns += LIFETIME_NS + 1
    await desk.act("ann", "credit", **MONEY | {"reference": "r-2"})
    assert desk.plane.proposals.find(proposed.proposal.id).outcome.startswith("expired")
    with pytest.raises(AdminRefusedError, match="expired"):
        await desk.approve("ben", proposed)


async def test_what_is_withdrawn_is_over(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "credit", **MONEY)
    assert proposed.proposal is not None
    request = desk.signed(
        "cid", f"/v1/proposals/{proposed.proposal.id}/withdraw", {"reason": "changed our minds"}
    )
    await desk.plane.withdraw(request, proposed.proposal.id)
    with pytest.raises(AdminRefusedError, match="withdrawn by cid"):
        await desk.approve("ben", proposed)
    assert desk.entries()[-1].step == "withdrawn"


# --- crashes and refusals ---


async def test_an_answer_that_was_lost_is_found_by_approving_again(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    proposed = await desk.act("ann", "transfer", account="MM1", to="MM1", asset="USD", amount="1")
    with pytest.raises(CommandRefusedError, match="TRANSFER_TO_ITSELF"):
        await desk.approve("ben", proposed)
    with pytest.raises(AdminRefusedError, match="TRANSFER_TO_ITSELF"):
        await desk.approve("ben", proposed)

    debit = await desk.act("ann", "debit", **MONEY | {"reference": "d-1", "amount": "1"})
    desk.venue.loses_answers = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", debit)
    assert desk.entries()[-1].step == "failed"
    desk.venue.loses_answers = False
    desk.restarted()
    desk.now_ns += 1
    with pytest.raises(AdminRefusedError, match="ben has approved it"):
        await desk.approve("cid", debit)
    done = await desk.approve("ben", debit)
    assert "honoured before" in done.said
    assert desk.entries()[-1].events == (done.event,)
    assert len(await desk.venue.movements(client_id("d-1"))) == 1


async def test_a_crash_after_the_approval_and_before_the_command_leaves_it_to_be_repeated(
    desk: PlaneDesk,
) -> None:
    proposed = await desk.act("ann", "resume", scope="venue")
    desk.venue.is_away = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.is_away = False
    desk.restarted()
    desk.now_ns += 1
    assert (await desk.approve("ben", proposed)).said == "venue resumed"


@pytest.mark.parametrize("late_ns", [0, 1])
async def test_what_was_approved_is_done_within_an_hour_or_never(
    desk: PlaneDesk, late_ns: int
) -> None:
    proposed = await desk.act("ann", "resume", scope="venue")
    assert proposed.proposal is not None
    path = f"/v1/proposals/{proposed.proposal.id}/withdraw"
    desk.venue.is_away = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.is_away = False
    desk.now_ns += DONE_WITHIN_NS + late_ns
    withdrawing = desk.signed("ann", path, {"reason": "nobody knows"})
    if not late_ns:
        with pytest.raises(AdminRefusedError, match="is approved"):
            await desk.plane.withdraw(withdrawing, proposed.proposal.id)
        assert (await desk.approve("ben", proposed)).said == "venue resumed"
        return
    with pytest.raises(AdminRefusedError, match="approved more than 60 minutes ago"):
        await desk.approve("ben", proposed)
    gone = await desk.plane.withdraw(withdrawing, proposed.proposal.id)
    assert gone.said.endswith("withdrawn by ann, approved before and not known to be done")


# --- references ---


TRANSFER = {"account": "INST1", "to": "INST1-B", "asset": "USD", "amount": "2"}


async def test_what_two_agreed_is_not_undone_by_who_uses_its_reference(desk: PlaneDesk) -> None:
    accounts = await two_accounts(desk)
    proposed = await desk.act("ann", "transfer", **TRANSFER)
    assert proposed.proposal is not None
    reference = proposed.proposal.reference
    spoilt = MONEY | {"amount": "0.000001", "reference": plain_text(reference)}
    with pytest.raises(AdminRefusedError) as refused:
        await desk.act("cid", "reserve", **spoilt)
    assert code_of(refused) is AdminCode.BODY_INVALID
    # Whoever gets past that, beside the plane, has it refused at most, never told as done.
    spoiling = {"account": accounts["account"], "asset": accounts["asset"], "operator": 3}
    desk.venue.apply(
        commands.ReserveWithdrawal.make(amount_atoms=1, reference=reference, **spoiling)
    )
    with pytest.raises(CommandRefusedError, match="DUPLICATE_REFERENCE"):
        await desk.approve("ben", proposed)
    assert desk.entries()[-1].step == "refused"
    assert desk.plane.proposals.find(proposed.proposal.id).outcome.startswith("refused")
    assert not [event for event in desk.venue.told if isinstance(event, events.FundsTransferred)]


@pytest.mark.parametrize(
    "change",
    [{}, {"amount_atoms": 1}, {"operator": 3}, {"approver": 3}],
    ids=lambda change: next(iter(change), "the same"),
)
async def test_a_used_reference_is_believed_only_for_the_same_terms_by_the_same_two(
    desk: PlaneDesk, change: dict[str, int]
) -> None:
    accounts = await two_accounts(desk)
    proposed = await desk.act("ann", "transfer", **TRANSFER)
    assert proposed.proposal is not None
    desk.venue.is_away = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.is_away = False
    terms = accounts | {"amount_atoms": 2_000_000, "operator": 1, "approver": 2} | change
    command = commands.TransferFunds.make(reference=proposed.proposal.reference, **terms)
    told = [
        event.number
        for event in desk.venue.apply(command)
        if isinstance(event, events.FundsTransferred)
    ]
    assert len(told) == 1
    desk.now_ns += 1
    if change:
        with pytest.raises(CommandRefusedError, match="DUPLICATE_REFERENCE"):
            await desk.approve("ben", proposed)
        assert desk.entries()[-1].step == "refused"
        return
    done = await desk.approve("ben", proposed)
    assert ([done.event], desk.entries()[-1].events) == (told, tuple(told))


async def test_what_may_have_been_done_without_a_reference_is_not_done_blindly(
    desk: PlaneDesk,
) -> None:
    raised = {"account": "MM1", "asset": "USD", "credit_line": "500"}
    proposed = await desk.act("ann", "limits", **raised)
    desk.venue.loses_answers = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.loses_answers = False
    sent = len(desk.venue.asked)
    with pytest.raises(AdminRefusedError, match="may have been done before"):
        await desk.approve("ben", proposed)
    assert len(desk.venue.asked) == sent


async def test_what_the_venue_moved_on_from_is_refused(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "limits", account="MM1", asset="USD", credit_line="500")
    await desk.agreed("limits", account="MM1", asset="USD", credit_line="200")
    with pytest.raises(AdminRefusedError, match="the venue moved on"):
        await desk.approve("ben", proposed)


async def test_a_configuration_edited_after_it_was_proposed_is_refused(desk: PlaneDesk) -> None:
    proposed = await desk.act("ann", "apply")
    path = desk.config / "instruments.toml"
    text = path.read_text()
    assert 'notional_max = "50000000"' in text
    path.write_text(text.replace('notional_max = "50000000"', 'notional_max = "49000000"', 1))
    with pytest.raises(AdminRefusedError, match="notional_max_atoms=49000000000000"):
        await desk.approve("ben", proposed)
    assert desk.venue.asked == []
    assert (await desk.agreed("apply")).said == "1 applied, 0 left alone"
    (command,) = desk.venue.asked
    assert isinstance(command, commands.SetInstrumentLimits)
    assert (command.operator, command.approver) == (1, 2)


async def place(desk: PlaneDesk, session: str, side: int, count: int) -> list[events.Event]:
    """Place orders of 0.01 BTC at 60,000 and return what came of the last."""
    known = Directory(await desk.venue.definitions())
    who = {
        "session": known.session(session),
        "account": known.account(session),
        "connection": 1,
    }
    desk.venue.apply(commands.OpenSession.make(**who))
    order = {"side": side, "order_type": 1, "time_in_force": 2, "self_trade_prevention": 0}
    terms = {"instrument": known.instrument("BTC-USD"), "price_ticks": 6_000_000}
    told: list[events.Event] = []
    for number in range(count):
        name = client_id(f"{session}-{number}")
        told = desk.venue.apply(
            commands.PlaceOrder.make(
                **who, **order, **terms, quantity_lots=100, client_order_id=name
            )
        )
        assert isinstance(told[0], events.OrderAccepted), getattr(told[0], "code", told)
    return told


async def test_a_drill_stops_trading_and_says_how_fast(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY | {"amount": "100000"})
    await place(desk, "MM1", 1, 3)
    with pytest.raises(CommandError, match="stops trading for real"):
        await desk.act("ann", "drill.kill", scope="venue")
    done = await desk.act("ann", "drill.kill", scope="venue", stops_trading=True)
    assert "3 orders cancelled, command to last cancel" in done.said
    assert "last execution none," in done.said
    assert done.said.endswith("executions since: none; open orders 3 before, 0 after")
    assert desk.entries()[-1].outcome == done.said


async def test_a_drill_puts_on_record_when_the_last_execution_and_cancel_were(
    desk: PlaneDesk,
) -> None:
    await desk.agreed("credit", **MONEY | {"amount": "100000"})
    btc = {"account": "MM2", "asset": "BTC", "amount": "5", "reference": "r-2"}
    await desk.agreed("credit", **btc)
    await place(desk, "MM1", 1, 3)
    told = await place(desk, "MM2", 2, 1)
    trade = next(event for event in told if isinstance(event, events.TradeExecuted))
    done = await desk.act("ann", "drill.kill", scope="firm", target="MM1", stops_trading=True)
    cancels = [each for each in desk.venue.told if isinstance(each, events.OrderCancelled)]
    assert len(cancels) == 2
    stamp = f"1970-01-01T00:00:00.{trade.time_ns:09d}Z (event {trade.number})"
    assert f"last execution {stamp}" in done.said
    stamp = f"1970-01-01T00:00:00.{cancels[-1].time_ns:09d}Z (event {cancels[-1].number})"
    assert f"last cancel {stamp}, executions since: none" in done.said
    assert desk.entries()[-1].outcome == done.said
    # What others execute is no business of a firm's switch.
    other = await desk.act("ann", "drill.kill", scope="firm", target="INST1", stops_trading=True)
    assert "last execution none, last cancel none, executions since: none" in other.said


async def test_what_was_signed_for_one_path_does_nothing_at_another(desk: PlaneDesk) -> None:
    request = desk.signed("ann", "/v1/actions/kill", KILL)
    with pytest.raises(AdminRefusedError, match="not /v1/actions/resume"):
        await desk.plane.act(request, "resume")
    first = await desk.act("ann", "credit", **MONEY)
    assert first.proposal is not None
    body = {"digest": first.digest, "reason": "looked at it"}
    elsewhere = desk.signed("ben", "/v1/proposals/0123/approve", body)
    with pytest.raises(AdminRefusedError, match="not /v1/proposals"):
        await desk.plane.approve(elsewhere, first.proposal.id)


async def test_a_record_that_cannot_be_written_stops_everything_but_a_kill_switch(
    desk: PlaneDesk,
) -> None:
    desk.lines.path.parent.mkdir(exist_ok=True)
    desk.lines.path.write_bytes(b"not ours\n")
    for action in ("phase", "credit"):
        with pytest.raises(Exception, match="line"):
            await desk.act("ann", action, **BODIES[action])
    assert desk.venue.asked == []
    await desk.act("ann", "kill", scope="venue")
    assert isinstance(desk.venue.asked[0], commands.Kill)


# --- limits by amount ---


@pytest.mark.parametrize(
    ("fields", "takes_two"),
    [
        ({"open_orders": 10_000}, False),
        ({"open_orders": 10_001}, True),
        ({"burst": 500, "per_second": 10_000}, False),
        ({"burst": 500, "per_second": 10_001}, True),
        ({"per_second": 0}, True),
        ({"burst": 0}, True),
        ({"burst": 0, "per_second": 1}, True),
        ({"burst": 20_000}, False),
        ({"burst": 20_001}, True),
        ({"asset": "USD", "credit_line": "0.000001"}, True),
        ({"asset": "USD", "credit_line": "0"}, False),
        ({"asset": "BTC", "position_max": "1000"}, False),
    ],
    ids=str,
)
async def test_one_operator_raises_limits_up_to_what_is_configured(
    desk: PlaneDesk, fields: dict[str, object], takes_two: bool
) -> None:
    await desk.act("ann", "limits", account="MM1", open_orders=5, burst=1, per_second=1)
    outcome = await desk.act("ann", "limits", account="MM1", **fields)
    assert (outcome.proposal is not None) is takes_two


async def test_one_operator_may_limit_an_account_that_had_no_limit(desk: PlaneDesk) -> None:
    await desk.agreed("limits", account="MM1", burst=0)
    still_none = await desk.act("ann", "limits", account="MM1", per_second=0)
    assert still_none.proposal is None
    limited = await desk.act("ann", "limits", account="MM1", burst=50_000, per_second=50_000)
    assert limited.proposal is None


@pytest.mark.parametrize(
    ("amount", "takes_two"), [("1000", False), ("1000.00000001", True), ("0", True), ("3", False)]
)
async def test_a_position_limit_is_raised_alone_up_to_what_is_configured(
    desk: PlaneDesk, amount: str, takes_two: bool
) -> None:
    await desk.act("ann", "limits", account="MM1", asset="BTC", position_max="5")
    outcome = await desk.act("ann", "limits", account="MM1", asset="BTC", position_max=amount)
    assert (outcome.proposal is not None) is takes_two


async def test_a_credit_line_is_lowered_by_one(desk: PlaneDesk) -> None:
    await desk.agreed("limits", account="MM1", asset="USD", credit_line="500")
    lower = await desk.act("ann", "limits", account="MM1", asset="USD", credit_line="100")
    assert lower.proposal is None


# --- people and keys ---


async def test_a_newcomer_is_let_in_by_two_and_may_do_what_the_roles_say(desk: PlaneDesk) -> None:
    newcomer = {"name": "dan", "number": 9, "public_key": "ab" * 32, "roles": ["risk", "viewer"]}
    await desk.agreed("operators.add", **newcomer)
    dan = desk.operators.named("dan")
    assert (dan.number, dan.roles) == (9, (Role.RISK, Role.VIEWER))
    for taken in (newcomer | {"name": "eve"}, newcomer | {"number": 8, "roles": ["risk"]}):
        with pytest.raises(CommandError, match="already"):
            await desk.agreed("operators.add", **taken)
    await desk.act("cid", "operators.revoke", name="dan")
    assert desk.operators.named("dan").is_revoked
    with pytest.raises(CommandError, match="names are used once"):
        await desk.act("ann", "operators.change", name="dan", roles=["viewer"])


async def test_two_who_can_let_others_in_always_remain(desk: PlaneDesk) -> None:
    await desk.act("ann", "operators.revoke", name="cid")
    with pytest.raises(CommandError, match="1 operators with the role security would be left"):
        await desk.act("ann", "operators.revoke", name="ben")
    with pytest.raises(CommandError, match="at least 2 must"):
        await desk.act("ann", "operators.change", name="ben", roles=["viewer"])


async def test_keys_of_sessions_are_added_rotated_and_revoked(desk: PlaneDesk) -> None:
    said = await desk.agreed("keys.add", session="MM1")
    assert "MM1 has the live keys MM1-1; its secret is in MM1.json" in said.said
    await desk.agreed("keys.add", session="MM1", id="second")
    with pytest.raises(CommandError, match="revoke one"):
        await desk.agreed("keys.add", session="MM1")
    rotated = await desk.agreed("keys.rotate", session="MM1", ed25519=KEY)
    assert rotated.said == "MM1 has the live keys second, MM1-2"
    again = await desk.agreed("keys.rotate", session="MM1", ed25519=KEY, id="other")
    assert "has that key already" in again.said
    revoked = await desk.act("ann", "keys.revoke", session="MM1", key="second")
    assert revoked.said == "second is revoked; MM1 has MM1-2"
    for fields, text in (
        ({"session": "NOBODY"}, "no session file"),
        ({"session": "MM1", "ed25519": "abc"}, "32 bytes in base64"),
        ({"session": "MM1", "id": "second"}, "ids are used once"),
    ):
        with pytest.raises(CommandError, match=text):
            await desk.act("ann", "keys.add", **fields)


def test_founding_takes_two_and_happens_once(desk: PlaneDesk, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there are operators already"):
        desk.operators.found(["dan", "eve"])
    with pytest.raises(CommandError, match="at least two"):
        Operators(tmp_path / "none").found(["dan", "dan"])
