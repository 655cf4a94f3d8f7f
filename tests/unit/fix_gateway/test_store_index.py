"""QuickFIX's index of stored messages is cut, and what is left is whole."""

from collections.abc import Callable
from pathlib import Path

import pytest
import quickfix as fix

from fix_gateway.store import read_store
from fix_gateway.store_index import StoreIndex, count_entries, trim_store

NAMES = {"begin_string": "FIX.4.4", "comp_id": "RIALTO", "counterparty": "MM1"}
SESSION = ("FIX.4.4", "RIALTO", "MM1")


class Store:
    """A store of QuickFIX's, by itself."""

    def __init__(self, folder: Path) -> None:
        settings = folder / "store.cfg"
        settings.write_text(
            "[DEFAULT]\nConnectionType=acceptor\nSenderCompID=RIALTO\nNonStopSession=Y\n"
            f"FileStorePath={folder}\n[SESSION]\nBeginString=FIX.4.4\nTargetCompID=MM1\n"
        )
        self._settings = fix.SessionSettings(str(settings))
        self._factory = fix.FileStoreFactory(self._settings)
        self._session = fix.SessionID(*SESSION)
        self.store = self._factory.create(fix.UtcTimeStamp.now(), self._session)
        self.header = folder / "FIX.4.4-RIALTO-MM1.header"
        self.refreshed = 0

    @property
    def sender_next(self) -> int:
        return self.store.getNextSenderMsgSeqNum()

    def add(self, count: int) -> None:
        for _ in range(count):
            self.store.set(self.sender_next, message(self.sender_next))
            self.store.incrNextSenderMsgSeqNum()

    def refresh(self) -> None:
        self.store.refresh()
        self.refreshed += 1

    def numbers(self) -> list[int]:
        return [int(entry.split(b",")[0]) for entry in self.header.read_bytes().split()]

    def found(self) -> list[str]:
        """What stands where the header says; that QuickFIX finds it so is for another test."""
        body = self.header.with_suffix(".body").read_bytes()
        entries = [entry.split(b",") for entry in self.header.read_bytes().split()]
        return [body[int(at) :][: int(size)].decode() for _, at, size in entries]


def message(number: int) -> str:
    return f"8=FIX.4.4\x0135=8\x0134={number}\x0117={number}\x01" + "x" * (number % 300) + "\x01"


@pytest.fixture
def made(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_the_last_messages_stay_and_quickfix_goes_on_behind_them(made: Store) -> None:
    made.add(100)
    assert trim_store(made.header, messages_max=30, refresh=made.refresh) == 70
    assert made.numbers() == list(range(71, 101))
    assert made.sender_next == 101
    made.add(5)
    assert made.numbers() == list(range(71, 106))
    assert made.found() == [message(number) for number in range(71, 106)]
    stored = read_store(made.header.parent, **NAMES)
    assert (stored.sender_next, stored.last.event) == (106, 105)
    assert trim_store(made.header, messages_max=35, refresh=made.refresh) == 0
    assert made.refreshed == 1, "nothing more to cut"


def test_what_was_cut_is_given_back_to_the_disk(made: Store) -> None:
    made.add(20_000)
    body = made.header.with_suffix(".body")
    before, size = body.stat().st_blocks, body.stat().st_size
    trim_store(made.header, messages_max=100, refresh=made.refresh)
    assert body.stat().st_size == size, "what is left is where it was"
    assert body.stat().st_blocks < before / 10
    assert made.found() == [message(number) for number in range(19_901, 20_001)]


def test_a_store_that_is_not_there_has_nothing_to_cut(tmp_path: Path) -> None:
    path = tmp_path / "none.header"
    assert count_entries(path) == 0
    assert trim_store(path, messages_max=1, refresh=never) == 0


def test_without_room_for_the_new_file_all_stays_as_it_was(made: Store) -> None:
    made.add(50)
    made.header.with_suffix(".cut").mkdir()
    before = made.header.read_bytes()
    assert trim_store(made.header, messages_max=10, refresh=never) == 0
    assert made.header.read_bytes() == before


def never() -> None:
    raise AssertionError("QuickFIX was told to read again")


def looked(index: StoreIndex, made: Store, refresh: Callable[[], None]) -> bool:
    return index.look(made.sender_next, refresh)


def test_a_store_waits_for_a_quiet_second_until_it_has_twice_as_many(made: Store) -> None:
    index = StoreIndex(made.header, messages_max=30, sender_next=made.sender_next)
    made.add(30)
    for _ in range(3):
        assert not looked(index, made, never), "no more than it keeps"
    made.add(29)
    assert not looked(index, made, never), "not quiet, and not yet twice as many"
    assert looked(index, made, made.refresh), "quiet"
    assert index.messages(made.sender_next) == 30 == len(made.numbers())
    made.add(30)
    assert looked(index, made, made.refresh), "twice as many"
    assert made.numbers() == list(range(60, 90))


def test_messages_of_the_last_run_count_and_a_reset_empties_the_store(made: Store) -> None:
    made.add(25)
    index = StoreIndex(made.header, messages_max=30, sender_next=made.sender_next)
    assert index.messages(made.sender_next) == 25
    assert not looked(index, made, never)
    made.add(10)
    assert index.messages(made.sender_next) == 35
    made.store.reset(fix.UtcTimeStamp.now())
    made.add(3)
    assert index.messages(made.sender_next) == 3 == len(made.numbers())
    assert not looked(index, made, never)
    assert not looked(index, made, never)


def test_numbers_that_were_left_out_are_no_messages(made: Store) -> None:
    made.add(10)
    index = StoreIndex(made.header, messages_max=30, sender_next=made.sender_next)
    made.store.setNextSenderMsgSeqNum(1_000_000)
    assert not looked(index, made, never), "there is nothing to cut"
    assert index.messages(made.sender_next) == 10
