"""What the gateway knows of the venue's definitions, learnt from events alone.

The engine's answer to ``definitions`` and the events of the live feed are the same records, so
there is one way to learn and nothing to compare.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from fix_gateway.translation import tags
from fix_gateway.translation.text import safe_text
from messages.layout import Record
from messages.trading import events
from messages.trading.terms import AccountKind, SessionRight

NO_SYMBOL = "[N/A]"
"""Symbol (55) of what has none, as FIX 4.4 vol. 1 has it."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument's units, for people and for integers."""

    number: int
    symbol: str
    base_asset: int
    quote_asset: int
    tick_units: int
    lot_units: int
    price_decimals: int
    quantity_decimals: int


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset's symbol, and its scale: one unit is 10**``scale`` atoms."""

    number: int
    symbol: str
    scale: int


@dataclass(frozen=True, slots=True)
class Account:
    """An account's name, as in tag 1, and its firm."""

    number: int
    name: str
    firm: int
    capacity: str
    """OrderCapacity (528): principal for a house account, agency for a client's."""
    owner_group: int = 0
    """Accounts of one group never trade with each other; zero is none."""


@dataclass(slots=True)
class Directory:
    """Assets, instruments, accounts and session rights, as the venue defines them now."""

    market: str = "XXXX"
    """The venue's market identifier (ISO 10383); by default that of no market."""
    capturing: frozenset[int] = frozenset()
    """The sessions that are told captures (AE) of their trades, as their files say."""
    assets: dict[int, Asset] = field(default_factory=dict)
    instruments: dict[int, Instrument] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    instrument_by_symbol: dict[str, Instrument] = field(default_factory=dict)
    account_by_name: dict[str, Account] = field(default_factory=dict)
    trading_accounts: dict[int, dict[str, int]] = field(default_factory=dict)
    """By session: the accounts it may trade for, number by name.

    One session may have the accounts of very many people, so it grows in place while QuickFIX's
    thread may be reading. A look-up is sound, and so is what the interpreter does with all of
    them in one step (``min``, ``set``, ``tuple``); a loop is not.
    """
    copies_of_account: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By account: the drop-copy sessions that see it."""
    copies_of_firm: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By firm: the drop-copy sessions that see all its accounts, for what names no account."""
    firm_of_session: dict[int, int] = field(default_factory=dict)
    firm_names: dict[int, str] = field(default_factory=dict)
    session_names: dict[int, str] = field(default_factory=dict)
    parties: dict[tuple[int, int, int], str] = field(default_factory=dict)
    """Parties (453) as they were written, by account, session and trader; good until we learn."""
    edition: int = 0
    """How often accounts and rights have changed."""
    _granted: dict[tuple[int, int], int] = field(default_factory=dict)
    _with_rights: set[int] = field(default_factory=set)
    """Accounts that a session has, or had, rights on."""
    _asked: tuple[tuple[int, int], ...] = ()
    """Sessions that may answer requests for quote, each with an account."""

    def instrument(self, number: int) -> Instrument:
        """Return an instrument; of one that we never heard of, counts of ticks and lots."""
        found = self.instruments.get(number)
        return found if found is not None else Instrument(number, NO_SYMBOL, 0, 0, 1, 1, 0, 0)

    def asset(self, number: int) -> Asset:
        """Return an asset; of one that we never heard of, a count of atoms."""
        found = self.assets.get(number)
        return found if found is not None else Asset(number, NO_SYMBOL, 0)

    def sessions_trading_for(self, account: int) -> list[int]:
        """Return the sessions that may trade for an account, by number."""
        own = self.accounts.get(account)
        if own is None:
            return []
        trading = self.trading_accounts.items()
        return sorted(session for session, known in trading if known.get(own.name) == account)

    def asked_sessions(self, requester: int) -> tuple[int, ...]:
        """Return the sessions that are told of an account's requests for quote, by number.

        They have the right on an account that is neither of its firm nor of its owner group.
        """
        own = self.accounts.get(requester)
        if own is None:
            return ()
        found = {
            session
            for session, number in self._asked
            if (maker := self.accounts.get(number)) is not None
            and maker.firm != own.firm
            and not 0 != maker.owner_group == own.owner_group
        }
        return tuple(sorted(found))

    def learn(self, record: Record) -> None:
        """Take one definition event; other events change nothing."""
        if isinstance(record, events.SessionGranted):
            self._grant(record)
        elif self._learn(record):
            self._arrange()
        # Last, and a new one: who still writes by the old definitions writes into the old one.
        self.parties = {}

    def learn_all(self, records: Iterable[Record]) -> None:
        """Take many definition events, as ``learn`` would take each of them."""
        for record in records:
            if isinstance(record, events.SessionGranted):
                self._note_grant(record)
            else:
                self._learn(record)
        self._arrange()
        self.parties = {}

    def _learn(self, record: Record) -> bool:
        """Take what grants nothing; return whether the views of rights have to be made anew."""
        if isinstance(record, events.InstrumentCreated):
            self._learn_instrument(record)
        elif isinstance(record, events.AssetCreated):
            symbol = safe_text(record.symbol) or NO_SYMBOL
            self.assets[record.asset] = Asset(record.asset, symbol, record.scale)
        elif isinstance(record, events.AccountCreated):
            account = Account(
                record.account,
                safe_text(record.name),
                record.firm,
                tags.ORDER_CAPACITY_PRINCIPAL
                if record.account_kind == AccountKind.HOUSE
                else tags.ORDER_CAPACITY_AGENCY,
                record.owner_group,
            )
            self.accounts[account.number] = account
            self.account_by_name[account.name] = account
            # Without rights it changes one thing: nobody sees the whole firm any more.
            return account.number in self._with_rights or account.firm in self.copies_of_firm
        elif isinstance(record, events.FirmCreated):
            self.firm_names[record.firm] = safe_text(record.name)
        return False

    def _note_grant(self, record: events.SessionGranted) -> int:
        """Take note of rights; return which of them are not as they were."""
        key = record.session, record.account
        before = self._granted.get(key, 0)
        self._granted[key] = record.rights
        self._with_rights.add(record.account)
        self.session_names[record.session] = safe_text(record.name)
        self.firm_of_session[record.session] = record.firm
        return before ^ record.rights

    def _grant(self, record: events.SessionGranted) -> None:
        """Change the views of rights by one grant, for a venue may have very many of them."""
        changed = self._note_grant(record)
        account = self.accounts.get(record.account)
        if account is None or changed & ~SessionRight.TRADE:
            self._arrange()
            return
        own = self.trading_accounts.setdefault(record.session, {})
        if record.rights & SessionRight.TRADE:
            own[account.name] = account.number
        elif account.name in own:
            # Rare, and a new one: who has found a name in the old one looks for its number there.
            others = dict(own)
            del others[account.name]
            self.trading_accounts[record.session] = others
        self.edition += 1

    def _learn_instrument(self, record: events.InstrumentCreated) -> None:
        instrument = Instrument(
            number=record.instrument,
            symbol=safe_text(record.symbol) or NO_SYMBOL,
            base_asset=record.base_asset,
            quote_asset=record.quote_asset,
            tick_units=record.tick_units,
            lot_units=record.lot_units,
            price_decimals=record.price_decimals,
            quantity_decimals=record.quantity_decimals,
        )
        self.instruments[instrument.number] = instrument
        self.instrument_by_symbol[instrument.symbol] = instrument

    def _arrange(self) -> None:
        """Derive the views of rights; whole new dicts, for another thread may be reading."""
        trading: dict[int, dict[str, int]] = {}
        copies: dict[int, set[int]] = {}
        for (session, number), rights in self._granted.items():
            account = self.accounts.get(number)
            if account is None:
                continue
            if rights & SessionRight.TRADE:
                trading.setdefault(session, {})[account.name] = number
            if rights & SessionRight.DROP_COPY:
                copies.setdefault(number, set()).add(session)
        self._asked = tuple(
            key for key, rights in self._granted.items() if rights & SessionRight.QUOTE_REQUESTS
        )
        self.trading_accounts = trading
        self.copies_of_account = {key: tuple(sorted(who)) for key, who in copies.items()}
        whole: dict[int, set[int]] = {}
        for number, account in self.accounts.items():
            seen = copies.get(number, set())
            whole[account.firm] = whole.get(account.firm, seen) & seen
        self.copies_of_firm = {firm: tuple(sorted(who)) for firm, who in whole.items() if who}
        self.edition += 1
