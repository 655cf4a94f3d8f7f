"""What configuration asks of a venue, and what is left to ask of one that knows part of it."""

import shutil
from pathlib import Path

import pytest

from exchange.admin.limits import DefineProtection
from exchange.commands.check import unnamed_grants
from exchange.configuration import read_configuration
from exchange.definitions import compare, grants_too_many, outcome_of
from exchange.directory import Directory
from exchange.errors import CommandError
from exchange.wanted import wanted_definitions
from fix_gateway.settings import read_sessions
from messages.layout import Record
from messages.trading import commands, events
from messages.trading.terms import SessionRight
from runtime.toml import SettingsError
from venue.reference.engine import ReferenceEngine

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def edit(directory: Path, name: str, old: str, new: str) -> None:
    path = directory / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def wanted(directory: Path) -> list[Record]:
    return wanted_definitions(read_configuration(directory), read_sessions(ROOT / "sessions"))


def engine_after(asked: list[Record]) -> list[Record]:
    """Return what an engine knows after these commands, all of which it must accept."""
    engine = ReferenceEngine()
    for number, record in enumerate(asked, start=1):
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        numbered = type(record)(**fields | {"sequence": number, "time_ns": number})
        for event in events.EVENTS.unpack(engine.apply(numbered.pack())):
            assert not isinstance(event, events.CommandRejected), (record, event)
    return list(events.EVENTS.unpack(engine.definitions()))


def in_order(asked: list[Record]) -> list[Record]:
    return [d.command for d in compare(asked, []) if d.command is not None]


def test_the_engine_accepts_the_shipped_definitions_and_then_agrees_with_them() -> None:
    asked = wanted(ROOT / "config")
    known = engine_after(in_order(asked))
    assert compare(asked, known) == []


def test_decimals_become_ticks_lots_and_atoms_exactly() -> None:
    asked = wanted(ROOT / "config")
    instrument = next(r for r in asked if isinstance(r, commands.CreateInstrument))
    assert (instrument.tick_units, instrument.price_decimals) == (1, 2)
    assert (instrument.lot_units, instrument.quantity_decimals) == (1, 4)
    assert (instrument.lot_atoms, instrument.tick_lot_atoms) == (10_000, 1)
    limits = next(r for r in asked if isinstance(r, commands.SetInstrumentLimits))
    assert limits.price_ticks_max == 1_000_000_000
    assert limits.collar_ppm == 100_000
    assert limits.halt_ns == 60_000_000_000


def test_a_drop_copy_session_gets_no_right_to_trade() -> None:
    grants = [r for r in wanted(ROOT / "config") if isinstance(r, commands.GrantSession)]
    rights = {(grant.session, grant.account): grant.rights for grant in grants}
    assert rights[1, 1001] == SessionRight.TRADE | SessionRight.QUOTE_REQUESTS
    assert rights[3, 1003] == SessionRight.TRADE
    assert rights[4, 1003] == SessionRight.DROP_COPY


def test_a_changed_limit_is_one_difference_that_can_be_applied(directory: Path) -> None:
    known = engine_after(in_order(wanted(directory)))
    edit(directory, "instruments.toml", 'notional_max = "50000000"', 'notional_max = "1000"')
    (difference,) = compare(wanted(directory), known)
    assert isinstance(difference.command, commands.SetInstrumentLimits)
    assert difference.command.reference_ticks == 0, "would move a market that trades"
    assert difference.subject == "set instrument limits instrument 1"
    assert difference.wanted == "notional_max_atoms=1000000000"
    assert difference.known == "notional_max_atoms=50000000000000"


def test_what_cannot_change_is_a_conflict(directory: Path) -> None:
    known = engine_after(in_order(wanted(directory)))
    edit(directory, "instruments.toml", "fee_schedule = 1", "fee_schedule = 2")
    (difference,) = compare(wanted(directory), known)
    assert difference.is_conflict
    assert difference.wanted == "fee_schedule=2"


def test_limits_in_ticks_that_were_refused_are_held_back(directory: Path) -> None:
    known = engine_after(in_order(wanted(directory)))
    edit(directory, "instruments.toml", 'tick_size = "0.01"', 'tick_size = "0.1"')
    edit(directory, "instruments.toml", 'price_min = "0.01"', 'price_min = "0.1"')
    differences = compare(wanted(directory), known)
    assert [difference.is_conflict for difference in differences] == [True, True]


def test_a_symbol_under_another_number_is_a_conflict(directory: Path) -> None:
    known = engine_after(in_order(wanted(directory)))
    edit(directory, "instruments.toml", "id = 1\n", "id = 9\n")
    conflict, limits = compare(wanted(directory), known)
    assert conflict.is_conflict
    assert conflict.known.startswith("instrument=1,")
    assert limits.is_conflict


def test_rights_that_only_the_venue_knows_are_named(directory: Path) -> None:
    asked = wanted(directory)
    known = engine_after(in_order(asked))
    kept = [r for r in asked if not (isinstance(r, commands.GrantSession) and r.session == 4)]
    (grant,) = grants_too_many(kept, known)
    assert isinstance(grant, events.SessionGranted)
    assert (grant.session, grant.account) == (4, 1003)


def test_rights_of_people_are_not_named_as_too_many(directory: Path) -> None:
    asked = wanted(directory)
    known: list[Record] = [
        events.SessionGranted.make(
            session=session, account=1_000_001, rights=SessionRight.DROP_COPY
        )
        for session in (900, 524_287, 524_288, 1_024_286, 1_024_287)
    ]
    unnamed = unnamed_grants(read_configuration(directory), asked, known)
    assert [getattr(grant, "session", 0) for grant in unnamed] == [524_287, 1_024_287]


def test_an_outcome_is_recognised_by_what_names_the_thing() -> None:
    is_it = outcome_of(commands.SetAssetLimits.make(account=7, asset=2, credit_line_atoms=5))
    assert is_it(events.AssetLimitsSet.make(account=7, asset=2))
    assert not is_it(events.AssetLimitsSet.make(account=7, asset=3))
    assert not is_it(events.AccountLimitsSet.make(account=7))


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            "assets.toml",
            '"1000000000000"',
            '"0.0000001"',
            "USD.supply_max: .* more than 6 decimals",
        ),
        ("assets.toml", '"1000000000000"', '"999999999999999999"', r"not below 2\*\*62"),
        ("instruments.toml", 'lot_size = "0.0001"', 'lot_size = "0.000000001"', "atoms of BTC"),
        ("instruments.toml", 'tick_size = "0.01"', 'tick_size = "0.001"', "atoms of USD"),
        ("instruments.toml", 'price_min = "0.01"', 'price_min = "0.015"', "whole number of ticks"),
        ("instruments.toml", 'quantity_min = "0.0001"', 'quantity_min = "0.00015"', "of lots"),
        ("instruments.toml", 'collar_percent = "10"', 'collar_percent = "101"', "0 to 100"),
        ("instruments.toml", 'tick_size = "0.01"', 'tick_size = "0.00"', "must be above zero"),
        ("fees.toml", 'account = "MM1"', 'account = "MM9"', "no session file names account MM9"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    directory: Path, name: str, old: str, new: str, said: str
) -> None:
    edit(directory, name, old, new)
    with pytest.raises(SettingsError, match=said):
        wanted(directory)


PROTECTION = """
[[account.protection]]
group = 7
base = "BTC"
quote = "USD"
quantity_max = "0.5"
notional_max = "100000"
window_ms = 1500
"""


def protected(tmp_path: Path, text: str) -> list[Record]:
    sessions = Path(shutil.copytree(ROOT / "sessions", tmp_path / "sessions"))
    path = sessions / "MM1.toml"
    whole = path.read_text()
    at = whole.index("[[account.asset]]")
    path.write_text(whole[:at] + text.lstrip() + "\n" + whole[at:])
    return wanted_definitions(read_configuration(ROOT / "config"), read_sessions(sessions))


def test_a_protection_group_is_defined_once_and_changed_by_its_limits(tmp_path: Path) -> None:
    asked = protected(tmp_path, PROTECTION)
    (group,) = [each for each in asked if isinstance(each, commands.DefineProtection)]
    assert (group.protection_group, group.window_ns, group.trades_max) == (7, 1_500_000_000, 1000)
    known = engine_after(in_order(asked))
    assert compare(asked, known) == []
    fields = {name: getattr(group, name) for name in group.__struct_fields__}
    asked[asked.index(group)] = commands.DefineProtection(**fields | {"trades_max": 5})
    (difference,) = compare(asked, known)
    assert not difference.is_conflict


def test_a_notional_of_no_asset_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="protection 7: notional_max needs quote"):
        protected(tmp_path, PROTECTION.replace('quote = "USD"\n', ""))


def test_an_operator_changes_one_limit_and_leaves_the_others(tmp_path: Path) -> None:
    known = Directory(engine_after(in_order(protected(tmp_path, PROTECTION))))
    body = DefineProtection(account="MM1", group=7, delta_max="0.25", reason="less delta")
    command = body.command(known)
    (now,) = [each for each in known.records if isinstance(each, events.ProtectionDefined)]
    scale = 10 ** known.asset("BTC").scale
    assert (command.delta_max_atoms, command.quantity_max_atoms) == (scale // 4, scale // 2)
    assert command.notional_max_atoms == now.notional_max_atoms != 0
    assert (command.window_ns, command.trades_max) == (1_500_000_000, 1000)
    with pytest.raises(CommandError, match="needs a base"):
        DefineProtection(account="MM1", group=8, reason="another group").command(known)
