"""Issues statements: a receipt when a fence is up, digests from time to time.

Everything here follows from events; only when a digest is due is a matter of the clock.
"""

from collections.abc import Iterable, Iterator, Mapping

from fix_gateway.sessions import LiveSession
from fix_gateway.statements import digests, receipts
from fix_gateway.statements.signing import Signer
from fix_gateway.statements.standing import Fence, OpenOrder, Standing
from fix_gateway.translation.directory import Directory
from fix_gateway.translation.outbound import Outgoing

LAST_NUMBER = (1 << 64) - 1
"""What no event's number is above."""


class Issuer:
    """Says what the venue states of its own accord, and to whom."""

    def __init__(
        self, *, directory: Directory, sessions: Iterable[LiveSession], signer: Signer
    ) -> None:
        """Keep whom to tell.

        Args:
            directory: the venue's definitions, kept up to date by others.
            sessions: those of this gateway.
            signer: the venue's signature.
        """
        self._directory = directory
        self._sessions = {session.number: session for session in sessions}
        self._signer = signer
        self._due_at: dict[int, float] = {}
        self.standing = Standing()

    @property
    def sessions(self) -> Mapping[int, LiveSession]:
        """Those that statements are made for."""
        return self._sessions

    def add(self, session: LiveSession) -> None:
        """Make statements for one session more."""
        self._sessions[session.number] = session

    def read(self, data: bytes) -> list[Fence]:
        """Take a batch of events, each once and in order, and return the fences among them."""
        return self.standing.read(data, through=LAST_NUMBER).fences

    def receipt(self, fence: Fence) -> list[Outgoing]:
        """Return a fence's receipt, for its session and the drop copies that see all of it."""
        if not self._is_told(fence):
            return []
        pages = list(self._signed_pages(fence))
        return [
            Outgoing(reader, fence.event, page, text)
            for reader in (fence.session, *self._watchers(fence))
            for page, text in enumerate(pages)
        ]

    def receipts_again(self, reader: int, first: int, last: int) -> Iterator[str]:
        """Yield the pages of the receipts that a session was given, as far as they are kept.

        Args:
            reader: the session.
            first: the event of the first fence that is wanted.
            last: of the last one.
        """
        kept = [fence for fences in self.standing.fences.values() for fence in fences]
        for fence in sorted(kept, key=lambda each: each.event):
            is_asked_for = first <= fence.event <= last and self._is_told(fence)
            if is_asked_for and reader in {fence.session, *self._watchers(fence)}:
                yield from self._signed_pages(fence)

    def _is_told(self, fence: Fence) -> bool:
        session = self._sessions.get(fence.session)
        wanted = session.file.disconnect_receipt if session is not None else "never"
        return wanted == "always" or (wanted == "cancels" and fence.cancelled > 0)

    def _signed_pages(self, fence: Fence) -> Iterator[str]:
        for page in receipts.receipt(fence, self._directory):
            yield self._signer.sign(page)

    def last_receipts(self) -> list[Outgoing]:
        """Return the last receipt of every session: for who has lost all that it was told."""
        found = []
        for _, fences in sorted(self.standing.fences.items()):
            found += self.receipt(fences[-1])
        return found

    def due_readers(self, *, now: float) -> list[int]:
        """Return the drop copies that are logged on and for which digests are due.

        Args:
            now: the loop's clock in seconds.
        """
        found = []
        for session in self._sessions.values():
            seconds = session.file.drop_copy.state_digest_seconds
            if not seconds:
                continue
            if not session.is_open:
                self._due_at.pop(session.number, None)  # the next one comes with its return
            elif now >= self._due_at.get(session.number, now):
                self._due_at[session.number] = now + seconds
                found.append(session.number)
        return found

    def hashing(self, reader: int) -> Iterator[None]:
        """Hash the orders that changed in the accounts that a session sees, one at each step."""
        for number in self._seen_by(reader):
            for order_id in self.standing.unhashed(number):
                self.standing.hash_order(number, order_id, self._order_text)
                yield

    def digests(self, reader: int, *, now_ns: int, event: int) -> list[Outgoing]:
        """Return a digest of each account that a session gets copies of or trades for."""
        found = []
        for _ in self.hashing(reader):
            pass  # what changed since most of it was hashed
        for number in self._seen_by(reader):
            pages = digests.digest(
                self.standing.account(number),
                number=number,
                event=event,
                now_ns=now_ns,
                directory=self._directory,
            )
            found += [Outgoing(reader, event, 0, self._signer.sign(page)) for page in pages]
        return found

    def _order_text(self, order: OpenOrder) -> str:
        return digests.order_text(order, self._directory)

    def _seen_by(self, reader: int) -> list[int]:
        copies = self._directory.copies_of_account.items()
        watched = {number for number, watchers in copies if reader in watchers}
        return sorted(watched.union(self._directory.trading_accounts.get(reader, {}).values()))

    def _watchers(self, fence: Fence) -> list[int]:
        """Return the drop copies that see every account which a fence speaks of."""
        seen = self._directory.copies_of_account
        accounts = {gone.account for gone in fence.orders} or set(
            self._directory.trading_accounts.get(fence.session, {}).values()
        )
        sets = [set(seen.get(account, ())) for account in accounts]
        both = set.intersection(*sets) if sets else set()
        return sorted(both - {fence.session})
