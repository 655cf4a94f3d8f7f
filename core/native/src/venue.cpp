#include "core/venue.hpp"

#include "core/order_events.hpp"

namespace core {

std::uint32_t Venue::make_balance(std::uint32_t account, std::uint32_t asset) {
  std::vector<std::uint32_t>& known = accounts[account].balances;
  if (asset >= known.size()) {
    known.resize(assets.size());
  }
  balances.grow(std::size_t{last_balance_} + 2);
  return known[asset] = ++last_balance_;
}

std::vector<Instrument*> Venue::late_instruments() const {
  std::vector<Instrument*> found;
  for (const std::uint32_t number : late_stops) {
    Instrument* instrument = instruments[instrument_numbers.find(number)].get();
    if (instrument->has_late_stops()) {
      found.push_back(instrument);
    }
  }
  return found;
}

FeeSchedule Venue::assigned_rates(const Account& account,
                                  const Instrument& instrument) const noexcept {
  std::uint32_t number = instrument.fee_schedule;
  for (const Assignment& assignment : account.assignments) {
    if (assignment.instrument == 0 || assignment.instrument == instrument.number) {
      number = assignment.fee_schedule;  // the instrument's own comes later, and wins
    }
  }
  return *find_fee_schedule(number);
}

void attach_id(Venue& venue, std::uint32_t index, std::uint32_t hash, const Text<40>& text) {
  const std::uint32_t account = venue.orders.hot(index).account;
  const std::uint32_t node = venue.client_ids.add(hash, account, text, index);
  ++venue.accounts[account].client_ids;
  ColdOrder& cold = venue.orders.cold(index);
  if (cold.last_id == 0) {
    cold.first_id = node;
  } else {
    venue.client_ids.node(cold.last_id).next = node;
  }
  cold.last_id = node;
}

void open_order(Venue& venue, std::uint32_t index, std::uint32_t hash, const Text<40>& text) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  venue.order_ids.add(order.order_id, index);
  attach_id(venue, index, hash, text);
  cold.current_id = cold.last_id;
  Account& account = venue.accounts[order.account];
  cold.account_previous = 0;
  cold.account_next = account.first_order;
  if (account.first_order != 0) {
    venue.orders.cold(account.first_order).account_previous = index;
  }
  account.first_order = index;
  ++account.open_orders;
  Instrument& instrument = *venue.instruments[order.instrument];
  ++instrument.open_orders;
  ++venue.open_orders;
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms += order.leaves_lots * instrument.lot_atoms;
  }
  if (cold.expires_at_ns != 0) [[unlikely]] {
    venue.deadlines.insert({cold.expires_at_ns, Deadline::ORDER_EXPIRY, order.order_id});
  }
}

void close_order(Venue& venue, std::uint32_t index, std::uint8_t status, std::uint8_t reason) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms -= order.leaves_lots * instrument.lot_atoms;
  }
  change_hold(venue, order, cold, 0);
  order.leaves_lots = 0;
  order.status = status;
  order.reason = reason;
  Account& account = venue.accounts[order.account];
  if (cold.account_previous == 0) {
    account.first_order = cold.account_next;
  } else {
    venue.orders.cold(cold.account_previous).account_next = cold.account_next;
  }
  if (cold.account_next != 0) {
    venue.orders.cold(cold.account_next).account_previous = cold.account_previous;
  }
  --account.open_orders;
  --instrument.open_orders;
  --venue.open_orders;
  if (cold.expires_at_ns != 0) [[unlikely]] {
    venue.deadlines.erase({cold.expires_at_ns, Deadline::ORDER_EXPIRY, order.order_id});
  }
  venue.gone.push({venue.last_time_ns, index, 0});
}

void touch_level(Venue& venue, Instrument& instrument, BookSide& side, Level& level,
                 std::int64_t price_ticks) {
  venue.events.touch(level, side, instrument.book.sequence, price_ticks, instrument.number);
}

void leave_queue(Venue& venue, std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  if (order.is_pending()) {
    remove_stop(venue, index);
  } else if (order.is_queued()) {
    Instrument& instrument = *venue.instruments[order.instrument];
    BookSide& side = instrument.book.side(order.side);
    Level& level = *side.find(order.price_ticks);
    touch_level(venue, instrument, side, level, order.price_ticks);
    side.remove(index, level);
  }
}

void cancel_order(Venue& venue, std::uint32_t index, std::uint8_t reason, const Origin& origin) {
  leave_queue(venue, index);
  close_order(venue, index, status::CANCELLED, reason);
  auto& event = emit_order<events::OrderCancelled>(venue, index);
  event.origin_session = origin.session;
  event.origin_connection = origin.connection;
  event.request_client_order_id = origin.request_id;
}

void expire_order(Venue& venue, std::uint32_t index, std::uint8_t reason) {
  leave_queue(venue, index);
  close_order(venue, index, status::EXPIRED, reason);
  emit_order<events::OrderExpired>(venue, index);
}

bool refuses_client_id(Venue& venue, std::uint32_t account, std::uint32_t hash,
                       const Text<40>& text, bool is_needed, Refused& refused) {
  if (venue.client_ids.find(hash, account, text) != 0) [[unlikely]] {
    return refused.because(code::DUPLICATE_CLIENT_ORDER_ID);
  }
  return is_needed && refuses_id_room(venue, account, refused);
}

bool refuses_id_room(const Venue& venue, std::uint32_t account, Refused& refused) {
  const std::uint32_t limit = venue.configuration->client_ids_max;
  if (venue.client_ids.count() >= limit) [[unlikely]] {
    return refused.because(code::CLIENT_ORDER_ID_MEMORY_FULL, limit,
                           static_cast<Wide>(venue.client_ids.count()) + 1);
  }
  const std::uint32_t share = std::max(CLIENT_IDS_OF_ACCOUNT_MIN, limit / CLIENT_ID_SHARES);
  const std::uint32_t used = venue.accounts[account].client_ids;
  return used >= share &&
         refused.because(code::CLIENT_ORDER_ID_MEMORY_FULL, share, Wide{used} + 1);
}

void remember_mass_cancel(Venue& venue, std::uint32_t account, std::uint32_t hash,
                          const Text<40>& text, std::int64_t gone_at_ns) {
  const std::uint32_t id = venue.client_ids.add(hash, account, text, 0);
  ++venue.accounts[account].client_ids;
  venue.gone.push({gone_at_ns, 0, id});
}

void forget_gone(Venue& venue) {
  const std::int64_t window_ns = venue.configuration->client_id_window_ns;
  while (!venue.gone.empty() &&
         saturating_add(venue.gone.front().at_ns, window_ns) <= venue.last_time_ns) {
    const Gone gone = venue.gone.front();
    venue.gone.pop();
    if (gone.order == 0) {
      --venue.accounts[venue.client_ids.node(gone.id).account].client_ids;
      venue.client_ids.remove(gone.id);
      continue;
    }
    Account& account = venue.accounts[venue.orders.hot(gone.order).account];
    for (std::uint32_t id = venue.orders.cold(gone.order).first_id; id != 0;) {
      const std::uint32_t next = venue.client_ids.node(id).next;
      venue.client_ids.remove(id);
      --account.client_ids;
      id = next;
    }
    venue.order_ids.remove(venue.orders.hot(gone.order).order_id);
    venue.orders.release(gone.order);
  }
}

void add_stop(Venue& venue, std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  Stops& stops = venue.instruments[order.instrument]->stops;
  if (order.is_buy()) {
    stops.buys.emplace(cold.stop_price_ticks, cold.arrival, index);
  } else {
    stops.sells.emplace(-cold.stop_price_ticks, cold.arrival, index);
  }
}

void remove_stop(Venue& venue, std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  Stops& stops = venue.instruments[order.instrument]->stops;
  if (order.is_buy()) {
    stops.buys.erase({cold.stop_price_ticks, cold.arrival, index});
  } else {
    stops.sells.erase({-cold.stop_price_ticks, cold.arrival, index});
  }
}

}  // namespace core
