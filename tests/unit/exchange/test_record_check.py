"""What the record does not explain is found: unsigned, alone, or beside the plane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest

from exchange.admin.actions import Body, Desk, Done, Hands, Plan, once
from exchange.admin.catalogue import ACTIONS
from exchange.admin.plane import SUMMARY_BYTES_MAX
from exchange.admin.record import Entry
from exchange.admin.record_check import event_findings, record_findings
from exchange.directory import Directory
from exchange.errors import CommandError, VenueAwayError
from exchange.operator_link import Outcome
from exchange.operators import Operator, Operators
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.identity import client_id
from tests.unit.exchange.plane_desk import ELSEWHERE, VENUE, PlaneDesk, as_version_1

MONEY = {"account": "MM1", "asset": "USD", "amount": "1000", "reference": "r-1"}


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


def checked(entries: Iterable[tuple[int, Entry]], operators: Iterable[Operator]) -> list[str]:
    return record_findings(entries, operators, venue=VENUE)


def findings(desk: PlaneDesk) -> tuple[list[str], list[str]]:
    entries = list(desk.plane.record.entries())
    operators = desk.operators.all()
    recorded = {event: entry for _, entry in entries for event in entry.events}
    names = {each.number: each.name for each in operators}
    proposed = {entry.proposal: entry for _, entry in entries if entry.step == "proposed"}
    known = Directory(events.EVENTS.unpack(desk.venue.engine.definitions()))
    of_events = event_findings(desk.venue.told, recorded, names, proposed, known)
    return checked(entries, operators), of_events


async def a_day(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    await desk.act("ann", "kill", scope="venue")
    await desk.agreed("resume", scope="venue")
    await desk.agreed("limits", account="MM1", asset="USD", credit_line="5", open_orders=9)
    path = desk.config / "instruments.toml"
    path.write_text(path.read_text().replace('notional_max = "50000000"', 'notional_max = "9"', 1))
    await desk.agreed("apply")
    await desk.agreed("operators.change", name="cid", public_key="cd" * 32)
    await desk.act("ann", "operators.revoke", name="cid")


async def test_a_day_of_operators_is_explained(desk: PlaneDesk) -> None:
    await desk.act("cid", "phase", instrument="BTC-USD", phase="halted")
    await a_day(desk)
    assert findings(desk) == ([], [])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (commands.Credit.make(operator=1, approver=2, reference=client_id("x")), "CREDIT by oper"),
        (commands.Credit.make(reference=client_id("x")), "BalanceChanged CREDIT by operator 0"),
        (commands.Resume.make(scope=1), "Resumed by operator 0 is on no record"),
        (commands.SetAssetLimits.make(credit_line_atoms=9, operator=2), "AssetLimitsSet by oper"),
    ],
)
async def test_what_came_in_beside_the_plane_is_found(
    desk: PlaneDesk, command: commands.Command, said: str
) -> None:
    await a_day(desk)
    fields = {"account": 1001, "asset": 1, "amount_atoms": 7}
    there = {name: value for name, value in fields.items() if hasattr(command, name)}
    desk.venue.apply(msgspec.structs.replace(command, **there))
    found = findings(desk)[1]
    assert len(found) == 1
    assert said in found[0]


async def test_an_outcome_that_was_lost_is_found_until_somebody_finds_out(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    proposed = await desk.act("ann", "debit", **MONEY | {"reference": "d-1"})
    desk.venue.loses_answers = True
    with pytest.raises(VenueAwayError):
        await desk.approve("ben", proposed)
    desk.venue.loses_answers = False
    assert len(findings(desk)[1]) == 1
    desk.now_ns += 1
    done = await desk.approve("ben", proposed)
    assert "honoured before" in done.said
    assert desk.entries()[-1].events == (done.event,) != (0,)
    assert findings(desk) == ([], [])


async def test_a_request_that_took_too_long_is_failed_until_a_repeat_finds_it(
    desk: PlaneDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.agreed("credit", **MONEY)
    proposed = await desk.act("ann", "debit", **MONEY | {"reference": "d-1"})
    ask, is_sent = desk.venue.ask, asyncio.Event()

    async def unanswered(command: commands.Command, outcome: Outcome) -> Record:
        await ask(command, outcome)
        is_sent.set()
        return await asyncio.Future()

    with monkeypatch.context() as slow:
        slow.setattr(desk.venue, "ask", unanswered)
        approving = asyncio.create_task(desk.approve("ben", proposed))
        await is_sent.wait()
        approving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await approving
    failed = desk.entries()[-1]
    assert (failed.step, failed.events) == ("failed", ())
    assert failed.outcome == "no outcome in time; a repeat finds out"
    desk.now_ns += 1
    await desk.approve("ben", proposed)
    assert findings(desk) == ([], [])


async def test_a_reference_that_was_honoured_while_it_was_asked_again_names_its_event(
    desk: PlaneDesk,
) -> None:
    hands = Hands(venue=desk.venue, operator=1, approver=2, reference=client_id("p-1"))
    command = commands.Credit.make(account=1001, asset=1, amount_atoms=5)

    def outcome(event: object) -> bool:
        return isinstance(event, events.BalanceChanged)

    first = await once(hands, command, outcome, "give")
    again = await once(hands, command, outcome, "give")
    assert first.said == f"give: done, event {first.event}"
    assert again.said == "give: was executed before; nothing changed"
    assert again.event == first.event == hands.told[0]
    assert set(hands.told) == {first.event}


def _unsigned(entry: Entry) -> Entry:
    assert entry.request is not None
    return msgspec.structs.replace(
        entry, request=msgspec.structs.replace(entry.request, body='{"reason":"another"}')
    )


def _by_another(entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, operator="ben")


@pytest.mark.parametrize("change", [_unsigned, _by_another])
async def test_a_record_written_anew_by_somebody_else_is_found(
    desk: PlaneDesk, change: Callable[[Entry], Entry]
) -> None:
    await desk.act("ann", "kill", scope="venue")
    entries = [
        (number, change(entry))
        for number, entry in desk.plane.record.entries()
        if entry.step != "founded"
    ]
    said = checked(entries, desk.operators.all())
    assert sum("did not sign kill" in each for each in said) == len(entries)


async def test_an_approval_that_is_missing_or_ones_own_is_found(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    entries = list(desk.plane.record.entries())
    operators = desk.operators.all()
    for wrong in (
        [each for each in entries if each[1].step != "approved"],
        [each for each in entries if each[1].step != "proposed"],
    ):
        assert checked(wrong, operators) == ["entry 6: credit was done, and two did not agree"]
    alone = [
        (number, msgspec.structs.replace(entry, proposal=""))
        for number, entry in entries
        if entry.step == "done"
    ]
    assert "entry 6: credit takes two, and one did it" in checked(alone, operators)


async def test_a_key_that_nobody_let_in_signs_nothing(desk: PlaneDesk, tmp_path: Path) -> None:
    elsewhere = Operators(tmp_path / "elsewhere")
    elsewhere.found(["ann", "eve"])
    await desk.act("ann", "kill", scope="venue")
    entries = [each for each in desk.plane.record.entries() if each[1].step != "founded"]
    assert checked(entries, desk.operators.all()) == []
    assert len(checked(entries, elsewhere.all())) == 2


@pytest.mark.parametrize("over", [0, 1])
async def test_what_the_record_cannot_say_is_refused(
    desk: PlaneDesk, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    class Long(Body, frozen=True):
        async def plan(self, desk: Desk) -> Plan:
            async def perform(hands: Hands) -> Done:
                return Done(said=f"done by {hands.operator}")

            assert desk.venue is not None
            quotes = (SUMMARY_BYTES_MAX - 2) // 2
            return Plan(summary='"' * quotes + "x" * over, perform=perform)

    monkeypatch.setattr("exchange.admin.plane.ACTIONS", {**ACTIONS, "phase": Long})
    before = len(desk.entries())
    # The largest body that a configuration lets in, and the worst to write down.
    reason = {"reason": "so long"}
    body = json.dumps(reason) + "\n" * (65_536 - len(json.dumps(reason)))
    request = desk.signed_text("ann", "/v1/actions/phase", body)
    if over:
        with pytest.raises(CommandError, match=f"takes {SUMMARY_BYTES_MAX + 1} bytes"):
            await desk.plane.act(request, "phase")
        assert len(desk.entries()) == before
        return
    await desk.plane.act(request, "phase")
    assert len(desk.entries()) == before + 2


# --- entries forged from requests that were signed for something else ---


def numbered(entries: list[Entry]) -> list[tuple[int, Entry]]:
    return list(enumerate(entries, 1))


def only(entries: list[Entry], step: str) -> Entry:
    (found,) = [each for each in entries if each.step == step]
    return found


async def test_a_request_for_another_venue_explains_nothing_here(desk: PlaneDesk) -> None:
    await desk.act("ann", "phase", instrument="BTC-USD", phase="halted")
    entries = [each for _, each in desk.plane.record.entries()]
    body = '{"scope":"venue","reason":"signed elsewhere"}'
    request = desk.signed_text("ann", "/v1/actions/kill", body, venue=ELSEWHERE)
    asked = Entry(
        at_ns=desk.now_ns,
        step="asked",
        operator="ann",
        action="kill",
        reason="signed elsewhere",
        request=request,
    )
    number = len(entries) + 1
    assert checked(numbered([*entries, asked]), desk.operators.all()) == [
        f"entry {number}: ann signed kill for venue {ELSEWHERE}"
    ]
    named = msgspec.structs.replace(request, venue=VENUE)
    forged = msgspec.structs.replace(asked, request=named)
    assert checked(numbered([*entries, forged]), desk.operators.all()) == [
        f"entry {number}: ann did not sign kill"
    ]


async def test_an_older_record_names_no_venue_until_a_request_does(desk: PlaneDesk) -> None:
    await desk.act("ann", "phase", instrument="BTC-USD", phase="halted")
    named = [each for _, each in desk.plane.record.entries()]
    older = [
        msgspec.structs.replace(each, request=as_version_1(desk, each.request))
        if each.request is not None
        else each
        for each in named
    ]
    operators = desk.operators.all()
    assert checked(numbered(older), operators) == []
    await desk.act("ben", "phase", instrument="BTC-USD", phase="continuous")
    newer = [each for _, each in desk.plane.record.entries()][len(named) :]
    assert checked(numbered([*older, *newer]), operators) == []
    steps = [each for each in older if each.request is not None]
    said = checked(numbered([*newer, *steps]), operators)
    assert sum("ann signed phase for no venue" in each for each in said) == len(steps)


async def test_a_pair_of_old_requests_explains_no_money(desk: PlaneDesk) -> None:
    """Both signed something, once: nobody signed this."""
    await desk.act("ann", "phase", instrument="BTC-USD", phase="halted")
    await desk.act("ben", "kill", scope="firm", target="MM1")
    entries = [each for _, each in desk.plane.record.entries()]
    ann, ben = (
        next(each for each in entries if each.operator == name and each.step == "asked")
        for name in ("ann", "ben")
    )
    told = desk.venue.apply(
        commands.Credit.make(
            account=1001, asset=1, amount_atoms=7, operator=1, approver=2, reference=client_id("x")
        )
    )
    change = {"action": "credit", "proposal": "abc"}
    proposed = msgspec.structs.replace(ann, step="proposed", **change)
    approved = msgspec.structs.replace(ben, step="approved", **change)
    done = msgspec.structs.replace(approved, step="done", events=(told[-1].number,))
    said = checked(numbered([*entries, proposed, approved, done]), desk.operators.all())
    assert any("ann signed /v1/actions/phase, not /v1/actions/credit" in each for each in said)
    assert any(
        "ben signed /v1/actions/kill, not /v1/proposals/abc/approve" in each for each in said
    )
    assert any("the request for credit came before" in each for each in said)


async def test_an_approval_is_of_the_proposal_that_was_read(desk: PlaneDesk) -> None:
    await desk.agreed("credit", **MONEY)
    entries = [each for _, each in desk.plane.record.entries()]
    operators = desk.operators.all()
    changes: list[dict[str, object]]
    changes = [{"summary": "credit of 0.01 USD"}, {"request": None}, {"action": "debit"}]
    for change in changes:
        forged = [
            msgspec.structs.replace(each, **change) if each.step == "proposed" else each
            for each in entries
        ]
        assert checked(numbered(forged), operators) != [], change
    changes = [{"action": "debit"}, {"events": (99,)}, {"reason": "another reason"}]
    for change in changes:
        forged = [*entries, msgspec.structs.replace(only(entries, "done"), **change)]
        assert len(checked(numbered(forged), operators)) == 1, change
    again = [*entries, only(entries, "proposed")]
    assert len(checked(numbered(again), operators)) == 2


async def test_what_was_asked_once_is_done_once(desk: PlaneDesk) -> None:
    await desk.act("ann", "phase", instrument="BTC-USD", phase="halted")
    entries = [each for _, each in desk.plane.record.entries()]
    operators, done = desk.operators.all(), entries[-1]
    assert checked(numbered(entries), operators) == []
    for forged in (
        [*entries, done],
        [*entries[:-2], done],
        [*entries[:-1], msgspec.structs.replace(done, request=None)],
        [*entries[:-1], msgspec.structs.replace(done, action="limits")],
    ):
        assert checked(numbered(forged), operators) != []


@pytest.mark.parametrize(
    "change",
    [
        {"amount_atoms": 8},
        {"account": 1002},
        {"asset": 2},
        {"operator": 3},
        {"approver": 3},
        {"reference": client_id("other")},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_an_event_on_other_terms_than_were_agreed_is_found(
    desk: PlaneDesk, change: dict[str, int | bytes]
) -> None:
    done = await desk.agreed("credit", **MONEY)
    assert findings(desk) == ([], [])
    desk.venue.told = [
        msgspec.structs.replace(each, **change) if each.number == done.event else each
        for each in desk.venue.told
    ]
    (said,) = findings(desk)[1]
    assert said.endswith("is not what credit asked for")


async def test_an_event_of_another_kind_than_was_asked_is_found(desk: PlaneDesk) -> None:
    done = await desk.act("ann", "phase", instrument="BTC-USD", phase="halted")
    resumed = events.Resumed.make(number=done.event, scope=1, operator=1)
    desk.venue.told = [resumed if each.number == done.event else each for each in desk.venue.told]
    (said,) = findings(desk)[1]
    assert "Resumed is not what phase asked for" in said
