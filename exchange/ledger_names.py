"""Names and units of what the ledger knows, for people; the venue need not run."""

import msgspec

from exchange.configuration import scaled
from exchange.errors import CommandError
from runtime.postgres import Connection

VENUE_NAME = "venue"


class Asset(msgspec.Struct, frozen=True):
    """An asset's symbol, and how many decimals its units have."""

    asset: int
    symbol: str
    scale: int

    def text(self, atoms: int) -> str:
        """Write an amount in units, exactly, as a plain decimal."""
        whole, fraction = divmod(abs(atoms), 10**self.scale)
        digits = f".{fraction:0{self.scale}d}" if self.scale else ""
        return f"{'-' if atoms < 0 else ''}{whole}{digits}"

    def atoms(self, text: str) -> int:
        """Read a decimal amount.

        Raises:
            CommandError: it is not a whole number of atoms.
        """
        atoms = scaled(text, self.scale)
        if atoms is None:
            raise CommandError(
                f"{text} is not a decimal amount of {self.symbol} with at most {self.scale}"
                " decimals"
            )
        return atoms


class Instrument(msgspec.Struct, frozen=True):
    """What an instrument trades, and how its prices and quantities are written."""

    instrument: int
    symbol: str
    base_asset: int
    quote_asset: int
    tick_units: int
    lot_units: int
    price_decimals: int
    quantity_decimals: int

    def price(self, ticks: int) -> str:
        """Write a price."""
        return _decimal(ticks * self.tick_units, self.price_decimals)

    def quantity(self, lots: int) -> str:
        """Write a quantity."""
        return _decimal(lots * self.lot_units, self.quantity_decimals)


class Account(msgspec.Struct, frozen=True):
    """An account's name, and its firm."""

    account: int
    name: str
    firm: int


class LedgerNames:
    """What the ledger's definitions say, found by name or by number.

    Every finder raises ``CommandError`` when there is nothing of that name.
    """

    def __init__(
        self,
        assets: list[Asset],
        accounts: list[Account],
        firms: dict[int, str],
        instruments: list[Instrument],
    ) -> None:
        self.assets = {each.asset: each for each in assets}
        self.accounts = {each.account: each for each in accounts}
        self.firms = firms
        self.instruments = {each.instrument: each for each in instruments}

    @classmethod
    async def read(cls, connection: Connection) -> "LedgerNames":
        """Read them all from the ledger."""
        return cls(
            [
                Asset(*row)
                for row in await connection.fetch(
                    "select asset, symbol, scale from settlement.assets order by asset"
                )
            ],
            [
                Account(*row)
                for row in await connection.fetch(
                    "select account, name, firm from settlement.accounts order by account"
                )
            ],
            {
                row["firm"]: row["name"]
                for row in await connection.fetch("select firm, name from settlement.firms")
            },
            [
                Instrument(*row)
                for row in await connection.fetch(
                    "select instrument, symbol, base_asset, quote_asset, tick_units, lot_units,"
                    " price_decimals, quantity_decimals from settlement.instruments"
                )
            ],
        )

    def account(self, text: str) -> int:
        """Return an account's number."""
        return _find("account", text, {each.name: n for n, each in self.accounts.items()})

    def firm(self, text: str) -> int:
        """Return a firm's number."""
        return _find("firm", text, {name: number for number, name in self.firms.items()})

    def account_name(self, number: int) -> str:
        """Return an account's name, or its number as text; of the venue's own, so."""
        if not number:
            return VENUE_NAME
        found = self.accounts.get(number)
        return found.name if found else str(number)

    def amount(self, asset: int, atoms: int) -> str:
        """Write an amount with its asset."""
        found = self.assets[asset]
        return f"{found.text(atoms)} {found.symbol}"


def _find(kind: str, text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if text.isascii() and text.isdigit() and int(text) in names.values():
        return int(text)
    raise CommandError(f"no {kind} {text}; there are {', '.join(sorted(names)) or 'none'}")


def _decimal(units: int, decimals: int) -> str:
    whole, fraction = divmod(units, 10**decimals)
    return f"{whole}.{fraction:0{decimals}d}" if decimals else str(whole)
