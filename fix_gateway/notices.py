"""What the venue announces: a stop, counted down, and sequence numbers that run high."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
import structlog

from fix_gateway.translation import tags
from fix_gateway.translation.text import safe_text
from fix_gateway.translation.times import timestamp_text

if TYPE_CHECKING:  # the operator's command reads what an announcement is, without QuickFIX
    from fix_gateway.acceptor import Channel
    from fix_gateway.bridge import Bridge
    from fix_gateway.farewells import Farewells

log = structlog.get_logger()

NUMBERS_HIGH = "SEQUENCE NUMBERS HIGH"
EVERY_SECONDS = 10
STOP_SECONDS_MAX = 86_400
TEXT_LENGTH_MAX = 200
_LOOK_SECONDS = 0.25


class Announcement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator asks of the gateway: count down to a stop, or take that back."""

    credential: str
    stop_in_seconds: Annotated[int, msgspec.Meta(ge=0, le=STOP_SECONDS_MAX)] | None
    """None lets everybody in again."""
    text: Annotated[str, msgspec.Meta(max_length=TEXT_LENGTH_MAX)] = ""


class Countdown:
    """The way to a planned stop."""

    def __init__(self) -> None:
        """Begin without one."""
        self.text = ""
        self._stop_at: float | None = None
        self._next_at = 0.0

    def take(self, announcement: Announcement, *, now: float) -> bool:
        """Begin to count down, or leave off; say whether there is to be a stop."""
        if announcement.stop_in_seconds is None:
            self._stop_at = None
            log.warning("stop_taken_back")
            return False
        text = safe_text(announcement.text.encode("utf-8", "replace"))
        self.text = text or "the venue is stopping"
        self._stop_at, self._next_at = now + announcement.stop_in_seconds, now
        log.warning("stop_announced", in_seconds=announcement.stop_in_seconds)
        return True

    def has_come(self, *, now: float) -> bool:
        """Say, once, that the moment has come."""
        if self._stop_at is None or now < self._stop_at:
            return False
        self._stop_at = None
        return True

    def seconds_to_say(self, *, now: float) -> int | None:
        """Return how many seconds are left, when that is to be said now."""
        if self._stop_at is None or now < self._next_at:
            return None
        left = max(0, round(self._stop_at - now))
        self._next_at += pause_after(left)
        return left


class Notices:
    """Tells who is logged on."""

    def __init__(self, bridge: Bridge, farewells: Farewells, sequence_warning: int) -> None:
        """Keep whom to close.

        Args:
            bridge: refuses Logons once the venue has stopped.
            farewells: logs everybody out then.
            sequence_warning: the MsgSeqNum above which a session is warned, once.
        """
        self._bridge = bridge
        self._farewells = farewells
        self._sequence_warning = sequence_warning
        self._countdown = Countdown()
        self._warned: set[str] = set()

    def take(self, announcement: Announcement) -> None:
        """Begin to count down, or stop it and let everybody in again."""
        now = asyncio.get_running_loop().time()
        if not self._countdown.take(announcement, now=now):
            self._bridge.closed_text = ""

    async def run(self, channels: Mapping[str, Channel]) -> None:
        """Count down and warn until cancelled.

        Raises:
            StoreError: QuickFIX could not store a notice.
        """
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            countdown = self._countdown
            if countdown.has_come(now=now):
                self._bridge.closed_text = countdown.text
                await self._farewells.log_out_all(channels, countdown.text)
                for channel in channels.values():
                    channel.open()  # so that a Logon hears from the bridge why it is refused
                log.warning("stopped_as_announced")
            elif (left := countdown.seconds_to_say(now=now)) is not None:
                self._tell(channels, stop_headline(left), countdown.text, is_urgent=True)
            self._warn(channels)
            await asyncio.sleep(_LOOK_SECONDS)

    def _tell(
        self, channels: Mapping[str, Channel], headline: str, line: str, *, is_urgent: bool
    ) -> None:
        text = news(headline, line, is_urgent=is_urgent, now_ns=time.time_ns())
        for channel in channels.values():
            if channel.is_logged_on:
                channel.send(text)

    def _warn(self, channels: Mapping[str, Channel]) -> None:
        limit = self._sequence_warning
        for name, channel in channels.items():
            highest = max(channel.sender_next, channel.target_next)
            if highest <= limit:
                self._warned.discard(name)
            elif name not in self._warned and channel.is_logged_on:
                self._warned.add(name)
                line = (
                    f"next MsgSeqNum ours {channel.sender_next}, yours {channel.target_next}, "
                    f"limit {limit}: agree with the venue on a Logon with 141=Y"
                )
                self._tell({name: channel}, NUMBERS_HIGH, line, is_urgent=False)


def stop_headline(left: int) -> str:
    """Return the headline (148) of a stop in so many seconds."""
    return f"VENUE STOP in {left} s"


def pause_after(left: int) -> int:
    """Return how long to wait with so many seconds left: to the next whole ten, or the end."""
    return (left - 1) % EVERY_SECONDS + 1


def news(headline: str, line: str, *, is_urgent: bool, now_ns: int) -> str:
    """Write News (B) of one line."""
    urgency = tags.URGENCY_FLASH if is_urgent else tags.URGENCY_NORMAL
    return (
        f"35=B\x0142={timestamp_text(now_ns)}\x0161={urgency}\x01148={headline}\x01"
        f"33=1\x0158={line}\x01"
    )
