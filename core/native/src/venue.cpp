#include "core/order_steps.hpp"

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

namespace {

// Bring near what will be forgotten some steps from now.
void prefetch_gone(const Venue& venue) noexcept {
  constexpr std::size_t NEAR = 8;
  constexpr std::size_t FAR = 20;
  if (venue.gone.size() <= FAR) {
    return;
  }
  const Gone& far = venue.gone.at(FAR);
  venue.client_ids.prefetch(far.ids);
  venue.order_ids.prefetch(far.order_id);
  venue.client_ids.prefetch_more(venue.gone.at(NEAR).ids);
  fetch(venue.gone.address(2 * FAR));
}

}  // namespace

namespace {

// Let an order be a side of its quote no more; a quote without sides is none.
void leave_quote(Venue& venue, std::uint32_t index) {
  const std::uint32_t place = venue.orders.quoted(index).quote;
  Quote& quote = venue.quotes[place];
  quote.side(venue.orders.hot(index).side) = 0;
  if (quote.bid == 0 && quote.ask == 0) {
    venue.quotes.remove(place);
  }
}

}  // namespace

void close_order(Venue& venue, std::uint32_t index, std::uint8_t status, std::uint8_t reason) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms -= order.leaves_lots * instrument.lot_atoms;
  }
  change_hold(venue, order, cold, 0);
  order.leaves_lots = 0;
  order.set_status(status, reason);
  std::vector<std::uint32_t>& orders = venue.accounts[order.account].orders;
  const std::uint32_t place = venue.orders.place(index);
  const std::uint32_t moved = orders.back();
  orders[place] = moved;
  venue.orders.place(moved) = place;
  orders.pop_back();
  --instrument.open_orders;
  --venue.open_orders;
  if (cold.expires_at_ns != 0) [[unlikely]] {
    venue.deadlines.remove_order(cold.expires_at_ns, index);
  }
  if (order.is_quoted()) {
    leave_quote(venue, index);
    venue.done_quotes.push_back(index);
  } else {
    remember_done(venue, index, venue.last_time_ns);
  }
}

namespace {

void forget_side(Venue& venue, std::uint32_t index) {
  venue.client_ids.remove_unlisted(venue.orders.cold(index).ids.current);
  venue.order_ids.remove(venue.orders.hot(index).order_id, index);
  venue.orders.release(index);
}

}  // namespace

void forget_done_quotes(Venue& venue) {
  for (const std::uint32_t index : venue.done_quotes) {
    if (!venue.kept_trades.is_kept(venue.orders.quoted(index).last_trade_id,
                                   venue.last_trade_id)) {
      forget_side(venue, index);
    }
  }
  venue.done_quotes.clear();
  while (venue.kept_trades.lets_go(venue.last_trade_id)) {
    const KeptSide side = venue.kept_trades.take_oldest_side();
    const std::uint32_t index = venue.order_ids.find(side.order_id);
    if (index != 0 && !venue.orders.hot(index).is_open() &&
        venue.orders.quoted(index).last_trade_id == side.trade_id) {
      forget_side(venue, index);
    }
  }
}

void keep_side(Venue& venue, std::uint32_t index, std::uint64_t trade_id) {
  const HotOrder& order = venue.orders.hot(index);
  if (order.is_quoted()) {
    venue.kept_trades.keep_side(trade_id, order.order_id);
    venue.orders.quoted(index).last_trade_id = trade_id;
  }
}

void join_quote(Venue& venue, std::uint32_t index, const QuoteKey& key, const Text<40>& name) {
  const HotOrder& order = venue.orders.hot(index);
  std::uint32_t quote = venue.quotes.find(order.account, key);
  if (quote == 0) {
    quote = venue.quotes.add(order.account, key);
  }
  venue.quotes[quote].side(order.side) = index;
  venue.orders.quoted(index) = {quote, 0, 0};
  name_side(venue, index, name);
}

void name_side(Venue& venue, std::uint32_t index, const Text<40>& name) {
  ColdOrder& cold = venue.orders.cold(index);
  cold.ids = {};
  cold.ids.current = venue.client_ids.add_unlisted(venue.orders.hot(index).account, name, index);
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

void cancel_order(Venue& venue, std::uint32_t index, std::uint8_t reason, const Origin& origin,
                  const Prevented& prevented) {
  leave_queue(venue, index);
  close_order(venue, index, status::CANCELLED, reason);
  auto& event = emit_order<events::OrderCancelled>(venue, index);
  event.origin_session = origin.session;
  event.origin_connection = origin.connection;
  event.request_client_order_id = origin.request_id;
  fill_prevented(event, prevented);
}

void expire_order(Venue& venue, std::uint32_t index, std::uint8_t reason) {
  leave_queue(venue, index);
  close_order(venue, index, status::EXPIRED, reason);
  emit_order<events::OrderExpired>(venue, index);
}

void remember_mass_cancel(Venue& venue, std::uint32_t account, std::uint32_t hash,
                          const Text<40>& text, std::int64_t gone_at_ns) {
  const KnownId id = venue.client_ids.add(hash, account, text, 0);
  ++venue.accounts[account].client_ids;
  venue.gone.push({gone_at_ns, 0, 0, account, {id, {}, 0, 0}});
}

void forget_gone(Venue& venue) {
  const std::int64_t window_ns = venue.configuration->client_id_window_ns;
  while (!venue.gone.empty() &&
         saturating_add(venue.gone.front().at_ns, window_ns) <= venue.last_time_ns) {
    prefetch_gone(venue);
    const Gone& gone = venue.gone.front();
    venue.accounts[gone.account].client_ids -= venue.client_ids.remove_all(gone.ids);
    if (gone.order != 0) [[likely]] {
      venue.order_ids.remove(gone.order_id, gone.order);
      venue.orders.release(gone.order);
    }
    venue.gone.pop();
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
