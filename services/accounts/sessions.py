"""Sessions: opened, refreshed, proved afresh, ended. Pure.

A session is a family of refresh tokens. Each is good once; one that comes again has been copied
by somebody, and since nobody can tell which of the two holders is the thief, the session ends.
"""

import hmac
from dataclasses import dataclass

from msgspec.structs import replace

from runtime.networks import network_of
from services.accounts.opaque_tokens import digest, matches
from services.accounts.person import Changed, Grant, Note, Person, Session
from services.accounts.refusals import (
    FROZEN,
    NOT_FOUND,
    SESSION_ENDED,
    STEP_UP_MISSING,
    TOKEN_INVALID,
    Refused,
)
from services.accounts.secrets_at_rest import Vault
from services.accounts.settings import Limits
from services.accounts.terms import Activity, Method, Purpose, Status

SECOND_NS = 1_000_000_000
AGENT_LENGTH_MAX = 200


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Where a request came from: its own socket's address, and what the client says it is."""

    address: str
    agent: str

    @property
    def network(self) -> str:
        """Return what one client can have at will: an IPv4 address, or an IPv6 network of 64."""
        return network_of(self.address)


def is_open(session: Session, limits: Limits, *, now_ns: int) -> bool:
    """Say whether a session may still be used."""
    return (
        now_ns < session.opened_at_ns + limits.session_seconds_max * SECOND_NS
        and now_ns < session.used_at_ns + limits.session_idle_seconds_max * SECOND_NS
    )


def opened(
    person: Person,
    visitor: Visitor,
    methods: tuple[Method, ...],
    *,
    sid: str,
    limits: Limits,
    now_ns: int,
) -> tuple[Person, Session]:
    """Open a session, and end what is too old or too many."""
    session = Session(
        sid=sid,
        opened_at_ns=now_ns,
        used_at_ns=now_ns,
        generation=1,
        address=visitor.address,
        agent=visitor.agent[:AGENT_LENGTH_MAX],
        methods=methods,
    )
    living = [each for each in person.sessions if is_open(each, limits, now_ns=now_ns)]
    living.sort(key=lambda each: each.used_at_ns)
    room = limits.sessions_max - 1
    kept = (*living[len(living) - room :], session) if len(living) > room else (*living, session)
    return replace(person, sessions=kept), session


def refreshed(
    person: Person,
    *,
    sid: str,
    generation: int,
    proof: str,
    vault: Vault,
    limits: Limits,
    visitor: Visitor,
    now_ns: int,
) -> Changed[Session | Refused]:
    """Spend a refresh token and make its successor good; one that was spent ends the session."""
    expected = vault.refresh_mac(person.person_id, sid, generation)
    if not hmac.compare_digest(expected, proof):
        return Changed(person=person, answer=TOKEN_INVALID)  # made up: harms nobody
    session = person.session(sid)
    if session is None:
        return Changed(person=person, answer=SESSION_ENDED)
    if generation != session.generation:
        note = Note(
            activity=Activity.REFRESH_REPLAYED, time_ns=now_ns, address=visitor.address, detail=sid
        )
        return Changed(person=without_session(person, sid), answer=SESSION_ENDED, notes=(note,))
    if not is_open(session, limits, now_ns=now_ns):
        return Changed(person=without_session(person, sid), answer=SESSION_ENDED)
    if person.status is not Status.ACTIVE:
        return Changed(person=person, answer=FROZEN)
    following = replace(session, generation=generation + 1, used_at_ns=now_ns)
    return Changed(person=with_session(person, following), answer=following)


def with_session(person: Person, session: Session) -> Person:
    """Return the person with one session in its new form."""
    kept = tuple(session if each.sid == session.sid else each for each in person.sessions)
    return replace(person, sessions=kept)


def without_session(person: Person, sid: str) -> Person:
    """Return the person with one session ended, and what it had been asked forgotten."""
    return replace(
        person,
        sessions=tuple(each for each in person.sessions if each.sid != sid),
        challenges=tuple(each for each in person.challenges if each.sid.removesuffix("+") != sid),
    )


def ended(person: Person, sid: str, *, visitor: Visitor, now_ns: int) -> Changed[Refused | None]:
    """End one session at once: its access tokens are refused from now on."""
    if person.session(sid) is None:
        return Changed(person=person, answer=NOT_FOUND)
    note = Note(
        activity=Activity.SESSION_ENDED, time_ns=now_ns, address=visitor.address, detail=sid
    )
    return Changed(person=without_session(person, sid), answer=None, notes=(note,))


def granted(person: Person, session: Session, grant: Grant, limits: Limits) -> Person:
    """Give a session one more grant; the oldest makes room."""
    grants = (*session.grants, grant)[-limits.grants_max :]
    return with_session(person, replace(session, grants=grants))


def grant_spent(
    person: Person, sid: str, purpose: Purpose, details: str, token: str, *, now_ns: int
) -> tuple[Person, Grant] | Refused:
    """Spend a grant: for this purpose and exactly these details, in time, once."""
    session = person.session(sid)
    if session is None:
        return SESSION_ENDED
    try:
        secret = bytes.fromhex(token)
    except ValueError:
        return STEP_UP_MISSING
    grant = next((each for each in session.grants if matches(secret, each.digest)), None)
    if grant is None or grant.purpose is not purpose or now_ns >= grant.until_ns:
        return STEP_UP_MISSING
    if grant.details != details:
        return STEP_UP_MISSING
    left = tuple(each for each in session.grants if each is not grant)
    return with_session(person, replace(session, grants=left)), grant


def new_grant(
    purpose: Purpose, details: str, secret: bytes, method: Method, *, until_ns: int
) -> Grant:
    """Describe a grant; of its secret only the digest stays."""
    return Grant(
        purpose=purpose,
        details=details,
        digest=digest(secret),
        until_ns=until_ns,
        method=method,
    )
