import shutil
from pathlib import Path

import pytest

from fix_gateway.settings import (
    Doors,
    GatewaySettings,
    copied_accounts,
    read_sessions,
    traded_accounts,
)
from runtime.toml import SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    for path in (ROOT / "sessions").glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_demo_sessions_are_good() -> None:
    files = read_sessions(ROOT / "sessions")
    assert files.keys() == {"MM1", "MM2", "INST1", "INST1-DC", "MD1"}
    assert traded_accounts(files["INST1"], files) == [1003]
    assert copied_accounts(files["INST1-DC"], files) == [1003]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('kind = "order_entry"', 'kind = "admin"', "$.kind"),
        ('kind = "order_entry"', 'kind = "order_entry"\ndialect = "FIX.4.2"', "$.dialect"),
        ("id = 1\n", "id = 0\n", "$.id"),
        ("id = 1\nkind", "id = 2\nkind", "$.id: 2 is in MM1.toml already"),
        ('sender_comp_id = "MM1"', 'sender_comp_id = "A B"', "$.sender_comp_id"),
        ('sender_comp_id = "MM1"', 'sender_comp_id = "RIALTO-PACEMAKER"', "the venue's own"),
        ("[firm]", 'addresses = ["10.0.0.1/8"]\n[firm]', "$.addresses[0]: 10.0.0.1/8 has host"),
        ("[firm]", 'client_certificate_file = "../x"\n[firm]', "$.client_certificate_file"),
        ("messages = 5000", "messages = -1", "$.throttle.messages"),
        ("disconnect_grace_seconds = 0", "disconnect_grace_second = 0", "disconnect_grace_second"),
        ("id = 1001", "id = 1002", "$.account[0].id: 1002 is in MM1.toml already"),
        ("[firm]\nid = 1\n", "[firm]\nid = 2\n", "$.firm.name"),
        ('position_max = "100000"', 'position_max = "1e5"', "position_max"),
        ("[firm]", 'shared_accounts = ["INST1"]\n[firm]', "of another firm"),
        ("[firm]", 'shared_accounts = ["NOBODY"]\n[firm]', "no session defines"),
        ("[firm]", '[drop_copy]\nfirms = ["MM1"]\n[firm]', "only a drop-copy session"),
        ("[firm]", "[heartbeat]\nseconds_min = 60\nseconds_max = 5\n[firm]", "above seconds_max"),
    ],
)
def test_a_bad_file_is_refused_by_name_key_and_reason(
    sessions: Path, old: str, new: str, key: str
) -> None:
    path = sessions / "MM1.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(SettingsError) as refusal:
        read_sessions(sessions)
    assert key in str(refusal.value)
    assert ".toml" in str(refusal.value)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('firms = ["INST1"]', "firms = []", "neither firms nor accounts"),
        ('firms = ["INST1"]', 'firms = ["X"]', "no session names firm"),
        ('firms = ["INST1"]', 'accounts = ["X"]', "no session defines account"),
        ('firms = ["INST1"]', 'firms = ["MM1"]', "MM1 is another firm"),
        ('firms = ["INST1"]', 'accounts = ["MM2"]', "MM2 is another firm"),
        ('firms = ["INST1"]', 'firms = ["INST1"]\nlevel = "all"', "level"),
        ('name = "INST1"', 'name = "INST1"\nclearing_firm = "MM1"', "INST1-DC.toml says 'MM1'"),
    ],
)
def test_a_bad_drop_copy_is_refused(sessions: Path, old: str, new: str, key: str) -> None:
    path = sessions / "INST1-DC.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(SettingsError, match=key):
        read_sessions(sessions)


def clear(sessions: Path, name: str, clearing: str) -> None:
    """Let a firm name its clearing firm."""
    path = sessions / f"{name}.toml"
    text = path.read_text().replace("[firm]", f'[firm]\nclearing_firm = "{clearing}"', 1)
    path.write_text(text)


def test_a_clearing_firms_drop_copy_sees_all_firms_that_it_clears(sessions: Path) -> None:
    clear(sessions, "MM1", "INST1")
    clear(sessions, "MM2", "INST1")
    path = sessions / "INST1-DC.toml"
    path.write_text(path.read_text().replace('firms = ["INST1"]', "cleared_firms = true"))
    files = read_sessions(sessions)
    assert copied_accounts(files["INST1-DC"], files) == [1001, 1002], "and not its own unasked"


def test_a_clearing_firms_drop_copy_may_name_what_it_clears(sessions: Path) -> None:
    clear(sessions, "MM1", "INST1")
    path = sessions / "INST1-DC.toml"
    path.write_text(path.read_text().replace('firms = ["INST1"]', 'accounts = ["MM1", "INST1"]'))
    files = read_sessions(sessions)
    assert copied_accounts(files["INST1-DC"], files) == [1003, 1001]


@pytest.mark.parametrize(
    ("clearing", "reason"),
    [("NOBODY", "no session names firm 'NOBODY'"), ("MM1", "the firm itself")],
)
def test_a_bad_clearing_firm_is_refused(sessions: Path, clearing: str, reason: str) -> None:
    clear(sessions, "MM1", clearing)
    with pytest.raises(SettingsError, match=reason):
        read_sessions(sessions)


@pytest.mark.parametrize(
    ("whole", "own", "share"), [(10_000, None, 2500), (200, None, 100), (10_000, 7, 7)]
)
def test_one_session_has_a_quarter_of_the_places_unless_configured(
    whole: int, own: int | None, share: int
) -> None:
    settings = GatewaySettings(
        principal=3,
        comp_id="RIALTO",
        doors=Doors(fix=Path(), control=Path(), credential=Path()),
        state=Path(),
        dictionaries=Path(),
        bridge_messages_max=whole,
        bridge_session_messages_max=own,
    )
    assert settings.session_messages_max == share


def test_only_order_entry_answers_requests_for_quote(sessions: Path) -> None:
    path = sessions / "INST1-DC.toml"
    path.write_text("answers_quote_requests = true\n" + path.read_text())
    with pytest.raises(SettingsError, match=r"INST1-DC.*answers_quote_requests"):
        read_sessions(sessions)
