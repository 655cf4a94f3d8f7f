"""Requests for messages (BW) and their answers (BX, BY).

A request is no command: nothing in the venue changes by it. It is answered from the event log.
"""

import re
from dataclasses import dataclass

from fix_gateway.translation import tags
from fix_gateway.translation.numbering import STATEMENTS, STREAM
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.request import Fault
from fix_gateway.translation.text import printable, shown
from messages.trading.codes import RejectCode
from messages.trading.terms import CLIENT_ID_LENGTH_MAX

_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})", re.ASCII)
_NAME = re.compile(rf"[!-~](?:[ -~]{{0,{CLIENT_ID_LENGTH_MAX - 2}}}[!-~])?", re.ASCII)
_OFFERED = (
    tags.APPL_REQ_TYPE_RETRANSMISSION,
    tags.APPL_REQ_TYPE_REQUEST_LAST_SEQ_NUM,
    tags.APPL_REQ_TYPE_CANCEL_RETRANSMISSION,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a session asks for."""

    name: str
    """ApplReqID (1346)."""
    kind: str
    """ApplReqType (1347)."""
    answer: str
    """ApplResponseID (1353) and ApplReportID (1356) of the answers."""
    stream: str = STREAM
    begin: int = 0
    """The first number wanted; zero for the first that can be had."""
    end: int = 0
    """The last number wanted; zero for the last that there is."""
    reference: str = ""
    """RefApplReqID (1433): the request that is to end."""


def read_request(fields: Fields, *, answer: str) -> tuple[Asked, Fault | None]:
    """Read an ApplicationMessageRequest (BW), and say what is wrong with it, if anything.

    Args:
        fields: the whole message.
        answer: what the answers are to be called.
    """
    name, kind = fields[tags.APPL_REQ_ID], fields[tags.APPL_REQ_TYPE]
    entries = fields.groups.get(tags.NO_APPL_IDS, [])
    entry = entries[0] if entries else {}
    asked = Asked(
        printable(name)[:CLIENT_ID_LENGTH_MAX],
        kind,
        answer,
        stream=stream_of(fields),
        begin=_number(entry.get(tags.APPL_BEG_SEQ_NUM, "")),
        end=_number(entry.get(tags.APPL_END_SEQ_NUM, "")),
        reference=entry.get(tags.REF_APPL_REQ_ID, ""),
    )
    return asked, _fault(asked, name, len(entries), entry)


def stream_of(fields: Fields) -> str:
    """Return the stream that a request is about."""
    entries = fields.groups.get(tags.NO_APPL_IDS, [])
    return entries[0].get(tags.REF_APPL_ID, STREAM) if entries else STREAM


def _number(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0


def _fault(asked: Asked, name: str, count: int, entry: dict[int, str]) -> Fault | None:
    code, text = RejectCode.GATEWAY_FIELD_MALFORMED, ""
    if not (_NAME.fullmatch(name) and len(name) <= CLIENT_ID_LENGTH_MAX):
        text = f"ApplReqID (1346) is not 1 to {CLIENT_ID_LENGTH_MAX} printable characters"
    elif asked.kind not in _OFFERED:
        code = RejectCode.GATEWAY_REQUEST_TYPE_UNSUPPORTED
        text = f"ApplReqType (1347) {shown(asked.kind)}: only 0, 2 and 5; all is sent unasked"
    elif count > 1:
        text = "one entry of NoApplIDs (1351): one stream at a time"
    elif asked.stream not in _STREAMS:
        code = RejectCode.GATEWAY_STREAM_UNKNOWN
        text = f"RefApplID (1355) {shown(asked.stream)}: the streams are {' and '.join(_STREAMS)}"
    elif asked.kind == tags.APPL_REQ_TYPE_RETRANSMISSION and tags.APPL_BEG_SEQ_NUM not in entry:
        code, text = RejectCode.GATEWAY_FIELD_MISSING, "ApplBegSeqNum (1182) is missing"
    elif bad := [tag for tag in _NUMBERS if not _NUMBER.fullmatch(entry.get(tag, "0"))]:
        text = f"{bad[0]} {shown(entry[bad[0]])} is not a number of the stream"
    return Fault(code, text) if text else None


_STREAMS = (STREAM, STATEMENTS)
_NUMBERS = (tags.APPL_BEG_SEQ_NUM, tags.APPL_END_SEQ_NUM)


def acknowledgement(asked: Asked, *, told: int, begin: int = 0, end: int = 0) -> str:
    """Take a request: ApplicationMessageRequestAck (BX).

    Args:
        asked: the request.
        told: the last number told to the session.
        begin: the first number of the answer, where messages are asked for.
        end: the last one that it will have at most.
    """
    ranged = f"1182={begin}\x011183={end}\x01" if end else ""
    return (
        f"{_answered(asked, tags.APPL_RESPONSE_TYPE_REQUEST_SUCCESSFULLY_PROCESSED)}"
        f"1351=1\x011355={asked.stream}\x01{_referred(asked)}{ranged}1357={told}\x01"
    )


def refusal(asked: Asked, fault: Fault, *, told: int, first: int = 0) -> str:
    """Refuse a request: ApplicationMessageRequestAck (BX) with the reason.

    Args:
        asked: the request.
        fault: why.
        told: the last number told to the session.
        first: the first number that can be had, where the request is for older ones.
    """
    is_unknown = fault.code == RejectCode.GATEWAY_STREAM_UNKNOWN
    outcome, error = (
        (
            tags.APPL_RESPONSE_TYPE_APPLICATION_DOES_NOT_EXIST,
            tags.APPL_RESPONSE_ERROR_APPLICATION_DOES_NOT_EXIST,
        )
        if is_unknown
        else (
            tags.APPL_RESPONSE_TYPE_MESSAGES_NOT_AVAILABLE,
            tags.APPL_RESPONSE_ERROR_MESSAGES_REQUESTED_ARE_NOT_AVAILABLE,
        )
    )
    stream = printable(asked.stream)[:CLIENT_ID_LENGTH_MAX] or STREAM
    return (
        f"{_answered(asked, outcome)}1351=1\x011355={stream}\x01{_referred(asked)}"
        + (f"1182={first}\x01" if first else "")
        + f"1357={told}\x011354={error}\x01"
        f"58={fault.code.name}: {fault.text}\x01"
        f"5001={int(fault.code)}\x01"
    )


def completion(asked: Asked, *, through: int, sent: int, why: str = "") -> str:
    """End an answer: ApplicationMessageReport (BY).

    Args:
        asked: the request.
        through: the answer is whole through this number.
        sent: how many messages it had.
        why: why there are no more, if it did not reach its end.
    """
    return (
        f"35=BY\x011356={asked.answer}\x011346={asked.name}\x01"
        f"1426={tags.APPL_REPORT_TYPE_APPLICATION_MESSAGE_RESEND_COMPLETED}\x01"
        f"1351=1\x011355={asked.stream}\x011357={through}\x01"
        f"58={sent} messages{f', {why}' if why else ''}\x01"
    )


def _answered(asked: Asked, outcome: str) -> str:
    kind = f"1347={asked.kind}\x01" if asked.kind in _OFFERED else ""
    return f"35=BX\x011353={asked.answer}\x011346={asked.name}\x01{kind}1348={outcome}\x01"


def _referred(asked: Asked) -> str:
    reference = printable(asked.reference)[:CLIENT_ID_LENGTH_MAX]
    return f"1433={reference}\x01" if reference else ""
