"""Trading sessions: what they may do, and which connection speaks for them."""

from __future__ import annotations

from venue.reference.accounts import Firm


class Session:
    """A session of a firm, with rights on accounts.

    ``connection`` is the live one, 0 for none; ``last_connection`` the highest seen;
    ``principal`` the gateway that carries the live one. ``grace_until_ns``, when not zero, is
    when the orders of a lost connection go unless it comes back. ``chosen`` is what the last
    connection asked to have done at its end (mode and grace), in the place of what is granted.
    """

    __slots__ = (
        "cancel_on_disconnect",
        "chosen",
        "connection",
        "disconnect_grace_ns",
        "firm",
        "grace_until_ns",
        "is_killed",
        "last_connection",
        "name",
        "number",
        "principal",
        "rights",
    )

    def __init__(self, *, number: int, firm: Firm) -> None:
        self.number = number
        self.firm = firm
        self.name = bytes(32)
        self.cancel_on_disconnect = 0
        self.disconnect_grace_ns = 0
        self.rights: dict[int, int] = {}
        self.is_killed = False
        self.connection = 0
        self.last_connection = 0
        self.principal = 0
        self.grace_until_ns = 0
        self.chosen: tuple[int, int] | None = None

    @property
    def terms(self) -> tuple[int, int]:
        """Which orders go with a lost connection, and after how many nanoseconds."""
        return self.chosen or (self.cancel_on_disconnect, self.disconnect_grace_ns)
