"""Two operators: nobody alone, nobody in another's name, nothing but what was signed."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from exchange import approvals as module
from exchange.approvals import LIFETIME_NS, Approvals, Fields, Proposal
from exchange.commands.approvals import require_truth
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.operators import Operators, Token
from messages.layout import padded_text, plain_text
from messages.trading import commands as c
from messages.trading import events
from messages.trading.identity import client_id

TERMS: Fields = {
    "trade_id": 7,
    "instrument": 1,
    "maker_account": 11,
    "taker_account": 21,
    "price_ticks": 100,
    "quantity_lots": 5,
    "text": "fat finger",
}


class Desk:
    """A state directory's operators, their tokens, and a clock that stands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.operators = Operators(directory / "operators")
        self.now_ns = 1_000
        for number, name in enumerate(("ann", "ben", "cid"), start=1):
            self.operators.add(name, number)
        self.approvals = Approvals(directory / "approvals", self.operators, lambda: self.now_ns)

    def token(self, name: str) -> Token:
        return Token.read(self.operators.named(name), self.operators.token_path(name))

    def propose(self, name: str = "ann") -> Proposal:
        return self.approvals.propose(self.token(name), "bust", TERMS, "bust trade 7")

    def change(self, proposal: Proposal, **fields: object) -> None:
        changed = msgspec.structs.replace(proposal, **fields)
        path = self.directory / "approvals" / f"{proposal.id}.json"
        path.write_bytes(msgspec.json.encode(changed))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_command_has_both_operators_and_a_reference_of_the_proposal(desk: Desk) -> None:
    proposal = desk.propose()
    assert proposal.state == "open"
    approved = desk.approvals.approve(desk.token("ben"), proposal)
    command = desk.approvals.command(approved)
    assert isinstance(command, c.BustTrade)
    assert (command.operator, command.approver) == (1, 2)
    assert (command.trade_id, command.price_ticks) == (7, 100)
    assert plain_text(command.text) == "fat finger"
    assert command.reference == client_id(f"approval-{proposal.id}")
    assert desk.approvals.all() == [approved]
    done = desk.approvals.record(approved, "executed as event 9")
    assert desk.approvals.record(approved, "executed") == done, "who sent it a second time"
    with pytest.raises(CommandError, match="executed as event 9"):
        desk.approvals.approve(desk.token("cid"), done)


def test_nobody_approves_alone(desk: Desk) -> None:
    proposal = desk.propose()
    with pytest.raises(CommandError, match="another operator"):
        desk.approvals.approve(desk.token("ann"), proposal)
    with pytest.raises(CommandError, match="not approved"):
        desk.approvals.command(proposal)


def test_an_approval_that_was_not_sent_can_be_repeated_by_who_gave_it(desk: Desk) -> None:
    proposal = desk.propose()
    approved = desk.approvals.approve(desk.token("ben"), proposal)
    assert desk.approvals.approve(desk.token("ben"), proposal) == approved
    with pytest.raises(CommandError, match="ben has approved"):
        desk.approvals.approve(desk.token("cid"), proposal)


def test_what_was_changed_after_it_was_signed_is_refused(desk: Desk) -> None:
    proposal = desk.propose()
    for changed in (
        {"fields": TERMS | {"quantity_lots": 6}},
        {"summary": "harmless"},
        {"action": "correct"},
        {"proposed_by": "cid"},
        {"proposed_at_ns": 2_000},
    ):
        desk.change(proposal, **changed)
        with pytest.raises(CommandError, match="signed"):
            desk.approvals.approve(desk.token("ben"), proposal)
    desk.change(proposal)
    approved = desk.approvals.approve(desk.token("ben"), proposal)
    for forged in (
        msgspec.structs.replace(approved, approved_by="cid"),
        msgspec.structs.replace(approved, approval=approved.signature),
        msgspec.structs.replace(approved, fields=TERMS | {"trade_id": 8}),
    ):
        with pytest.raises(CommandError, match=r"signed|approved"):
            desk.approvals.command(forged)


def test_a_token_is_its_operators_own(desk: Desk) -> None:
    path = desk.operators.token_path("ann")
    with pytest.raises(CommandError, match="not the token of ben"):
        Token.read(desk.operators.named("ben"), path)
    path.chmod(0o640)
    with pytest.raises(CommandError, match="others may read"):
        Token.read(desk.operators.named("ann"), path)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(CommandError, match="not an operator's token"):
        Token.read(desk.operators.named("ann"), path)
    path.unlink()
    with pytest.raises(CommandError, match="No such file"):
        Token.read(desk.operators.named("ann"), path)


def test_names_and_numbers_of_operators_are_taken_once(desk: Desk) -> None:
    for name, number in (("ann", 9), ("dan", 1)):
        with pytest.raises(CommandError, match="ann has number 1 already"):
            desk.operators.add(name, number)
    for name, number in (("Dan", 9), ("dan", 0), ("../dan", 9)):
        with pytest.raises(CommandError, match="operator"):
            desk.operators.add(name, number)
    assert [each.name for each in desk.operators.all()] == ["ann", "ben", "cid"]
    with pytest.raises(CommandError, match="no operator dan"):
        desk.operators.named("dan")


def test_a_proposal_lasts_a_day(desk: Desk) -> None:
    proposal = desk.propose()
    desk.now_ns += LIFETIME_NS
    late = desk.propose("ben")
    desk.approvals.approve(desk.token("ben"), proposal)
    desk.now_ns += LIFETIME_NS + 1
    with pytest.raises(CommandError, match="24 hours"):
        desk.approvals.approve(desk.token("ann"), late)


def test_a_withdrawn_proposal_is_over(desk: Desk) -> None:
    proposal = desk.propose()
    gone = desk.approvals.withdraw(desk.token("ben"), proposal.id)
    assert gone.outcome == "withdrawn by ben"
    with pytest.raises(CommandError, match="withdrawn by ben"):
        desk.approvals.approve(desk.token("cid"), proposal)
    with pytest.raises(CommandError, match="withdrawn by ben"):
        desk.approvals.withdraw(desk.token("cid"), proposal.id)
    for unknown in ("0", "../lock", ""):
        with pytest.raises(CommandError, match="no proposal"):
            desk.approvals.find(unknown)


def test_only_so_many_proposals_are_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROPOSALS_OPEN_MAX", 2)
    first = desk.propose()
    desk.propose()
    with pytest.raises(CommandError, match="2 proposals are open"):
        desk.propose()
    desk.approvals.withdraw(desk.token("ann"), first.id)
    desk.propose()


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("resume", {}),
        ("bust", {"colour": 1}),
        ("bust", {"trade_id": -1}),
        ("bust", {"text": "x" * 97}),
    ],
)
def test_what_is_no_command_is_not_proposed(desk: Desk, action: str, fields: Fields) -> None:
    with pytest.raises(CommandError):
        desk.approvals.propose(desk.token("ann"), action, fields, "nonsense")
    assert desk.approvals.all() == []


def test_what_another_signed_proposal_took_the_place_of_is_not_approved(desk: Desk) -> None:
    seen = desk.propose()
    other = msgspec.structs.replace(seen, summary="bust trade 8", fields=TERMS | {"trade_id": 8})
    desk.change(other, signature=desk.token("ann").sign(other.proposed_bytes()))
    with pytest.raises(CommandError, match="changed while it was read"):
        desk.approvals.approve(desk.token("ben"), seen)
    assert desk.approvals.find(seen.id).state == "open"


MONEY: Fields = {"account": 11, "to_account": 12, "asset": 1, "amount_atoms": 1_500_000}


def known() -> Directory:
    asset = events.AssetCreated.make(asset=1, scale=6, symbol=padded_text("USD", 16))
    accounts = [
        events.AccountCreated.make(account=each, firm=1, name=padded_text(f"A{each}", 32))
        for each in (11, 12)
    ]
    return Directory([asset, *accounts])


@pytest.mark.parametrize(
    ("action", "summary", "fields", "is_true"),
    [
        ("transfer", "transfer 1.500000 USD from A11 to A12", {}, True),
        ("transfer", "transfer 1.500000 USD from A11 to A12: as agreed", {}, True),
        ("transfer", "transfer 1.500000 USD from A11 to A12, as agreed", {}, False),
        ("transfer", "transfer 1.500000 USD from A11 to A12", {"amount_atoms": 15_000_000}, False),
        ("transfer", "transfer 1.500000 USD from A11 to A12", {"to_account": 13}, False),
        ("settle", "let A11 pay 1.500000 USD of what it owes", {}, True),
        ("settle", "let A11 pay 1.500000 USD of what it owes", {"account": 12}, False),
        ("settle", "let A11 pay 1.500000 USD of what it owes", {"account": "11"}, False),
    ],
)
async def test_nothing_is_approved_that_does_something_else_than_it_says(
    desk: Desk, action: str, summary: str, fields: Fields, *, is_true: bool
) -> None:
    proposal = msgspec.structs.replace(
        desk.propose(), action=action, fields=MONEY | fields, summary=summary
    )
    try:
        await require_truth(proposal, known(), Namespace())
    except CommandError:
        assert not is_true
    else:
        assert is_true
