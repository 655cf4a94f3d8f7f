"""What is answered from the venue's records and never sequenced: BW and AD, and AR."""

import asyncio
from collections.abc import Collection, Mapping

from fix_gateway.acceptor import Channel
from fix_gateway.bridge import Inquiry
from fix_gateway.metrics import Metrics
from fix_gateway.ports import LinkFactory
from fix_gateway.recovery import Published, Query, Recovery
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import RecoverySettings
from fix_gateway.trade_requests import TradeRequests
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory


class Inquiries:
    """Hands each inquiry to whoever answers it."""

    def __init__(
        self,
        settings: RecoverySettings,
        *,
        sessions: Collection[LiveSession],
        channels: Mapping[str, Channel],
        directory: Directory,
        metrics: Metrics,
        publisher: Published,
    ) -> None:
        """Keep whom to answer; see ``Recovery``."""
        self._metrics = metrics
        self._directory = directory
        self._recovery = Recovery(
            settings,
            sessions=sessions,
            channels=channels,
            directory=directory,
            metrics=metrics,
            publisher=publisher,
        )
        self._trades = TradeRequests(
            settings,
            channels=channels,
            directory=directory,
            metrics=metrics,
            published=lambda: publisher.position,
        )

    def add(self, session: LiveSession) -> None:
        """Answer one more session."""
        self._recovery.add(session)

    def tell_captures(self, sessions: Collection[LiveSession]) -> None:
        """Tell captures to those of the sessions whose files say so now."""
        self._directory.capturing = frozenset(
            session.number for session in sessions if session.file.trade_captures
        )

    def ask(self, inquiry: Inquiry) -> None:
        """Take an inquiry, or refuse it.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        kind = inquiry.fields[tags.MSG_TYPE]
        if kind == tags.APPLICATION_MESSAGE_REQUEST:
            self._recovery.ask(*inquiry)
        elif kind == tags.LOGON:
            self._recovery.list_open_orders(inquiry.session, inquiry.connection)
        elif kind == tags.TRADE_CAPTURE_REPORT_REQUEST:
            self._trades.ask(inquiry.session, inquiry.connection, inquiry.fields)
        else:
            self._metrics.captures_taken.inc()

    async def run(self, connect: LinkFactory, query: Query) -> None:
        """Answer until cancelled, each kind over links of its own; see ``Recovery.run``.

        Raises:
            LinkError: one that connecting again does not mend. StoreError: the disk.
        """
        tasks = [
            asyncio.create_task(self._recovery.run(connect, query), name="fix_gateway.recovery"),
            asyncio.create_task(self._trades.run(connect), name="fix_gateway.trades"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
