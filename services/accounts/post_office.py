"""Sends the letters that wait: at least once each, later and later while a server refuses."""

import asyncio

import structlog

from runtime.waiting import stopped_within
from services.accounts.errors import MailRefusedError, StoreAwayError
from services.accounts.metrics import AccountsMetrics
from services.accounts.ports import Clock, Letter, Mailer, Store
from services.accounts.sessions import SECOND_NS
from services.accounts.settings import SmtpSettings

log = structlog.get_logger()


class PostOffice:
    """One task from the store's letters to the mail server."""

    name = "accounts.post_office"

    def __init__(
        self,
        store: Store,
        mailer: Mailer,
        settings: SmtpSettings,
        *,
        clock: Clock,
        metrics: AccountsMetrics,
    ) -> None:
        self._store = store
        self._mailer = mailer
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def send_due(self) -> int:
        """Send every letter that is due; return how many were taken."""
        taken = 0
        while (letter := await self._next()) is not None:
            taken += await self._send(letter)
        self._metrics.letters_waiting.set(await self._store.letters_waiting())
        return taken

    async def _next(self) -> Letter | None:
        now_ns = self._clock()
        # Due again in time for a second try, should we die with the letter in hand.
        again_at_ns = now_ns + 2 * self._settings.seconds_max * SECOND_NS
        return await self._store.next_letter(now_ns=now_ns, again_at_ns=again_at_ns)

    async def _send(self, letter: Letter) -> bool:
        try:
            await self._mailer.send(letter.mail)
        except MailRefusedError as error:
            is_over = error.is_final or letter.tries >= self._settings.tries_max
            outcome = "given_up" if is_over else "later"
            self._metrics.letters_failed.labels(outcome).inc()
            log.warning("letter_refused", number=letter.number, tries=letter.tries, said=str(error))
            if is_over:
                await self._store.letter_done(letter.number)
            else:
                await self._store.letter_later(letter.number, self._clock() + self._wait(letter))
            return False
        await self._store.letter_done(letter.number)
        self._metrics.letters_sent.inc()
        return True

    def _wait(self, letter: Letter) -> int:
        settings = self._settings
        doubled = settings.retry_seconds_first << min(letter.tries - 1, 20)
        return min(doubled, settings.retry_seconds_max) * SECOND_NS

    async def run(self, stop: asyncio.Event) -> None:
        """Send until asked to stop, finishing the letter in hand."""
        while not stop.is_set():
            try:
                await self.send_due()
            except StoreAwayError as error:
                log.warning("letters_wait", reason=str(error))
            await stopped_within(stop, self._settings.look_seconds)
