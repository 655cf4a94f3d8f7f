// Busts and corrections: what a trade's money was goes back exactly, and other terms may follow.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/money.hpp"
#include "core/negotiation.hpp"

namespace core {

namespace {

// A trade's terms, and the money that they mean.
struct TradeTerms {
  std::int64_t price_ticks = 0;
  std::int64_t quantity_lots = 0;
  std::int64_t notional_atoms = 0;
  std::int64_t base_atoms = 0;
  std::int64_t maker_fee = 0;
  std::int64_t taker_fee = 0;

  [[nodiscard]] std::int64_t value() const noexcept { return price_ticks * quantity_lots; }
};

// A trade that can be busted or corrected; orders by index.
struct Found {
  KeptTrade* trade = nullptr;
  Instrument* instrument = nullptr;
  std::uint32_t maker = 0;
  std::uint32_t taker = 0;
  TradeTerms terms;
};

// What one party's balances gain by other terms, and the shortfalls that this would leave.
struct PartyChange {
  std::uint32_t order;
  std::uint32_t account;
  std::int64_t base_atoms;
  std::int64_t quote_atoms;
  std::int64_t base_shortfall;
  std::int64_t quote_shortfall;
  bool must_cancel;
  std::uint32_t cancelled = 0;

  [[nodiscard]] bool is_short() const noexcept {
    return base_shortfall > 0 || quote_shortfall > 0;
  }
};

template <class Command>
bool refuses_said_terms(const Venue& venue, const Command& command, const Found& found,
                   Refused& refused) {
  const auto account = [&venue](std::uint32_t order) {
    return venue.accounts[venue.orders.hot(order).account].number;
  };
  const std::pair<std::int64_t, std::int64_t> said[] = {
      {found.instrument->number, command.instrument},
      {account(found.maker), command.maker_account},
      {account(found.taker), command.taker_account},
      {found.trade->price_ticks, command.price_ticks},
      {found.trade->quantity_lots, command.quantity_lots},
  };
  for (const auto& [kept, given] : said) {
    if (kept != given) {
      return refused.because(code::TRADE_TERMS_DIFFER, kept, given);
    }
  }
  return false;
}

// Whether a command names no trade that still is what it says; else the trade, in `found`.
template <class Command>
bool refuses_trade(Venue& venue, const Command& command, Found& found, Refused& refused) {
  if (refuses_reference(venue, command.reference, refused) ||
      refuses_approval(command.operator_, command.approver, refused)) {
    return true;
  }
  const std::uint64_t trade_id = command.trade_id;
  const std::uint64_t last_id = venue.last_trade_id;
  if (trade_id < 1 || trade_id > last_id) {
    return refused.because(code::TRADE_UNKNOWN, last_id, trade_id);
  }
  found.trade = venue.kept_trades.find(trade_id, last_id);
  if (found.trade == nullptr) {
    return refused.because(code::TRADE_OUTSIDE_WINDOW,
                           Wide{last_id} - venue.kept_trades.count() + 1, trade_id);
  }
  found.maker = venue.order_ids.find(found.trade->maker_order_id);
  found.taker = venue.order_ids.find(found.trade->taker_order_id);
  if (found.maker == 0 || found.taker == 0) {
    return refused.because(
        code::TRADE_OUTSIDE_WINDOW, 0,
        found.maker == 0 ? found.trade->maker_order_id : found.trade->taker_order_id);
  }
  if (found.trade->quantity_lots == 0) {
    return refused.because(code::TRADE_ALREADY_BUSTED, 0, trade_id);
  }
  found.instrument = venue.instruments[venue.orders.hot(found.maker).instrument].get();
  if (refuses_said_terms(venue, command, found, refused)) {
    return true;
  }
  const KeptTrade& trade = *found.trade;
  found.terms = {trade.price_ticks,
                 trade.quantity_lots,
                 trade.price_ticks * trade.quantity_lots * found.instrument->tick_lot_atoms,
                 trade.quantity_lots * found.instrument->lot_atoms,
                 trade.maker_fee,
                 trade.taker_fee};
  return false;
}

// Whether a trade may not have other terms: never more lots than its orders traded.
bool refuses_correction(Venue& venue, const commands::CorrectTrade& command, const Found& found,
                        Refused& refused) {
  const std::int64_t price_ticks = command.new_price_ticks;
  const std::int64_t lots = command.new_quantity_lots;
  const KeptTrade& trade = *found.trade;
  if (refuses_price_range(price_ticks, found.instrument->limits, refused)) {
    return true;
  }
  if (lots < 1) {
    return refused.because(code::QUANTITY_BELOW_MINIMUM, 1, lots);
  }
  if (lots > trade.quantity_lots) {
    return refused.because(code::QUANTITY_ABOVE_MAXIMUM, trade.quantity_lots, lots);
  }
  if (price_ticks == trade.price_ticks && lots == trade.quantity_lots) {
    return refused.because(code::CORRECTION_CHANGES_NOTHING);
  }
  const Wide value = Wide{std::max(venue.orders.cold(found.maker).filled_value,
                                   venue.orders.cold(found.taker).filled_value)} +
                     Wide{price_ticks} * lots - found.terms.value();
  const Wide notional_atoms = value * found.instrument->tick_lot_atoms;
  return notional_atoms >= AMOUNT_LIMIT &&
         refused.because(code::NOTIONAL_ABOVE_MAXIMUM, AMOUNT_LIMIT - 1, notional_atoms);
}

// The new terms; fees are at the trade's own rates, and round up by themselves.
TradeTerms corrected_terms(const commands::CorrectTrade& command, const Found& found) {
  TradeTerms terms;
  terms.price_ticks = command.new_price_ticks;
  terms.quantity_lots = command.new_quantity_lots;
  terms.notional_atoms = terms.value() * found.instrument->tick_lot_atoms;
  terms.base_atoms = terms.quantity_lots * found.instrument->lot_atoms;
  std::uint32_t maker_credit = 0;
  std::uint32_t taker_credit = 0;
  terms.maker_fee = fee_of_fill(terms.notional_atoms, found.trade->maker_ppm, maker_credit);
  terms.taker_fee = fee_of_fill(terms.notional_atoms, found.trade->taker_ppm, taker_credit);
  return terms;
}

// What a change of a balance would leave it short of, were so much of its hold freed. Where it was
// below its line before, only what the change adds is a shortfall.
std::int64_t shortfall_of(const Balance& balance, std::int64_t change_atoms,
                          std::int64_t released_atoms = 0) noexcept {
  const std::int64_t left_atoms = balance.available_atoms() + released_atoms + change_atoms;
  return std::max<std::int64_t>(std::min(-left_atoms, -change_atoms), 0);
}

// An account's open requests for quote, and its quotes that stand.
Negotiations negotiations_of(const Venue& venue, std::uint32_t account) {
  return find_negotiations(venue, [account](std::uint32_t owner, std::uint32_t, std::uint32_t) {
    return owner == account;
  });
}

// Let what a party has open go. If it still is short it will be killed, so nobody may answer its
// requests for quote either.
void cancel_all_of(Venue& venue, PartyChange& change) {
  change.cancelled = cancel_all(venue, venue.accounts[change.account].orders, cancel_reason::BUST);
  Negotiations ending = negotiations_of(venue, change.account);
  if (!change.is_short()) {
    ending.requests.clear();
  }
  end_negotiations(venue, ending, rfq_end::KILL_SWITCH);
}

// What one party's open orders and quotes hold of base and quote.
std::pair<std::int64_t, std::int64_t> held_for_trading(Venue& venue, std::uint32_t owner,
                                                       const ColdOrder& party) {
  std::pair<std::int64_t, std::int64_t> held{0, 0};
  const auto add = [&](std::uint32_t balance, std::int64_t atoms) {
    held.first += balance == party.base ? atoms : 0;
    held.second += balance == party.quote ? atoms : 0;
  };
  const Account& account = venue.accounts[owner];
  each_open_order(account, [&](std::uint32_t index) {
    const HotOrder& order = venue.orders.hot(index);
    const ColdOrder& cold = venue.orders.cold(index);
    add(order.is_buy() ? cold.quote : cold.base, order.held_atoms);
  });
  for (const std::uint64_t number : negotiations_of(venue, owner).quotes) {
    const RfqQuote& quote = venue.rfq_quotes.at(number);
    const Instrument& instrument =
        *venue.instruments[venue.quote_requests.at(quote.request).instrument];
    add(venue.balance_index(owner, instrument.quote_asset), quote.bid_held_atoms);
    add(venue.balance_index(owner, instrument.base_asset), quote.ask_held_atoms);
  }
  return held;
}

// What other terms mean for one party: where it is short, its open orders go first.
PartyChange change_of(Venue& venue, std::uint32_t index, const TradeTerms& previous, const TradeTerms& terms,
                 std::int64_t previous_fee, std::int64_t fee) {
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  const std::int64_t sign = order.is_buy() ? 1 : -1;
  const std::int64_t base_atoms = sign * (terms.base_atoms - previous.base_atoms);
  const std::int64_t quote_atoms =
      previous_fee - fee - sign * (terms.notional_atoms - previous.notional_atoms);
  // First, for it may make balances, and move those that there are.
  const auto [base_held, quote_held] = held_for_trading(venue, order.account, cold);
  const Balance& base = venue.balances[cold.base];
  const Balance& quote = venue.balances[cold.quote];
  return {.order = index,
          .account = order.account,
          .base_atoms = base_atoms,
          .quote_atoms = quote_atoms,
          .base_shortfall = shortfall_of(base, base_atoms, base_held),
          .quote_shortfall = shortfall_of(quote, quote_atoms, quote_held),
          .must_cancel =
              shortfall_of(base, base_atoms) != 0 || shortfall_of(quote, quote_atoms) != 0};
}

// Whether the venue may not lend so much more of an asset.
bool refuses_receivable(Venue& venue, std::uint32_t asset_index, Wide amount_atoms,
                        Refused& refused) {
  Asset& asset = venue.assets[asset_index];
  const Wide limit = AMOUNT_LIMIT - 1 - asset.supply_max_atoms;
  const Wide usage = lent_atoms(venue, asset) + amount_atoms;
  return amount_atoms != 0 && usage > limit &&
         refused.because(code::RECEIVABLES_EXCEEDED, limit, usage);
}

bool refuses_receivables(Venue& venue, const Instrument& instrument,
                         const std::array<PartyChange, 2>& changes, Refused& refused) {
  std::pair<std::uint32_t, Wide> raised[] = {
      {instrument.base_asset, Wide{changes[0].base_shortfall} + changes[1].base_shortfall},
      {instrument.quote_asset, Wide{changes[0].quote_shortfall} + changes[1].quote_shortfall},
  };
  if (venue.assets[raised[1].first].number < venue.assets[raised[0].first].number) {
    std::swap(raised[0], raised[1]);
  }
  return refuses_receivable(venue, raised[0].first, raised[0].second, refused) ||
         refuses_receivable(venue, raised[1].first, raised[1].second, refused);
}

// Let an order have filled other terms. An open one does not get back what was busted: its quantity
// falls by it, its leaves stay. A filled one that no longer is counts as cancelled.
void refill(Venue& venue, std::uint32_t index, const TradeTerms& previous, const TradeTerms& terms) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  const std::int64_t more_lots = terms.quantity_lots - previous.quantity_lots;
  cold.filled_lots += more_lots;
  cold.filled_value += terms.value() - previous.value();
  if (order.is_open()) {
    cold.quantity_lots += more_lots;
    order.set_status(cold.filled_lots != 0 ? status::PARTIALLY_FILLED : status::NEW);
  } else if (order.status == status::FILLED && more_lots != 0) {
    order.set_status(status::CANCELLED, cancel_reason::BUST);
  }
}

// One party of the trade, as the event tells it; the struct's fields carry the party's name.
#define CORE_FILL_PARTY(event, party, index, previous_fee, fee)                  \
  do {                                                                           \
    const HotOrder& order = venue.orders.hot(index);                             \
    const ColdOrder& cold = venue.orders.cold(index);                            \
    (event).party##_order_id = order.order_id;                                   \
    (event).party##_account = venue.accounts[order.account].number;              \
    (event).party##_session = cold.session;                                      \
    (event).party##_connection = cold.connection;                                \
    (event).party##_trader = cold.trader;                                        \
    (event).party##_order_type = order.order_type;                               \
    (event).party##_time_in_force = order.time_in_force;                         \
    (event).party##_status = order.status;                                       \
    (event).party##_order_flags = order.order_flags;                             \
    (event).party##_price_ticks = order.price_ticks;                             \
    (event).party##_stop_price_ticks = cold.stop_price_ticks;                    \
    (event).party##_quantity_lots = cold.quantity_lots;                          \
    (event).party##_leaves_lots = order.leaves_lots;                             \
    (event).party##_filled_lots = cold.filled_lots;                              \
    (event).party##_filled_value = cold.filled_value;                            \
    (event).party##_previous_fee_atoms = (previous_fee);                         \
    (event).party##_fee_atoms = (fee);                                           \
    (event).party##_held_atoms = order.held_atoms;                               \
    (event).party##_base_balance = venue.balances[cold.base].balance_atoms;      \
    (event).party##_quote_balance = venue.balances[cold.quote].balance_atoms;    \
    (event).party##_client_order_id = venue.client_ids.node(cold.ids.current).text; \
  } while (false)

template <class Event, class Command>
void tell(Venue& venue, const Command& command, const Found& found, const TradeTerms& terms) {
  auto& event = venue.events.emit_zeroed<Event>();
  event.instrument = found.instrument->number;
  event.taker_side = venue.orders.hot(found.taker).side;
  event.trade_id = command.trade_id;
  event.corrected_event = found.trade->event_number;
  event.previous_price_ticks = found.terms.price_ticks;
  event.previous_quantity_lots = found.terms.quantity_lots;
  event.previous_notional_atoms = found.terms.notional_atoms;
  event.previous_base_atoms = found.terms.base_atoms;
  event.price_ticks = terms.price_ticks;
  event.quantity_lots = terms.quantity_lots;
  event.notional_atoms = terms.notional_atoms;
  event.base_atoms = terms.base_atoms;
  CORE_FILL_PARTY(event, maker, found.maker, found.terms.maker_fee, terms.maker_fee);
  CORE_FILL_PARTY(event, taker, found.taker, found.terms.taker_fee, terms.taker_fee);
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.reference = command.reference;
  event.text = command.text;
}

#undef CORE_FILL_PARTY

// Stop new orders of an account that owes the venue; its open ones went before.
template <class Command>
void suspend(Venue& venue, const Command& command, const PartyChange& change) {
  Account& account = venue.accounts[change.account];
  account.is_killed = true;
  auto& event = venue.events.emit_zeroed<events::Killed>();
  event.scope = scope::ACCOUNT;
  event.target = account.number;
  event.cancelled = change.cancelled;
  event.operator_ = command.operator_;
  event.approver = command.approver;
  event.text = command.text;
}

// Lend one party what it is short of.
template <class Command>
void lend(Venue& venue, const Command& command, const Instrument& instrument,
          const PartyChange& change) {
  if (change.base_shortfall != 0) {
    change_receivable(venue, command, change.account, instrument.base_asset,
                      change.base_shortfall);
  }
  if (change.quote_shortfall != 0) {
    change_receivable(venue, command, change.account, instrument.quote_asset,
                      change.quote_shortfall);
  }
}

// Put other terms in a trade's place, unless the venue would have to lend too much.
template <class Event, class Command>
void put_terms(Venue& venue, const Command& command, const Found& found, const TradeTerms& terms) {
  const TradeTerms& previous = found.terms;
  std::array<PartyChange, 2> changes = {
      change_of(venue, found.maker, previous, terms, previous.maker_fee, terms.maker_fee),
      change_of(venue, found.taker, previous, terms, previous.taker_fee, terms.taker_fee)};
  Refused refused;
  if (refuses_receivables(venue, *found.instrument, changes, refused)) {
    reject_command(venue, command, refused, command.instrument, command.reference);
    return;
  }
  venue.references.emplace(key_of(command.reference), false);
  for (PartyChange& change : changes) {
    if (change.must_cancel) {
      cancel_all_of(venue, change);
    }
  }
  for (const PartyChange& change : changes) {
    lend(venue, command, *found.instrument, change);
  }
  venue.assets[found.instrument->quote_asset].fees_atoms +=
      terms.maker_fee + terms.taker_fee - previous.maker_fee - previous.taker_fee;
  for (const PartyChange& change : changes) {
    const ColdOrder& cold = venue.orders.cold(change.order);
    venue.balances[cold.base].balance_atoms += change.base_atoms;
    venue.balances[cold.quote].balance_atoms += change.quote_atoms;
    refill(venue, change.order, previous, terms);
  }
  tell<Event>(venue, command, found, terms);
  KeptTrade& trade = *found.trade;
  trade.event_number = venue.events.number;
  trade.price_ticks = terms.price_ticks;
  trade.quantity_lots = terms.quantity_lots;
  trade.maker_fee = terms.maker_fee;
  trade.taker_fee = terms.taker_fee;
  for (const PartyChange& change : changes) {
    if (change.is_short()) {
      suspend(venue, command, change);
    }
  }
}

}  // namespace

void bust_trade(Venue& venue, const commands::BustTrade& command) {
  Found found;
  Refused refused;
  if (refuses_trade(venue, command, found, refused)) {
    reject_command(venue, command, refused, command.instrument, command.reference);
    return;
  }
  put_terms<events::TradeBusted>(venue, command, found, {});
}

void correct_trade(Venue& venue, const commands::CorrectTrade& command) {
  Found found;
  Refused refused;
  if (refuses_trade(venue, command, found, refused) ||
      refuses_correction(venue, command, found, refused)) {
    reject_command(venue, command, refused, command.instrument, command.reference);
    return;
  }
  put_terms<events::TradeCorrected>(venue, command, found, corrected_terms(command, found));
}

void keep_trades(Venue& venue, const commands::KeepTrades& command) {
  if (command.trades_max > TRADES_KEPT_MAX) {
    Refused refused;
    refused.because(code::LIMITS_INVALID, TRADES_KEPT_MAX, command.trades_max);
    reject_command(venue, command, refused, 0);
    return;
  }
  venue.kept_trades.resize(command.trades_max, venue.last_trade_id);
  auto& event = venue.events.emit_zeroed<events::TradesKept>();
  event.trades_max = command.trades_max;
  event.operator_ = command.operator_;
  event.approver = command.approver;
}

void dispute_trade(Venue& venue, const commands::DisputeTrade& command) {
  Session* session = nullptr;
  Refused refused;
  bool is_refused =
      refuses_session(venue, command, venue.find_account(command.account), session, refused);
  if (!is_refused && (command.reason == 0 || command.reason > dispute_reason::OTHER)) {
    is_refused = refused.because(code::DISPUTE_REASON_INVALID, dispute_reason::OTHER,
                                 command.reason);
  }
  if (is_refused) {
    reject_command(venue, command, refused, command.instrument, command.client_order_id);
    return;
  }
  auto& event = venue.events.emit_zeroed<events::TradeDisputed>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.side = command.side;
  event.reason = command.reason;
  event.order_id = command.order_id;
  event.event_number = command.event_number;
  event.price_ticks = command.price_ticks;
  event.quantity_lots = command.quantity_lots;
  event.client_order_id = command.client_order_id;
  event.text = command.text;
}

}  // namespace core
