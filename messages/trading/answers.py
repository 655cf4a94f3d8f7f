"""What the core answers to a query over a link, as msgpack."""

import msgspec


class Balances(msgspec.Struct, frozen=True, array_like=True):
    """Answer to ``balances``: the engine's money, all in atoms.

    ``balances`` holds (account, asset, balance, held), sorted; ``assets`` holds (asset, supply,
    fees collected), sorted.
    """

    balances: list[tuple[int, int, int, int]]
    assets: list[tuple[int, int, int]]


class LinkStatus(msgspec.Struct, frozen=True):
    """One link of the core: who it is, how far it has read, what waits to be sequenced."""

    principal: str
    reads_events: bool
    through_event: int
    queued_commands: int
    send_buffer_bytes: int


class VenueStatus(msgspec.Struct, frozen=True):
    """Answer to ``status``: where the core stands. All numbers are durable ones."""

    venue: str
    engine: str
    durability: str
    last_sequence: int
    last_event: int
    last_time_ns: int
    checked_sequence: int
    queued_commands: int
    is_admitting: bool
    links: list[LinkStatus]
