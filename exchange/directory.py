"""Names and numbers of what the venue knows, for people."""

from collections.abc import Iterable, Iterator

import msgspec

from exchange.configuration import scaled
from exchange.errors import CommandError
from messages.layout import Record, plain_text
from messages.trading import events
from messages.trading.answers import Balances
from messages.trading.terms import AMOUNT_LIMIT, Phase
from runtime.link_frames import Answer


class Directory:
    """What the venue knows, found by name or by number.

    Every finder raises ``CommandError`` when there is nothing of that name.
    """

    def __init__(self, definitions: Iterable[Record]) -> None:
        self.records = list(definitions)
        self._assets = {e.asset: e for e in self.records if isinstance(e, events.AssetCreated)}
        self._names: dict[str, dict[str, int]] = {
            "account": {},
            "firm": {},
            "session": {},
            "instrument": {},
        }
        self._phases: dict[int, int] = {}
        for event in self.records:
            match event:
                case events.AccountCreated():
                    self._names["account"][plain_text(event.name)] = event.account
                case events.FirmCreated():
                    self._names["firm"][plain_text(event.name)] = event.firm
                case events.SessionGranted():
                    self._names["session"][plain_text(event.name)] = event.session
                case events.InstrumentCreated():
                    self._names["instrument"][plain_text(event.symbol)] = event.instrument
                case events.PhaseChanged():
                    self._phases[event.instrument] = event.phase
                case _:
                    pass

    def account(self, text: str) -> int:
        """Return an account's number."""
        return self._find("account", text)

    def firm(self, text: str) -> int:
        """Return a firm's number."""
        return self._find("firm", text)

    def accounts_of_firm(self, firm: int) -> set[int]:
        """Return the numbers of a firm's accounts."""
        return {
            each.account
            for each in self.records
            if isinstance(each, events.AccountCreated) and each.firm == firm
        }

    def session(self, text: str) -> int:
        """Return a session's number."""
        return self._find("session", text)

    def has_session(self, text: str) -> bool:
        """Say whether a session of this name or number has rights on any account."""
        names = self._names["session"]
        return text in names or text in map(str, names.values())

    def instrument(self, text: str) -> int:
        """Return an instrument's number."""
        return self._find("instrument", text)

    def name(self, kind: str, number: int) -> str:
        """Return the name of a number, or the number as text."""
        names = {there: name for name, there in self._names[kind].items()}
        return names.get(number, str(number))

    def asset(self, text: str) -> events.AssetCreated:
        """Return an asset."""
        for asset in self._assets.values():
            if text in (plain_text(asset.symbol), str(asset.asset)):
                return asset
        raise CommandError(f"no asset {text}")

    def phase(self, instrument: int) -> Phase:
        """Return an instrument's phase."""
        return Phase(self._phases[instrument])

    def account_limits(self, account: int) -> events.AccountLimitsSet:
        """Return an account's limits."""
        for event in self.records:
            if isinstance(event, events.AccountLimitsSet) and event.account == account:
                return event
        return events.AccountLimitsSet.make(account=account)

    def asset_limits(self, account: int, asset: int) -> events.AssetLimitsSet | None:
        """Return an account's limits in an asset, if any were set."""
        for event in self.records:
            if (
                isinstance(event, events.AssetLimitsSet)
                and event.account == account
                and event.asset == asset
            ):
                return event
        return None

    def grant(self, session: int, account: int) -> events.SessionGranted:
        """Return a session's rights on an account; none at all when it was never given any."""
        for event in self.records:
            if (
                isinstance(event, events.SessionGranted)
                and event.session == session
                and event.account == account
            ):
                return event
        return events.SessionGranted.make(session=session, account=account)

    def atoms(self, asset: events.AssetCreated, text: str) -> int:
        """Read a decimal amount of an asset."""
        atoms = scaled(text, asset.scale)
        if atoms is None:
            raise CommandError(
                f"{text} is not a decimal amount of {plain_text(asset.symbol)} "
                f"with at most {asset.scale} decimals"
            )
        if atoms >= AMOUNT_LIMIT:
            raise CommandError(f"{text} {plain_text(asset.symbol)} is more than any venue holds")
        return atoms

    def amount(self, asset: events.AssetCreated, atoms: int) -> str:
        """Write an amount for people."""
        whole, fraction = divmod(abs(atoms), 10**asset.scale)
        digits = f"{fraction:0{asset.scale}d}" if asset.scale else ""
        sign = "-" if atoms < 0 else ""
        return f"{sign}{whole:,}{'.' if digits else ''}{digits} {plain_text(asset.symbol)}"

    def _find(self, kind: str, text: str) -> int:
        names = self._names[kind]
        if text in names:
            return names[text]
        if text.isascii() and text.isdigit() and int(text) in names.values():
            return int(text)
        raise CommandError(f"no {kind} {text}; there are {', '.join(sorted(names)) or 'none'}")


def balance_lines(known: Directory, answer: Answer) -> Iterator[str]:
    """Write each balance of the core's answer on a line."""
    balances = msgspec.msgpack.decode(answer.payload, type=Balances)
    yield f"after event {answer.event_number}"
    for account, asset_number, balance, held in balances.balances:
        asset = known.asset(str(asset_number))
        yield (
            f"{known.name('account', account):<12} {known.amount(asset, balance):>32}"
            f"   held {known.amount(asset, held)}"
        )
    for asset_number, supply, fees in balances.assets:
        asset = known.asset(str(asset_number))
        yield (f"{'all':<12} {known.amount(asset, supply):>32}   fees {known.amount(asset, fees)}")


def describe(event: Record) -> str:
    """Write a definition for people."""
    shown = []
    for field in event.FIELDS[len(events.Event.__struct_fields__) :]:
        value = getattr(event, field.name)
        if not field.name.startswith("spare"):
            shown.append(f"{field.name} {plain_text(value) if isinstance(value, bytes) else value}")
    return ", ".join(shown)
