"""Why a Logon is refused that is not, or not only, a matter of its proof."""

from fix_gateway.guard.logon import Logon, Refusal, SessionStatus

AWAY = Refusal(SessionStatus.NOT_NOW, "the venue is not available, try again", "unavailable")
LOCKED = Refusal(SessionStatus.LOCKED, "too many failed logons; wait a minute", "locked")
LIVE = Refusal(SessionStatus.NOT_NOW, "the session is logged on already", "already_live")
REPLAYED = Refusal(SessionStatus.INVALID_PROOF, "this Logon was used before", "replayed")
ADDRESS = Refusal(SessionStatus.NOT_NOW, "the session may not log on from here", "address")
CERTIFICATE = Refusal(
    SessionStatus.NOT_NOW, "the session needs its client certificate", "certificate"
)


def of_form(logon: Logon, begin_string: bytes) -> Refusal | None:
    """Refuse a session that speaks another dialect than its own, or enciphers."""
    if logon.begin_string != begin_string:
        text = f"BeginString (8) must be {begin_string.decode('ascii')}"
        return Refusal(SessionStatus.NOT_NOW, text, "begin_string")
    if dict(logon.fields).get(b"98") != b"0":
        # QuickFIX would hang up without a word.
        return Refusal(SessionStatus.NOT_NOW, "EncryptMethod (98) must be 0", "encryption")
    return None
