#include "core/statements/standing.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/event_records.hpp"
#include "core/journal/digest.hpp"

namespace core::statements {

namespace {

// The first eight bytes of SHA-256 of an execution's ExecID (17).
std::uint64_t execution_hash(std::uint64_t event, bool is_bought) {
  std::array<char, 24> text;
  char* end = std::to_chars(text.data(), text.data() + text.size() - 1, event).ptr;
  *end++ = is_bought ? 'B' : 'S';
  journal::Sha256 hash;
  hash.update(std::as_bytes(std::span(text.data(), end)));
  const journal::Digest digest = hash.digest();
  std::uint64_t value = 0;
  for (std::size_t at = 0; at < 8; ++at) {
    value = value << 8 | std::to_integer<std::uint64_t>(digest[at]);
  }
  return value;
}

template <class Event>
Order opened(const Event& event) {
  return {
      .order_id = event.order_id,
      .price_ticks = event.price_ticks,
      .quantity_lots = event.quantity_lots,
      .filled_lots = event.filled_lots,
      .filled_value = event.filled_value,
      .leaves_lots = event.leaves_lots,
      .held_atoms = event.held_atoms,
      .hash = 0,
      .session = event.session,
      .instrument = event.instrument,
      .side = event.side,
      .time_in_force = event.time_in_force,
      .is_hashed = 0,
      .client_order_id = event.client_order_id,
  };
}

// Act on a record of a kind; false for one that is too short.
template <class Event, class Act>
bool with(std::span<const std::byte> record, Act&& act) {
  if (record.size() < sizeof(Event)) {
    return false;
  }
  act(*reinterpret_cast<const Event*>(record.data()));
  return true;
}

}  // namespace

Reading Standing::read(std::span<const std::byte> batch, std::uint64_t through) {
  Reading reading;
  while (reading.offset < batch.size()) {
    const events::Header* event = event_at(batch, reading.offset);
    if (event == nullptr) {
      reading.is_damaged = true;
      break;
    }
    if (event->number > through) {
      break;
    }
    if (!take(batch.subspan(reading.offset, event->length), reading.fences)) {
      reading.is_damaged = true;
      break;
    }
    reading.offset += event->length;
  }
  return reading;
}

const Account* Standing::account(std::uint32_t number) const noexcept {
  const auto found = accounts_.find(number);
  return found == accounts_.end() ? nullptr : &found->second;
}

void Standing::keep_hash(std::uint32_t account, std::uint64_t order_id, std::uint64_t hash) {
  const auto found = accounts_.find(account);
  if (found == accounts_.end()) {
    return;
  }
  const auto order = found->second.orders.find(order_id);
  if (order != found->second.orders.end()) {
    order->second.hash = hash;
    order->second.is_hashed = 1;
  }
}

// False for a record that is shorter than its kind.
bool Standing::take(std::span<const std::byte> record, std::vector<Fence>& fences) {
  using namespace events;
  const auto keeps = [this](const auto& event) { keep(event); };
  const auto changes = [this](const auto& event) { change(event); };
  const auto moves = [this](const auto& event) { move(event); };
  switch (reinterpret_cast<const Header*>(record.data())->kind) {
    case OrderAccepted::KIND:
      return with<OrderAccepted>(record, keeps);
    case OrderAmended::KIND:
      return with<OrderAmended>(record, keeps);
    case OrderTriggered::KIND:
      return with<OrderTriggered>(record, keeps);
    case OrderRestated::KIND:
      return with<OrderRestated>(record, keeps);
    case OrderCancelled::KIND:
      return with<OrderCancelled>(record, [this](const auto& event) { cancel(event); });
    case OrderExpired::KIND:
      return with<OrderExpired>(record, [this](const auto& event) { drop(event); });
    case TradeExecuted::KIND:
      return with<TradeExecuted>(record, [this](const auto& event) { trade(event); });
    case TradeBusted::KIND:
      return with<TradeBusted>(record, changes);
    case TradeCorrected::KIND:
      return with<TradeCorrected>(record, changes);
    case RfqQuoteGiven::KIND:
      return with<RfqQuoteGiven>(record, [this](const auto& event) { quote(event); });
    case RfqQuoteEnded::KIND:
      return with<RfqQuoteEnded>(record, [this](const auto& event) { unquote(event); });
    case FundsTransferred::KIND:
      return with<FundsTransferred>(record, [this](const auto& event) { transfer(event); });
    case ReceivableChanged::KIND:
      return with<ReceivableChanged>(record, moves);
    case BalanceChanged::KIND:
      return with<BalanceChanged>(record, moves);
    case InstrumentCreated::KIND:
      return with<InstrumentCreated>(record, [this](const auto& event) {
        pairs_[event.instrument] = {event.base_asset, event.quote_asset};
      });
    case AccountCreated::KIND:
      return with<AccountCreated>(
          record, [this](const auto& event) { firms_of_accounts_[event.account] = event.firm; });
    case SessionGranted::KIND:
      return with<SessionGranted>(
          record, [this](const auto& event) { firms_of_sessions_[event.session] = event.firm; });
    case SessionFenced::KIND:
      return with<SessionFenced>(
          record, [&](const auto& event) { fences.push_back(fenced(event)); });
    default:
      return true;
  }
}

template <class Event>
void Standing::keep(const Event& event) {
  if (event.leaves_lots == 0) {
    drop(event);
    return;
  }
  Account& account = accounts_[event.account];
  placing_.insert(event.session);
  const auto [found, is_new] = account.orders.try_emplace(event.order_id);
  Order& order = found->second;
  if (is_new) {
    order = opened(event);
    hold(account, order, order.held_atoms);
    return;
  }
  hold(account, order, event.held_atoms - order.held_atoms);
  order.price_ticks = event.price_ticks;
  order.quantity_lots = event.quantity_lots;
  order.filled_lots = event.filled_lots;
  order.filled_value = event.filled_value;
  order.leaves_lots = event.leaves_lots;
  order.held_atoms = event.held_atoms;
  order.client_order_id = event.client_order_id;
  order.session = event.session;  // a quote renewed from another session is that one's
  order.is_hashed = 0;
}

template <class Event>
void Standing::drop(const Event& event) {
  Account& account = accounts_[event.account];
  const auto found = account.orders.find(event.order_id);
  if (found != account.orders.end()) {
    hold(account, found->second, -found->second.held_atoms);
    account.orders.erase(found);
  }
}

void Standing::cancel(const events::OrderCancelled& event) {
  if (event.reason == cancel_reason::DISCONNECT) {
    begin_command(event.sequence);
    cancelled_.push_back({opened(event), event.account, event.number});
  }
  drop(event);
}

void Standing::trade(const events::TradeExecuted& event) {
  const bool taker_bought = event.taker_side == side::BUY;
  count(event.maker_account, event, !taker_bought);
  count(event.taker_account, event, taker_bought);
  settle(event);
}

void Standing::count(std::uint32_t number, const events::TradeExecuted& event, bool is_bought) {
  Account& account = accounts_[number];
  ++account.executions;
  account.executions_sum += execution_hash(event.number, is_bought);
  Traded& traded = account.traded[event.instrument];
  ++traded.executions;
  const Wide value = static_cast<Wide>(event.price_ticks) * event.quantity_lots;
  (is_bought ? traded.bought_lots : traded.sold_lots) += event.quantity_lots;
  (is_bought ? traded.bought_value : traded.sold_value) += value;
}

// A bust or a correction; what was executed once stays executed.
template <class Change>
void Standing::change(const Change& event) {
  const std::int64_t lots = event.quantity_lots - event.previous_quantity_lots;
  const Wide value =
      static_cast<Wide>(event.price_ticks) * event.quantity_lots -
      static_cast<Wide>(event.previous_price_ticks) * event.previous_quantity_lots;
  for (const bool is_taker : {false, true}) {
    const std::uint32_t number = is_taker ? event.taker_account : event.maker_account;
    const bool is_bought = (event.taker_side == side::BUY) == is_taker;
    Traded& traded = accounts_[number].traded[event.instrument];
    (is_bought ? traded.bought_lots : traded.sold_lots) += lots;
    (is_bought ? traded.bought_value : traded.sold_value) += value;
  }
  settle(event);
}

// What both accounts and both orders have after a trade or its change.
template <class Trade>
void Standing::settle(const Trade& event) {
  Account& maker = accounts_[event.maker_account];
  pay(event.instrument, maker, event.maker_base_balance, event.maker_quote_balance);
  leave(maker, event.maker_order_id,
        {event.maker_quantity_lots, event.maker_filled_lots, event.maker_filled_value,
         event.maker_leaves_lots, event.maker_held_atoms});
  Account& taker = accounts_[event.taker_account];
  pay(event.instrument, taker, event.taker_base_balance, event.taker_quote_balance);
  leave(taker, event.taker_order_id,
        {event.taker_quantity_lots, event.taker_filled_lots, event.taker_filled_value,
         event.taker_leaves_lots, event.taker_held_atoms});
}

void Standing::leave(Account& account, std::uint64_t order_id, const Progress& progress) {
  const auto found = account.orders.find(order_id);
  if (found == account.orders.end()) {
    return;
  }
  Order& order = found->second;
  // What a cash quantity did not spend is free again without a word.
  const std::int64_t held = progress.leaves_lots == 0 ? 0 : progress.held_atoms;
  hold(account, order, held - order.held_atoms);
  if (progress.leaves_lots == 0) {
    account.orders.erase(found);
    return;
  }
  order.quantity_lots = progress.quantity_lots;
  order.filled_lots = progress.filled_lots;
  order.filled_value = progress.filled_value;
  order.leaves_lots = progress.leaves_lots;
  order.held_atoms = held;
  order.is_hashed = 0;
}

template <class Event>
void Standing::move(const Event& event) {
  accounts_[event.account].money[event.asset] = {event.balance_atoms, event.held_atoms};
}

void Standing::transfer(const events::FundsTransferred& event) {
  move(event);
  accounts_[event.to_account].money[event.asset] = {event.to_balance_atoms, event.to_held_atoms};
}

// What a firm quote holds, in the place of the account's earlier one.
void Standing::quote(const events::RfqQuoteGiven& event) {
  unquote(event);
  Account& account = accounts_[event.account];
  const Quote made{event.instrument, event.bid_held_atoms, event.ask_held_atoms};
  account.quotes[event.request_id] = made;
  hold(account, made, 1);
}

template <class QuoteEvent>
void Standing::unquote(const QuoteEvent& event) {
  Account& account = accounts_[event.account];
  const auto found = account.quotes.find(event.request_id);
  if (found != account.quotes.end()) {
    hold(account, found->second, -1);
    account.quotes.erase(found);
  }
}

void Standing::hold(Account& account, const Order& order, std::int64_t change_atoms) {
  const auto pair = pairs_.find(order.instrument);
  if (change_atoms != 0 && pair != pairs_.end()) {
    const Pair& assets = pair->second;
    account.money[order.side == side::BUY ? assets.quote : assets.base].held_atoms += change_atoms;
  }
}

void Standing::hold(Account& account, const Quote& quote, std::int64_t sign) {
  const auto pair = pairs_.find(quote.instrument);
  if (pair != pairs_.end()) {
    account.money[pair->second.quote].held_atoms += sign * quote.bid_held_atoms;
    account.money[pair->second.base].held_atoms += sign * quote.ask_held_atoms;
  }
}

void Standing::pay(std::uint32_t instrument, Account& account, std::int64_t base,
                   std::int64_t quote) {
  const auto pair = pairs_.find(instrument);
  if (pair != pairs_.end()) {  // or it was defined before the first event that we have
    account.money[pair->second.base].balance_atoms = base;
    account.money[pair->second.quote].balance_atoms = quote;
  }
}

Fence Standing::fenced(const events::SessionFenced& event) {
  begin_command(event.sequence);
  Fence made{event, std::move(cancelled_)};
  cancelled_.clear();
  if (!placing_.contains(event.session)) {
    return made;
  }
  const auto firm = firms_of_sessions_.find(event.session);
  const auto first_resting = static_cast<std::ptrdiff_t>(made.orders.size());
  for (const auto& [number, account] : accounts_) {
    const auto own = firms_of_accounts_.find(number);
    if (own == firms_of_accounts_.end() ||
        own->second != (firm == firms_of_sessions_.end() ? 0 : firm->second)) {
      continue;
    }
    for (const auto& [id, order] : account.orders) {
      if (order.session == event.session) {
        made.orders.push_back({order, number, 0});
      }
    }
  }
  std::sort(made.orders.begin() + first_resting, made.orders.end(),
            [](const Gone& one, const Gone& other) {
              return one.order.order_id < other.order.order_id;
            });
  return made;
}

void Standing::begin_command(std::uint64_t sequence) {
  if (sequence != sequence_) {
    sequence_ = sequence;
    cancelled_.clear();
  }
}

}  // namespace core::statements
