"""What the streams need of a technology, and what it needs of them."""

from collections.abc import Callable
from typing import Protocol

from retail_gateway.streams.refusals import CloseCode, Denied
from retail_gateway.streams.settings import Limits


class Wire(Protocol):
    """The socket of one reader, after its handshake."""

    def write(self, frames: bytes) -> None:
        """Send whole frames; never waits."""
        ...

    def close(self, code: CloseCode, text: str) -> None:
        """Send a close frame, and end the connection when it is answered."""
        ...

    def abort(self) -> None:
        """Drop the connection at once; repeating it is harmless."""
        ...


class Listener(Protocol):
    """What a wire tells its reader."""

    def received(self, text: bytes) -> None:
        """Take a whole text message."""
        ...

    def pinged(self, payload: bytes) -> None:
        """Take a ping, which wants a pong."""
        ...

    def ponged(self) -> None:
        """Take a pong."""
        ...

    def broke(self, code: CloseCode, text: str) -> None:
        """Take note that what came keeps no rule of the protocol."""
        ...

    def paused(self) -> None:
        """Take note that nothing more can be written without waiting."""
        ...

    def resumed(self) -> None:
        """Take note that what was written is almost gone."""
        ...

    def lost(self) -> None:
        """Take note that the connection is gone."""
        ...


class Guest(Protocol):
    """A connection that has not said yet what it wants."""

    @property
    def address(self) -> str:
        """Where it comes from."""
        ...

    def abort(self) -> None:
        """Drop it at once: it has to make room."""
        ...


class House(Protocol):
    """What a server needs of the process."""

    limits: Limits

    def knocked(self, guest: Guest) -> bool:
        """Say whether a connection may say what it wants; it is dropped otherwise."""
        ...

    def went(self, guest: Guest) -> None:
        """Take note that a connection that was let in came to nothing, or to a reader."""
        ...

    def judge(self, address: str, target: str) -> Denied | Callable[[Wire], Listener]:
        """Say what a request for a path gets: a refusal, or what begins its reader."""
        ...


class Server(Protocol):
    """A listening socket."""

    @property
    def address(self) -> str:
        """Where readers connect, such as ``ws://127.0.0.1:9443``."""
        ...

    async def close(self) -> None:
        """Take no more connections; those that are open stay."""
        ...
