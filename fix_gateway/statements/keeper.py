"""Keeps the venue's statements going beside the gateway: begins, saves, and looks at the clock."""

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from fix_gateway.pace import Pace
from fix_gateway.publisher import Publisher
from fix_gateway.sessions import LiveSession
from fix_gateway.settings import GatewaySettings
from fix_gateway.statements.issuer import Issuer
from fix_gateway.statements.requests import StatementRequests
from fix_gateway.statements.signing import read_signer
from fix_gateway.statements.standing_file import encode_standing, read_standing, write_standing
from fix_gateway.translation.directory import Directory
from runtime.link_frames import EventBatch

log = structlog.get_logger()

SAVED_AFTER_EVENTS = 100_000
"""So many events at most are read again after a crash."""

_LOOK_SECONDS = 0.25


class Keeper:
    """The statements of one gateway."""

    def __init__(
        self, settings: GatewaySettings, *, directory: Directory, sessions: Iterable[LiveSession]
    ) -> None:
        """Take up the venue's key.

        Args:
            settings: where key and state are.
            directory: the venue's definitions.
            sessions: those of this gateway.

        Raises:
            SigningKeyError, OSError: the key cannot be read or made.
        """
        signer = read_signer(settings.key_path)
        self.issuer = Issuer(directory=directory, sessions=sessions, signer=signer)
        self._path: Path = settings.state / "standing.bin"
        self._saved_event = 0
        self._pace = Pace(
            share=settings.recovery.time_percent_max / 100,
            messages_per_second=settings.recovery.messages_per_second,
        )
        self._has_lost_all = False
        log.info("statements_signed_by", public_key=signer.public_key)

    async def begin(self, *, venue: bytes, through: int, has_lost_all: bool) -> None:
        """Take up the saved reading, or nothing; what it lacks comes with the feed.

        Args:
            venue: whose events they are.
            through: the gateway's position.
            has_lost_all: whether nobody knows what clients were told; then they get the last
                receipt of each session once more.
        """
        standing = await asyncio.to_thread(read_standing, self._path, venue=venue, through=through)
        self.issuer.standing, self._saved_event = standing, standing.event
        self._has_lost_all = has_lost_all
        log.info("standing_read", saved_through=standing.event, position=through)

    def first_event(self, publisher: Publisher) -> int:
        """Return the event after which the feed has to be read."""
        return min(self.issuer.standing.event, publisher.position)

    def publish(self, batch: EventBatch, publisher: Publisher) -> None:
        """Take what the reading lacks, and have published what comes after the position.

        Raises:
            StoreError: QuickFIX could not store a message.
        """
        standing, position = self.issuer.standing, publisher.position
        if batch.first <= position:
            read = standing.read(batch.data, through=position).end
            standing.event = min(batch.last, position)
            if batch.last <= position:
                return
            batch = EventBatch(position + 1, batch.last, batch.data[read:])
        self._tell_once_more(publisher)
        publisher.publish(batch)
        standing.event = batch.last

    def _tell_once_more(self, publisher: Publisher) -> None:
        """Give everybody their last receipt, if all is lost and as much is read as was told."""
        if self._has_lost_all and self.issuer.standing.event >= publisher.position:
            self._has_lost_all = False
            publisher.state(self.issuer.last_receipts())

    def reading(self, *, venue: bytes, event: int, is_last: bool) -> bytes:
        """Return what is to be saved, for nothing may change meanwhile; nothing if it is too early.

        Args:
            venue: whose events we read.
            event: the last one that was published.
            is_last: whether we are stopping.
        """
        if self.issuer.standing.event != event:
            return b""  # it still lacks something
        if event - self._saved_event < (1 if is_last else SAVED_AFTER_EVENTS):
            return b""
        self._saved_event = event
        return encode_standing(self.issuer.standing, venue=venue)

    async def save(self, reading: bytes) -> None:
        """Put a reading on the disk, behind the gateway's own position, which it must not pass.

        Raises:
            OSError: the disk refused.
        """
        if reading:
            await asyncio.to_thread(write_standing, self._path, reading)

    async def run(self, publisher: Publisher, requests: StatementRequests) -> None:
        """Give digests when they are due or asked for, and receipts after a loss, until cancelled.

        Raises:
            StoreError: QuickFIX could not store one.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self.issuer.standing.event < publisher.position:
                continue  # what is not read yet would be missing in a digest
            self._tell_once_more(publisher)  # the next event may be hours away
            for reader in self.issuer.due_readers(now=loop.time()):
                await self._hash_changes(reader)
                made = self.issuer.digests(reader, now_ns=time.time_ns(), event=publisher.position)
                publisher.state(made)
            await requests.answer(self._pace, lambda: publisher.position)

    async def _hash_changes(self, reader: int) -> None:
        """Do most of a digest's work in slices, so that nobody's orders wait for it."""
        self._pace.begin()
        for _ in self.issuer.hashing(reader):
            if self._pace.is_over:
                await self._pace.rest()
