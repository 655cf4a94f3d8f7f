"""What was agreed is done once, whatever breaks off or is changed in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.admin.proposals import DONE_WITHIN_NS
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.directory import Directory
from exchange.errors import CommandError, CommandRefusedError, VenueAwayError
from messages.layout import plain_text
from messages.trading import commands, events
from messages.trading.identity import client_id
from tests.unit.exchange.plane_desk import (
    KILL,
    MONEY,
    PlaneDesk,
    code_of,
    two_accounts,
)
from tests.unit.exchange.test_admin_roles import BODIES


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


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
