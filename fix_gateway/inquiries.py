"""What is answered from the venue's records and never sequenced: BW and AD, and AR."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from fix_gateway.acceptor import Channel
from fix_gateway.bridge import Inquiry
from fix_gateway.metrics import Metrics
from fix_gateway.ports import LinkFactory
from fix_gateway.recovery import Published, Query, Recovery
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import RecoverySettings
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.requests import StatementRequests
from fix_gateway.trade_requests import TradeRequests
from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.numbering import STATEMENTS
from fix_gateway.translation.retransmission import stream_of

_WITH_UPDATES: Final = tags.SUBSCRIPTION_REQUEST_TYPE_SNAPSHOT_AND_UPDATES


class Subscription(NamedTuple):
    """A session's wish to be told captures as they happen."""

    name: str
    """TradeRequestID (568) of the request that began it."""
    connection: int
    """It ends with this one."""


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
        issuer: Issuer,
    ) -> None:
        """Keep whom to answer; see ``Recovery``. ``issuer`` makes the venue's statements."""
        self._metrics = metrics
        self._publisher = publisher
        self._subscribed: dict[int, Subscription] = {}
        """Sessions that asked for captures as they happen, by number."""
        self._capturing: frozenset[int] = directory.capturing
        self.statements = StatementRequests(channels=channels, issuer=issuer, metrics=metrics)
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
        self._capturing = frozenset(each.number for each in sessions if each.file.trade_captures)
        self._tell_captures()

    def _tell_captures(self) -> None:
        self._directory.capturing = self._capturing.union(self._subscribed)

    def ask(self, inquiry: Inquiry) -> None:
        """Take an inquiry, or refuse it.

        Raises:
            StoreError: QuickFIX could not store the answer.
        """
        kind = inquiry.fields[tags.MSG_TYPE]
        if kind == tags.APPLICATION_MESSAGE_REQUEST:
            if stream_of(inquiry.fields) == STATEMENTS:
                self.statements.ask(*inquiry, event=self._publisher.position)
            else:
                self._recovery.ask(*inquiry)
        elif kind == tags.LOGON:
            self._recovery.list_open_orders(inquiry.session, inquiry.connection)
        elif kind == tags.LOGOUT:
            self._unsubscribe(inquiry)
        elif kind == tags.TRADE_CAPTURE_REPORT_REQUEST:
            self._ask_for_trades(inquiry)
        else:
            self._metrics.captures_taken.inc()

    def _ask_for_trades(self, inquiry: Inquiry) -> None:
        """Answer a request for trades; begin or end a subscription, if it is for one."""
        session, fields = inquiry.session, inquiry.fields
        wish = fields.get(tags.SUBSCRIPTION_REQUEST_TYPE, "")
        name = fields[tags.TRADE_REQUEST_ID]
        if wish == tags.SUBSCRIPTION_REQUEST_TYPE_DISABLE_PREVIOUS:
            known = self._subscribed.get(session.number)
            if self._trades.end(session, fields, known=known.name if known else ""):
                self._unsubscribe(inquiry)
        elif self._trades.ask(session, inquiry.connection, fields) and wish == _WITH_UPDATES:
            session.is_subscribed = True  # first, so that who logs out meanwhile is heard of
            if session.is_open and session.connection == inquiry.connection:
                self._subscribed[session.number] = Subscription(name, inquiry.connection)
                self._tell_captures()

    def _unsubscribe(self, inquiry: Inquiry) -> None:
        """End a session's subscription, if it has one: it lasts as long as its connection."""
        known = self._subscribed.get(inquiry.session.number)
        if known is not None and known.connection == inquiry.connection:
            del self._subscribed[inquiry.session.number]
            inquiry.session.is_subscribed = False
            self._tell_captures()

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
