"""Definitions and requests that the unit tests share."""

from fix_gateway.translation.directory import Directory
from fix_gateway.translation.raw import Entry, Fields
from fix_gateway.translation.request import Arrival
from messages.layout import padded_text
from messages.trading import events
from messages.trading.terms import AccountKind, SessionRight
from tests.unit.fix_gateway.conformity import fields_of

TRADER, OTHER, COPY = 1, 2, 3
ARRIVAL = Arrival(TRADER, source=3 << 20 | 1, epoch=1, sequence=7, connection=9, received_at_ns=5)


def directory() -> Directory:
    """BTC-USD in ticks of 0.05 and lots of 0.0001; A11 and A12 of firm 1, A21 of firm 2."""
    known = Directory(market="XRIA")
    for record in (
        events.AssetCreated.make(asset=1, scale=6, symbol=padded_text("USD", 16)),
        events.AssetCreated.make(asset=2, scale=8, symbol=padded_text("BTC", 16)),
        events.InstrumentCreated.make(
            instrument=1,
            base_asset=2,
            quote_asset=1,
            tick_units=5,
            lot_units=1,
            price_decimals=2,
            quantity_decimals=4,
            symbol=padded_text("BTC-USD", 16),
        ),
        events.FirmCreated.make(firm=1, name=padded_text("F1", 32)),
        events.FirmCreated.make(firm=2, name=padded_text("F2", 32)),
        events.AccountCreated.make(
            account=11, firm=1, account_kind=AccountKind.CLIENT, name=padded_text("A11", 32)
        ),
        events.AccountCreated.make(account=12, firm=1, name=padded_text("A12", 32)),
        events.AccountCreated.make(
            account=21, firm=2, account_kind=AccountKind.HOUSE, name=padded_text("A21", 32)
        ),
        events.SessionGranted.make(
            session=TRADER,
            account=11,
            firm=1,
            rights=SessionRight.TRADE,
            name=padded_text("S1", 32),
        ),
        events.SessionGranted.make(
            session=OTHER,
            account=21,
            firm=2,
            rights=SessionRight.TRADE,
            name=padded_text("S2", 32),
        ),
        events.SessionGranted.make(session=COPY, account=11, firm=1, rights=SessionRight.DROP_COPY),
    ):
        known.learn(record)
    return known


def request(
    kind: str,
    changes: dict[int, str | None] | None = None,
    groups: dict[int, list[Entry]] | None = None,
) -> Fields:
    """A good request of a kind, with some fields changed or (None) left out, and groups."""
    good: dict[int, str | None] = {
        35: kind,
        34: "7",
        49: "MM1",
        11: "o-1",
        55: "BTC-USD",
        54: "1",
        60: "20261101-10:00:00.000",
    }
    own: dict[str, dict[int, str | None]] = {
        "D": {38: "0.5", 40: "2", 44: "100.05", 59: "1"},
        "F": {41: "o-0"},
        "G": {41: "o-0", 38: "0.25", 40: "2", 44: "100.10"},
        "H": {},
        "q": {530: "7", 54: None, 55: None},
        "CA": {1373: "1", 1374: "7", 54: None, 55: None},
        "AF": {584: "l-1", 585: "7", 11: None, 54: None, 55: None, 60: None},
        "DF": {2320: "0", 2321: "0", 38: "0.5", 40: "2", 44: "100.05", 59: "1"},
    }
    good |= own[kind] | (changes or {})
    made = Fields({tag: value for tag, value in good.items() if value is not None})
    made.groups = groups or {}
    return made


def tags_of(text: str) -> dict[int, str]:
    """The fields of an outgoing message that fits the description, its groups left out."""
    return fields_of(text)[0]
