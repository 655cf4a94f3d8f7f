"""The counterparties' passwords."""

import secrets

from exchange.state import State
from fix_gateway.settings import SessionFile


def session_secrets(state: State, sessions: dict[str, SessionFile]) -> dict[str, bytes]:
    """Return each session's password by its file's name, made on first use."""
    names = {file.secret_file for file in sessions.values()}
    return {name: state.secret(name, secrets.token_urlsafe(24)).encode() for name in names}
