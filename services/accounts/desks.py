"""The service without a door: every desk, over one registry."""

from dataclasses import dataclass

from services.accounts.api_keys import ApiKeys
from services.accounts.credentials import Credentials
from services.accounts.people import People
from services.accounts.registration import Errands, Registration
from services.accounts.registry import Registry
from services.accounts.sign_in import SignIn
from services.accounts.step_up import StepUp


@dataclass(frozen=True, kw_only=True)
class Desks:
    """Every desk."""

    registry: Registry
    errands: Errands
    registration: Registration
    sign_in: SignIn
    step_up: StepUp
    credentials: Credentials
    api_keys: ApiKeys
    people: People


def open_desks(registry: Registry) -> Desks:
    """Make the desks; nothing runs yet."""
    errands = Errands(registry.limits.errands_max)
    step_up = StepUp(registry)
    return Desks(
        registry=registry,
        errands=errands,
        registration=Registration(registry, errands),
        sign_in=SignIn(registry),
        step_up=step_up,
        credentials=Credentials(registry, step_up),
        api_keys=ApiKeys(registry, step_up),
        people=People(registry, step_up),
    )
