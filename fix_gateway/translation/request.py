"""Reading one request's fields, keeping the first thing that is wrong with it.

A reader returns zero for a field that it cannot read and remembers why; whoever asks looks at
``fault`` once, after reading everything. The order of reading is therefore the order of checks.
"""

import re
from dataclasses import dataclass
from itertools import islice

from fix_gateway.translation import tags
from fix_gateway.translation.directory import Directory, Instrument
from fix_gateway.translation.parties import read_parties, read_target_firm
from fix_gateway.translation.raw import Fields
from fix_gateway.translation.text import printable, shown
from fix_gateway.translation.times import timestamp_ns
from messages.trading.codes import RejectCode
from messages.trading.decimals import DecimalFault, decimal_text, steps
from messages.trading.identity import NO_CLIENT_ID, event_number_of
from messages.trading.terms import CLIENT_ID_LENGTH_MAX, Side

_CLIENT_ID = re.compile(rf"[!-~](?:[ -~]{{0,{CLIENT_ID_LENGTH_MAX - 2}}}[!-~])?", re.ASCII)
_ORDER_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_EXECUTION = re.compile(r"[1-9][0-9]{0,17}[BS]?", re.ASCII)
_SIDES = {tags.SIDE_BUY: Side.BUY, tags.SIDE_SELL: Side.SELL}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when a message came in: what identifies the command it becomes.

    ``epoch`` and ``sequence`` are the session's reset count and the MsgSeqNum (34).
    """

    session: int
    source: int
    epoch: int
    sequence: int
    connection: int
    received_at_ns: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request cannot become a command."""

    code: RejectCode
    text: str


@dataclass(slots=True)
class Reader:
    """The fields of one request, and the first fault found among them."""

    fields: Fields
    directory: Directory
    arrival: Arrival
    fault: Fault | None = None
    instrument: Instrument | None = None
    trader: int = 0
    """The client's own number of the trader; zero when it names none."""

    def refuse(self, code: RejectCode, text: str) -> int:
        """Note a fault, unless there is one already; returns zero for the caller to pass on."""
        if self.fault is None:
            self.fault = Fault(code, text)
        return 0

    def client_order_id(self, tag: int, name: str, *, is_required: bool = True) -> bytes:
        """Read a client's identifier; of one that is too long, keep what fits for the record."""
        text = self.fields.get(tag, "")
        if text and len(text) <= CLIENT_ID_LENGTH_MAX and _CLIENT_ID.fullmatch(text):
            return text.encode("ascii").ljust(len(NO_CLIENT_ID), b"\0")
        if text:
            self.refuse(
                RejectCode.GATEWAY_CLIENT_ORDER_ID_MALFORMED,
                f"{name} is not 1 to {CLIENT_ID_LENGTH_MAX} printable characters",
            )
        elif is_required:
            self.refuse(RejectCode.GATEWAY_FIELD_MISSING, f"{name} ({tag}) is missing")
        kept = printable(text)[:CLIENT_ID_LENGTH_MAX].strip()
        return kept.encode("ascii").ljust(len(NO_CLIENT_ID), b"\0")

    def account(self) -> int:
        """Read Account (1), or the party that says it; a session with one need not name it.

        The other parties are read with it, and the trader kept.
        """
        parties = read_parties(self.fields, firm=self._firm_name(), refuse=self.refuse)
        self.trader = parties.trader
        allowed = self.directory.trading_accounts.get(self.arrival.session, {})
        name = self.fields.get(tags.ACCOUNT, parties.account or None)
        if name is None:
            only = tuple(islice(allowed.values(), 2))
            if len(only) == 1:
                return only[0]
            return self.refuse(RejectCode.GATEWAY_FIELD_MISSING, "Account (1) is missing")
        if parties.account and parties.account != name:
            return self.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED, "Account (1) and its party are not the same"
            )
        if name in allowed:
            return allowed[name]
        # Whether another firm's account exists is not ours to tell.
        known = self.directory.account_by_name.get(name)
        firm = self.directory.firm_of_session.get(self.arrival.session)
        if known is not None and known.firm == firm:
            return self.refuse(
                RejectCode.GATEWAY_ACCOUNT_NOT_ENTITLED, f"no rights on account {shown(name)}"
            )
        return self.refuse(
            RejectCode.GATEWAY_ACCOUNT_UNKNOWN, f"account {shown(name)} is not known here"
        )

    def is_firm_target(self) -> bool:
        """Say whether the session's whole firm is the target of a mass cancel (1461)."""
        return read_target_firm(self.fields, firm=self._firm_name(), refuse=self.refuse)

    def any_account(self) -> int:
        """Return an account of the session for a request that is for all of them and names none."""
        parties = read_parties(self.fields, firm=self._firm_name(), refuse=self.refuse)
        if parties.account or tags.ACCOUNT in self.fields:
            return self.refuse(
                RejectCode.GATEWAY_SCOPE_UNSUPPORTED, "an account or the firm as target, not both"
            )
        self.trader = parties.trader
        allowed = self.directory.trading_accounts.get(self.arrival.session, {})
        return min(allowed.values(), default=0)

    def _firm_name(self) -> str:
        firm = self.directory.firm_of_session.get(self.arrival.session, 0)
        return self.directory.firm_names.get(firm, "")

    def symbol(self, *, is_required: bool = True) -> int:
        """Read Symbol (55) and keep its instrument for prices and quantities."""
        symbol = self.fields.get(tags.SYMBOL)
        if symbol is None:
            if is_required:
                self.refuse(RejectCode.GATEWAY_FIELD_MISSING, "Symbol (55) is missing")
            return 0
        self.instrument = self.directory.instrument_by_symbol.get(symbol)
        if self.instrument is None:
            return self.refuse(RejectCode.GATEWAY_SYMBOL_UNKNOWN, f"no instrument {shown(symbol)}")
        return self.instrument.number

    def side(self, *, is_required: bool = True) -> int:
        """Read Side (54): buy or sell and nothing else."""
        value = self.fields.get(tags.SIDE)
        if value is None:
            if is_required:
                self.refuse(RejectCode.GATEWAY_FIELD_MISSING, "Side (54) is missing")
            return 0
        side = _SIDES.get(value)
        if side is None:
            return self.refuse(
                RejectCode.GATEWAY_SIDE_UNSUPPORTED, f"Side (54) {shown(value)} is not 1 or 2"
            )
        return side

    def price(self, tag: int, name: str) -> int:
        """Read a price in ticks; zero when it is not given."""
        text = self.fields.get(tag)
        unit = self.instrument
        if text is None or unit is None:
            return 0
        ticks = steps(text, decimals=unit.price_decimals, units=unit.tick_units)
        if isinstance(ticks, int):
            return ticks
        tick = decimal_text(unit.tick_units, unit.price_decimals)
        code, text = _fault(
            ticks,
            f"{name} {shown(text)}",
            tick,
            malformed=RejectCode.GATEWAY_PRICE_MALFORMED,
            off_grid=RejectCode.GATEWAY_PRICE_OFF_TICK,
        )
        return self.refuse(code, text)

    def quantity(self, tag: int, name: str) -> int:
        """Read a quantity in lots; zero when it is not given."""
        text = self.fields.get(tag)
        unit = self.instrument
        if text is None or unit is None:
            return 0
        lots = steps(text, decimals=unit.quantity_decimals, units=unit.lot_units)
        if isinstance(lots, int):
            return lots
        lot = decimal_text(unit.lot_units, unit.quantity_decimals)
        code, text = _fault(
            lots,
            f"{name} {shown(text)}",
            lot,
            malformed=RejectCode.GATEWAY_QUANTITY_MALFORMED,
            off_grid=RejectCode.GATEWAY_QUANTITY_OFF_LOT,
        )
        return self.refuse(code, text)

    def required_quantity(self) -> int:
        """Read OrderQty (38), which must be there."""
        if tags.ORDER_QTY not in self.fields:
            return self.refuse(RejectCode.GATEWAY_FIELD_MISSING, "OrderQty (38) is missing")
        return self.quantity(tags.ORDER_QTY, "OrderQty")

    def cash(self) -> int:
        """Read CashOrderQty (152) in atoms of the quote asset; zero when it is not given."""
        text, unit = self.fields.get(tags.CASH_ORDER_QTY), self.instrument
        if text is None or unit is None:
            return 0
        scale = self.directory.asset(unit.quote_asset).scale
        atoms = steps(text, decimals=scale, units=1)
        if isinstance(atoms, int):
            return atoms
        code, text = _fault(
            atoms,
            f"CashOrderQty {shown(text)}",
            decimal_text(1, scale),
            malformed=RejectCode.GATEWAY_QUANTITY_MALFORMED,
            off_grid=RejectCode.GATEWAY_QUANTITY_OFF_LOT,
        )
        return self.refuse(code, text)

    def check_capacity(self, number: int) -> None:
        """Compare OrderCapacity (528), if it is given, with what the account is."""
        value = self.fields.get(tags.ORDER_CAPACITY)
        account = self.directory.accounts.get(number)
        if value is not None and account is not None and value != account.capacity:
            self.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED,
                f"OrderCapacity (528) {shown(value)}: this account's is {account.capacity}",
            )

    def display_quantity(self) -> int:
        """Read DisplayQty (1138), or MaxFloor (111) as FIX 4.4 has it; not both."""
        if tags.DISPLAY_QTY in self.fields and tags.MAX_FLOOR in self.fields:
            return self.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED, "both DisplayQty (1138) and MaxFloor (111)"
            )
        if tags.DISPLAY_QTY in self.fields:
            return self.quantity(tags.DISPLAY_QTY, "DisplayQty")
        return self.quantity(tags.MAX_FLOOR, "MaxFloor")

    def time(self, tag: int, name: str) -> int:
        """Read a UTCTimestamp in nanoseconds; zero when it is not given."""
        text = self.fields.get(tag)
        if text is None:
            return 0
        time_ns = timestamp_ns(text)
        if time_ns is None:
            return self.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED, f"{name} {shown(text)} is not a UTC time"
            )
        return time_ns

    def execution(self) -> int:
        """Read ExecID (17) of an execution, and return its event's number."""
        text = self.fields.get(tags.EXEC_ID)
        if text is None:
            return self.refuse(RejectCode.GATEWAY_FIELD_MISSING, "ExecID (17) is missing")
        if not _EXECUTION.fullmatch(text):
            return self.refuse(
                RejectCode.GATEWAY_EXECUTION_UNKNOWN, f"ExecID {shown(text)} is not one of ours"
            )
        return event_number_of(text)

    def order_id(self, tag: int = tags.ORDER_ID, name: str = "OrderID") -> int:
        """Read an order's number where a request may name it; zero when it is not given."""
        text = self.fields.get(tag)
        if text is None or text == "NONE":
            return 0
        if not _ORDER_ID.fullmatch(text):
            return self.refuse(
                RejectCode.GATEWAY_FIELD_MALFORMED, f"{name} {shown(text)} is not one of ours"
            )
        return int(text)


def _fault(
    fault: DecimalFault, what: str, step: str, *, malformed: RejectCode, off_grid: RejectCode
) -> tuple[RejectCode, str]:
    if fault is DecimalFault.MALFORMED:
        return malformed, f"{what} is not a plain decimal"
    if fault is DecimalFault.OFF_GRID:
        return off_grid, f"{what} is not a multiple of {step}"
    return RejectCode.GATEWAY_OUT_OF_RANGE, f"{what} is zero or too large"
