"""The timer that cancels all of an account's orders, unless it is set again in time.

It is the core's, and not this process's: a session of its own for each account, closed on the
terms that all orders of the account go when a grace has passed (``OpenSessionOnTerms``). To set
the timer is to open that session and close it again; so it is in the journal and the snapshots,
and goes off whatever has died.
"""

import asyncio
from typing import Annotated, Final

import msgspec

from messages.layout import padded_text
from messages.trading import commands, events
from messages.trading.codes import RejectCode
from messages.trading.terms import CancelOnDisconnect, SessionRight
from retail_gateway.answers import Answer
from retail_gateway.core_link import CoreLink, Outcome
from retail_gateway.parameters import Parameters
from retail_gateway.ports import Clock
from retail_gateway.refusals import (
    OUTCOME_UNKNOWN,
    OVERLOADED,
    DoorCode,
    Refusal,
    door_refusal,
)
from retail_gateway.settings import RetailSettings
from retail_gateway.trading import Asked
from retail_gateway.translation.reports import MILLISECOND

COUNTDOWN_MS_MIN: Final = 1_000
COUNTDOWN_MS_MAX: Final = 86_400_000
_SECOND_NS: Final = 1_000_000_000
_TRIES_MAX: Final = 4
"""To name the session's next connection, to make the session before that, and to close it."""
_PAUSE_SECONDS: Final = 0.05
"""After a try that left the session open: whoever was too busy then may not be now."""


class Countdown(Parameters, frozen=True, kw_only=True):
    """In how many milliseconds all goes; zero: not at all."""

    countdown_time: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class CountdownAnswer(Answer, frozen=True, kw_only=True):
    """The timer as it is set; ``triggerTime`` is when it goes off, zero: never."""

    countdown_time: str
    current_time: int
    trigger_time: int


class CountdownDesk:
    """Sets timers."""

    def __init__(self, link: CoreLink, settings: RetailSettings, clock: Clock) -> None:
        self._link = link
        self._settings = settings
        self._clock = clock
        self._connections: dict[int, int] = {}
        """The last connection that we named, by session."""

    async def set(self, asked: Asked, wanted: Countdown) -> CountdownAnswer | Refusal:
        """Set, move or stop an account's timer.

        Once an opening was taken the timer that ran is stopped. What refuses us after that is no
        "not sent, trying again is safe": the outcome is unknown.
        """
        countdown_ms = wanted.countdown_time
        if countdown_ms and not COUNTDOWN_MS_MIN <= countdown_ms <= COUNTDOWN_MS_MAX:
            return _out_of_range(countdown_ms)
        session = self._settings.first_timer_session + asked.account - self._settings.first_account
        if self._link.waiting_count + 2 > self._settings.limits.commands_waiting_max:
            return OVERLOADED  # there is no room for both halves of it
        is_open = False
        for _ in range(_TRIES_MAX):
            opened, closed = await self._move(session, countdown_ms)
            if OUTCOME_UNKNOWN in (opened, closed):
                break
            if isinstance(opened, Refusal):
                if opened.details.code == RejectCode.IDENTIFIER_INVALID:
                    self._connections[session] = opened.details.limit - 1
                    continue
                if is_open:
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                if opened.details.code != RejectCode.SESSION_UNKNOWN:
                    return opened
                if not countdown_ms:
                    return self._answer(0, 0)  # it was never set
                granted = await self._make(session, asked.account)
                if granted is not None:
                    return granted
                continue
            is_open = True
            if isinstance(closed, Refusal):  # and so it is without a timer: again
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            fenced = next(each for each in closed if isinstance(each, events.SessionFenced))
            return self._answer(countdown_ms, fenced.grace_until_ns)
        return OUTCOME_UNKNOWN

    async def _move(
        self, session: int, countdown_ms: int
    ) -> tuple[Outcome | Refusal, Outcome | Refusal]:
        """Open the session on the wanted terms and close it, one right after the other."""
        connection = self._next_connection(session)
        of = {"session": session, "connection": connection}
        terms = {
            "cancel_on_disconnect": CancelOnDisconnect.ACCOUNT
            if countdown_ms
            else CancelOnDisconnect.NONE,
            "disconnect_grace_ns": countdown_ms * MILLISECOND,
        }
        opening = self._link.ask(commands.OpenSessionOnTerms, 0, of | terms, with_session=False)
        closing = self._link.ask(commands.CloseSession, 0, of | {"graceful": 1}, with_session=False)
        return await asyncio.gather(opening, closing)

    def _next_connection(self, session: int) -> int:
        number = max(self._connections.get(session, 0) + 1, self._clock() // _SECOND_NS)
        self._connections[session] = number
        return number

    async def _make(self, session: int, account: int) -> Refusal | None:
        """Give the account its session; it may see the account's orders, and place none."""
        granted = await self._link.ask(
            commands.GrantSession,
            account,
            {
                "session": session,
                "firm": self._settings.firm,
                "rights": SessionRight.DROP_COPY,
                "name": padded_text(f"{self._settings.session_name}-TIMER-{account}"[-32:], 32),
            },
            with_session=False,
        )
        return granted if isinstance(granted, Refusal) else None

    def _answer(self, countdown_ms: int, trigger_ns: int) -> CountdownAnswer:
        return CountdownAnswer(
            countdown_time=str(countdown_ms),
            current_time=self._clock() // MILLISECOND,
            trigger_time=trigger_ns // MILLISECOND,
        )


def _out_of_range(countdown_ms: int) -> Refusal:
    is_long = countdown_ms > COUNTDOWN_MS_MAX
    return door_refusal(
        DoorCode.COUNTDOWN_OUT_OF_RANGE,
        -1130,
        f"Data sent for parameter 'countdownTime' is not valid: 0, or {COUNTDOWN_MS_MIN} to "
        f"{COUNTDOWN_MS_MAX} milliseconds.",
        limit=COUNTDOWN_MS_MAX if is_long else COUNTDOWN_MS_MIN,
        usage=countdown_ms,
    )
