"""Who may do what to the venue: roles, actions, and which actions take two operators.

One table, which ``docs/operators.md`` shows and a test walks cell by cell. An operator may do what
any of the own roles may. Who approves an action must be allowed to propose it, too.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What somebody is trusted with."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    RISK = "risk"
    TREASURY = "treasury"
    SECURITY = "security"


class Persons(StrEnum):
    """How many operators an action takes."""

    ONE = "one"
    TWO = "two"
    BY_AMOUNT = "by amount"
    """One up to what ``[admin_api.alone]`` allows, two above."""


_ROLES: Final = frozenset(Role)
_DESK: Final = frozenset({Role.OPERATOR, Role.RISK})
_RISK: Final = frozenset({Role.RISK})
_TREASURY: Final = frozenset({Role.TREASURY})
_SECURITY: Final = frozenset({Role.SECURITY})

READ: Final = "read"
"""Every question; its answer changes nothing."""

MATRIX: Final = MappingProxyType(
    {
        READ: (_ROLES, Persons.ONE),
        # Stopping is quick and safe: nobody waits for a second person.
        "kill": (frozenset({Role.OPERATOR, Role.RISK, Role.SECURITY}), Persons.ONE),
        "resume": (_RISK, Persons.TWO),
        "phase": (_DESK, Persons.ONE),
        "announce": (_DESK, Persons.ONE),
        "apply": (_RISK, Persons.TWO),
        "revoke": (frozenset({Role.OPERATOR, Role.RISK, Role.SECURITY}), Persons.ONE),
        # It stops trading for real, and says how fast.
        "drill.kill": (_RISK, Persons.ONE),
        "limits": (_RISK, Persons.BY_AMOUNT),
        "protection": (_RISK, Persons.ONE),
        "bust": (_RISK, Persons.TWO),
        "correct": (_RISK, Persons.TWO),
        "credit": (_TREASURY, Persons.TWO),
        "debit": (_TREASURY, Persons.TWO),
        "reward": (_TREASURY, Persons.TWO),
        "adjust.up": (_TREASURY, Persons.TWO),
        "adjust.down": (_TREASURY, Persons.TWO),
        "reserve": (_TREASURY, Persons.ONE),
        "commit": (_TREASURY, Persons.TWO),
        "release": (_TREASURY, Persons.ONE),
        "transfer": (_TREASURY, Persons.TWO),
        "settle": (_TREASURY, Persons.TWO),
        "house": (_TREASURY, Persons.TWO),
        # A confirmation says that money was delivered, and a mode what has to be: two look at both.
        "cycles.close": (_TREASURY, Persons.ONE),
        "cycles.confirm": (_TREASURY, Persons.TWO),
        "cycles.fail": (_TREASURY, Persons.ONE),
        "cycles.mode": (_TREASURY, Persons.TWO),
        "fees.assign": (_TREASURY, Persons.TWO),
        # By a rule that was configured: nobody chooses whose fees change.
        "fees.recompute": (_TREASURY, Persons.ONE),
        "keys.add": (_SECURITY, Persons.TWO),
        "keys.rotate": (_SECURITY, Persons.TWO),
        "keys.revoke": (_SECURITY, Persons.ONE),
        "operators.add": (_SECURITY, Persons.TWO),
        "operators.change": (_SECURITY, Persons.TWO),
        "operators.revoke": (_SECURITY, Persons.ONE),
    }
)
"""Who may do an action, and how many it takes."""


def may(roles: frozenset[Role] | tuple[Role, ...], action: str) -> bool:
    """Say whether somebody with these roles may do, propose or approve an action."""
    return action in MATRIX and not MATRIX[action][0].isdisjoint(roles)
