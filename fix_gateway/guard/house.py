"""How far a connection has come, and what it needs of the guard."""

from enum import Enum
from typing import TYPE_CHECKING, Protocol

from fix_gateway.guard.settings import Limits

if TYPE_CHECKING:
    from fix_gateway.guard.answers import Answers
    from fix_gateway.guard.connection import ClientConnection


class Stage(Enum):
    """How far a connection has come."""

    NEW = "new"
    OPENING = "opening"
    LIVE = "live"
    LEAVING = "leaving"


class House(Protocol):
    """What a connection needs of the guard."""

    limits: Limits
    comp_id: str
    answers: "Answers"

    def held(self) -> None:
        """Count that a client is read no further until it is answered."""
        ...

    def arrived(self, client: "ClientConnection") -> bool:
        """Say whether a connection may stay; it is cut off otherwise."""
        ...

    def logon_came(self, client: "ClientConnection", message: bytes, body: int) -> None:
        """Judge a whole first message."""
        ...

    def logged_on(self, client: "ClientConnection") -> None:
        """Take note that QuickFIX accepted the Logon."""
        ...

    def not_answered(self, client: "ClientConnection") -> None:
        """Tell the client that QuickFIX hung up on its Logon."""
        ...

    def cut(self, client: "ClientConnection", reason: str, detail: str = "") -> None:
        """Count and log that a connection is ended, and why."""
        ...

    def say_farewell(self, client: "ClientConnection", text: str) -> None:
        """Have QuickFIX log the client out with this text."""
        ...

    def left(self, client: "ClientConnection") -> None:
        """Forget a connection."""
        ...
