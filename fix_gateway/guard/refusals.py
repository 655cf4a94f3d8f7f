"""Why a Logon is refused that is not, or not only, a matter of its proof."""

from fix_gateway.guard.book import Known
from fix_gateway.guard.logon import Logon, Refusal, SessionStatus

AWAY = Refusal(SessionStatus.NOT_NOW, "the venue is not available, try again", "unavailable")
LOCKED = Refusal(SessionStatus.LOCKED, "too many failed logons; wait a minute", "locked")
LIVE = Refusal(SessionStatus.NOT_NOW, "the session is logged on already", "already_live")
REPLAYED = Refusal(SessionStatus.INVALID_PROOF, "this Logon was used before", "replayed")
ADDRESS = Refusal(SessionStatus.NOT_NOW, "the session may not log on from here", "address")
CERTIFICATE = Refusal(
    SessionStatus.NOT_NOW, "the session needs its client certificate", "certificate"
)


SUSPENDED = Refusal(SessionStatus.NOT_NOW, "the session is suspended", "suspended")


def of_hours(known: Known, now_ns: int) -> Refusal | None:
    """Refuse a session that may not be logged on now, whoever proves it."""
    if known.is_suspended:
        return SUSPENDED
    if known.schedule is not None and not known.schedule.is_open(now_ns):
        text = f"the session may be logged on from {known.schedule}"
        return Refusal(SessionStatus.NOT_NOW, text, "schedule")
    return None


def of_live(known: Known | None, key_id: str, now_ns: int) -> Refusal | None:
    """End a session whose key or file is gone, or that may not be logged on any longer."""
    if known is not None and known.trouble:
        return None  # nobody knows yet
    key = known.ring.find(key_id) if known is not None else None
    if known is None or key is None or not key.is_live:
        return Refusal(SessionStatus.KEY_REVOKED, f"key {key_id} is revoked", "key_revoked")
    return of_hours(known, now_ns)


def of_form(logon: Logon, begin_string: bytes) -> Refusal | None:
    """Refuse a session that speaks another dialect than its own, or enciphers."""
    if logon.begin_string != begin_string:
        text = f"BeginString (8) must be {begin_string.decode('ascii')}"
        return Refusal(SessionStatus.NOT_NOW, text, "begin_string")
    if dict(logon.fields).get(b"98") != b"0":
        # QuickFIX would hang up without a word.
        return Refusal(SessionStatus.NOT_NOW, "EncryptMethod (98) must be 0", "encryption")
    return None
