"""Which events may say something to some sessions, told by a few bytes of each.

Most of what a venue does concerns nobody who is connected here: making every message to find whom
it is for would cost a hundred times as much.
"""

import struct
from collections.abc import Collection
from typing import NamedTuple

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.outbound import concerns_clients
from messages.layout import Record
from messages.trading import events

_NUMBER = struct.Struct("<I").unpack_from
_KNOWN: tuple[type[Record], ...] = (
    events.OrderAccepted,
    events.OrderRejected,
    events.OrderCancelled,
    events.OrderExpired,
    events.OrderAmended,
    events.AmendRejected,
    events.CancelRejected,
    events.OrderTriggered,
    events.OrderRestated,
    events.TradeExecuted,
    events.OrderReported,
    events.QueryRejected,
    events.MassCancelled,
    events.MassCancelRejected,
    events.RefusalRecorded,
    events.TradeBusted,
    events.TradeCorrected,
    events.TradeDisputed,
    events.OrderListed,
    events.OrdersQueryRejected,
    events.OrderChecked,
    events.MassActionAccepted,
    events.MassActionCompleted,
    events.MassActionRejected,
    events.MassQuoteAcknowledged,
    events.QuotesCancelled,
    events.QuotingRejected,
    events.ProtectionTriggered,
    events.ProtectionReset,
    events.ProtectionReported,
)
"""Events that are told to nobody but the sessions, and the copies of the accounts, they name."""


def _offsets(kind: type[Record], name: str) -> tuple[int, ...]:
    return tuple(
        field.offset
        for field in kind.FIELDS
        if field.name == name or field.name.endswith(f"_{name}")
    )


PLACES = {kind.KIND: (_offsets(kind, "account"), _offsets(kind, "session")) for kind in _KNOWN}
"""Where events of these kinds name accounts and sessions; what names none of ours is not told."""


class Interest(NamedTuple):
    """The accounts and sessions whose events may be told to some sessions."""

    accounts: frozenset[int]
    sessions: frozenset[int]

    def may_concern(self, kind: int, data: bytes, offset: int) -> bool:
        """Say whether the event at ``offset`` could be told; never wrong about what is.

        Events of kinds that this module does not know are always worth a closer look.
        """
        places = PLACES.get(kind)
        if places is None:
            return concerns_clients(kind)
        accounts, sessions = places
        return any(_NUMBER(data, offset + at)[0] in self.accounts for at in accounts) or any(
            _NUMBER(data, offset + at)[0] in self.sessions for at in sessions
        )


def interest_of(sessions: Collection[int], directory: Directory) -> Interest:
    """Return what the present rights of some sessions let them see.

    A drop copy sees refusals that name no account by the session that asked, so the sessions of
    its firms are of interest too.
    """
    readers = set(sessions)
    accounts = {
        account
        for session in readers
        for account in directory.trading_accounts.get(session, {}).values()
    }
    copies = directory.copies_of_account.items()
    accounts |= {account for account, who in copies if not readers.isdisjoint(who)}
    whole = directory.copies_of_firm.items()
    firms = {firm for firm, who in whole if not readers.isdisjoint(who)}
    known = directory.firm_of_session.items() if firms else ()
    of_firms = {session for session, firm in known if firm in firms}
    return Interest(frozenset(accounts), frozenset(readers | of_firms))
