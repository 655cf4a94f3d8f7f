"""Which principals are bound to accounts of their own, and with which commands they may be."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exchange.configuration import read_configuration
from exchange.state import State
from exchange.venue_settings import venue_settings
from tests.venue_support import settings_in
from venue.errors import ConfigurationError
from venue.settings import WITHIN_A_REALM, Principal, Realm, check_settings

ROOT = Path(__file__).parents[3]
REALM = Realm(
    first_account=1,
    last_account=2,
    session=3,
    first_timer_session=11,
    last_timer_session=12,
    firm=4,
)


def test_the_door_of_people_is_bound_to_what_people_are_given(tmp_path: Path) -> None:
    configuration = read_configuration(ROOT / "config")
    settings = venue_settings(configuration, State(tmp_path))
    check_settings(settings)
    people = configuration.venue.retail_api
    bound = {
        name: each.realm for name, each in settings.principals.items() if each.realm is not None
    }
    assert bound == {
        "retail_gateway": Realm(
            first_account=people.first_account,
            last_account=people.last_account,
            session=people.session,
            first_timer_session=people.first_timer_session,
            last_timer_session=people.first_timer_session + 499_998,
            firm=people.firm,
        )
    }


@pytest.mark.parametrize("command", ["TransferFunds", "Kill", "GiveRfqQuote", "SetAssetLimits"])
def test_what_may_be_about_others_is_not_sent_by_who_is_bound(tmp_path: Path, command: str) -> None:
    settings = settings_in(tmp_path)

    def with_one(may_send: tuple[str, ...], realm: Realm | None) -> None:
        one = Principal(number=77, token_file="", may_send=may_send, realm=realm)
        principals = dict(settings.principals) | {"people": one}
        check_settings(msgspec.structs.replace(settings, principals=principals))

    with_one(tuple(WITHIN_A_REALM), REALM)
    with_one((command,), None)
    with pytest.raises(ConfigurationError, match=f"{command} may be about others, and people is"):
        with_one((*WITHIN_A_REALM, command), REALM)
