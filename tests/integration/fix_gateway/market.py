"""A small market in memory: definitions, and what a core that only keeps orders would answer."""

import itertools
from collections.abc import Iterable

from messages.layout import padded_text
from messages.trading import commands, events
from messages.trading.terms import OrderStatus, SessionRight

SESSIONS = """
id = {id}
kind = "{kind}"
sender_comp_id = "{name}"
[heartbeat]
seconds_min = 1
[firm]
id = {firm}
name = "F{firm}"
"""


def definitions() -> list[events.Event]:
    """USD and BTC, one instrument, accounts 11 and 12 of firm 1, 21 of firm 2, four sessions."""
    return [
        events.AssetCreated.make(asset=1, scale=6, symbol=padded_text("USD", 16)),
        events.AssetCreated.make(asset=2, scale=8, symbol=padded_text("BTC", 16)),
        events.InstrumentCreated.make(
            instrument=1,
            base_asset=2,
            quote_asset=1,
            fee_schedule=1,
            lot_atoms=10_000,
            tick_lot_atoms=1,
            tick_units=5,
            lot_units=1,
            price_decimals=2,
            quantity_decimals=4,
            symbol=padded_text("BTC-USD", 16),
        ),
        events.FirmCreated.make(firm=1, name=padded_text("F1", 32)),
        events.FirmCreated.make(firm=2, name=padded_text("F2", 32)),
        account(11, firm=1, name="A11"),
        account(12, firm=1, name="A12"),
        account(21, firm=2, name="A21"),
        grant(1, 11, firm=1, rights=SessionRight.TRADE),
        grant(2, 21, firm=2, rights=SessionRight.TRADE),
        grant(3, 11, firm=1, rights=SessionRight.DROP_COPY),
        grant(3, 12, firm=1, rights=SessionRight.DROP_COPY),
    ]


def account(number: int, *, firm: int, name: str) -> events.Event:
    return events.AccountCreated.make(
        account=number, firm=firm, owner_group=firm, name=padded_text(name, 32)
    )


def grant(session: int, number: int, *, firm: int, rights: SessionRight) -> events.Event:
    return events.SessionGranted.make(session=session, account=number, rights=rights, firm=firm)


class Responder:
    """Accepts every order and knows nothing else; enough to see what the gateway does."""

    def __init__(self) -> None:
        self._orders = itertools.count(1)

    def __call__(self, command: commands.Command) -> Iterable[events.Event]:
        common = {
            "time_ns": command.received_at_ns,
            "received_at_ns": command.received_at_ns,
            "account": command.account,
            "session": command.session,
            "connection": command.connection,
        }
        if isinstance(command, commands.PlaceOrder):
            return [
                events.OrderAccepted.make(
                    **common,
                    instrument=command.instrument,
                    order_id=next(self._orders),
                    side=command.side,
                    order_type=command.order_type,
                    time_in_force=command.time_in_force,
                    status=OrderStatus.NEW,
                    order_flags=command.order_flags,
                    price_ticks=command.price_ticks,
                    quantity_lots=command.quantity_lots,
                    leaves_lots=command.quantity_lots,
                    client_order_id=command.client_order_id,
                )
            ]
        if isinstance(command, commands.RecordRefusal):
            return [
                events.RefusalRecorded.make(
                    **common,
                    instrument=command.instrument,
                    refused_kind=command.refused_kind,
                    code=command.code,
                    side=command.side,
                    order_type=command.order_type,
                    time_in_force=command.time_in_force,
                    order_id=command.order_id,
                    client_order_id=command.client_order_id,
                    original_client_order_id=command.original_client_order_id,
                    text=command.text,
                )
            ]
        if isinstance(command, commands.OpenSession | commands.OpenSessionOnTerms):
            return [
                events.SessionOpened.make(session=command.session, connection=command.connection)
            ]
        if isinstance(command, commands.CloseSession):
            return [
                events.SessionClosed.make(session=command.session, connection=command.connection)
            ]
        return []
