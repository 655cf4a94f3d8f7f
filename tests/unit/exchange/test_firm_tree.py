"""Firms with their accounts and sub-accounts: checked where written, shown to operators."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from exchange.admin import answers
from exchange.firm_tree import Branch, branches, in_order, parents_of
from fix_gateway.settings import read_sessions
from runtime.toml import SettingsError
from tests.unit.exchange.plane_desk import ROOT, PlaneDesk, two_accounts

SUB_ACCOUNT = """
[[account]]
id = 1080
name = "INST1-B"
parent = "INST1"
owner_group = 3

[account.limits]
open_orders_max = 100
"""


def sessions_with(folder: Path, *, file: str = "INST1", text: str = SUB_ACCOUNT) -> Path:
    for path in (ROOT / "sessions").glob("*.toml"):
        shutil.copy(path, folder)
    path = folder / f"{file}.toml"
    path.write_text(path.read_text() + text)
    return folder


def test_accounts_are_each_followed_by_their_sub_accounts() -> None:
    parents = {7: 3, 5: 9, 4: 9, 8: 100}
    assert branches([9, 8, 7, 5, 4, 3], parents) == [
        Branch(3, (7,)), Branch(8, ()), Branch(9, (4, 5)),
    ]  # fmt: skip
    assert in_order([9, 8, 7, 5, 4, 3], parents) == [3, 7, 8, 9, 4, 5]


def test_a_sub_account_is_of_an_account_of_its_firm(tmp_path: Path) -> None:
    assert parents_of(read_sessions(ROOT / "sessions")) == {}
    assert parents_of(read_sessions(sessions_with(tmp_path))) == {1080: 1003}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (('parent = "INST1"', 'parent = "NOBODY"'), "no session defines account 'NOBODY'"),
        (('parent = "INST1"', 'parent = "MM1"'), "of another firm"),
        (('parent = "INST1"', 'parent = "INST1-B"'), "is itself, or a sub-account"),
    ],
)
def test_a_wrong_parent_is_refused(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as refused:
        read_sessions(sessions_with(tmp_path, text=SUB_ACCOUNT.replace(*change)))
    assert "INST1.toml: $.account[1].parent" in str(refused.value)


def test_a_sub_account_has_none_itself(tmp_path: Path) -> None:
    third = SUB_ACCOUNT.replace("INST1-B", "INST1-C").replace("1080", "1081")
    third = third.replace('parent = "INST1"', 'parent = "INST1-B"')
    with pytest.raises(SettingsError, match="is itself, or a sub-account"):
        read_sessions(sessions_with(tmp_path, text=SUB_ACCOUNT + third))


async def test_operators_see_the_tree_with_groups_and_limits(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    desk = PlaneDesk(tmp_path, sessions_with(tmp_path / "sessions"))
    await two_accounts(desk)
    rows = await answers.firms(desk.plane)
    shown = [(row["firm"], row["account"], row["parent"], row["owner_group"]) for row in rows]
    assert shown == [
        ("MM1", "MM1", "", 1),
        ("MM2", "MM2", "", 2),
        ("INST1", "INST1", "", 3),
        ("INST1", "INST1-B", "INST1", 3),
    ]
    assert rows[2]["limits"] == [
        {"credit_line": "1,000,000.000000 USD", "position_max": "0.000000 USD"}
    ]
