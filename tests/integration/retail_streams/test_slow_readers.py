"""Readers that do not keep up: what they get, when they are cut, and that nobody else notices."""

import asyncio
import json
import random
import socket

from messages.market_data import Delivery, DepthUpdate
from retail_gateway.streams.settings import Limits
from tests.integration.retail_streams.raw import REQUEST, RawReader
from tests.integration.retail_streams.stage import Stage, heard, stage, until

SMALL = {"send_buffer_bytes": 4096, "queue_bytes_max": 4096}
PAD = "x" * 2000


async def slow_reader(shown: Stage, path: str) -> RawReader:
    """One whose socket takes next to nothing while it does not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", shown.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(REQUEST.format(path=path).encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return RawReader(reader, writer)


async def test_a_slow_reader_gets_the_newest_and_the_last_of_all_comes() -> None:
    async with stage(Limits(**SMALL)) as shown, shown.connect("/ws/btcusd@bookTicker") as quick:
        slow = await slow_reader(shown, "/ws/btcusd@bookTicker")
        for number in range(1, 201):
            shown.market.publish(Delivery.LATEST, "btcusd@bookTicker", {"u": number, "x": PAD})
            assert (await heard(quick))["u"] == number  # nobody else waits
        got: list[int] = []
        while not got or got[-1] != 200:
            said = await slow.text()
            assert isinstance(said, dict)
            got.append(said["u"])
        assert got == sorted(set(got))
        assert len(got) < 200
        slow.close()


async def test_merged_updates_leave_a_slow_reader_with_the_same_book() -> None:
    chance = random.Random(5)
    limits = Limits(**SMALL, backlog_bytes_max=200_000)
    async with stage(limits) as shown, shown.connect("/ws/btcusd@depth@100ms") as quick:
        slow = await slow_reader(shown, "/ws/btcusd@depth@100ms")
        books: list[dict[str, dict[str, str]]] = [{"b": {}, "a": {}}, {"b": {}, "a": {}}]
        last = 0
        for _ in range(300):
            first, last = last + 1, last + chance.randint(1, 5)
            sides = [
                [(str(price), chance.choice(["0.0", "1.5", "2.5"])) for price in prices]
                for prices in (chance.sample(range(100), 20), chance.sample(range(100, 200), 20))
            ]
            update = DepthUpdate(
                E=last, s="BTCUSD", U=first, u=last, b=sides[0], a=sides[1], T=last, cs=last
            )
            shown.market.publish(Delivery.DELTA, "btcusd@depth@100ms", _json(update))
            _apply(books[0], await heard(quick))
        through = messages = 0
        while through != last:
            said = await slow.text()
            assert isinstance(said, dict)
            assert said["U"] == through + 1  # no gap, and nothing twice
            assert said["cs"] == said["u"]
            through = said["u"]
            messages += 1
            _apply(books[1], said)
        assert books[0] == books[1]
        assert messages < 200
        slow.close()


def _json(update: DepthUpdate) -> dict[str, object]:
    return {name: getattr(update, name) for name in update.__struct_fields__}


def _apply(book: dict[str, dict[str, str]], update: dict[str, list[list[str]]]) -> None:
    for side, levels in book.items():
        for price, quantity in update[side]:
            if float(quantity):
                levels[price] = quantity
            else:
                levels.pop(price, None)


async def test_merging_does_not_hide_a_gap() -> None:
    async with stage(Limits(**SMALL)) as shown, shown.connect("/ws/btcusd@depth") as quick:
        slow = await slow_reader(shown, "/ws/btcusd@depth")

        async def publish(first: int, last: int) -> None:
            update = {"e": "depthUpdate", "E": 1, "s": "BTCUSD", "U": first, "u": last}
            levels = {"b": [[str(last), PAD]], "a": [], "T": 1, "cs": 1}
            shown.market.publish(Delivery.DELTA, "btcusd@depth", update | levels)
            assert (await heard(quick))["u"] == last

        for number in range(1, 41):
            await publish(number, number)
        for number in range(60, 101):  # 41 to 59 are lost
            await publish(number, number)
        through, gaps = 0, []
        while through != 100:
            said = await slow.text()
            assert isinstance(said, dict)
            if said["U"] != through + 1:
                gaps.append((through, said["U"]))
            through = said["u"]
        assert len(gaps) == 1
        assert gaps[0][0] <= 40
        assert gaps[0][1] == 60
        slow.close()


async def test_who_cannot_be_given_every_trade_is_cut_and_told() -> None:
    limits = Limits(**SMALL, backlog_bytes_max=50_000)
    async with stage(limits) as shown, shown.connect("/ws/btcusd@trade") as quick:
        slow = await slow_reader(shown, "/ws/btcusd@trade")
        count = 0
        while not shown.count("cut_total", reason="too_slow"):
            count += 1
            shown.market.publish(Delivery.EVERY, "btcusd@trade", {"t": count, "x": PAD})
            assert (await heard(quick))["t"] == count
            assert count < 5000
        code, reason = await slow.closed()
        assert code == 1008
        assert reason.startswith("1264 ")
        assert reason.endswith("of 50000")
        slow.close()


async def test_who_takes_nothing_is_cut_in_the_end() -> None:
    limits = Limits(**SMALL, slow_seconds_max=0.5, farewell_seconds=0.2)
    async with stage(limits) as shown, shown.connect("/ws/btcusd@bookTicker") as quick:
        slow = await slow_reader(shown, "/ws/btcusd@bookTicker")
        count = 0
        while not shown.count("cut_total", reason="too_slow"):
            count += 1
            shown.market.publish(Delivery.LATEST, "btcusd@bookTicker", {"u": count, "x": PAD})
            assert (await heard(quick))["u"] == count
        await until(lambda: shown.health()["connections"] == 1)  # dropped, read or not
        slow.close()


async def test_many_slow_readers_do_not_slow_a_quick_one() -> None:
    async with stage(Limits(**SMALL)) as shown, shown.connect("/ws/btcusd@trade") as quick:
        slow = [await slow_reader(shown, "/ws/btcusd@trade") for _ in range(30)]
        for number in range(300):
            shown.market.publish(Delivery.EVERY, "btcusd@trade", {"t": number, "x": PAD})
        for number in range(300):
            assert (await heard(quick))["t"] == number
        for each in slow:
            for number in range(300):
                said = await each.text()
                assert said == {"t": number, "x": PAD}
            each.close()


async def test_an_answer_waits_its_turn_for_a_slow_reader() -> None:
    async with stage(Limits(**SMALL)) as shown, shown.connect("/ws/btcusd@trade") as quick:
        slow = await slow_reader(shown, "/stream?streams=btcusd@trade")
        for number in range(50):
            shown.market.publish(Delivery.EVERY, "btcusd@trade", {"t": number, "x": PAD})
            await heard(quick)
        slow.send(0x81, json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}).encode())
        for number in range(50):
            said = await slow.text()
            assert said == {"stream": "btcusd@trade", "data": {"t": number, "x": PAD}}
        assert await slow.text() == {"result": ["btcusd@trade"], "id": 1}
        slow.close()
