"""What moves money or lets people in takes two operators."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.admin.proposals import LIFETIME_NS, OPEN_MAX, Proposal, Proposals
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import Role
from exchange.errors import CommandError, VenueAwayError
from exchange.operators import Operators
from messages.trading import commands
from tests.unit.exchange.plane_desk import (
    MONEY,
    PlaneDesk,
    code_of,
)
from tests.unit.exchange.test_admin_roles import KEY


@pytest.fixture
def desk(tmp_path: Path) -> PlaneDesk:
    return PlaneDesk(tmp_path)


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
