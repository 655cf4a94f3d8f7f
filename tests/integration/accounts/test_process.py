"""Accounts as a process: switched off, wrongly set, and its first administrator."""

import asyncio
import secrets
from pathlib import Path

import pytest

from exchange.accounts import sealing_vault, set_roles
from exchange.accounts_settings import accounts_context
from exchange.books import prepare_database
from exchange.children import SWITCHED_OFF
from exchange.commands.status import venue_report
from exchange.commands.up import _supervisor
from exchange.configuration import Configuration, read_configuration
from exchange.state import State
from runtime.postgres import connect
from runtime.toml import SettingsError
from services.accounts.adapters.postgres import postgres_store
from services.accounts.terms import Activity, Role
from tests.unit.accounts.store_promises import somebody

ROOT = Path(__file__).resolve().parents[3]


def configured(tmp_path: Path, *changes: tuple[str, str]) -> Configuration:
    config = tmp_path / "config"
    config.mkdir()
    for path in (ROOT / "config").glob("*.toml"):
        text = path.read_text()
        if path.name == "venue.toml":
            head, mark, accounts = text.partition("[accounts]")
            for old, new in changes:
                assert old in accounts
                accounts = accounts.replace(old, new, 1)
            text = head + mark + accounts
        (config / path.name).write_text(text)
    return read_configuration(config)


async def nothing() -> None:
    pass


@pytest.mark.parametrize("is_on", [True, False])
async def test_switched_off_it_is_not_started_and_nobody_misses_it(
    tmp_path: Path, is_on: bool
) -> None:
    changes = [] if is_on else [("enabled = true", "enabled = false")]
    configuration, state = configured(tmp_path, *changes), State(tmp_path / "state")
    state.prepare()
    supervisor = _supervisor(state, configuration, [], nothing)
    names = {child.name for child in supervisor._others}
    assert ("accounts" in names) is is_on
    supervisor._publish_troubles()
    report = await asyncio.to_thread(venue_report, state)
    process = report["processes"]["accounts"]
    assert process["healthy"] is not is_on  # wanted and away, or not wanted
    assert process["trouble"] == ("" if is_on else SWITCHED_OFF)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('host = "127.0.0.1"', 'host = "0.0.0.0"', "needs certificate_file and key_file"),
        ('certificate_file = ""', 'certificate_file = "x"', "go together"),
        ('site = "http://localhost"', 'site = "http://rialto.example"', "accounts.site"),
    ],
)
def test_what_would_expose_people_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    configuration = configured(tmp_path, (old, new))
    with pytest.raises(SettingsError, match=said):
        accounts_context(configuration, State(tmp_path / "state"))


def test_letters_in_clear_are_refused_before_anything_starts(tmp_path: Path) -> None:
    changes = (('host = ""', 'host = "mail.example.org"'), ('"starttls"', '"none"'))
    configuration = configured(tmp_path, *changes)
    with pytest.raises(SettingsError, match="in clear"):
        accounts_context(configuration, State(tmp_path / "state"))


@pytest.mark.parametrize("key", ["hold_seconds = 0", "failures_max = -1", "colour = 1"])
def test_limits_are_read_strictly(tmp_path: Path, key: str) -> None:
    name = key.partition(" ")[0]
    old = "[accounts.limits]" if name == "colour" else f"{name} ="
    new = f"{old}\n{key}" if name == "colour" else f"{key} #"
    with pytest.raises(SettingsError, match=r"accounts\.limits"):
        configured(tmp_path, (old, new))


async def test_the_first_administrator_is_made_on_the_machine(
    tmp_path: Path, database: str
) -> None:
    base = configured(tmp_path, ('dsn = ""', f'dsn = "{database}"'))
    state = State(tmp_path / "state")
    state.prepare()
    await prepare_database(base, state)
    ada = somebody()
    async with postgres_store(database, sealing_vault(state), secrets.token_bytes) as store:
        await store.add(ada, (), ())
        assert await set_roles(base, state, ada.email, (Role.ADMINISTRATOR,))
        assert not await set_roles(base, state, "bob@example.org", (Role.ADMINISTRATOR,))
        found = await store.person(ada.person_id)
        assert found is not None
        assert found.roles == (Role.ADMINISTRATOR,)
        (line,) = await store.notes(ada.person_id, count_max=5)
        assert line.activity is Activity.ROLES_CHANGED
    connection = await connect(database)
    assert await connection.fetchval("select count(*) from accounts.people") == 1
    await connection.close()
