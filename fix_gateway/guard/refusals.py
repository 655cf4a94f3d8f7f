"""Why a Logon is refused that is not, or not only, a matter of its proof."""

from fix_gateway.guard.logon import Refusal, SessionStatus

AWAY = Refusal(SessionStatus.NOT_NOW, "the venue is not available, try again", "unavailable")
LOCKED = Refusal(SessionStatus.LOCKED, "too many failed logons; wait a minute", "locked")
LIVE = Refusal(SessionStatus.NOT_NOW, "the session is logged on already", "already_live")
REPLAYED = Refusal(SessionStatus.INVALID_PROOF, "this Logon was used before", "replayed")
ADDRESS = Refusal(SessionStatus.NOT_NOW, "the session may not log on from here", "address")
CERTIFICATE = Refusal(
    SessionStatus.NOT_NOW, "the session needs its client certificate", "certificate"
)


def begin_string(wanted: bytes) -> Refusal:
    """Refuse a session that begins its messages with another BeginString than its own."""
    text = f"BeginString (8) must be {wanted.decode('ascii')}"
    return Refusal(SessionStatus.NOT_NOW, text, "begin_string")
