"""The session layer of market data: the standard's session cases, without a socket."""

from __future__ import annotations

import pytest

from fix_gateway.dialects.names import DIALECTS, FIX_44, Dialect
from fix_gateway.dialects.source import read_source
from fix_gateway.dictionary import standard_of
from fix_gateway.guard.framing import byte_sum, frame
from fix_gateway.market_data.grammar import Grammar, Request, pairs_of
from fix_gateway.market_data.pieces import assemble, piece
from fix_gateway.market_data.session import SECOND_NS, FixSession
from fix_gateway.translation.times import timestamp_text

START = 1_700_000_000 * SECOND_NS
SOURCE = read_source()
GRAMMARS = {
    dialect.name: Grammar(SOURCE, dialect, standard=standard, values=values)
    for dialect in DIALECTS.values()
    for standard, values in [standard_of(dialect)]
}
V = "262=m\x01263=1\x01264=0\x01267=1\x01269=0\x01146=1\x0155=BTC-USD\x01"


class Line:
    """A client's end of a session under test; time is the test's."""

    def __init__(self, dialect: Dialect = FIX_44, *, heartbeat: int = 10) -> None:
        self.dialect = dialect
        self.session = FixSession(
            GRAMMARS[dialect.name], dialect, comp_id="RIALTO", counterparty="MD1"
        )
        self.now_ns = START
        self.number = 0
        self.heartbeat = heartbeat

    def message(self, kind: str, body: str, **header: str) -> bytes:
        self.number += 1
        fields = {
            "49": "MD1",
            "56": "RIALTO",
            "34": str(self.number),
            "52": timestamp_text(self.now_ns),
        } | {tag[1:]: value for tag, value in header.items()}
        text = "".join(f"{tag}={value}\x01" for tag, value in fields.items() if value)
        begin = self.dialect.begin_string.encode()
        return frame(f"35={kind}\x01{text}{body}".encode("latin-1"), begin_string=begin)

    def log_on(self, body: str = "", **header: str) -> list[dict[int, str]]:
        version = "1137=9\x01" if self.dialect.version and "1137=" not in body else ""
        body = body or f"98=0\x01108={self.heartbeat}\x01141=Y\x01"
        pairs = pairs_of(self.message("A", body + version, **header))
        assert pairs is not None
        self.session.log_on(pairs, self.now_ns, seconds_min=5, seconds_max=60)
        return self.told()

    def give(self, kind: str, body: str = "", **header: str) -> list[dict[int, str]]:
        self.asked = self.session.received(self.message(kind, body, **header), self.now_ns)
        return self.told()

    asked: Request | None = None

    def took(self) -> Request | None:
        return self.asked

    def told(self) -> list[dict[int, str]]:
        found = []
        for data in self.session.outgoing:
            assert data[-4:-1] == b"%03d" % (byte_sum(data, 0, len(data) - 7) & 0xFF)
            pairs = pairs_of(data)
            assert pairs is not None
            assert pairs[0] == (8, self.dialect.begin_string)
            assert int(pairs[1][1]) == len(data) - data.index(b"\x0135=") - 8
            found.append(dict(pairs))
        self.session.outgoing.clear()
        return found

    def later(self, seconds: float) -> list[dict[int, str]]:
        self.now_ns += int(seconds * SECOND_NS)
        self.session.look_at_clock(self.now_ns)
        return self.told()


@pytest.fixture(params=DIALECTS.values(), ids=lambda dialect: dialect.name)
def line(request: pytest.FixtureRequest) -> Line:
    made = Line(request.param)
    (answer,) = made.log_on()
    assert (answer[35], answer[34], answer[108], answer[141]) == ("A", "1", "10", "Y")
    assert answer.get(1137, "") == made.dialect.version
    return made


def test_a_logon_without_a_reset_is_confirmed_without_one() -> None:
    made = Line()
    (answer,) = made.log_on("98=0\x01108=10\x01")
    assert answer[35] == "A"
    assert 141 not in answer


@pytest.mark.parametrize(
    ("body", "header", "text"),
    [
        ("98=0\x01108=10\x01", {"_34": "7"}, "begins at 1"),
        ("98=0\x01108=4\x01", {}, "must be 5 to 60"),
        ("98=0\x01108=61\x01", {}, "must be 5 to 60"),
        ("98=0\x01108=-9\x01", {}, "must be 5 to 60"),
        ("98=0\x01108=ten\x01", {}, "Incorrect data format"),
        ("98=0\x01", {}, "Required tag missing"),
        ("98=0\x01108=10\x0155=BTC-USD\x01", {}, "Tag not defined"),
    ],
)
def test_a_logon_that_cannot_be_is_refused_with_its_reason(
    body: str, header: dict[str, str], text: str
) -> None:
    made = Line()
    (answer,) = made.log_on(body, **header)
    assert (answer[35], answer[34]) == ("5", "1")
    assert text in answer[58]
    assert made.session.is_over
    assert not made.session.is_live


def test_a_fixt_logon_names_its_version() -> None:
    made = Line(DIALECTS["FIX.5.0SP2"])
    (answer,) = made.log_on("98=0\x01108=10\x011137=7\x01")
    assert "1137" in answer[58]
    assert made.session.is_over


def test_a_test_request_is_answered_by_its_heartbeat(line: Line) -> None:
    (answer,) = line.give("1", "112=are you there\x01")
    assert (answer[35], answer[112], answer[34]) == ("0", "are you there", "2")


def test_requests_reach_the_application_once_and_in_order(line: Line) -> None:
    assert line.give("V", V) == []
    request = line.took()
    assert request is not None
    assert request.groups[146] == [{55: "BTC-USD"}]
    line.number -= 1
    assert line.give("V", V, _43="Y") == []
    assert line.took() is None


def test_a_gap_is_asked_for_once_and_what_came_early_comes_again(line: Line) -> None:
    line.number += 2
    (answer,) = line.give("V", V)
    assert (answer[35], answer[7], answer[16]) == ("2", "2", "0")
    assert line.took() is None
    assert line.give("V", V) == []
    line.number = 1
    assert line.give("4", "123=Y\x0136=4\x01", _43="Y") == []
    line.number = 3
    assert line.give("V", V, _43="Y") == []
    assert line.took() is not None
    assert line.session.next_in == 5


def test_a_number_that_is_too_low_ends_the_session(line: Line) -> None:
    line.number = 0
    (answer,) = line.give("0")
    assert answer[35] == "5"
    assert answer[58] == "MsgSeqNum too low, expecting 2 but received 1"
    assert answer[1409] == "9"
    assert line.session.is_over


def test_a_resend_request_is_answered_by_one_gap_fill(line: Line) -> None:
    line.give("1", "112=a\x01")
    line.give("1", "112=b\x01")
    (answer,) = line.give("2", "7=1\x0116=0\x01")
    assert (answer[35], answer[34], answer[123], answer[36]) == ("4", "1", "Y", "4")
    assert answer[43] == "Y"
    assert answer[122] == answer[52]
    line.number -= 1  # the guard's next page comes under the same number
    (answer,) = line.give("2", "7=3\x0116=0\x01")
    assert (answer[35], answer[34], answer[36]) == ("4", "3", "4")
    (answer,) = line.give("1", "112=c\x01")
    assert answer[34] == "4"


@pytest.mark.parametrize("begin", ["0", "99"])
def test_a_resend_request_of_numbers_never_used_is_rejected(line: Line, begin: str) -> None:
    (answer,) = line.give("2", f"7={begin}\x0116=0\x01")
    assert (answer[35], answer[371], answer[373]) == ("3", "7", "5")


def test_a_reset_goes_forward_only(line: Line) -> None:
    assert line.give("4", "36=20\x01") == []
    assert line.session.next_in == 20
    (answer,) = line.give("4", "36=5\x01")
    assert (answer[35], answer[371], answer[373]) == ("3", "36", "5")
    assert line.session.next_in == 20
    line.number = 19
    (answer,) = line.give("4", "123=Y\x0136=20\x01")
    assert (answer[35], answer[373]) == ("3", "5")


def test_silence_is_asked_about_and_then_ends_the_session(line: Line) -> None:
    assert line.later(9) == []
    (beat,) = line.later(1)
    assert beat[35] == "0"
    (question,) = line.later(2.1)
    assert (question[35], question[112]) == ("1", "RIALTO")
    assert line.later(5) == []
    (*_, end) = line.later(8)
    assert (end[35], end[58]) == ("5", "nothing heard for too long")
    assert line.session.is_over


def test_who_answers_in_time_stays(line: Line) -> None:
    for _ in range(10):
        line.later(12.5)
        line.give("0", "112=RIALTO\x01")
    assert not line.session.is_over


@pytest.mark.parametrize(
    ("header", "reason"),
    [({"_49": "MD2"}, "9"), ({"_56": "OTHER"}, "9"), ({"_52": "20200101-00:00:00"}, "10")],
)
def test_who_is_another_or_of_another_time_is_rejected_and_logged_out(
    line: Line, header: dict[str, str], reason: str
) -> None:
    reject, logout = line.give("V", V, **header)
    assert (reject[35], reject[45], reject[373]) == ("3", "2", reason)
    assert logout[35] == "5"
    assert line.session.is_over
    assert line.took() is None


@pytest.mark.parametrize(
    ("body", "reason", "tag"),
    [
        (V + "9999=1\x01", "0", "9999"),
        (V.replace("263=1\x01", ""), "1", "263"),
        (V + "44=1\x01", "2", "44"),
        (V.replace("262=m", "262="), "4", "262"),
        (V.replace("263=1", "263=3"), "5", "263"),
        (V.replace("264=0", "264=x"), "6", "264"),
        (V + "262=n\x01", "13", "262"),
        (V.replace("146=1", "146=2"), "16", "146"),
        (V.replace("146=1\x0155=BTC-USD\x01", "146=0\x01"), "1", "146"),
        (V.replace("267=1\x01269=0\x01", "267=999999999\x01"), "16", "267"),
        (V.replace("269=0", "269=?"), "5", "269"),
    ],
)
def test_what_is_not_as_described_is_rejected_with_reason_and_tag(
    line: Line, body: str, reason: str, tag: str
) -> None:
    (answer,) = line.give("V", body)
    assert (answer[35], answer[45], answer[372]) == ("3", "2", "V")
    assert (answer[373], answer[371]) == (reason, tag)
    assert line.took() is None
    assert line.give("V", V) == []
    assert line.took() is not None, "the session goes on"


@pytest.mark.parametrize(("kind", "answer"), [("D", "6"), ("AE", "3"), ("8", "3")])
def test_messages_of_other_sessions_get_a_business_reject(
    line: Line, kind: str, answer: str
) -> None:
    (told,) = line.give(kind, "11=a\x01")
    assert (told[35], told[45], told[372], told[380]) == ("j", "2", kind, answer)


def test_a_type_that_is_none_is_rejected(line: Line) -> None:
    (told,) = line.give("ZZ")
    assert (told[35], told[373]) == ("3", "11")


def test_a_second_logon_ends_the_session(line: Line) -> None:
    version = f"1137={line.dialect.version}\x01" if line.dialect.version else ""
    (told,) = line.give("A", f"98=0\x01108=10\x01{version}")
    assert told[35] == "5"
    assert line.session.is_over


def test_a_logout_is_answered_and_ends_the_session(line: Line) -> None:
    (told,) = line.give("5")
    assert told[35] == "5"
    assert line.session.is_over


def test_our_logout_waits_for_the_clients(line: Line) -> None:
    line.session.log_out("bye", line.now_ns)
    (told,) = line.told()
    assert (told[35], told[58]) == ("5", "bye")
    assert not line.session.is_over
    line.give("V", V)
    assert line.took() is None, "nothing is asked of a session that is leaving"
    assert line.give("5") == []
    assert line.session.is_over


def test_bytes_that_are_no_fields_are_ignored(line: Line) -> None:
    data = b"35=V\x01no field\x0134=2\x01"
    assert line.session.received(frame(data), line.now_ns) is None
    assert line.told() == []


def test_parts_make_the_message_that_the_whole_would() -> None:
    begin = b"FIX.4.4"
    parts = (piece("35=X\x0149=A\x01"), piece("34=1\x01"), piece("58=" + "x" * 1000 + "\x01"))
    whole = frame(b"".join(each.data for each in parts), begin_string=begin)
    assert assemble(begin, parts) == whole


@pytest.mark.parametrize("begin", ["\xb2", "1" * 19, "0" * 18 + "1", "", "-1", "1_0"])
def test_a_resend_request_under_an_old_number_is_read_as_strictly(line: Line, begin: str) -> None:
    line.give("0")
    (answer,) = line.give("2", f"7={begin}\x0116=0\x01", _34="2")
    assert (answer[35], answer[371], answer[373]) == ("3", "7", "5")
    assert not line.session.is_over


def test_a_test_request_is_answered_by_its_own_bytes(line: Line) -> None:
    (answer,) = line.give("1", "112=caf\xe9 \xb2\x01")
    assert (answer[35], answer[112]) == ("0", "caf\xe9 \xb2")
