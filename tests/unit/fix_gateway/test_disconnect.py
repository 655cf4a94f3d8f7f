"""What a Logon may choose for the end of its connection, at the edges of what its file allows."""

import msgspec
import pytest

from fix_gateway.disconnect import DisconnectTerms, answered_terms, choose_terms
from fix_gateway.settings import SessionFile
from fix_gateway.translation.raw import Fields

_FILE = {
    "id": 1,
    "kind": "order_entry",
    "sender_comp_id": "X",
    "firm": {"id": 1, "name": "F"},
    "shared_accounts": ["A"],
}


def session_file(**changes: object) -> SessionFile:
    return msgspec.convert(_FILE | changes, SessionFile)


@pytest.mark.parametrize(
    ("mode", "allowed"), [("none", "NSY"), ("session", "SY"), ("account", "Y")]
)
def test_without_a_word_of_the_file_nothing_weaker_may_be_chosen(mode: str, allowed: str) -> None:
    file = session_file(cancel_on_disconnect=mode)
    chosen = {value: choose_terms(Fields({8013: value}), file) for value in "NSY"}
    taken = [value for value, each in chosen.items() if isinstance(each, DisconnectTerms)]
    assert "".join(taken) == allowed


def test_the_file_may_widen_and_narrow_the_choice() -> None:
    file = session_file(cancel_on_disconnect="session", cancel_on_disconnect_choices=["none"])
    assert choose_terms(Fields({8013: "N"}), file) == DisconnectTerms("none", 0)
    assert choose_terms(Fields({8013: "S"}), file) == DisconnectTerms("session", 0)
    assert choose_terms(Fields({8013: "Y"}), file) == (
        "GATEWAY_DISCONNECT_MODE_NOT_ALLOWED (1080): CancelOnDisconnect (8013) is Y, may be N, S"
    )


@pytest.mark.parametrize(
    ("grace", "taken"), [("0", 0), ("30", 30), ("31", -1), ("-1", -1), ("1.5", -1), ("007", -1)]
)
def test_a_grace_is_bounded_by_the_file(grace: str, taken: int) -> None:
    file = session_file(disconnect_grace_seconds=5, disconnect_grace_seconds_max=30)
    chosen = choose_terms(Fields({5070: grace}), file)
    if taken >= 0:
        assert chosen == DisconnectTerms("session", taken)
    else:
        assert isinstance(chosen, str)
        assert chosen.endswith(f"5070) is {grace}, may be 0 to 30 seconds")


def test_a_logon_that_says_nothing_chooses_nothing() -> None:
    assert choose_terms(Fields({108: "30"}), session_file()) is None


def test_what_is_not_given_is_the_files() -> None:
    file = session_file(cancel_on_disconnect="session", disconnect_grace_seconds=7)
    assert choose_terms(Fields({8013: "Y"}), file) == DisconnectTerms("account", 7)
    assert choose_terms(Fields({5070: "3"}), file) == DisconnectTerms("session", 3)


def test_our_logon_says_what_holds() -> None:
    assert answered_terms(DisconnectTerms("account", 9)) == {8013: "Y", 5070: "9"}
