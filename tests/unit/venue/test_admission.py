"""Admission: who may send what, how much may wait, and whose turn it is."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    AdvanceTime,
    CancelOrder,
    CloseSession,
    Command,
    CreateAccount,
    CreateFirm,
    Credit,
    EnterQuote,
    GrantSession,
    GroupHeader,
    LinkLost,
    OpenSession,
    OpenSessionOnTerms,
    PlaceOrder,
)
from messages.trading.identity import source_number
from runtime.link_frames import Refusal, parse_refusals
from tests.venue_support import GATEWAY, MAY_SEND, command
from venue.admission import (
    OWN_SOURCE,
    SESSION_RECORDS_KEPT,
    Admission,
    Inbox,
    MalformedCommandsError,
)
from venue.settings import BatchSettings, Principal, Realm

SETTINGS = BatchSettings(
    commands_max=10, commands_per_link_max=3, queued_per_link_max=8, queued_max=12
)


def inbox(number: int = GATEWAY) -> Inbox:
    return Inbox("gateway", Principal(number=number, token_file="", may_send=MAY_SEND))


def changed(record: bytes, offset: int, value: bytes) -> bytes:
    return record[:offset] + value + record[offset + len(value) :]


def admit(admission: Admission, link: Inbox, data: bytes) -> list[Refusal]:
    refused = admission.admit(link, data)
    if refused is None:
        return []
    refusals = parse_refusals(refused.records)
    assert dict(refused.codes) == Counter(refusal.code for refusal in refusals)
    return refusals


def take(admission: Admission, limit: int) -> list[bytes]:
    """The batch's records as they were before they were stamped with 7 and following, at 9 ns."""
    commands, total, kinds = admission.take(limit, sequence=7, time_ns=9)
    records = []
    for index, (offset, kind) in enumerate(COMMANDS.walk(commands)):
        record = commands[offset : offset + kind.LENGTH]
        assert record[8:24] == struct.pack("<Qq", 7 + index, 9)
        records.append(changed(record, 8, bytes(16)))
    assert len(records) == total
    assert dict(kinds) == Counter(int.from_bytes(record[2:4], "little") for record in records)
    return records


def group(number: int, members: int, *, principal: int = GATEWAY) -> list[bytes]:
    """The records of a mass quote."""
    head = {"source": source_number(principal, 1), "epoch": 1, "source_sequence": number}
    header = GroupHeader.make(**head, group_left=members, group_kind=1)
    quotes = [EnterQuote.make(**head, group_left=left) for left in reversed(range(members))]
    return [each.pack() for each in (header, *quotes)]


def quoting_inbox() -> Inbox:
    names = (*MAY_SEND, GroupHeader.__name__, EnterQuote.__name__)
    return Inbox("gateway", Principal(number=GATEWAY, token_file="", may_send=names))


def lost_link(number: int = 0) -> bytes:
    return LinkLost.make(source=OWN_SOURCE, source_sequence=number, principal=GATEWAY).pack()


def code_of(record: bytes) -> RejectCode:
    refusals = admit(Admission(SETTINGS), inbox(), record)
    return RejectCode(refusals[0].code) if refusals else RejectCode.NONE


def test_what_may_be_sent_is_queued_byte_for_byte() -> None:
    admission, link = Admission(SETTINGS), inbox()
    records = [command(number) for number in range(3)]
    assert admit(admission, link, b"".join(records)) == []
    assert take(admission, 10) == records
    assert not admission


def test_what_may_not_be_sent_is_refused_with_its_code() -> None:
    good = command(1)
    own = source_number(GATEWAY, 1)
    assert code_of(good) is RejectCode.NONE
    assert code_of(changed(good, 2, b"\xff\x7f")) is RejectCode.RECORD_UNKNOWN_KIND
    assert code_of(changed(good, 4, b"\x02")) is RejectCode.RECORD_WRONG_VERSION
    longer = changed(good, 0, (len(good) + 8).to_bytes(2, "little")) + bytes(8)
    assert code_of(longer) is RejectCode.RECORD_WRONG_LENGTH
    assert code_of(command(1, principal=4)) is RejectCode.SOURCE_NOT_AUTHORISED
    assert code_of(changed(good, 6, b"\x01")) is RejectCode.GROUP_MALFORMED
    for kind in (Credit, AdvanceTime, LinkLost, GroupHeader):
        record = kind.make(source=own, source_sequence=1).pack()
        assert code_of(record) is RejectCode.SOURCE_NOT_AUTHORISED, kind


def test_a_refusal_names_the_command_and_lets_the_others_pass() -> None:
    admission, link = Admission(SETTINGS), inbox()
    bad = changed(command(2), 4, b"\x07")
    refusals = admit(admission, link, command(1) + bad + command(3))
    assert [(r.source, r.epoch, r.source_sequence) for r in refusals] == [
        (source_number(GATEWAY, 1), 1, 2)
    ]
    assert take(admission, 10) == [command(1), command(3)]


@pytest.mark.parametrize("data", [bytes(10), bytes(64), command(1)[:-8], b"\xff" * 64])
def test_what_cannot_be_walked_ends_the_link(data: bytes) -> None:
    with pytest.raises(MalformedCommandsError):
        admit(Admission(SETTINGS), inbox(), data)


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (group(5, 2), None),
        (group(5, 2)[:2], RejectCode.GROUP_MALFORMED),
        (group(5, 0), RejectCode.GROUP_MALFORMED),
        (group(5, 3)[:2] + group(6, 3)[2:], RejectCode.GROUP_MALFORMED),
        (group(5, 2, principal=4), RejectCode.SOURCE_NOT_AUTHORISED),
        ([*group(5, 2)[:2], changed(group(5, 2)[2], 4, b"\x02")], RejectCode.RECORD_WRONG_VERSION),
    ],
)
def test_a_group_is_admitted_or_refused_whole(
    records: list[bytes], code: RejectCode | None
) -> None:
    admission, link = Admission(BatchSettings()), quoting_inbox()
    refusals = admit(admission, link, command(1) + b"".join(records) + command(9))
    taken, total, _ = admission.take(20, sequence=7, time_ns=9)
    if code is None:
        assert refusals == []
        assert total == 3
        sequences = [struct.unpack_from("<Q", taken, at + 8)[0] for at, _ in COMMANDS.walk(taken)]
        assert sequences == [7, 8, 8, 8, 9], "a group is one command"
        return
    assert refusals[0].code == code
    assert refusals[0].kind == GroupHeader.KIND
    assert total == 2
    assert [kind for _, kind in COMMANDS.walk(taken)] == [CancelOrder, CancelOrder]


def test_a_refused_group_is_one_refusal() -> None:
    admission, link = Admission(SETTINGS), quoting_inbox()
    assert len(admit(admission, link, b"".join(group(5, 8)))) == 1, "9 of 8 a link"
    assert admit(admission, link, b"".join(group(5, 7))) == []
    refusals = admit(admission, link, b"".join(group(6, 101)))
    assert [refusal.code for refusal in refusals] == [RejectCode.GROUP_MALFORMED]


def test_what_belongs_in_a_group_is_refused_outside() -> None:
    admission, link = Admission(SETTINGS), quoting_inbox()
    stray = group(5, 1)[1]
    assert [each.code for each in admit(admission, link, stray)] == [RejectCode.GROUP_MALFORMED]


def test_a_group_that_is_begun_is_taken_whole() -> None:
    admission, link, other = Admission(SETTINGS), quoting_inbox(), quoting_inbox()
    admit(admission, link, command(1) + command(2) + b"".join(group(3, 4)) + command(8))
    admit(admission, other, command(1, session=2))
    taken, total, _ = admission.take(4, sequence=1, time_ns=9)
    assert (total, len(list(COMMANDS.walk(taken)))) == (3, 7), "3 records a link, and the rest"
    assert (link.queued, other.queued) == (1, 1)
    assert admission.take(10, sequence=4, time_ns=9).total == 2


def test_a_full_queue_is_an_explicit_refusal() -> None:
    admission = Admission(SETTINGS)
    one, other, third = inbox(), inbox(), inbox()
    refusals = admit(admission, one, b"".join(command(n) for n in range(20)))
    assert [r.code for r in refusals] == [RejectCode.QUEUE_FULL] * 12, "8 a link"
    refusals = admit(admission, other, b"".join(command(n) for n in range(8)))
    assert [r.code for r in refusals] == [RejectCode.QUEUE_FULL] * 4, "12 in all"
    take(admission, 10)
    assert admit(admission, third, command(1)) == []


def test_nobody_starves() -> None:
    admission = Admission(SETTINGS)
    greedy, modest = inbox(), inbox()
    admit(admission, greedy, b"".join(command(n) for n in range(8)))
    admit(admission, modest, command(1, session=2))
    first = take(admission, 10)
    assert first == [command(0), command(1), command(2), command(1, session=2)]
    assert len(take(admission, 10)) == 3
    assert len(take(admission, 10)) == 2
    assert admission.queued == 0


def test_turns_go_round_when_a_batch_is_full() -> None:
    admission = Admission(SETTINGS)
    links = [inbox() for _ in range(3)]
    for session, link in enumerate(links, start=1):
        admit(admission, link, b"".join(command(n, session=session) for n in range(4)))
    taken = [take(admission, 3) for _ in range(4)]
    sessions = [{int.from_bytes(r[52:56], "little") for r in batch} for batch in taken]
    assert sessions == [{1}, {2}, {3}, {1, 2, 3}]


def test_while_closed_everything_is_refused_but_the_sequencers_own() -> None:
    admission, link = Admission(SETTINGS), inbox()
    admission.closed_with = RejectCode.VENUE_STOPPING
    assert admit(admission, link, command(1))[0].code == RejectCode.VENUE_STOPPING
    admission.admit_internal(lost_link())
    assert take(admission, 10) == [lost_link(7)]


def test_a_lost_links_commands_come_before_the_news_of_it() -> None:
    admission, link = Admission(SETTINGS), inbox()
    admit(admission, link, command(1) + command(2))
    link.close()
    admission.admit_internal(lost_link(), link)
    assert admission.has_leftovers(GATEWAY)
    assert not admission.has_leftovers(GATEWAY + 1)
    assert take(admission, 10) == [command(1), command(2), lost_link(9)]
    assert not admission.has_leftovers(GATEWAY)
    assert admission.queued == 0


def test_one_word_of_a_principals_end_is_enough_while_it_waits() -> None:
    admission, link = Admission(SETTINGS), inbox()
    for _ in range(1000):
        admission.admit_internal(lost_link())
    admit(admission, link, command(1))
    admission.admit_internal(lost_link(), link)
    assert take(admission, 10) == [lost_link(7), command(1), lost_link(9)]
    admission.admit_internal(lost_link())
    assert take(admission, 10) == [lost_link(7)]


def test_a_flood_leaves_room_for_sessions_to_open_and_close() -> None:
    admission = Admission(SETTINGS)
    link = Inbox(
        "gateway",
        Principal(number=GATEWAY, token_file="", may_send=(*MAY_SEND, CloseSession.__name__)),
    )
    admit(admission, link, b"".join(command(n) for n in range(20)))
    closing = CloseSession.make(source=source_number(GATEWAY, 1), source_sequence=99).pack()
    assert admit(admission, link, closing) == []
    room = SESSION_RECORDS_KEPT - 1 + SETTINGS.queued_max - SETTINGS.queued_per_link_max
    refusals = admit(admission, link, closing * (room + 1))
    assert {refusal.code for refusal in refusals} == {RejectCode.QUEUE_FULL}


def test_a_frame_that_cannot_be_walked_leaves_nothing_behind() -> None:
    admission, link = Admission(SETTINGS), inbox()
    with pytest.raises(MalformedCommandsError):
        admit(admission, link, command(1) + bytes(10))
    link.close()
    admission.admit_internal(lost_link(), link)
    assert take(admission, 10) == [lost_link(7)]
    assert admission.queued == 0
    assert not admission


def test_queues_hold_exactly_their_bounds() -> None:
    settings = BatchSettings(
        commands_max=10, commands_per_link_max=10, queued_per_link_max=8, queued_max=12
    )
    admission, one, other = Admission(settings), inbox(), inbox()
    assert admit(admission, one, b"".join(command(n) for n in range(7))) == []
    assert admit(admission, one, command(7)) == []
    assert [r.source_sequence for r in admit(admission, one, command(8))] == [8]
    assert admit(admission, other, b"".join(command(n) for n in range(4))) == []
    assert [r.code for r in admit(admission, other, command(4))] == [RejectCode.QUEUE_FULL]
    assert (one.queued, other.queued, admission.queued) == (8, 4, 12)
    assert len(take(admission, 1)) == 1
    assert admit(admission, other, command(4)) == []
    assert [r.code for r in admit(admission, one, command(8))] == [RejectCode.QUEUE_FULL]


def test_a_link_that_is_never_empty_keeps_its_order_and_little_memory() -> None:
    settings = BatchSettings(
        commands_max=64, commands_per_link_max=64, queued_per_link_max=512, queued_max=512
    )
    admission, link, sent, taken = Admission(settings), inbox(), 0, list[bytes]()
    while sent < 20_000:
        burst = b"".join(command(n) for n in range(sent, sent + 50))
        sent += 50 - len(admit(admission, link, burst))
        if link.queued > 300:
            taken += take(admission, 64)
    while admission:
        taken += take(admission, 64)
    assert taken == [command(n) for n in range(sent)]


def test_the_first_command_goes_before_all_others_and_counts() -> None:
    admission, link = Admission(SETTINGS), inbox()
    advance = AdvanceTime.make(source=OWN_SOURCE).pack()
    admit(admission, link, command(1))
    admission.admit_internal(lost_link())
    assert admission.take(1, sequence=5, time_ns=6, first=advance).commands == (
        AdvanceTime.make(source=OWN_SOURCE, sequence=5, time_ns=6, source_sequence=5).pack()
    )
    taken = admission.take(3, sequence=6, time_ns=6, first=advance)
    kinds = (AdvanceTime.KIND, LinkLost.KIND, CancelOrder.KIND)
    assert [kind.KIND for _, kind in COMMANDS.walk(taken.commands)] == list(kinds)
    assert admission.take(10, sequence=9, time_ns=6) == (b"", 0, [])


def test_the_sequencer_gives_nothing_but_commands() -> None:
    admission = Admission(SETTINGS)
    for record in (b"", b"own", command(1)[:-8], command(1) + command(2), bytes(64)):
        with pytest.raises(ValueError, match="not exactly one command"):
            admission.admit_internal(record)
    with pytest.raises(ValueError, match="limit of 0"):
        admission.take(0, sequence=1, time_ns=1)
    with pytest.raises(ValueError, match="not exactly one command"):
        admission.take(1, sequence=1, time_ns=1, first=command(1) * 2)
    assert not admission


def test_a_link_that_is_gone_is_kept_until_its_commands_are_taken() -> None:
    admission = Admission(SETTINGS)
    link = inbox()
    admit(admission, link, b"".join(command(n) for n in range(5)))
    del link
    assert take(admission, 10) == [command(n) for n in range(3)]
    assert take(admission, 10) == [command(3), command(4)]


PEOPLE = Realm(
    first_account=100,
    last_account=199,
    session=9,
    first_timer_session=50,
    last_timer_session=149,
    firm=7,
)
OF_PEOPLE = (
    *("PlaceOrder", "OpenSession", "OpenSessionOnTerms"),
    *("CreateFirm", "CreateAccount", "GrantSession"),
)


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        (PlaceOrder, {"account": 100, "session": 9}, RejectCode.NONE),
        (PlaceOrder, {"account": 199, "session": 9}, RejectCode.NONE),
        (PlaceOrder, {"account": 99, "session": 9}, RejectCode.ACCOUNT_OUTSIDE_REALM),
        (PlaceOrder, {"account": 200, "session": 9}, RejectCode.ACCOUNT_OUTSIDE_REALM),
        (PlaceOrder, {"account": 100, "session": 8}, RejectCode.SESSION_OUTSIDE_REALM),
        (OpenSession, {"session": 9}, RejectCode.NONE),
        (OpenSession, {"session": 10}, RejectCode.SESSION_OUTSIDE_REALM),
        (OpenSessionOnTerms, {"session": 49}, RejectCode.SESSION_OUTSIDE_REALM),
        (OpenSessionOnTerms, {"session": 50}, RejectCode.NONE),
        (OpenSessionOnTerms, {"session": 149}, RejectCode.NONE),
        (OpenSessionOnTerms, {"session": 150}, RejectCode.SESSION_OUTSIDE_REALM),
        (CreateFirm, {"firm": 7}, RejectCode.NONE),
        (CreateFirm, {"firm": 8}, RejectCode.FIRM_OUTSIDE_REALM),
        (CreateAccount, {"account": 150, "firm": 7}, RejectCode.NONE),
        (CreateAccount, {"account": 150, "firm": 6}, RejectCode.FIRM_OUTSIDE_REALM),
        (CreateAccount, {"account": 7, "firm": 7}, RejectCode.ACCOUNT_OUTSIDE_REALM),
        (GrantSession, {"account": 150, "session": 9, "firm": 7}, RejectCode.NONE),
        (GrantSession, {"account": 1, "session": 9, "firm": 7}, RejectCode.ACCOUNT_OUTSIDE_REALM),
        (GrantSession, {"account": 150, "session": 1}, RejectCode.SESSION_OUTSIDE_REALM),
        (GrantSession, {"account": 150, "session": 9, "firm": 1}, RejectCode.FIRM_OUTSIDE_REALM),
    ],
)
def test_a_bound_link_speaks_of_its_own_accounts_session_and_firm_alone(
    kind: type[Command], fields: dict[str, int], code: RejectCode
) -> None:
    made = kind.make(source=source_number(GATEWAY, 1), source_sequence=1, **fields)
    bound = Principal(number=GATEWAY, token_file="", may_send=OF_PEOPLE, realm=PEOPLE)
    free = Principal(number=GATEWAY, token_file="", may_send=OF_PEOPLE)
    refusals = admit(Admission(SETTINGS), Inbox("people", bound), made.pack())
    assert [refusal.code for refusal in refusals] == ([code] if code else [])
    assert admit(Admission(SETTINGS), Inbox("anybody", free), made.pack()) == []
