"""Actions on who may get in: operators of this venue, and the keys of its FIX sessions.

Only public halves come by here, save one: a shared secret of a FIX session, which the venue makes
and keeps in the session's key ring on its disk; whoever has that machine account copies it to the
client.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from exchange.admin.actions import Body, Desk, Done, Hands, Plan, Word
from exchange.admin.roles import Role
from exchange.errors import CommandError
from exchange.operators import NUMBER_MAX, OPERATORS_MIN, Operator, Operators, checked
from fix_gateway.guard.book import new_hmac_key
from fix_gateway.guard.key_files import KeyFileError, KeyFiles
from fix_gateway.guard.keys import (
    LIVE_KEYS_MAX,
    Key,
    KeyId,
    KeyRing,
    KeyRingError,
    check_material,
    next_key_id,
    with_key,
    without_key,
)

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.\-]{0,31}$")]
PublicKey = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Roles = Annotated[tuple[Role, ...], msgspec.Meta(min_length=1, max_length=len(Role))]


class AddOperator(Body, frozen=True):
    """Take a new operator in, by the public half of a key that only that person has."""

    NEEDS_VENUE: ClassVar[bool] = False
    name: Name
    number: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
    public_key: PublicKey
    roles: Roles

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        operator = checked(self.name, self.number, self.public_key, sorted(set(self.roles)))

        async def perform(_: Hands) -> Done:
            desk.operators.add(operator)
            return Done(said=f"operator {self.name} has number {self.number}")

        return Plan(summary=f"add operator {_say(operator)}", perform=perform)


class ChangeOperator(Body, frozen=True):
    """Give an operator other roles, or another key."""

    NEEDS_VENUE: ClassVar[bool] = False
    name: Name
    roles: Roles | None = None
    public_key: PublicKey | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        now = _live(desk.operators, self.name)
        roles = now.roles if self.roles is None else tuple(sorted(set(self.roles)))
        changed = msgspec.structs.replace(
            now, roles=roles, public_key=self.public_key or now.public_key
        )
        _require_security(desk.operators, changed)

        async def perform(_: Hands) -> Done:
            _write(desk.operators, now, changed)
            return Done(said=f"operator {_say(changed)}")

        return Plan(summary=f"change operator {_say(now)} to {_say(changed)}", perform=perform)


class RevokeOperator(Body, frozen=True):
    """Let nothing count any more that an operator signs, approvals not yet given included."""

    NEEDS_VENUE: ClassVar[bool] = False
    name: Name

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        now = _live(desk.operators, self.name)
        revoked = msgspec.structs.replace(now, revoked_at_ns=desk.now_ns())
        _require_security(desk.operators, revoked)

        async def perform(_: Hands) -> Done:
            _write(desk.operators, now, revoked)
            return Done(said=f"operator {self.name} is revoked")

        return Plan(summary=f"revoke operator {self.name}", perform=perform)


def _live(operators: Operators, name: str) -> Operator:
    operator = operators.named(name)
    if operator.is_revoked:
        raise CommandError(f"operator {name} is revoked; names are used once")
    return operator


def _require_security(operators: Operators, changed: Operator) -> None:
    """Keep two who can let others in: with fewer nobody ever could again."""
    after = [changed if each.name == changed.name else each for each in operators.live()]
    left = sum(Role.SECURITY in each.roles and not each.is_revoked for each in after)
    if left < OPERATORS_MIN:
        raise CommandError(
            f"{left} operators with the role security would be left, at least {OPERATORS_MIN} must"
        )


def _write(operators: Operators, planned: Operator, changed: Operator) -> None:
    """Write a change down, unless what it was planned on is not so any more."""
    if operators.named(planned.name) != planned:
        raise CommandError(f"operator {planned.name} was changed meanwhile; look, and ask again")
    _require_security(operators, changed)
    operators.write(changed)


def _say(operator: Operator) -> str:
    roles = ", ".join(sorted(operator.roles))
    return f"{operator.name} ({roles}; key {operator.public_key[:16]})"


class _ChangeKey(Body, frozen=True):
    """A new key of a FIX session."""

    NEEDS_VENUE: ClassVar[bool] = False
    IS_ROTATION: ClassVar[bool]
    session: Word
    id: KeyId | None = None
    ed25519: Annotated[str, msgspec.Meta(max_length=64)] | None = None

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        session, files = _session(desk, self.session), KeyFiles(desk.state.fix_keys)
        _new_ring(self, _ring(files, session), desk.now_ns())

        async def perform(_: Hands) -> Done:
            with files.held():
                ring = _ring(files, session)
                if any(each.is_live and each.material == self.ed25519 for each in ring.keys):
                    return Done(said=f"{session} has that key already; nothing changed")
                changed = _new_ring(self, ring, desk.now_ns())
                files.write(changed)
            live = ", ".join(each.id for each in changed.live)
            secret = "" if self.ed25519 else f"; its secret is in {files.path(session).name}"
            return Done(said=f"{session} has the live keys {live}{secret}")

        verb = "rotate the keys of" if self.IS_ROTATION else "add a key to"
        kind = f"ed25519 {self.ed25519}" if self.ed25519 else "a new shared secret"
        named = f" as {self.id}" if self.id else ""
        return Plan(summary=f"{verb} {session}: {kind}{named}", perform=perform)


class AddKey(_ChangeKey, frozen=True):
    """Give a session a second key."""

    IS_ROTATION = False


class RotateKey(_ChangeKey, frozen=True):
    """Give a session a new key; of two live ones, the older is revoked."""

    IS_ROTATION = True


class RevokeKey(Body, frozen=True):
    """Take a key of a session away; whoever is logged on by it is logged out."""

    NEEDS_VENUE: ClassVar[bool] = False
    session: Word
    key: KeyId

    async def plan(self, desk: Desk) -> Plan:
        """See ``Body.plan``."""
        session, files = _session(desk, self.session), KeyFiles(desk.state.fix_keys)
        _without(_ring(files, session), self.key, desk.now_ns())

        async def perform(_: Hands) -> Done:
            with files.held():
                ring = _without(_ring(files, session), self.key, desk.now_ns())
                files.write(ring)
            left = ", ".join(each.id for each in ring.live) or "no live key: nobody can log on"
            return Done(said=f"{self.key} is revoked; {session} has {left}")

        return Plan(summary=f"revoke key {self.key} of {session}", perform=perform)


def _session(desk: Desk, name: str) -> str:
    _, sessions = desk.read()
    if name not in [file.sender_comp_id for file in sessions.values()]:
        raise CommandError(f"no session file has the sender_comp_id {name}")
    return name


def _ring(files: KeyFiles, session: str) -> KeyRing:
    try:
        return files.read(session)
    except KeyFileError as error:
        raise CommandError(str(error)) from error


def _new_ring(body: _ChangeKey, ring: KeyRing, now_ns: int) -> KeyRing:
    if body.IS_ROTATION and len(ring.live) >= LIVE_KEYS_MAX:
        ring = _without(ring, ring.live[0].id, now_ns)
    key_id = body.id or next_key_id(ring)
    kind: Literal["ed25519"] = "ed25519"
    if body.ed25519 is None:
        key = new_hmac_key(key_id, now_ns=now_ns)
    else:
        key = Key(id=key_id, kind=kind, material=body.ed25519, added_at_ns=now_ns)
    try:
        check_material(key)
        return with_key(ring, key)
    except KeyRingError as error:
        raise CommandError(str(error)) from error


def _without(ring: KeyRing, key_id: str, now_ns: int) -> KeyRing:
    try:
        return without_key(ring, key_id, now_ns=now_ns)
    except KeyRingError as error:
        raise CommandError(str(error)) from error
