"""The state directory: one holder, secrets made once, pages of the living only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exchange.state import ProcessPage, State, StateError, StateInUseError


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.prepare()
    return state


def page(name: str, pid: int) -> ProcessPage:
    return ProcessPage(name=name, pid=pid, started_at_ns=1, addresses={"fix": "127.0.0.1:1"})


def test_a_secret_is_made_once_and_is_the_owners_alone(state: State) -> None:
    assert state.secret("a.secret", "first") == "first"
    assert state.secret("a.secret", "second") == "first"
    assert (state.secrets / "a.secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in state.secrets.iterdir()] == ["a.secret"]


@pytest.mark.parametrize(("text", "mode", "said"), [("", 0o600, "empty"), ("x", 0o640, "others")])
def test_a_secret_that_is_none_is_not_used(state: State, text: str, mode: int, said: str) -> None:
    path = state.secrets / "a.secret"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(StateError, match=said):
        state.secret("a.secret", "fresh")


def test_a_token_is_256_bits_and_stays(state: State) -> None:
    assert len(state.token("admin")) == 32
    assert state.token("admin") == state.token("admin")
    assert state.token("admin") != state.token("auditor")


def test_one_supervisor_holds_the_directory(state: State) -> None:
    with state.held(), pytest.raises(StateInUseError) as caught, State(state.root).held():
        pass
    assert caught.value.pid == os.getpid()
    with state.held():
        pass


def test_the_page_of_a_dead_process_is_none(state: State) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    state.announce(page("core", process.pid))
    assert state.page("core") is None
    state.announce(page("core", os.getpid()))
    assert state.page("core") == page("core", os.getpid())
    state.withdraw("core")
    assert state.page("core") is None


def test_a_path_too_long_for_a_socket_gets_a_short_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deep = State(tmp_path / ("x" * 100))
    assert deep.core_socket == deep.core_socket
    assert deep.core_socket != State(tmp_path / ("y" * 100)).core_socket
    assert len(os.fsencode(deep.core_socket)) < 108
    deep.core_socket.parent.chmod(0o755)
    with pytest.raises(StateError, match="ours alone"):
        _ = deep.core_socket
