"""DisputeTrade: a client says that it does not know an execution. It is told, and nothing else."""

from __future__ import annotations

from typing import Final

from messages.trading.codes import RejectCode
from messages.trading.commands import DisputeTrade
from messages.trading.events import TradeDisputed
from messages.trading.terms import DisputeReason
from risk.decisions import Refused
from venue.reference.entry import decide_session
from venue.reference.event_writer import shape
from venue.reference.rejections import reject_command
from venue.reference.state import VenueState

_TRADE_DISPUTED: Final = shape(TradeDisputed)
_REASON_MAX: Final = int(DisputeReason.OTHER)


def dispute_trade(venue: VenueState, command: DisputeTrade) -> None:
    """Put a dispute on record for operators and drop copies; the trade stands."""
    refused = decide_session(venue, command, venue.accounts.get(command.account))
    if refused is None and not 1 <= command.reason <= _REASON_MAX:
        refused = Refused(RejectCode.DISPUTE_REASON_INVALID, _REASON_MAX, command.reason)
    if refused is not None:
        reject_command(
            venue,
            command,
            refused,
            subject=command.instrument,
            reference=command.client_order_id,
        )
        return
    venue.events.emit(
        _TRADE_DISPUTED,
        command.account,
        command.session,
        command.connection,
        command.instrument,
        command.side,
        command.reason,
        0,
        0,
        command.order_id,
        command.event_number,
        command.price_ticks,
        command.quantity_lots,
        command.client_order_id,
        command.text,
    )
