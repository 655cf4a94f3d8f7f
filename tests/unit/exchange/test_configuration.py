"""Configuration is strict: what is wrong is named by file, key and reason."""

import shutil
from pathlib import Path

import pytest

from exchange.configuration import read_configuration, scaled
from exchange.state import State
from exchange.venue_settings import read_and_check
from fix_gateway.guard.settings import Limits
from fix_gateway.settings import SESSION_ID_MAX
from runtime.toml import SettingsError

SHIPPED = Path(__file__).resolve().parents[3] / "config"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config"))


def edit(directory: Path, name: str, old: str, new: str) -> None:
    path = directory / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_shipped_configuration_is_sound() -> None:
    configuration = read_configuration(SHIPPED)
    assert [instrument.symbol for instrument in configuration.instruments] == [
        "BTC-USD",
        "ETH-USD",
        "ETH-BTC",
    ]


def test_the_shipped_limits_of_the_guard_are_those_that_the_code_and_the_documents_state() -> None:
    shipped = read_configuration(SHIPPED).venue.fix_guard.limits
    stated = Limits()
    differ = {
        name for name in Limits.__struct_fields__ if getattr(shipped, name) != getattr(stated, name)
    }
    assert differ == set()


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("venue.toml", "[fix]", "[fix]\ncolour = 1", r"venue\.toml: .*`colour` - at `\$\.fix`"),
        ("venue.toml", 'durability = "disk"', "", r"venue\.toml: .*missing.*`durability`"),
        (
            "venue.toml",
            "port = 9878",
            "port = 65536",
            r"venue\.toml: .*<= 65535.*fix_guard\.port",
        ),
        ("venue.toml", 'durability = "disk"', 'durability = "hope"', r"venue\.toml: .*'hope'"),
        (
            "venue.toml",
            "gather_seconds = 0.05",
            "gather_seconds = 1.01",
            r"venue\.toml: .*<= 1.*settlement\.gather_seconds",
        ),
        ("venue.toml", "[core.batch]", "[core.batch]\nx = 1", r"venue\.toml: .*`x` - at `\$\.core"),
        ("assets.toml", 'symbol = "BTC"', 'symbol = "USD"', r"asset\[1\]: USD is there twice"),
        ("assets.toml", "scale = 8", "scale = 19", r"assets\.toml: .*<= 18.*asset\[\.*"),
        ("instruments.toml", 'base = "BTC"', 'base = "DOGE"', r"\[0\]\.base: no asset DOGE"),
        ("instruments.toml", 'base = "BTC"', 'base = "USD"', r"\[0\]\.quote: the base asset"),
        ("instruments.toml", '"0.01"', '"1e-2"', r"instruments\.toml: .*matching regex.*tick_size"),
        ("instruments.toml", "fee_schedule = 1", "fee_schedule = 9", r"no schedule 9"),
        ("fees.toml", "schedule = 2", "schedule = 9", r"assignment\[0\]\.schedule: no schedule 9"),
        ("fees.toml", "taker_ppm = 500", "taker_ppm = -1", r"fees\.toml: .*>= 0.*taker_ppm"),
        ("fees.toml", "maker_ppm = -50", "maker_ppm = -301", r"schedule 2 \(301 ppm\) is above"),
        ("fees.toml", "[[schedule]]", "[[schedule]", r"fees\.toml: "),
    ],
)
def test_what_is_wrong_is_named(directory: Path, name: str, old: str, new: str, said: str) -> None:
    edit(directory, name, old, new)
    with pytest.raises(SettingsError, match=said):
        read_configuration(directory)


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "fees.toml").unlink()
    with pytest.raises(SettingsError, match=r"fees\.toml: No such file"):
        read_configuration(directory)


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("0", 2, 0),
        ("1.5", 2, 150),
        ("1.50", 1, 15),
        ("1.05", 1, None),
        ("01", 2, None),
        ("1e2", 2, None),
        ("-1", 2, None),
        ("1.", 2, None),
        ("NaN", 2, None),
        ("1\n", 2, None),
        ("٣", 2, None),
        ("999999999999999999.999999999999999999", 18, 10**36 - 1),
    ],
)
def test_decimals_are_read_exactly_or_not_at_all(
    text: str, decimals: int, expected: int | None
) -> None:
    assert scaled(text, decimals) == expected


@pytest.mark.parametrize("number", [900, 10_001, 509_999])
def test_a_fix_session_under_a_number_of_peoples_is_refused(directory: Path, number: int) -> None:
    sessions = Path(shutil.copytree(SHIPPED.parent / "sessions", directory.parent / "sessions"))
    edit(sessions, "MM1.toml", "id = 1\n", f"id = {number}\n")
    edit(directory, "venue.toml", "first_timer_session = 524288", "first_timer_session = 10001")
    with pytest.raises(SettingsError, match=rf"MM1\.toml: \$\.id: {number} is the retail API's"):
        read_and_check(directory, sessions, State(directory.parent / "state"))
    edit(directory, "venue.toml", "[retail_api]\nenabled = true", "[retail_api]\nenabled = false")
    read_and_check(directory, sessions, State(directory.parent / "state"))


def test_a_fix_session_beside_those_of_people_is_taken(directory: Path) -> None:
    sessions = Path(shutil.copytree(SHIPPED.parent / "sessions", directory.parent / "sessions"))
    edit(sessions, "MM1.toml", "id = 1\n", f"id = {SESSION_ID_MAX}\n")
    read_and_check(directory, sessions, State(directory.parent / "state"))


def test_every_account_may_have_a_timer_and_fix_its_sessions_besides() -> None:
    bounds = read_configuration(SHIPPED).venue.bounds
    assert bounds.sessions_max >= bounds.accounts_max + 10_000
