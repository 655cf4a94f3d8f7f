"""Finding our place again: the store, the checkpoint, and what to expect of the client."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from fix_gateway.bridge import Bridge
from fix_gateway.checkpoint import (
    Checkpoint,
    DamagedCheckpointError,
    ResetFile,
    SessionMark,
    read_checkpoint,
    write_checkpoint,
)
from fix_gateway.sessions import (
    SENDER_LEAP,
    LiveSession,
    Positions,
    Sent,
    align,
    last_told,
    resume_sending,
)
from fix_gateway.settings import SessionFile
from fix_gateway.store import Stored, adopt_store, mend_store, place_of, read_store
from fix_gateway.translation.outbound import Place
from tests.unit.fix_gateway.market import directory, request

MARK = SessionMark(epoch=1, connection=4, sender_next=9)


def session(**changes: object) -> LiveSession:
    fields: dict[str, object] = {
        "id": 1,
        "kind": "order_entry",
        "sender_comp_id": "MM1",
        "firm": {"id": 1, "name": "F"},
    }
    return LiveSession(msgspec.convert(fields | changes, SessionFile), 3)


def write(directory: Path, *messages: str, numbers: str = "") -> None:
    header, body = "", ""
    for message in messages:
        number = message.split("\x0134=")[1].split("\x01")[0]
        header += f"{number},{len(body)},{len(message)} "
        body += message
    (directory / "FIX.4.4-RIALTO-MM1.header").write_text(header)
    (directory / "FIX.4.4-RIALTO-MM1.body").write_text(body)
    (directory / "FIX.4.4-RIALTO-MM1.seqnums").write_text(numbers)


def read(directory: Path) -> Stored:
    return read_store(directory, begin_string="FIX.4.4", comp_id="RIALTO", counterparty="MM1")


def report(number: int, event: str) -> str:
    return f"8=FIX.4.4\x019=9\x0135=8\x0134={number}\x0117={event}\x0110=000\x01"


def test_an_empty_store_says_one(tmp_path: Path) -> None:
    assert read(tmp_path) == Stored()


def test_the_last_event_is_found_behind_administrative_messages(tmp_path: Path) -> None:
    heartbeat = "8=FIX.4.4\x019=9\x0135=0\x0134=12\x0110=000\x01"
    write(tmp_path, report(10, "70"), report(11, "71S"), heartbeat, numbers="13 : 5")
    stored = read(tmp_path)
    assert (stored.sender_next, stored.target_next, stored.last) == (13, 5, Place(71, 1))


def test_a_message_stored_but_not_counted_is_counted(tmp_path: Path) -> None:
    write(tmp_path, report(10, "70"), report(11, "71B"), numbers="11 : 5")
    assert read(tmp_path).sender_next == 12


def test_a_torn_store_is_read_as_far_as_it_agrees_with_itself(tmp_path: Path) -> None:
    write(tmp_path, report(10, "70"), report(11, "71"), numbers="12 : 5")
    body = tmp_path / "FIX.4.4-RIALTO-MM1.body"
    for size in range(body.stat().st_size):
        body.write_bytes(body.read_bytes()[: body.stat().st_size - 1])
        assert read(tmp_path).last <= Place(71, 0), size


def test_refused_numbers_are_found(tmp_path: Path) -> None:
    reject = "8=FIX.4.4\x019=9\x0135=j\x0134=11\x0145=77\x01380=4\x0110=000\x01"
    write(tmp_path, report(10, "70"), reject, numbers="12 : 78")
    assert read(tmp_path).refused == {77}


def test_places_of_messages_without_execution_id() -> None:
    assert place_of(b"35=9\x0111=a\x015002=31\x01") == Place(31, 0)
    assert place_of(b"35=0\x01") is None
    assert place_of(report(1, "5B").encode()) < place_of(report(1, "5S").encode())  # type: ignore[operator]


def test_the_number_of_a_message_is_its_place_whatever_kind_it_is_of() -> None:
    assert place_of(b"35=9\x0111=a\x015002=31\x011181=312\x01") == Place(31, 2)
    assert place_of(b"35=8\x0117=31S\x011181=311\x01") == Place(31, 1)


def test_an_answer_to_a_request_for_messages_is_no_place_in_the_feed() -> None:
    assert place_of(b"35=8\x0117=31S\x011181=311\x011350=290\x011352=Y\x01") is None


def test_what_was_told_last_is_on_record_or_the_largest_number_that_can_be() -> None:
    assert last_told(msgspec.structs.replace(MARK, told=310), position=40) == 310
    assert last_told(MARK, position=40) == 409, "of a checkpoint that did not keep it yet"
    assert last_told(None, position=40) == 409
    assert last_told(None, position=0) == 0, "before the first event nothing was told"


def aligned(
    live: LiveSession,
    positions: Positions,
    *,
    mark: SessionMark | None = None,
    expects: int = 1,
    is_start: bool = True,
) -> int | None:
    return align(live, positions=positions, mark=mark, expects=expects, is_start=is_start)


def test_after_a_crash_the_first_unsequenced_number_is_expected() -> None:
    live = session()
    positions = {live.requests: (1, 40), live.connections: (1, 2 * 7)}
    assert aligned(live, positions, mark=MARK, expects=55) == 41
    assert (live.epoch, live.connection) == (1, 7)


@pytest.mark.parametrize("stored", [1, 2, 40, 4700, 5000])
def test_a_store_that_is_behind_the_core_is_no_reset(stored: int) -> None:
    """A power cut leaves it so, and a stranger's 141=Y before a restart."""
    live = session()
    assert aligned(live, {live.requests: (1, 5000)}, mark=MARK, expects=stored) == 5001
    assert live.epoch == 1


@pytest.mark.parametrize("counted", [1, 2, 40])
def test_a_number_that_a_stranger_lowered_is_raised_again_when_a_link_is_made(counted: int) -> None:
    live = session()
    live.last_request = 40
    positions = {live.requests: (1, 40)}
    assert aligned(live, positions, expects=counted, is_start=False) == 41
    assert live.epoch == 1


def test_a_reset_is_remembered_by_the_opening_of_its_connection() -> None:
    live = session()
    positions = {live.requests: (1, 40), live.connections: (2, 2 * 8 + 1)}
    assert aligned(live, positions, mark=MARK, expects=3) == 1
    assert (live.epoch, live.connection) == (2, 8)


def test_a_reset_that_the_core_never_heard_of_is_remembered_by_its_file(tmp_path: Path) -> None:
    assert ResetFile(tmp_path).read() == {}
    ResetFile(tmp_path).write(1, 2)
    live = session()
    live.epoch = ResetFile(tmp_path).read()[live.number]
    assert aligned(live, {live.requests: (1, 40)}, mark=MARK, expects=41) == 1
    assert live.epoch == 2


def test_resets_of_several_sessions_are_kept_and_damage_is_told(tmp_path: Path) -> None:
    kept = ResetFile(tmp_path)
    kept.write(1, 2)
    kept.write(2, 5)
    kept.write(1, 3)
    assert ResetFile(tmp_path).read() == {1: 3, 2: 5}
    (tmp_path / "resets.json").write_bytes(b'{"1": 3')
    with pytest.raises(DamagedCheckpointError):
        ResetFile(tmp_path).read()


def test_when_nothing_can_be_missing_quickfix_keeps_its_number() -> None:
    live = session()
    live.last_request = 40
    positions = {live.requests: (1, 40)}
    assert aligned(live, positions, mark=MARK, expects=44, is_start=False) is None
    live.last_request = 41
    assert aligned(live, positions, mark=MARK, expects=44, is_start=False) == 41


def test_after_an_orderly_stop_nothing_is_asked_for_again() -> None:
    live = session()
    mark = msgspec.structs.replace(MARK, target_next=55)
    assert aligned(live, {live.requests: (1, 40)}, mark=mark, expects=55) == 55


def test_an_orderly_stop_before_a_reset_says_nothing_about_the_numbers_after_it() -> None:
    live = session()
    mark = msgspec.structs.replace(MARK, target_next=55)
    assert aligned(live, {live.requests: (2, 4)}, mark=mark, expects=55) == 5


def test_refused_numbers_are_bounded_and_the_oldest_go_first() -> None:
    live = session()
    live.messages_max = 3
    shared = live.refused
    for number in range(1, 20):
        live.refuse(number)
        live.refuse(number)
    assert live.refused == set(range(14, 20))
    live.forget_refused(through=16)
    assert live.refused == {17, 18, 19}
    live.refuse(20)
    live.reset()
    assert live.refused == set()
    assert live.refused is shared, "the other thread is looking at this one"


def test_what_is_kept_of_requests_under_way_is_bounded() -> None:
    live = session()
    live.messages_max = 3
    for number in range(1, 6):
        live.remember_sent(1, number, Sent("D", f"o-{number}"))
    assert live.recall_sent(1, 2) is None
    assert live.recall_sent(1, 3) == Sent("D", "o-3")
    assert live.recall_sent(1, 3) is None
    assert live.recall_sent(2, 4) is None, "the number of another epoch"


def test_after_a_crash_of_the_machine_we_send_far_above_what_the_client_has() -> None:
    stored = Stored(is_there=True, sender_next=12)
    assert resume_sending(stored, mark=MARK, has_machine_crashed=False) == 12
    assert resume_sending(stored, mark=MARK, has_machine_crashed=True) == 12 + SENDER_LEAP


def test_connections_only_grow_whatever_the_clock_says() -> None:
    live = session()
    live.next_connection(1_800_000_000 * 10**9)
    first = live.connection
    live.next_connection(0)
    assert live.connection == first + 1
    assert live.opening().sequence < live.closing().sequence == 2 * live.connection + 1


def test_checkpoints_are_read_back_and_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    assert read_checkpoint(path) is None
    checkpoint = Checkpoint(venue="00", boot="b", event=7, is_clean=False, sessions={1: MARK})
    write_checkpoint(path, checkpoint)
    assert read_checkpoint(path) == checkpoint
    for size in range(path.stat().st_size):
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(DamagedCheckpointError):
            read_checkpoint(path)
        if size > 5:
            break


def message(fields: dict[int, str]) -> str:
    return "".join(f"{tag}={value}\x01" for tag, value in fields.items())


def bridge(
    *lives: LiveSession,
    answers: list[str],
    messages_max: int = 3,
    share: int = 100,
    resets: list[tuple[int, int]] | None = None,
    skips: list[tuple[int, int]] | None = None,
) -> Bridge:
    def keep(session: int, epoch: int) -> None:
        if resets is None:
            raise OSError(28, "No space left on device")
        resets.append((session, epoch))

    skipped = [] if skips is None else skips
    made = Bridge(
        sessions={live.file.sender_comp_id: live for live in lives},
        directory=directory(),
        loop=asyncio.get_running_loop(),
        messages_max=messages_max,
        session_messages_max=share,
        credential="secret",
        keep_reset=keep,
        skip_numbers=lambda live, count: skipped.append((live.number, count)),
        wake=lambda: None,
        answer=lambda _session, text: answers.append(text),
        fail=lambda error: answers.append(str(error)),
    )
    made.is_available = True
    return made


LOGON = {35: "A", 49: "MM1", 34: "1", 108: "30", 553: "MM1", 554: "secret.0", 141: "Y"}


async def test_a_reset_is_on_the_disk_before_it_counts_and_only_if_it_is_authenticated() -> None:
    live, resets = session(), list[tuple[int, int]]()
    made = bridge(live, answers=[], resets=resets)
    assert made.logon_asked("MM1", message(LOGON | {554: "wrong.0"})) is not None
    assert (live.epoch, resets) == (1, [])
    assert made.logon_asked("MM1", message(LOGON)) is None
    assert (live.epoch, resets) == (2, [(1, 2)])


async def test_a_reset_that_cannot_be_kept_is_refused_and_ends_the_process() -> None:
    live, answers = session(), list[str]()
    made = bridge(live, answers=answers)
    assert made.logon_asked("MM1", message(LOGON)) is not None
    await asyncio.sleep(0)
    assert (live.epoch, made.is_available) == (1, False)
    assert "No space left" in answers[0]


async def test_one_session_cannot_take_the_places_of_the_others() -> None:
    first, second = session(), session(id=2, sender_comp_id="MM2")
    answers: list[str] = []
    made = bridge(first, second, answers=answers, messages_max=20, share=5)
    made.logged_on("MM1")
    made.logged_on("MM2")
    for number in range(2, 12):
        made.received("MM1", message(request("D") | {34: str(number)}))
    assert len(answers) == 6, "the opening and four orders are its share"
    made.received("MM2", message(request("D") | {34: "2", 49: "MM2"}))
    assert len(answers) == 6, "the other session has its own"
    assert len(made.take()) == 7
    made.received("MM1", message(request("D") | {34: "12"}))
    assert len(answers) == 6, "what was taken makes room again"


async def test_a_full_bridge_refuses_and_never_grows() -> None:
    live, answers = session(), list[str]()
    full = bridge(live, answers=answers)
    full.logged_on("MM1")
    for number in range(2, 10):
        assert full.received("MM1", message(request("D") | {34: str(number), 11: f"o-{number}"}))
    assert len(full) == 3
    assert [answer.split("\x01")[1] for answer in answers] == [f"45={n}" for n in range(4, 10)]
    assert all("\x01380=4\x01" in answer for answer in answers)
    assert [answer.split("\x01")[3] for answer in answers] == [f"379=o-{n}" for n in range(4, 10)]
    assert live.refused == set(range(4, 10))


async def test_what_was_refused_unsequenced_stays_refused_when_it_comes_again() -> None:
    live, answers = session(), list[str]()
    live.refuse(5)
    again = bridge(live, answers=answers)
    again.logged_on("MM1")
    again.take()
    again.received("MM1", message(request("D") | {34: "5"}))
    assert len(again) == 0
    assert len(answers) == 1


async def test_without_a_core_requests_are_neither_answered_nor_kept() -> None:
    live, answers = session(), list[str]()
    alone = bridge(live, answers=answers)
    alone.logged_on("MM1")
    alone.take()
    alone.is_available = False
    assert alone.received("MM1", message(request("D") | {34: "5"}))
    assert (len(alone), answers, live.last_request) == (0, [], 5)


async def test_types_that_the_venue_does_not_offer_are_told_apart() -> None:
    live = session()
    assert not bridge(live, answers=[]).received("MM1", message({35: "V", 49: "MM1", 34: "2"}))


def stored_files(directory: Path, *messages: bytes) -> tuple[Path, Path]:
    header = directory / "FIX.4.4-RIALTO-MM1.header"
    body = header.with_suffix(".body")
    offset = 0
    for number, text in enumerate(messages, start=1):
        whole = b"8=FIX.4.4\x019=5\x0135=8\x0134=%d\x01%b\x0110=000\x01" % (number, text)
        with header.open("ab") as file:
            file.write(b"%d,%d,%d " % (number, offset, len(whole)))
        with body.open("ab") as file:
            file.write(whole)
        offset += len(whole)
    return header, body


@pytest.mark.parametrize("cut_body", [0, 1, 30])
@pytest.mark.parametrize("cut_header", [0, 1, 3, 8])
def test_what_a_full_disk_left_half_written_is_cut_off(
    tmp_path: Path, cut_header: int, cut_body: int
) -> None:
    header, body = stored_files(tmp_path, b"17=5", b"17=6B", b"17=7S")
    whole = header.read_bytes()
    os.truncate(header, len(whole) - cut_header)
    os.truncate(body, body.stat().st_size - cut_body)
    mend_store(tmp_path, begin_string="FIX.4.4", comp_id="RIALTO", counterparty="MM1")
    kept = 2 if cut_header or cut_body else 3
    assert header.read_bytes() == b" ".join(whole.split(b" ")[:kept]) + b" "
    stored = read_store(tmp_path, begin_string="FIX.4.4", comp_id="RIALTO", counterparty="MM1")
    assert stored.last.event == (6 if kept == 2 else 7)
    assert mend_store(tmp_path, begin_string="FIX.4.4", comp_id="RIALTO", counterparty="MM1") == 0


OURS = {"comp_id": "RIALTO", "counterparty": "MM1"}


def framed(number: int, event: str, begin_string: str) -> bytes:
    text = f"8={begin_string}\x019=14\x0135=8\x0134={number}\x0117={event}\x01".encode()
    return text + b"10=%03d\x01" % (sum(text) % 256)


def old_store(directory: Path) -> list[bytes]:
    reports = [(1, "70"), (2, "71"), (3, "72")]
    write(directory, *(framed(*each, "FIX.4.4").decode() for each in reports), numbers="4 : 9")
    (directory / "FIX.4.4-RIALTO-MM1.session").write_text("20261101-10:00:00")
    return [framed(*each, "FIXT.1.1") for each in reports]


def test_a_session_that_changes_its_dialect_keeps_what_it_has_not_delivered(
    tmp_path: Path,
) -> None:
    whole = old_store(tmp_path)
    assert adopt_store(tmp_path, begin_string="FIXT.1.1", **OURS) == "FIX.4.4"
    assert (tmp_path / "FIXT.1.1-RIALTO-MM1.body").read_bytes() == b"".join(whole)
    stored = read_store(tmp_path, begin_string="FIXT.1.1", **OURS)
    assert (stored.sender_next, stored.target_next, stored.last.event) == (4, 9, 72)
    assert mend_store(tmp_path, begin_string="FIXT.1.1", **OURS) == 0
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"FIXT.1.1"}
    assert adopt_store(tmp_path, begin_string="FIXT.1.1", **OURS) is None
    assert adopt_store(tmp_path, begin_string="FIX.4.4", **OURS) == "FIXT.1.1"
    assert read(tmp_path).last.event == 72


def test_a_crash_while_the_dialect_changes_loses_nothing(tmp_path: Path) -> None:
    old_store(tmp_path)
    # Before the number file is there, what was written of the new store counts for nothing.
    (tmp_path / "FIXT.1.1-RIALTO-MM1.header").write_text("9,0,9 ")
    (tmp_path / "FIXT.1.1-RIALTO-MM1.body").write_text("half")
    adopt_store(tmp_path, begin_string="FIXT.1.1", **OURS)
    new = read_store(tmp_path, begin_string="FIXT.1.1", **OURS)
    assert (new.sender_next, new.last.event) == (4, 72)
    # Behind it, what is left of the old one does.
    old_store(tmp_path)
    (tmp_path / "FIXT.1.1-RIALTO-MM1.seqnums").write_text("8 : 9")
    assert adopt_store(tmp_path, begin_string="FIXT.1.1", **OURS) == "FIX.4.4"
    assert read_store(tmp_path, begin_string="FIXT.1.1", **OURS).sender_next == 8
    assert not list(tmp_path.glob("FIX.4.4-*"))


def test_a_half_written_message_does_not_change_its_dialect(tmp_path: Path) -> None:
    old_store(tmp_path)
    body = tmp_path / "FIX.4.4-RIALTO-MM1.body"
    os.truncate(body, body.stat().st_size - 3)
    adopt_store(tmp_path, begin_string="FIXT.1.1", **OURS)
    assert read_store(tmp_path, begin_string="FIXT.1.1", **OURS).last.event == 71


def test_a_store_that_is_not_there_needs_no_mending(tmp_path: Path) -> None:
    assert mend_store(tmp_path, begin_string="FIX.4.4", comp_id="RIALTO", counterparty="MM1") == 0
