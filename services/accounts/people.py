"""What support and administrators do to others' accounts.

Both prove themselves afresh with a passkey for every action. Support may look and may freeze;
roles are an administrator's, and nobody changes his own.
"""

import re
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from services.accounts import letters
from services.accounts.person import Changed, Note, Person
from services.accounts.refusals import NOT_FOUND, ROLE_MISSING, Refused
from services.accounts.registry import Caller, Registry
from services.accounts.step_up import StepUp
from services.accounts.terms import Activity, Purpose, Role, Status

Decide = Callable[[Person], Changed[Refused | None]]

_PERSON_ID = re.compile("[0-9a-f]{32}")
_STAFF = frozenset({Role.SUPPORT, Role.ADMINISTRATOR})


class People:
    """The desk of those who look after others."""

    def __init__(self, registry: Registry, step_up: StepUp) -> None:
        self._registry = registry
        self._step_up = step_up

    async def look(self, caller: Caller, person_id: str) -> Person | Refused:
        """Return somebody's account."""
        if not _STAFF & set(caller.person.roles):
            return ROLE_MISSING
        if _PERSON_ID.fullmatch(person_id) is None:
            return NOT_FOUND
        return await self._registry.store.person(person_id) or NOT_FOUND

    async def freeze(
        self, caller: Caller, person_id: str, *, is_frozen: bool, grant: str
    ) -> Refused | None:
        """Freeze an account (every session ends, every key is refused), or let it be used again."""
        registry = self._registry

        def decide(person: Person) -> Changed[Refused | None]:
            before = Status.ACTIVE if is_frozen else Status.FROZEN
            if person.status is not before:
                return Changed(person=person, answer=NOT_FOUND)
            if _STAFF & set(person.roles) and Role.ADMINISTRATOR not in caller.person.roles:
                return Changed(person=person, answer=ROLE_MISSING)
            status = Status.FROZEN if is_frozen else Status.ACTIVE
            after = replace(person, status=status, sessions=(), challenges=(), email_tokens=())
            activity = Activity.FROZEN if is_frozen else Activity.UNFROZEN
            what = f"Your account was {activity} by our staff."
            letter = letters.notice(person, "Your account", what, site=registry.site)
            return Changed(
                person=after, answer=None, mail=(letter,), notes=(self._note(activity, caller),)
            )

        return await self._done(caller, person_id, grant, decide, allowed=_STAFF)

    async def set_roles(
        self, caller: Caller, person_id: str, roles: Sequence[Role], grant: str
    ) -> Refused | None:
        """Give and take roles; the person's sessions end, so that none goes on under old ones."""

        def decide(person: Person) -> Changed[Refused | None]:
            after = replace(person, roles=tuple(dict.fromkeys(roles)), sessions=(), challenges=())
            note = self._note(Activity.ROLES_CHANGED, caller, ", ".join(after.roles))
            return Changed(person=after, answer=None, notes=(note,))

        administrators = frozenset({Role.ADMINISTRATOR})
        return await self._done(caller, person_id, grant, decide, allowed=administrators)

    async def _done(
        self,
        caller: Caller,
        person_id: str,
        grant: str,
        decide: Decide,
        *,
        allowed: frozenset[Role],
    ) -> Refused | None:
        if not allowed & set(caller.person.roles):
            return ROLE_MISSING
        # Exactly as we write it: another spelling of one's own would pass as somebody else's.
        if _PERSON_ID.fullmatch(person_id) is None:
            return NOT_FOUND
        if person_id == caller.person.person_id:
            return ROLE_MISSING
        refused = await self._step_up.spend_passkey(caller, Purpose.MANAGE_PEOPLE, grant)
        if refused is not None:
            return refused
        if await self._registry.store.person(person_id) is None:
            return NOT_FOUND
        return await self._registry.store.change(person_id, decide)

    def _note(self, activity: Activity, caller: Caller, detail: str = "") -> Note:
        said = f"by {caller.person.person_id}" + (f": {detail}" if detail else "")
        return self._registry.note(activity, caller.visitor, said)
