"""Every balance, by what moved it; that money is neither made nor lost; and nobody below a line."""

from collections import deque
from hashlib import blake2b
from typing import Final

from auditor.checks.arithmetic import fee_of
from auditor.checks.handlers import Handlers
from auditor.findings import Check, Findings
from auditor.picture import Asset, Holding, Instrument, Picture, Trade, Withdrawal
from messages.trading import events as e
from messages.trading.terms import BalanceCause, Side

Key = tuple[int, int]
"""Account, asset."""

_BUY: Final = int(Side.BUY)
"""As a plain integer: an enumeration's member costs each use a call, and this is each trade's."""


def reference_digest(reference: bytes) -> int:
    """Return what is remembered of a reference that was honoured."""
    return int.from_bytes(blake2b(reference.rstrip(b"\0"), digest_size=8).digest(), "little")


class Money:
    """Recomputes balances from amounts, and compares them with what the events say."""

    def __init__(self, picture: Picture, findings: Findings) -> None:
        self._picture = picture
        self._findings = findings
        self._kept = deque(picture.trades)
        """The trades that are kept, the oldest first: to look for it in the dictionary, behind the
        places of all that left, takes longer than the trade's whole audit."""
        self._touched: dict[Key, Holding] = {}
        self._sums: dict[int, Asset | None] = {}
        """What the command has moved: holdings, and the sums of their assets where there are."""

    def handlers(self) -> Handlers:
        """Say which events are looked at."""
        return {
            e.TradeExecuted: self._traded,
            e.TradeBusted: self._changed,
            e.TradeCorrected: self._changed,
            e.BalanceChanged: self._moved,
            e.FundsTransferred: self._transferred,
            e.ReceivableChanged: self._lent,
        }

    def end_command(self) -> None:
        """Require conservation, and that nobody has less than was lent, wherever money moved."""
        if not self._touched:
            return
        found = self._findings
        for asset, sums in self._sums.items():
            if sums is None:
                found.add(Check.CONSERVATION, f"no asset {asset}", asset=asset)
                continue
            owned = sums.owned + sums.fees - sums.receivables
            if owned != sums.supply:
                found.add(
                    Check.CONSERVATION,
                    f"accounts own {sums.owned}, fees are {sums.fees}, owed {sums.receivables}:"
                    f" together {owned}, and {sums.supply} came in",
                    asset=asset,
                )
                sums.owned += sums.supply - owned
            if sums.fees < 0:
                found.add(Check.CONSERVATION, f"fees are {sums.fees}", asset=asset)
        for (account, asset), holding in self._touched.items():
            if holding.held < 0 or holding.balance - holding.held + holding.floor < 0:
                found.add(
                    Check.CREDIT_LINES,
                    f"balance {holding.balance}, held {holding.held}, widest credit line"
                    f" {holding.floor}",
                    account=account,
                    asset=asset,
                )
        self._touched.clear()
        self._sums.clear()

    def _move(self, account: int, asset: int, change: int, stated: int) -> None:
        """Add to a balance, and compare it with the one that the event states."""
        picture, key = self._picture, (account, asset)
        holding = picture.holdings.get(key) or picture.holding(account, asset)
        before = holding.balance
        if stated != before + change:
            self._findings.add(
                Check.BALANCES,
                f"{before} and {change} more is {before + change}, the event says {stated}",
                account=account,
                asset=asset,
            )
        holding.balance = stated
        sums = self._sums[asset] = picture.assets.get(asset)
        if sums is not None:
            sums.owned += stated - before
        self._touched[key] = holding

    # Trades.

    def _traded(self, event: e.TradeExecuted) -> None:
        picture = self._picture
        if event.trade_id != picture.last_trade_id + 1:
            self._say(event, f"follows trade {picture.last_trade_id}")
        picture.last_trade_id = event.trade_id
        market = picture.instruments.get(event.instrument)
        if market is None:
            self._say(event, "no such instrument")
            return
        self._compare_amounts(event, market)
        way = 1 if event.taker_side == _BUY else -1
        maker_fee, taker_fee = event.maker_fee_atoms, event.taker_fee_atoms
        if maker_fee + taker_fee < 0:
            self._say(event, f"pays out more than it takes: fees {maker_fee} and {taker_fee}")
        base, notional = way * event.base_atoms, way * event.notional_atoms
        self._move(event.taker_account, market.base, base, event.taker_base_balance)
        self._move(event.maker_account, market.base, -base, event.maker_base_balance)
        self._move(
            event.taker_account, market.quote, -notional - taker_fee, event.taker_quote_balance
        )
        self._move(
            event.maker_account, market.quote, notional - maker_fee, event.maker_quote_balance
        )
        picture.assets[market.quote].fees += maker_fee + taker_fee
        self._keep(event)

    def _compare_amounts(self, event: e.TradeExecuted | e.TradeChanged, market: Instrument) -> None:
        notional = event.price_ticks * event.quantity_lots * market.tick_lot_atoms
        base = event.quantity_lots * market.lot_atoms
        if (event.notional_atoms, event.base_atoms) != (notional, base):
            self._say(
                event,
                f"notional and base {event.notional_atoms} and {event.base_atoms},"
                f" not {notional} and {base}",
            )

    def _keep(self, event: e.TradeExecuted) -> None:
        picture = self._picture
        if not picture.trades_max:
            return
        picture.trades[event.trade_id] = Trade(
            number=event.number,
            instrument=event.instrument,
            price=event.price_ticks,
            lots=event.quantity_lots,
            maker_account=event.maker_account,
            taker_account=event.taker_account,
            maker_fee=event.maker_fee_atoms,
            taker_fee=event.taker_fee_atoms,
            maker_ppm=event.maker_fee_ppm,
            taker_ppm=event.taker_fee_ppm,
        )
        self._kept.append(event.trade_id)
        while len(picture.trades) > picture.trades_max:
            picture.trades.pop(self._kept.popleft(), None)

    def _changed(self, event: e.TradeChanged) -> None:
        market = self._picture.instruments.get(event.instrument)
        trade = self._picture.trades.get(event.trade_id)
        if market is None or trade is None:
            self._say(event, "changed, and it is not among those that may be")
            return
        self._compare_previous(event, trade)
        self._compare_amounts(event, market)
        way = 1 if event.taker_side == _BUY else -1
        base = way * (event.base_atoms - event.previous_base_atoms)
        notional = way * (event.notional_atoms - event.previous_notional_atoms)
        maker_fee = event.maker_fee_atoms - event.maker_previous_fee_atoms
        taker_fee = event.taker_fee_atoms - event.taker_previous_fee_atoms
        self._move(event.taker_account, market.base, base, event.taker_base_balance)
        self._move(event.maker_account, market.base, -base, event.maker_base_balance)
        self._move(
            event.taker_account, market.quote, -notional - taker_fee, event.taker_quote_balance
        )
        self._move(
            event.maker_account, market.quote, notional - maker_fee, event.maker_quote_balance
        )
        self._picture.assets[market.quote].fees += maker_fee + taker_fee
        trade.number, trade.price, trade.lots = event.number, event.price_ticks, event.quantity_lots
        trade.maker_fee, trade.taker_fee = event.maker_fee_atoms, event.taker_fee_atoms
        if event.operator == 0 or event.approver in {0, event.operator}:
            self._say(event, f"changed by operators {event.operator} and {event.approver}")

    def _compare_previous(self, event: e.TradeChanged, trade: Trade) -> None:
        stated = (
            event.corrected_event,
            event.instrument,
            event.previous_price_ticks,
            event.previous_quantity_lots,
            event.maker_account,
            event.taker_account,
            event.maker_previous_fee_atoms,
            event.taker_previous_fee_atoms,
        )
        known = (
            trade.number,
            trade.instrument,
            trade.price,
            trade.lots,
            trade.maker_account,
            trade.taker_account,
            trade.maker_fee,
            trade.taker_fee,
        )
        if stated != known:
            self._say(event, f"changed from {stated}, and it was {known}")
        fees = tuple(
            fee_of(notional=event.notional_atoms, rate_ppm=rate, credit=0)[0]
            for rate in (trade.maker_ppm, trade.taker_ppm)
        )
        if (event.maker_fee_atoms, event.taker_fee_atoms) != fees:
            self._findings.add(
                Check.FEES,
                f"trade {event.trade_id} changed: fees {event.maker_fee_atoms} and"
                f" {event.taker_fee_atoms}, its rates come to {fees[0]} and {fees[1]}",
                instrument=event.instrument,
            )
        if not 0 <= event.quantity_lots <= trade.lots:
            self._say(event, f"changed to {event.quantity_lots} lots of {trade.lots}")

    # Money in, out and between accounts.

    def _moved(self, event: e.BalanceChanged) -> None:
        picture, amount = self._picture, event.amount_atoms
        sums = picture.assets.get(event.asset)
        holding = picture.holding(event.account, event.asset)
        change = 0
        match event.cause:
            case BalanceCause.CREDIT:
                change = amount
                self._honour(event.reference)
            case BalanceCause.DEBIT:
                change = -amount
                self._honour(event.reference)
            case BalanceCause.REWARD | BalanceCause.ADJUSTMENT_CREDIT:
                change = amount
                self._honour(event.reference)
                self._require_two(event)
            case BalanceCause.ADJUSTMENT_DEBIT:
                change = -amount
                self._honour(event.reference)
                self._require_two(event)
            case BalanceCause.WITHDRAWAL_RESERVED:
                self._honour(event.reference)
                holding.held += amount
                picture.withdrawals[event.reference] = Withdrawal(
                    account=event.account, asset=event.asset, amount=amount
                )
            case BalanceCause.WITHDRAWAL_COMMITTED | BalanceCause.WITHDRAWAL_RELEASED:
                is_gone = event.cause == BalanceCause.WITHDRAWAL_COMMITTED
                change = -amount if is_gone else 0
                holding.held -= self._end_withdrawal(event)
            case _:
                self._findings.add(
                    Check.BALANCES, f"cause {event.cause} is none", account=event.account
                )
        if amount <= 0 or event.change_atoms != change:
            self._findings.add(
                Check.BALANCES,
                f"cause {event.cause} of {amount} changes by {event.change_atoms}, not {change}",
                account=event.account,
                asset=event.asset,
            )
        if sums is not None:
            sums.supply += change
        self._move(event.account, event.asset, change, event.balance_atoms)
        self._compare_held(event.account, event.asset, event.held_atoms)

    def _require_two(self, event: e.BalanceChanged) -> None:
        if event.operator == 0 or event.approver in {0, event.operator}:
            self._findings.add(
                Check.BALANCES,
                f"adjusted by operators {event.operator} and {event.approver}",
                account=event.account,
                asset=event.asset,
            )

    def _end_withdrawal(self, event: e.BalanceChanged) -> int:
        found = self._picture.withdrawals.pop(event.reference, None)
        stated = (event.account, event.asset, event.amount_atoms)
        known = None if found is None else (found.account, found.asset, found.amount)
        if stated != known:
            self._findings.add(
                Check.REFERENCES,
                f"a withdrawal ends as {stated}, reserved was {known}",
                account=event.account,
                asset=event.asset,
            )
        return 0 if found is None else found.amount

    def _transferred(self, event: e.FundsTransferred) -> None:
        accounts = self._picture.accounts
        self._honour(event.reference)
        giver, taker = accounts.get(event.account), accounts.get(event.to_account)
        if giver is None or taker is None or giver.firm != taker.firm or event.amount_atoms <= 0:
            self._findings.add(
                Check.BALANCES,
                f"{event.amount_atoms} moved to account {event.to_account}, of another firm or"
                " unknown",
                account=event.account,
                asset=event.asset,
            )
        amount, asset = event.amount_atoms, event.asset
        self._move(event.account, asset, -amount, event.balance_atoms)
        self._move(event.to_account, asset, amount, event.to_balance_atoms)
        self._compare_held(event.account, asset, event.held_atoms)
        self._compare_held(event.to_account, asset, event.to_held_atoms)

    def _lent(self, event: e.ReceivableChanged) -> None:
        holding = self._picture.holding(event.account, event.asset)
        holding.owed += event.change_atoms
        if holding.owed != event.receivable_atoms or holding.owed < 0:
            self._findings.add(
                Check.BALANCES,
                f"owes {event.receivable_atoms}, not {holding.owed}",
                account=event.account,
                asset=event.asset,
            )
        sums = self._picture.assets.get(event.asset)
        if sums is not None:
            sums.receivables += event.change_atoms
        if event.change_atoms < 0:
            self._honour(event.reference)
        self._move(event.account, event.asset, event.change_atoms, event.balance_atoms)

    def _honour(self, reference: bytes) -> None:
        """Require that a reference is honoured once, for ever."""
        digest = reference_digest(reference)
        if digest in self._picture.references:
            text = reference.rstrip(b"\0").decode("ascii", "backslashreplace")
            self._findings.add(Check.REFERENCES, f"reference {text} is honoured twice")
        self._picture.references.add(digest)

    def _compare_held(self, account: int, asset: int, stated: int) -> None:
        held = self._picture.holding(account, asset).held
        if held != stated:
            self._findings.add(
                Check.HOLDS,
                f"held are {stated}; orders, quotes and withdrawals need {held}",
                account=account,
                asset=asset,
            )

    def _say(self, event: e.TradeExecuted | e.TradeChanged, text: str) -> None:
        self._findings.add(
            Check.TRADES, f"trade {event.trade_id}: {text}", instrument=event.instrument
        )
