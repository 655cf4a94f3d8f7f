"""Answers to questions: what the venue knows, in names and decimals, for people and programs."""

from typing import Any, Final

from exchange.admin.fees import recomputed, say
from exchange.admin.plane import Plane
from exchange.admin.proposals import Proposal
from exchange.admin.refusals import AdminCode, AdminRefusedError
from exchange.admin.roles import MATRIX, may
from exchange.directory import Directory
from exchange.firm_tree import in_order, parents_of
from exchange.operators import Operator
from messages.layout import Record, plain_text
from messages.trading import events
from messages.trading.identity import execution_id
from messages.trading.terms import AccountKind, CancelOnDisconnect, DisputeReason, SessionRight

RECORD_PAGE: Final = 500

_KINDS: Final[dict[str, type[Record]]] = {
    "assets": events.AssetCreated,
    "instruments": events.InstrumentCreated,
    "instrument-limits": events.InstrumentLimitsSet,
    "firms": events.FirmCreated,
    "accounts": events.AccountCreated,
    "account-limits": events.AccountLimitsSet,
    "asset-limits": events.AssetLimitsSet,
    "fee-schedules": events.FeeScheduleDefined,
    "fee-assignments": events.FeeScheduleAssigned,
    "protection": events.ProtectionDefined,
    "kill-switches": events.Killed,
    "phases": events.PhaseChanged,
}
"""What can be asked for by name, as the venue's own records, integers and all."""

_HIDDEN: Final = frozenset(events.Event.__struct_fields__) | {"reserved"}

Row = dict[str, Any]


async def definitions(plane: Plane, kind: str) -> list[Row]:
    """Return every definition of a kind.

    Raises:
        AdminRefusedError: there is no such kind. VenueAwayError: no core answers.
    """
    if kind not in _KINDS:
        raise AdminRefusedError(AdminCode.PATH_UNKNOWN, f"there are {', '.join(sorted(_KINDS))}")
    async with plane.venues(is_urgent=False) as venue:
        known = await venue.definitions()
    return [_row(record) for record in known if isinstance(record, _KINDS[kind])]


async def accounts(plane: Plane) -> list[Row]:
    """Return each account's money, and what the venue holds of each asset as ``all``."""
    async with plane.venues(is_urgent=False) as venue:
        known = Directory(await venue.definitions())
        balances = await venue.balances()
    rows: list[Row] = []
    for account, asset_number, balance, held in balances.balances:
        asset = known.asset(str(asset_number))
        rows.append(
            {
                "account": known.name("account", account),
                "balance": known.amount(asset, balance),
                "held": known.amount(asset, held),
            }
        )
    for asset_number, supply, fees in balances.assets:
        asset = known.asset(str(asset_number))
        rows.append(
            {
                "account": "all",
                "balance": known.amount(asset, supply),
                "fees": known.amount(asset, fees),
            }
        )
    for account, asset_number, owed in balances.receivables:
        amount = known.amount(known.asset(str(asset_number)), owed)
        rows.append({"account": known.name("account", account), "owes": amount})
    return rows


async def sessions(plane: Plane) -> list[Row]:
    """Return which rights each session has on which account."""
    async with plane.venues(is_urgent=False) as venue:
        known = Directory(await venue.definitions())
    return [
        {
            "session": plain_text(record.name),
            "number": record.session,
            "account": known.name("account", record.account),
            "rights": (SessionRight(record.rights).name or "none").lower().replace("_", " "),
            "on_disconnect": CancelOnDisconnect(record.cancel_on_disconnect).name.lower(),
            "grace_ns": record.disconnect_grace_ns,
        }
        for record in known.records
        if isinstance(record, events.SessionGranted)
    ]


async def disputes(plane: Plane) -> list[Row]:
    """Return the executions that clients do not know."""
    async with plane.venues(is_urgent=False) as venue:
        known = Directory(await venue.definitions())
        found = await venue.disputes()
    return [
        {
            "time_ns": event.time_ns,
            "account": known.name("account", event.account),
            "execution": execution_id(event.event_number, event.side),
            "order_id": event.order_id,
            "reason": DisputeReason(event.reason).name.lower().replace("_", " "),
            "text": plain_text(event.text),
        }
        for event in found
    ]


async def firms(plane: Plane) -> list[Row]:
    """Return every account by firm, each followed by its sub-accounts, with its limits."""
    async with plane.desk("apply") as desk:
        _, files = desk.read()
        known = desk.known
    parents, rows = parents_of(files), []
    created = {e.account: e for e in known.records if isinstance(e, events.AccountCreated)}
    for firm in sorted({each.firm for each in created.values()}):
        for account in in_order(known.accounts_of_firm(firm), parents):
            parent = parents.get(account)
            rows.append(
                {
                    "firm": known.name("firm", firm),
                    "account": known.name("account", account),
                    "parent": known.name("account", parent) if parent else "",
                    "owner_group": created[account].owner_group,
                    "kind": AccountKind(created[account].account_kind).name.lower(),
                    "limits": [
                        _limits(known, each)
                        for each in known.records
                        if isinstance(each, events.AssetLimitsSet) and each.account == account
                    ],
                }
            )
    return rows


def _limits(known: Directory, limits: events.AssetLimitsSet) -> Row:
    asset = known.asset(str(limits.asset))
    return {
        "credit_line": known.amount(asset, limits.credit_line_atoms),
        "position_max": known.amount(asset, limits.position_max_atoms),
    }


async def fees(plane: Plane) -> list[str]:
    """Return what recomputing the fees would change now, in words."""
    async with plane.desk("fees.recompute") as desk:
        found, _ = await recomputed(desk)
    return [say(change) for change in found]


def operators(plane: Plane) -> list[Row]:
    """Return who there is; keys are public."""
    return [_operator_row(each) for each in plane.operators.all()]


def myself(operator: Operator) -> Row:
    """Return who asks, and what that operator may do."""
    actions = sorted(action for action in MATRIX if may(operator.roles, action))
    persons = {action: MATRIX[action][1].value for action in actions}
    return _operator_row(operator) | {"may": persons}


def proposals(plane: Plane) -> list[Row]:
    """Return what is proposed and was decided lately, the oldest first."""
    return [_proposal_row(each) for each in plane.proposals.listed()]


def proposal(plane: Plane, proposal_id: str) -> Row:
    """Return one proposal, whenever it was decided.

    Raises:
        AdminRefusedError: there is none.
    """
    return _proposal_row(plane.proposals.find(proposal_id))


def record(plane: Plane, after: int) -> list[Row]:
    """Return a page of the record, from the entry after ``after``."""
    rows: list[Row] = []
    for number, entry in plane.record.entries(after=after):
        if len(rows) == RECORD_PAGE:
            break
        rows.append({"number": number, "entry": entry})
    return rows


def _proposal_row(each: Proposal) -> Row:
    """Describe a proposal, with the digest that an approver signs."""
    return {
        "id": each.id,
        "action": each.action,
        "summary": each.summary,
        "state": each.state,
        "proposed_by": each.request.operator,
        "proposed_at_ns": each.proposed_at_ns,
        "approved_by": each.approval.operator if each.approval else "",
        "digest": each.digest,
        "body": each.request.body,
    }


def _operator_row(operator: Operator) -> Row:
    return {
        "name": operator.name,
        "number": operator.number,
        "public_key": operator.public_key,
        "roles": sorted(operator.roles),
        "is_revoked": operator.is_revoked,
    }


def _row(record: Record) -> Row:
    row: Row = {}
    for field in record.FIELDS:
        if field.name not in _HIDDEN and not field.name.startswith("spare"):
            value = getattr(record, field.name)
            row[field.name] = plain_text(value) if isinstance(value, bytes) else value
    return row
