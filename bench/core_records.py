"""A venue with every limit in force, and a workload's steps as its command records."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bench.core_books import ADD, CANCEL, MOVE, TAKE, Step
from messages.layout import RECORD_PREFIX, padded_text
from messages.trading import commands as c
from messages.trading.identity import NO_CLIENT_ID, client_id, source_number
from messages.trading.terms import OrderType, Phase, Side, TimeInForce

SECOND: Final = 1_000_000_000
START: Final = 1_700_000_000 * SECOND
MID_TICKS: Final = 100_000
COMMAND_GAP_NS: Final = 10_000
PRINCIPAL: Final = 3

BUYERS: Final = range(1, 9)
SELLERS: Final = range(9, 17)
TAKERS: Final = range(17, 21)
"""Accounts of different owners, or the prevention of self-trades would stop trades that a bare
book makes: whoever rests on one side never meets himself, and takers never rest."""

ORDERS_MAX: Final = 500_000
FIRST_INSTRUMENT: Final = 1

Wanted = tuple[type[c.Command], dict[str, Any]]


def venue_commands(*, instruments: int = 1, accounts: Iterable[int] = range(1, 21)) -> list[Wanted]:
    """Return the commands that make a venue which trades, with fees and every limit in force."""
    commands: list[Wanted] = [
        (
            c.ConfigureVenue,
            {
                "client_ids_max": 4_000_000,
                "references_max": 1000,
                "open_orders_max": ORDERS_MAX,
                "accounts_max": 100,
                "instruments_max": max(100, instruments),
                "sessions_max": 100,
                "client_id_window_ns": SECOND,
                "indicative_interval_ns": SECOND,
            },
        ),
        (c.DefineFeeSchedule, {"fee_schedule": 1, "maker_ppm": 100, "taker_ppm": 250}),
    ]
    for asset, symbol in ((1, "BTC"), (2, "USD")):
        supply = {"scale": 8, "supply_max_atoms": 1 << 61}
        commands.append(
            (c.CreateAsset, {"asset": asset, "symbol": padded_text(symbol, 16)} | supply)
        )
    for instrument in range(FIRST_INSTRUMENT, FIRST_INSTRUMENT + instruments):
        commands += instrument_commands(instrument)
    for account in accounts:
        commands += _account_commands(account)
    return commands


def instrument_commands(instrument: int) -> list[Wanted]:
    """Return the commands that define one market and open it."""
    terms = {
        "base_asset": 1,
        "quote_asset": 2,
        "fee_schedule": 1,
        "lot_atoms": 10_000,
        "tick_lot_atoms": 100,
        "tick_units": 1,
        "lot_units": 1,
        "symbol": padded_text(f"M{instrument}", 16),
    }
    limits = {
        "orders_max": ORDERS_MAX,
        "price_ticks_min": 1,
        "price_ticks_max": 1_000_000,
        "quantity_lots_min": 1,
        "quantity_lots_max": 1_000_000,
        "notional_min_atoms": 1,
        "notional_max_atoms": 1 << 50,
        "display_lots_min": 1,
        "reference_ticks": MID_TICKS,
        "collar_ppm": 100_000,
        "protection_ppm": 50_000,
        "band_ppm": 500_000,
        "band_window_ns": 60 * SECOND,
        "halt_ns": SECOND,
        "auction_ns": SECOND,
    }
    named = {"instrument": instrument}
    return [
        (c.CreateInstrument, named | terms),
        (c.SetInstrumentLimits, named | limits),
        (c.ChangePhase, named | {"phase": Phase.CONTINUOUS}),
    ]


def _account_commands(account: int) -> list[Wanted]:
    name = padded_text(f"A{account}", 32)
    named = {"account": account}
    owner = {"firm": account, "owner_group": account, "account_kind": 1}
    session = {"session": account, "rights": 1, "firm": account}
    limits = {
        "open_orders_max": ORDERS_MAX,
        "message_burst": 1_000_000_000,
        "message_interval_ns": COMMAND_GAP_NS,
    }
    commands: list[Wanted] = [
        (c.CreateFirm, {"firm": account, "name": name}),
        (c.CreateAccount, named | owner | {"self_trade_prevention": 1, "name": name}),
        (c.SetAccountLimits, named | limits),
        (c.GrantSession, named | session | {"name": name}),
        (c.OpenSession, {"session": account, "connection": 1}),
    ]
    for asset in (1, 2):
        reference = client_id(f"c{account}-{asset}")
        holding = named | {"asset": asset}
        commands.append((c.SetAssetLimits, holding | {"position_max_atoms": 1 << 60}))
        commands.append((c.Credit, holding | {"reference": reference, "amount_atoms": 1 << 56}))
    return commands


class Encoder:
    """Turns steps into records of one source an account.

    Args:
        is_sequenced: number and stamp them as the sequencer would, for an engine; otherwise leave
            that to the sequencer, as a link's client does.
    """

    def __init__(self, *, is_sequenced: bool = True, instrument: int = FIRST_INSTRUMENT) -> None:
        self.count = 0
        self._is_sequenced = is_sequenced
        self.instrument = instrument
        """The market of the next record."""
        self._owners: dict[int, int] = {}

    def set_up(self, commands: list[Wanted] | None = None) -> bytes:
        """Return the records that make the venue."""
        wanted = venue_commands() if commands is None else commands
        return b"".join(self._set_up_record(kind, fields) for kind, fields in wanted)

    def records(self, steps: Iterable[Step]) -> bytes:
        """Return one record for each step."""
        return b"".join(map(self.record, steps))

    def record(self, step: Step) -> bytes:
        """Return a step's record."""
        action, side, order_id, price, lots = step
        if action in {ADD, TAKE}:
            accounts = TAKERS if action == TAKE else BUYERS if side == Side.BUY else SELLERS
            self._owners[order_id] = accounts[order_id % len(accounts)]
        account = self._owners[order_id]
        kind = (c.PlaceOrder, c.CancelOrder, c.AmendOrder, c.PlaceOrder)[action]
        head = self._head(kind, account)
        name = client_id(f"MM{account}-{self.count:09d}")
        if action == CANCEL:
            return kind.CODEC.pack(*head, 0, 0, 0, order_id, name, NO_CLIENT_ID)
        if action == MOVE:
            terms = (price, 0, 0, 0, 0, 0)
            return kind.CODEC.pack(*head, 0, 0, 0, order_id, *terms, name, NO_CLIENT_ID)
        immediate, resting = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.GOOD_TILL_CANCEL
        time_in_force = immediate if action == TAKE else resting
        flags = (side, OrderType.LIMIT, time_in_force, 0, 0, 0)
        return kind.CODEC.pack(*head, *flags, price, lots, 0, 0, 0, 0, 0, 0, name)

    def _head(self, kind: type[c.Command], account: int) -> tuple[int, ...]:
        """Return the header's fields and the instrument."""
        self.count = number = self.count + 1
        sequence = number if self._is_sequenced else 0
        time_ns = START + number * COMMAND_GAP_NS if self._is_sequenced else 0
        source = (source_number(PRINCIPAL, account), 1, number)
        prefix = (kind.LENGTH, kind.KIND, kind.VERSION, 0, 0)
        return (*prefix, sequence, time_ns, 0, *source, account, account, 1, 0, self.instrument)

    def _set_up_record(self, kind: type[c.Command], fields: dict[str, Any]) -> bytes:
        self.count = number = self.count + 1
        if self._is_sequenced:
            stamp = {"sequence": number, "time_ns": START + number * COMMAND_GAP_NS}
        else:
            stamp = {"source": source_number(PRINCIPAL, 0), "epoch": 1, "source_sequence": number}
        return kind.make(**(stamp | fields)).pack()


def borders(data: bytes) -> list[int]:
    """Return where each record begins, and the end."""
    return [0, *_ends(data)]


def _ends(data: bytes) -> Iterator[int]:
    at, end = 0, len(data)
    while at < end:
        length: int = _LENGTH.unpack_from(data, at)[0]
        at += length
        yield at


_LENGTH: Final = struct.Struct(RECORD_PREFIX.format[:2])
