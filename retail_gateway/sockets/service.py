"""The WebSocket API: requests over one connection, and the user data stream beside them.

Handshakes, frames and the counting of connections are those of the public streams.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec

from retail_gateway.front import Front
from retail_gateway.routes import Endpoint
from retail_gateway.sockets.client import Client
from retail_gateway.streams.ports import Guest, House, Listener, Server, Wire
from retail_gateway.streams.refusals import CloseCode, Denied, Reason, Refusal, denied
from retail_gateway.streams.room import Room
from retail_gateway.streams.settings import Limits, StreamsSettings
from retail_gateway.user_data import UserData

PATH: Final = "/ws-api/v3"
_SWEEP_SECONDS: Final = 0.5

ServerFactory = Callable[[House, StreamsSettings, ssl.SSLContext | None], Awaitable[Server]]


class SocketService:
    """Serves the WebSocket API."""

    def __init__(
        self, front: Front, user_data: UserData, table: list[Endpoint], limits: Limits
    ) -> None:
        """Put the parts together; nothing happens before ``run``."""
        self.limits = limits
        self.front = front
        self.user_data = user_data
        self.table = {each.socket_method: each for each in table if each.socket_method}
        self._room = Room(limits)
        self._clients: dict[Client, None] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._someone_left = asyncio.Event()

    @property
    def connections(self) -> int:
        """Return how many are open."""
        return self._room.inside

    async def run(
        self,
        serve: ServerFactory,
        where: tuple[str, int],
        stop: asyncio.Event,
        *,
        context: ssl.SSLContext | None,
        listening: Callable[[str], None],
    ) -> None:
        """Serve until asked to stop; then say goodbye.

        Raises:
            SettingsError: the address cannot be had.
        """
        settings = StreamsSettings(host=where[0], port=where[1], market_data="", limits=self.limits)
        server = await serve(self, settings, context)
        sweeping = asyncio.create_task(self._sweep(), name="retail.sweep_sockets")
        try:
            listening(f"{server.address}{PATH}")
            await stop.wait()
        finally:
            self._is_stopping = True
            await server.close()
            await self._say_goodbye()
            sweeping.cancel()

    # --- streams.ports.House ---

    def knocked(self, guest: Guest) -> bool:
        """See ``House``."""
        if self._is_stopping:
            return False
        leaving = self._room.knock(guest, self.now())
        if leaving is not None:
            leaving.abort()
        return leaving is not guest

    def went(self, guest: Guest) -> None:
        """See ``House``."""
        self._room.go(guest)

    def judge(self, address: str, target: str) -> Denied | Callable[[Wire], Listener]:
        """See ``House``."""
        refusal = self._room.judge(address)
        if refusal is None and target.partition("?")[0] != PATH:
            refusal = Refusal(Reason.NO_SUCH_PATH, f"the path is {PATH}")
        if refusal is not None:
            return denied(refusal, attempts_seconds=self.limits.attempts_seconds)
        return lambda wire: self._begin(wire, address)

    def _begin(self, wire: Wire, address: str) -> Client:
        client = Client(self, wire, address)
        self._room.enter(address)
        self._clients[client] = None
        return client

    # --- client.House ---

    def now(self) -> float:
        """See ``House``."""
        return asyncio.get_running_loop().time()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """See ``House``."""
        task = asyncio.create_task(work, name="retail.socket_request")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def left(self, client: Client) -> None:
        """See ``House``."""
        if client in self._clients:
            del self._clients[client]
            self._room.leave(client.address)
            self._someone_left.set()

    def look_again(self, account: int | None) -> None:
        """See whether an account's keys still allow its subscriptions; None: everybody's."""
        for client in tuple(self._clients):
            client.look_again(account)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = self.now()
            for client in tuple(self._clients):
                client.sweep(now)

    async def _say_goodbye(self) -> None:
        """Answer what is in hand, give notice, and close."""
        if self._work:
            await asyncio.wait(tuple(self._work), timeout=self.limits.farewell_seconds)
        notice = {"e": "serverShutdown", "E": self.front.clock() // 1_000_000}
        for client in tuple(self._clients):
            client.send(msgspec.json.encode({"event": notice}))
            client.cut(Reason.STOPPING, "the service stops, connect again", CloseCode.GOING_AWAY)
        try:
            async with asyncio.timeout(self.limits.farewell_seconds + 1):
                while self._clients:
                    self._someone_left.clear()
                    await self._someone_left.wait()
        except TimeoutError:
            pass
