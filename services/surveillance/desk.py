"""What the people at the desk ask and decide: alerts, one in full, where each stands and why."""

from enum import StrEnum

import msgspec

from runtime.postgres import Connection
from services.surveillance.alerts import AlertKind
from services.surveillance.errors import UnknownAlertError

LISTED_MAX = 1000
"""Alerts in one answer; of more, the last ones."""

REASON_MAX = 1000
"""Characters of a reason."""


class TriageState(StrEnum):
    """Where an alert stands. It is open until somebody decides, and again when it is reopened."""

    OPEN = "open"
    DISMISSED = "dismissed"
    ESCALATED = "escalated"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decided of an alert, and why; signed by the operator's own key."""

    alert_id: str
    state: TriageState
    operator: str
    reason: str
    decided_at_ns: int

    def message(self) -> bytes:
        """Return the bytes that are signed."""
        return b"surveillance decision\n" + msgspec.json.encode(self, order="sorted")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is kept."""

    decision: Decision
    signature: str


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An alert with the names of what it is about, and where it stands."""

    alert_id: str
    kind: str
    event_number: int
    time_ns: int
    instrument: str
    owner: int
    accounts: list[str]
    events: list[int]
    orders: list[int]
    figures: dict[str, int]
    parameters: dict[str, int]
    state: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts to list; None leaves a question open."""

    account: str | None = None
    kind: AlertKind | None = None
    state: TriageState | None = None
    since_ns: int | None = None
    alert_id: str | None = None


_LIST = """
select alerts.*, coalesce(latest.state, 'open') as state,
    coalesce(instruments.symbol, alerts.instrument::text) as symbol,
    (select array_agg(coalesce(accounts.name, each.number::text) order by each.place)
        from unnest(alerts.accounts) with ordinality as each (number, place)
        left join surveillance.accounts on accounts.account = each.number) as names
from surveillance.alerts
left join surveillance.instruments using (instrument)
left join lateral (
    select state from surveillance.decisions
    where decisions.alert_id = alerts.alert_id order by decision desc limit 1
) latest on true
where ($1::bigint is null or alerts.accounts @> array[$1::bigint])
    and ($2::text is null or alerts.kind = $2)
    and ($3::text is null or coalesce(latest.state, 'open') = $3)
    and ($4::bigint is null or alerts.time_ns >= $4)
    and ($5::text is null or alerts.alert_id = $5)
order by alerts.event_number desc, alerts.alert_id
limit $6
"""


async def listed(
    connection: Connection, wanted: Wanted, *, rows_max: int = LISTED_MAX
) -> list[Listed]:
    """Return the alerts that are wanted, the last ``rows_max`` of them, in order.

    Raises:
        UnknownAlertError: no account has the wanted name or number.
    """
    account = None
    if wanted.account is not None:
        account = await _account(connection, wanted.account)
    rows = await connection.fetch(
        _LIST, account, wanted.kind, wanted.state, wanted.since_ns, wanted.alert_id, rows_max
    )
    return [
        Listed(
            alert_id=row["alert_id"],
            kind=row["kind"],
            event_number=row["event_number"],
            time_ns=row["time_ns"],
            instrument=row["symbol"],
            owner=row["owner"],
            accounts=row["names"] or [],
            events=row["events"],
            orders=row["orders"],
            figures=msgspec.json.decode(row["figures"]),
            parameters=msgspec.json.decode(row["parameters"]),
            state=row["state"],
        )
        for row in reversed(rows)
    ]


async def one(connection: Connection, alert_id: str) -> Listed:
    """Return an alert.

    Raises:
        UnknownAlertError: there is none of that name.
    """
    for alert in await listed(connection, Wanted(alert_id=alert_id)):
        return alert
    raise UnknownAlertError(f"there is no alert {alert_id}")


async def decisions(connection: Connection, alert_id: str) -> list[Kept]:
    """Return all that was decided of an alert, in order."""
    rows = await connection.fetch(
        "select * from surveillance.decisions where alert_id = $1 order by decision", alert_id
    )
    return [
        Kept(
            decision=Decision(
                alert_id=alert_id,
                state=TriageState(row["state"]),
                operator=row["operator"],
                reason=row["reason"],
                decided_at_ns=row["decided_at_ns"],
            ),
            signature=row["signature"],
        )
        for row in rows
    ]


async def decide(connection: Connection, kept: Kept) -> None:
    """Add a decision.

    Raises:
        UnknownAlertError: there is no such alert, or no reason, or one that is too long.
    """
    decision = kept.decision
    if not 0 < len(decision.reason.strip()) <= REASON_MAX:
        raise UnknownAlertError(
            f"a decision needs a reason of 1 to {REASON_MAX} characters,"
            f" and this one has {len(decision.reason)}"
        )
    await one(connection, decision.alert_id)
    await connection.execute(
        "insert into surveillance.decisions"
        " (alert_id, state, operator, reason, decided_at_ns, signature)"
        " values ($1, $2, $3, $4, $5, $6)",
        decision.alert_id,
        decision.state,
        decision.operator,
        decision.reason,
        decision.decided_at_ns,
        kept.signature,
    )


async def _account(connection: Connection, name: str) -> int:
    found = await connection.fetchval(
        "select account from surveillance.accounts where name = $1 or account::text = $1", name
    )
    if found is None:
        raise UnknownAlertError(f"there is no account {name}")
    return int(found)
