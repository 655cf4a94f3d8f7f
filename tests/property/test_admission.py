"""Admission in C++ does what its slow twin does: bytes, order, refusals, counts, exceptions."""

from __future__ import annotations

import contextlib
import random
import struct
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages.trading.codes import RejectCode
from messages.trading.commands import (
    COMMANDS,
    GROUP_MEMBERS_MAX,
    AdvanceTime,
    EnterQuote,
    GroupHeader,
    LinkLost,
)
from messages.trading.identity import source_number
from runtime.link_frames import Refusal, parse_refusals
from tests.twins.admission import SlowAdmission, SlowInbox
from venue.admission import OWN_SOURCE, Admission, Inbox, MalformedCommandsError
from venue.settings import BatchSettings, Principal, Realm

KINDS = sorted(COMMANDS.by_kind)
STRANGE_KINDS = (0, 10, 16, 45, 49, 50, 63, 64, 255, 256, 0xFFFF)
OF_FIRMS = ("CreateFirm", "CreateAccount", "GrantSession")
SINGLE = (
    *("PlaceOrder", "CancelOrder", "RecordRefusal", "OpenSession", "CloseSession", "Credit"),
    *OF_FIRMS,
)
MAY_SEND = (*SINGLE, "GroupHeader", "EnterQuote")
PRINCIPALS = (2, 3, 4095)
REALMS = {
    3: Realm(
        first_account=5,
        last_account=9,
        session=1,
        first_timer_session=5,
        last_timer_session=9,
        firm=1,
    )
}
STEPS = 60


def a_record(chance: random.Random) -> bytes:
    """A command, mostly one that may pass, sometimes bent in its head."""
    is_good = chance.random() < 0.8
    names = [cls for cls in COMMANDS.by_kind.values() if cls.__name__ in SINGLE]
    cls = chance.choice(names) if is_good else COMMANDS.by_kind[chance.choice(KINDS)]
    data = bytearray(chance.randbytes(cls.LENGTH))
    principal = chance.choice(PRINCIPALS)
    made = cls.make(source=source_number(principal, chance.randrange(3)), epoch=1).pack()
    data[:8], data[32:40] = made[:8], made[32:40]
    account, session = chance.choice((0, 4, 5, 9, 10)), chance.choice((0, 1, 2, 4, 5, 9, 10))
    data[48:56] = struct.pack("<II", account, session)
    if cls.__name__ in OF_FIRMS:
        (at,) = (field.offset for field in cls.FIELDS if field.name == "firm")
        data[at : at + 4] = struct.pack("<I", chance.choice((0, 1, 1, 2)))
    if chance.random() < 0.1:
        at = chance.choice((2, 4, 5, 6, 7, 32, 34, 35))
        data[at] = chance.randrange(256)
    if chance.random() < 0.03:
        data[2:4] = chance.choice(STRANGE_KINDS).to_bytes(2, "little")
    if chance.random() < 0.03:
        longer = len(data) + chance.choice((-8, 8, 64))
        data = data[:longer].ljust(longer, b"\1")
        data[:2] = longer.to_bytes(2, "little")
    return bytes(data)


def a_group(chance: random.Random) -> bytes:
    """A group, mostly whole, sometimes with a record that is bent in its head."""
    count = chance.choice((0, 1, 1, 2, 3, 8, GROUP_MEMBERS_MAX, GROUP_MEMBERS_MAX + 1))
    source = source_number(chance.choice(PRINCIPALS), chance.randrange(3))
    head = {"source": source, "epoch": 1, "source_sequence": chance.randrange(1 << 60)}
    data = bytearray(GroupHeader.make(**head, group_left=count, group_kind=1).pack())
    for left in reversed(range(count)):
        data += EnterQuote.make(**head, group_left=left).pack()
    if chance.random() < 0.3:
        begins = GroupHeader.LENGTH + EnterQuote.LENGTH * chance.randrange(count or 1)
        at = chance.choice((0, begins if count else 0))
        data[at + chance.choice((2, 4, 6, 7, 32, 34, 36, 40))] ^= chance.choice((1, 2, 255))
    if chance.random() < 0.1:
        del data[-EnterQuote.LENGTH :]
    return bytes(data)


def a_frame(chance: random.Random) -> bytes:
    """Records, sometimes cut short, sometimes followed by what is none."""
    data = b"".join(
        a_group(chance) if chance.random() < 0.2 else a_record(chance)
        for _ in range(chance.choice((0, 1, 2, 5, 30)))
    )
    dice = chance.random()
    if dice < 0.03 and data:
        return data[: chance.randrange(len(data))]
    if dice < 0.06:
        return data + chance.randbytes(chance.randrange(1, 100))
    if dice < 0.09:
        return data + chance.choice((0, 1, 63, 64, 65, 0xFFFF)).to_bytes(2, "little") + bytes(70)
    return data


class Pair:
    """Both admissions, told the same."""

    def __init__(self, settings: BatchSettings) -> None:
        self.slow, self.fast = SlowAdmission(settings), Admission(settings)
        self.links: list[tuple[SlowInbox, Inbox]] = []
        self.sequence = 1
        self.passed = 0
        self.said: Counter[str] = Counter()
        """How often each code, and each way of not being records, came up."""

    def open(self, number: int) -> None:
        principal = Principal(
            number=number, token_file="", may_send=MAY_SEND, realm=REALMS.get(number)
        )
        self.links.append((SlowInbox(principal), Inbox("link", principal)))

    def admit(self, index: int, frame: bytes) -> None:
        slow, fast = self.links[index]
        expected: list[Refusal] | str
        found: list[Refusal] | str
        try:
            expected = self.slow.admit(slow, frame)
        except MalformedCommandsError as error:
            expected = str(error)
        try:
            refusals = self.fast.admit(fast, memoryview(frame))
            found = [] if refusals is None else parse_refusals(refusals.records)
            assert refusals is None or sum(count for _, count in refusals.codes) == len(found)
        except MalformedCommandsError as error:
            found = str(error)
        assert found == expected
        if isinstance(expected, str):
            self.said[expected.partition(",")[0]] += 1
        else:
            self.said.update(RejectCode(refusal.code).name for refusal in expected)
        self.compare()

    def close(self, index: int) -> None:
        slow, fast = self.links.pop(index)
        slow.is_closed = True
        fast.close()
        record = LinkLost.make(source=OWN_SOURCE, principal=fast.principal).pack()
        self.slow.admit_internal(record, slow)
        self.fast.admit_internal(record, fast)
        self.compare()

    def set_closed(self, code: RejectCode | None) -> None:
        self.slow.closed_with = self.fast.closed_with = code
        assert self.fast.closed_with is code

    def take(self, limit: int, first: bytes = b"") -> None:
        time_ns = self.sequence * 1_000_003
        expected = self.slow.take(limit, sequence=self.sequence, time_ns=time_ns, first=first)
        found = self.fast.take(limit, sequence=self.sequence, time_ns=time_ns, first=first)
        assert (found.commands, found.total, dict(found.kinds)) == expected
        self.sequence += found.total
        self.passed += found.total
        self.compare()

    def compare(self) -> None:
        assert self.fast.queued == self.slow.queued
        assert bool(self.fast) == bool(self.slow)
        for slow, fast in self.links:
            assert fast.queued == len(slow.records)
        for principal in PRINCIPALS:
            assert self.fast.has_leftovers(principal) == self.slow.has_leftovers(principal)


@contextlib.contextmanager
def few_session_records(kept: int) -> Iterator[None]:
    """Let the room for sessions be reached."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("venue.admission", "tests.twins.admission"):
            patch.setattr(f"{module}.SESSION_RECORDS_KEPT", kept)
        yield


def play(seed: int) -> Pair:
    chance = random.Random(seed)
    settings = BatchSettings(
        commands_max=64,
        commands_per_link_max=chance.choice((1, 3, 128)),
        queued_per_link_max=chance.choice((1, 8, 40, 8192)),
        queued_max=chance.choice((1, 20, 60, 32768)),
    )
    with few_session_records(chance.choice((0, 5, 4096))):
        pair = Pair(settings)
        pair.open(PRINCIPALS[0])
        for _ in range(STEPS):
            dice = chance.random()
            if dice < 0.1:
                pair.open(chance.choice(PRINCIPALS))
            elif dice < 0.15 and len(pair.links) > 1:
                pair.close(chance.randrange(len(pair.links)))
            elif dice < 0.2:
                pair.set_closed(chance.choice((None, None, RejectCode.STORAGE_FULL)))
            elif dice < 0.65:
                pair.admit(chance.randrange(len(pair.links)), a_frame(chance))
            else:
                first = AdvanceTime.make(source=OWN_SOURCE).pack() if dice < 0.7 else b""
                pair.take(chance.choice((1, 2, 10, 64, 1 << 20)), first)
        while pair.slow:
            pair.take(1000)
    return pair


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_the_twins_agree(seed: int) -> None:
    play(seed)


def test_what_the_twins_are_compared_on_reaches_everything() -> None:
    played = [play(seed) for seed in range(100)]
    assert sum(pair.passed for pair in played) > 2000
    said = sum((pair.said for pair in played), Counter[str]())
    assert min(said.values()) >= 10
    assert said.keys() == {
        "RECORD_UNKNOWN_KIND",
        "RECORD_WRONG_LENGTH",
        "RECORD_WRONG_VERSION",
        "SOURCE_NOT_AUTHORISED",
        "ACCOUNT_OUTSIDE_REALM",
        "SESSION_OUTSIDE_REALM",
        "FIRM_OUTSIDE_REALM",
        "GROUP_MALFORMED",
        "STORAGE_FULL",
        "QUEUE_FULL",
        "too few bytes for a command",
        "a command shorter than its head",
        "a command that is cut short",
    }
