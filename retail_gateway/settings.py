"""What the operator may set of the retail API."""

from typing import Annotated

import msgspec

from messages.trading.identity import SOURCE_BITS
from retail_gateway.streams.settings import Limits as StreamLimits

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Number = Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,32}$")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_api.limits]``: what a client, and all of them together, may take."""

    weight_per_minute: Count = 6000
    """Of one address; each endpoint says its weight."""
    requests_per_five_minutes: Count = 61_000
    """Of one address, whatever their weight."""
    orders_per_ten_seconds: Count = 100
    """New orders of one account."""
    orders_per_day: Count = 200_000
    ignored_max: Count = 200
    """Requests after a 429, before its end, until the address is banned."""
    ban_seconds: Annotated[int, msgspec.Meta(ge=1, le=259_200)] = 120
    """The first ban; each further one within a day lasts twice as long, up to three days."""
    subjects_max: Count = 200_000
    """Addresses and accounts counted at once; above, new ones wait."""
    commands_waiting_max: Count = 10_000
    """Sent to the venue and not answered yet."""
    answer_seconds_max: Seconds = 5.0
    """For the venue's answer; after it the client is told that the outcome is unknown."""
    kept_max: Count = 200_000
    """Done orders, and trades, that the database has not written yet."""
    signatures_max: Count = 1_000_000
    """Kept until their windows end, so that none is used twice: 200 s of 5,000 requests a second
    with the usual window, and 170 MiB."""
    signer_seconds: Annotated[float, msgspec.Meta(gt=0, le=10)] = 2.0
    """A key is believed so long without looking; a change is heard of at once besides."""
    signers_max: Count = 100_000


class AccountLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_api.account]``: what a person's new account may do in the venue; 0 is no bound."""

    open_orders_max: Count = 200
    messages_per_second: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 50
    message_burst: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 100


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_api.http]``: what the public door takes."""

    connections_max: Count = 4096
    connections_per_network_max: Count = 512
    body_bytes_max: Count = 16_384
    header_bytes_max: Count = 16_384
    request_seconds_max: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    """From a connection's beginning, or an answer, to the next request, whole; and from there to
    the end of its answer."""
    handshake_seconds_max: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    """For a TLS handshake, which counts as a connection of its network."""


class SocketLimits(StreamLimits, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_api.sockets]``: what connections to the WebSocket API may take."""

    connections_max: Count = 4096
    connections_per_address_max: Count = 64
    messages_per_second: Count = 100
    """Requests, pings and pongs of one connection; a minute's weight allows no more."""


class RetailApiTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[retail_api]``: the REST door for people, and the accounts that they get in the venue."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    certificate_file: str = ""
    key_file: str = ""
    firm: Number = 900
    firm_name: Name = "RETAIL"
    session: Number = 900
    session_name: Name = "RETAIL"
    first_account: Number = 1_000_001
    last_account: Number = 1_499_999
    first_timer_session: Number = 524_288
    """Of the sessions that are accounts' timers: the one of the first account, and so on."""
    limits: Limits = Limits()
    account: AccountLimits = AccountLimits()
    http: HttpSettings = HttpSettings()
    socket_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """Of the WebSocket API, on the same host."""
    sockets: SocketLimits = SocketLimits()

    def __post_init__(self) -> None:
        """Refuse ranges that do not fit: the number of a session is the end of its source's.

        Raises:
            ValueError: saying which.
        """
        if self.last_timer_session >= 1 << SOURCE_BITS:
            raise ValueError(
                "first_timer_session: the last account's timer would be session"
                f" {self.last_timer_session};"
                f" sessions end before {1 << SOURCE_BITS}"
            )

    @property
    def last_timer_session(self) -> int:
        """Return the session that is the last account's timer."""
        return self.first_timer_session + self.last_account - self.first_account

    def has_session(self, number: int) -> bool:
        """Whether a session is people's own or the timer of one of them, and so nobody else's."""
        is_timer = self.first_timer_session <= number <= self.last_timer_session
        return is_timer or number == self.session


class RedisTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[redis]``: where processes share counts and books; without a URL each does without."""

    url: Annotated[
        str, msgspec.Meta(pattern=r"^((redis|rediss)://[^@/]+(/[0-9]+)?|unix:///.+)?$")
    ] = ""
    password_file: str = ""
    prefix: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9:_-]{0,32}$")] = "rialto:"
    answer_seconds_max: Annotated[float, msgspec.Meta(gt=0, le=5)] = 0.05
    away_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 1.0


class RetailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the process is told."""

    host: str
    port: int
    firm: int
    firm_name: str
    session: int
    session_name: str
    first_account: int
    last_account: int
    first_timer_session: int = 524_288
    limits: Limits = Limits()
    account: AccountLimits = AccountLimits()
    http: HttpSettings = HttpSettings()
    socket_port: int = 0
    sockets: SocketLimits = SocketLimits()
