"""Receipts and digests: what they say, that they repeat to the byte, and what proves them."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import CollectorRegistry

from fix_gateway.metrics import Metrics
from fix_gateway.settings import Doors, DropCopyTable, GatewaySettings
from fix_gateway.statements import keeper as keeper_module
from fix_gateway.statements import receipts
from fix_gateway.statements.digests import LINES_PER_MESSAGE, digest, order_text
from fix_gateway.statements.keeper import Keeper
from fix_gateway.statements.receipts import ORDERS_PER_PAGE, receipt
from fix_gateway.statements.requests import StatementRequests
from fix_gateway.statements.signing import SigningKeyError, read_signer
from fix_gateway.statements.standing import (
    AccountStanding,
    Fence,
    Gone,
    Money,
    OpenOrder,
    Traded,
    hash_of,
)
from fix_gateway.store import place_of
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.outbound import Place
from messages.trading import events
from messages.trading.terms import CancelOnDisconnect, CancelReason, TimeInForce
from runtime.link_frames import EventBatch
from tests.integration.fix_gateway.market import definitions
from tests.unit.fix_gateway.market import COPY, TRADER
from tests.unit.fix_gateway.market import directory as market_directory
from tests.unit.fix_gateway.telling import Sessions

SECOND = 1_000_000_000
NOW_NS = 1_800_000_000 * SECOND


@pytest.fixture
def directory() -> Directory:
    made = Directory()
    for record in definitions():
        made.learn(record)
    return made


def order(number: int, *, filled: int = 0, leaves: int = 100) -> OpenOrder:
    return OpenOrder(
        order_id=number,
        session=1,
        instrument=1,
        side=1,
        time_in_force=TimeInForce.GOOD_TILL_CANCEL,
        price_ticks=2000,
        quantity_lots=filled + leaves,
        filled_lots=filled,
        filled_value=filled * 2000,
        leaves_lots=leaves,
        held_atoms=5,
        client_order_id=f"c{number}".encode(),
    )


def fence(orders: list[Gone], *, mode: int = 1, grace_until_ns: int = 0) -> Fence:
    return Fence(
        event=77,
        time_ns=NOW_NS,
        session=1,
        connection=5,
        mode=mode,
        epoch=2,
        last_sequence=41,
        grace_until_ns=grace_until_ns,
        orders=orders,
    )


def test_a_receipt_says_how_far_was_heard_and_what_became_of_each_order(
    directory: Directory,
) -> None:
    gone = [
        Gone(order=order(1, filled=40, leaves=60), account=11, event=76),
        Gone(order=order(2), account=11, event=0),
    ]
    (page,) = receipt(fence(gone), directory)
    assert page.replace("\x01", "|") == (
        "35=N|60=20270115-08:00:00.000000|66=FENCE-77|68=2|73=2|"
        "11=c1|14=0.0040|39=4|151=0|84=0.0060|6=100|"
        "58=order 1 BTC-USD: cancelled by disconnect at event 76|"
        "11=c2|14=0|39=0|151=0.0100|84=0|6=0|58=order 2 BTC-USD: rests, good till cancel|"
        "82=1|83=1|429=6|431=3|"
        "444=session  connection 5 fenced at event 77: last MsgSeqNum 41 after 1 resets; "
        "by session 1 cancelled, 1 rest|893=Y|5002=77|5071=41|"
    ).replace("session  connection", f"session {directory.session_names[1] or 1} connection")


@pytest.mark.parametrize(
    ("mode", "grace_until_ns", "fate"),
    [
        (CancelOnDisconnect.NONE, 0, "rests, for the mode is none"),
        (CancelOnDisconnect.SESSION, NOW_NS, "rests until the grace ends"),
    ],
)
def test_a_receipt_says_why_an_order_rests(
    directory: Directory, mode: int, grace_until_ns: int, fate: str
) -> None:
    resting = [Gone(order=order(2), account=11, event=0)]
    (page,) = receipt(fence(resting, mode=mode, grace_until_ns=grace_until_ns), directory)
    assert f"58=order 2 BTC-USD: {fate}\x01" in page


@pytest.mark.parametrize(
    ("count", "pages"), [(1, 1), (ORDERS_PER_PAGE, 1), (ORDERS_PER_PAGE + 1, 2), (1000, 25)]
)
def test_a_receipt_has_pages_and_each_a_place_of_its_own(
    directory: Directory, count: int, pages: int
) -> None:
    gone = [Gone(order=order(number), account=11, event=number) for number in range(1, count + 1)]
    found = receipt(fence(gone), directory)
    assert len(found) == pages
    assert sum(page.count("\x0111=") for page in found) == count
    places = [place_of(f"8=FIX.4.4\x01{page}10=000\x01".encode()) for page in found]
    assert places == [Place(77, page) for page in range(pages)]
    assert [("893=Y" in page) for page in found] == [False] * (pages - 1) + [True]
    assert max(len(page) for page in found) < 8000
    assert receipts.receipt(fence(gone), directory) == found


def test_a_digest_says_orders_executions_trades_and_money(directory: Directory) -> None:
    orders = [order(1, filled=40, leaves=60), order(2)]
    texts = [
        "1|c1|BTC-USD|1|0.0100|100.00|0.0040|0.0060",
        "2|c2|BTC-USD|1|0.0100|100.00|0|0.0100",
    ]
    assert [order_text(each, directory) for each in orders] == texts
    total = sum(hash_of(text) for text in texts) % (1 << 64)
    account = AccountStanding(
        orders=2,
        orders_sum=total,
        traded={1: Traded(executions=3, bought_lots=40, bought_value=80_000)},
        money={1: Money(balance_atoms=1_500_000, held_atoms=250)},
        executions=3,
        executions_sum=0xAB,
    )
    (page,) = digest(account, number=11, event=9, now_ns=NOW_NS, directory=directory)
    assert page.replace("\x01", "|") == (
        f"35=B|33=4|58=orders 2 digest {total:016x}|58=executions 3 digest 00000000000000ab|"
        "58=traded BTC-USD executions 3 bought 0.0040 for 0.400000 sold 0 for 0.000000|"
        "58=money USD balance 1.500000 held 0.000250|42=20270115-08:00:00.000000|"
        "148=STATE DIGEST A11 at event 9 page 1 of 1|5002=9|"
    )


def test_a_digest_of_many_assets_has_pages(directory: Directory) -> None:
    money = {number: Money(balance_atoms=1) for number in range(1, LINES_PER_MESSAGE)}
    account = AccountStanding(money=money)
    pages = digest(account, number=11, event=9, now_ns=NOW_NS, directory=directory)
    assert [page.count("\x0158=") for page in pages] == [LINES_PER_MESSAGE, 1]
    assert "page 2 of 2" in pages[1]


def test_only_the_venue_can_have_signed_it_and_nothing_in_it_can_change(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"
    signer = read_signer(path)
    assert read_signer(path).public_key == signer.public_key
    assert path.stat().st_mode & 0o777 == 0o600
    text, _, signature = signer.sign("35=B\x01148=x\x01").rpartition("5073=")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signer.public_key))
    key.verify(base64.b64decode(signature.rstrip("\x01")), text.encode())
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature.rstrip("\x01")), text.replace("x", "y").encode())


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    read_signer(path)
    path.chmod(0o644)
    with pytest.raises(SigningKeyError, match="others may read it"):
        read_signer(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(SigningKeyError, match="32 bytes in base64"):
        read_signer(path)


def keeper_of(directory: Path, fixture: Sessions) -> Keeper:
    settings = GatewaySettings(
        principal=3,
        comp_id="RIALTO",
        doors=Doors(fix=directory, control=directory, credential=directory),
        state=directory / "fix",
        dictionaries=directory,
    )
    return Keeper(settings, directory=market_directory(), sessions=fixture.sessions.values())


def requests_of(keeper: Keeper, fixture: Sessions) -> StatementRequests:
    return StatementRequests(
        channels=fixture.channels,  # type: ignore[arg-type]
        issuer=keeper.issuer,
        metrics=Metrics(CollectorRegistry()),
    )


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # what is waited for says nothing by itself
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_more_to_come", [False, True])
async def test_after_the_loss_of_all_the_last_receipts_do_not_wait_for_the_next_event(
    tmp_path: Path, *, is_more_to_come: bool
) -> None:
    fixture = Sessions()
    keeper = keeper_of(tmp_path, fixture)
    fixture.publisher.position = 3
    await keeper.begin(venue=b"v", through=3, has_lost_all=True)
    first = events.SessionGranted.make(number=1, session=TRADER, account=11, firm=1)
    cancelled = events.OrderCancelled.make(
        number=2, sequence=1, account=11, session=TRADER, order_id=5, reason=CancelReason.DISCONNECT
    )
    fenced = events.SessionFenced.make(number=3, sequence=1, session=TRADER)
    running = asyncio.create_task(keeper.run(fixture.publisher, requests_of(keeper, fixture)))
    records = [first, cancelled, fenced]
    if is_more_to_come:
        keeper.publish(EventBatch(1, 2, first.pack() + cancelled.pack()), fixture.publisher)
        keeper._tell_once_more(fixture.publisher)
        assert not fixture.told[TRADER].texts, "the last fence is not read yet"
        keeper.publish(EventBatch(3, 3, fenced.pack()), fixture.publisher)
    else:
        keeper.publish(
            EventBatch(1, 3, b"".join(each.pack() for each in records)), fixture.publisher
        )
    await until(lambda: fixture.told[TRADER].texts)
    later = events.OrderCancelled.make(number=4, account=11, session=TRADER, order_id=6)
    keeper.publish(EventBatch(4, 4, later.pack()), fixture.publisher)
    receipts_told = [each for each in fixture.told[TRADER].texts if each.startswith("35=N")]
    assert len(receipts_told) == 1, "once"
    assert "66=FENCE-3\x01" in receipts_told[0]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_digest_waits_for_what_is_not_read_yet_and_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = Sessions()
    copy = fixture.sessions[COPY]
    copy.file = msgspec.structs.replace(copy.file, drop_copy=DropCopyTable(state_digest_seconds=60))
    copy.is_open = True
    keeper = keeper_of(tmp_path, fixture)
    fixture.publisher.position = last = 5001
    await keeper.begin(venue=b"v", through=last, has_lost_all=False)
    accepted = [
        events.OrderAccepted.make(
            number=number,
            account=11,
            session=TRADER,
            instrument=1,
            order_id=number,
            quantity_lots=1,
            leaves_lots=1,
        ).pack()
        for number in range(1, last + 1)
    ]
    keeper.publish(EventBatch(1, last - 1, b"".join(accepted[:-1])), fixture.publisher)
    standing = keeper.issuer.standing
    monkeypatch.setattr(keeper_module, "_LOOK_SECONDS", 0)
    running = asyncio.create_task(keeper.run(fixture.publisher, requests_of(keeper, fixture)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(standing.unhashed(11)) == last - 1
    keeper.publish(EventBatch(last, last, accepted[-1]), fixture.publisher)
    turns = 0
    while not fixture.told[COPY].texts:
        turns += 0 < len(standing.unhashed(11)) < last
        await asyncio.sleep(0)
    assert f"58=orders {last} digest" in fixture.told[COPY].texts[0]
    assert turns > 5, "others had their turn while orders were hashed"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
