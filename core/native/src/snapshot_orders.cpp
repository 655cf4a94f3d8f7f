// A snapshot's orders, their ids, their queues, and what will be forgotten.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "core/order_steps.hpp"
#include "core/snapshot_reader.hpp"

namespace core {

namespace {

bool is_expiry_in_range(const state::OrderRecord& record) noexcept {
  if (record.time_in_force == time_in_force::GOOD_TILL_DATE) {
    return record.expire_at_ns > 0 && record.expires_at_ns == record.expire_at_ns;
  }
  const bool is_day = record.time_in_force == time_in_force::DAY;
  return record.expire_at_ns == 0 &&
         (is_day ? record.expires_at_ns > 0 : record.expires_at_ns == 0);
}

// Whether flags are known, and only a market order without minimum and display has an amount.
bool is_cash_in_range(const state::OrderRecord& record) noexcept {
  if (record.order_flags == CASH_QUANTITY) {
    return record.order_type == order_type::MARKET && record.minimum_lots == 0 &&
           record.display_lots == 0 && is_bound(record.cash_atoms);
  }
  return (record.order_flags & ~(POST_ONLY | QUOTE_SIDE)) == 0 && record.cash_atoms == 0;
}

bool is_order_in_range(const state::OrderRecord& record, const Venue& venue) noexcept {
  return record.order_id != 0 && record.order_id <= venue.last_order_id && record.arrival != 0 &&
         record.arrival <= venue.last_arrival &&
         (record.side == side::BUY || record.side == side::SELL) &&
         record.mark >= status::PENDING_TRIGGER && record.mark <= status::EXPIRED &&
         record.order_type >= order_type::LIMIT &&
         record.order_type <= order_type::STOP_LIMIT &&
         record.time_in_force >= time_in_force::DAY &&
         record.time_in_force <= time_in_force::GOOD_TILL_DATE &&
         is_self_trade_prevention(record.self_trade_prevention) &&
         is_cash_in_range(record) &&
         is_rate(record.maker_ppm) && is_rate(record.taker_ppm) && record.fee_credit < PPM &&
         is_bound(record.stop_price_ticks) &&
         (record.stop_price_ticks != 0) == (record.order_type >= order_type::STOP) &&
         is_expiry_in_range(record);
}

bool is_display_in_range(const state::OrderRecord& record) noexcept {
  Refused refused;
  return record.display_lots == 0 ||
         (is_bound(record.display_lots) && is_priced(record.order_type) &&
          !never_rests(record.time_in_force) &&
          !refuses_tranches(record.display_lots, record.quantity_lots, refused));
}

bool is_minimum_in_range(const state::OrderRecord& record) noexcept {
  return record.minimum_lots == 0 ||
         (record.time_in_force == time_in_force::IMMEDIATE_OR_CANCEL &&
          record.minimum_lots >= 1 && record.minimum_lots <= record.quantity_lots);
}

// A stop that waits shows nothing; what rests may rest, and shows its tranche at most.
bool is_waiting_in_range(const state::OrderRecord& record) noexcept {
  if (record.mark == status::PENDING_TRIGGER) {
    return record.order_type >= order_type::STOP && record.shown_lots == 0;
  }
  const bool is_shown =
      record.display_lots == 0
          ? record.shown_lots == record.leaves_lots
          : record.shown_lots >= 1 &&
                record.shown_lots <= std::min(record.display_lots, record.leaves_lots);
  return is_shown && is_priced(record.order_type) && !never_rests(record.time_in_force);
}

bool is_side_in_range(const state::OrderRecord& record) noexcept {
  return record.display_lots == 0 && record.minimum_lots == 0 &&
         record.order_type == order_type::LIMIT &&
         record.time_in_force == time_in_force::GOOD_TILL_CANCEL &&
         is_quote_name(record.client_order_id);
}

bool is_open_order_in_range(const state::OrderRecord& record,
                            const Instrument& instrument) noexcept {
  const Wide value_max = Wide{instrument.price_ceiling} * record.filled_lots;
  return record.price_ticks >= 1 && record.price_ticks <= instrument.price_ceiling &&
         record.quantity_lots >= 1 && record.quantity_lots <= instrument.quantity_ceiling &&
         record.filled_lots >= 0 && record.filled_lots < record.quantity_lots &&
         record.leaves_lots == record.quantity_lots - record.filled_lots &&
         record.filled_value >= 0 && record.filled_value <= value_max &&
         (record.mark == status::PARTIALLY_FILLED) == (record.filled_lots > 0) &&
         record.reason == 0 &&
         ((record.order_flags & QUOTE_SIDE) == 0 || is_side_in_range(record)) && is_display_in_range(record) && is_minimum_in_range(record) &&
         is_waiting_in_range(record);
}

}  // namespace

bool SnapshotReader::read(const state::OrderRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t account = venue.find_account(record.account);
  const std::uint32_t instrument_index = venue.instrument_numbers.find(record.instrument);
  if (account == NONE || instrument_index == NONE ||
      !is_order_in_range(record, venue)) {
    return fail("the snapshot has an order out of range");
  }
  const Session* session = venue.find_session(record.session);
  if (session == nullptr || session->firm != venue.accounts[account].firm) {
    return fail("the snapshot has an order of no session of its firm");
  }
  if (venue.order_ids.find(record.order_id) != 0) {
    return fail("the snapshot has an order twice");
  }
  const Instrument& instrument = *venue.instruments[instrument_index];
  const std::uint32_t index = venue.orders.allocate();
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  order = HotOrder{};
  cold = ColdOrder{};
  order.order_id = record.order_id;
  order.price_ticks = record.price_ticks;
  order.leaves_lots = record.leaves_lots;
  order.held_atoms = record.held_atoms;
  order.account = account;
  order.instrument = instrument_index;
  order.side = record.side;
  order.order_type = record.order_type;
  order.time_in_force = record.time_in_force;
  order.status = record.mark;
  order.self_trade_prevention = record.self_trade_prevention;
  order.order_flags = record.order_flags;
  order.reason = record.reason;
  cold.quantity_lots = record.quantity_lots;
  cold.filled_lots = record.filled_lots;
  cold.filled_value = record.filled_value;
  cold.stop_price_ticks = record.stop_price_ticks;
  cold.display_lots = record.display_lots;
  if (order.is_cash()) {
    cold.cash_atoms = record.cash_atoms;
  }
  cold.minimum_lots = record.minimum_lots;
  cold.expire_at_ns = record.expire_at_ns;
  cold.session = record.session;
  cold.connection = record.connection;
  cold.base = venue.balance_index(account, instrument.base_asset);
  cold.quote = venue.balance_index(account, instrument.quote_asset);
  cold.maker_ppm = record.maker_ppm;
  cold.taker_ppm = record.taker_ppm;
  cold.fee_credit = record.fee_credit;
  cold.trader = record.trader;
  cold.arrival = record.arrival;
  cold.expires_at_ns = record.expires_at_ns;
  venue.order_ids.add(record.order_id, index);
  unfinished_[index] = {record.shown_lots, record.client_order_id, false};
  if (order.is_open()) {
    return read_open(record, index);
  }
  if (order.is_quoted()) {
    venue.orders.quoted(index) = {};
    name_side(venue, index, record.client_order_id);
  }
  return require(record.held_atoms == 0 && record.leaves_lots == 0 && record.shown_lots == 0 &&
                     (!order.is_quoted() || is_side_in_range(record)),
                 "the snapshot has a done order that holds something, or is no side of a quote");
}

bool SnapshotReader::read_open(const state::OrderRecord& record, std::uint32_t index) {
  Venue& venue = *venue_;
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (!is_open_order_in_range(record, instrument) ||
      record.held_atoms != hold_of(order, cold, instrument, order.leaves_lots,
                                   order.price_ticks, cold.maker_ppm, cold.taker_ppm)) {
    return fail("the snapshot has an open order out of range");
  }
  count_order(venue, index, venue.accounts[order.account], instrument);
  held_[order.is_buy() ? cold.quote : cold.base] += record.held_atoms;
  if (cold.expires_at_ns != 0) {
    venue.deadlines.add_order(cold.expires_at_ns, index);
  }
  if (order.is_pending()) {
    add_stop(venue, index);
  }
  Wide& resting_lots = resting_lots_[{order.instrument, order.is_buy()}];
  resting_lots += record.leaves_lots;
  if (resting_lots >= AMOUNT_LIMIT) {
    return fail("the snapshot has a book out of range");
  }
  std::int64_t& buying_atoms = venue.balances[cold.base].buying_atoms;
  return !order.is_buy() ||
         require(!__builtin_add_overflow(buying_atoms, order.leaves_lots * instrument.lot_atoms,
                                         &buying_atoms),
                 "the snapshot has open buys out of range");
}

bool SnapshotReader::read(const state::ClientIdRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.order_ids.find(record.order_id);
  if (index == 0 || !is_client_id(record.client_order_id) ||
      venue.orders.hot(index).is_quoted()) {
    return fail("the snapshot has a client id out of range, or of no order");
  }
  const std::uint32_t account = venue.orders.hot(index).account;
  const std::uint32_t hash =
      venue.client_ids.hash(venue.accounts[account].number, record.client_order_id);
  if (venue.client_ids.find(hash, account, record.client_order_id) != 0) {
    return fail("the snapshot has a client id twice");
  }
  const std::uint32_t node = attach_id(venue, index, hash, record.client_order_id);
  if (record.client_order_id == unfinished_[index].client_order_id) {
    venue.orders.cold(index).ids.current = node;
  }
  return true;
}

bool SnapshotReader::read(const state::QueueRecord& record) {
  Venue& venue = *venue_;
  const std::uint32_t index = venue.order_ids.find(record.order_id);
  if (index == 0) {
    return fail("the snapshot queues no order");
  }
  const HotOrder& order = venue.orders.hot(index);
  if (!order.is_open() || order.is_pending() || order.is_queued()) {
    return fail("the snapshot queues an order that does not rest, or twice");
  }
  venue.instruments[order.instrument]->book.side(order.side).append_showing(
      index, unfinished_[index].shown_lots);
  return true;
}

bool SnapshotReader::read(const state::GoneRecord& record) {
  Venue& venue = *venue_;
  if (record.gone_at_ns < last_gone_ns_ || record.gone_at_ns > venue.last_time_ns) {
    return fail("the snapshot forgets in another order than things went");
  }
  last_gone_ns_ = record.gone_at_ns;
  if (record.order_id != 0) {
    const std::uint32_t index = venue.order_ids.find(record.order_id);
    if (index == 0 || venue.orders.hot(index).is_open() || unfinished_[index].is_gone ||
        venue.orders.hot(index).is_quoted()) {
      return fail("the snapshot forgets no order, an open one, a side of a quote, or one twice");
    }
    unfinished_[index].is_gone = true;
    remember_done(venue, index, record.gone_at_ns);
    return true;
  }
  const std::uint32_t account = venue.find_account(record.account);
  if (account == NONE || !is_client_id(record.client_order_id)) {
    return fail("the snapshot has a client id out of range, or of no account");
  }
  const std::uint32_t hash =
      venue.client_ids.hash(venue.accounts[account].number, record.client_order_id);
  if (venue.client_ids.find(hash, account, record.client_order_id) != 0) {
    return fail("the snapshot has a client id twice");
  }
  remember_mass_cancel(venue, account, hash, record.client_order_id, record.gone_at_ns);
  return true;
}

// Each order is where it belongs, known by its ids, and of rates that there are.
bool SnapshotReader::check_orders() {
  std::set<std::pair<std::int32_t, std::int32_t>> rates;
  for (const FeeSchedule& schedule : venue_->fee_schedules) {
    rates.emplace(schedule.maker_ppm, schedule.taker_ppm);
  }
  std::vector<std::uint64_t> arrivals;
  arrivals.reserve(unfinished_.size());
  for (const auto& [index, unfinished] : unfinished_) {
    const HotOrder& order = venue_->orders.hot(index);
    const ColdOrder& cold = venue_->orders.cold(index);
    if (cold.ids.current == 0) {
      return fail("the snapshot has an order without its client id");
    }
    const bool is_somewhere =
        order.is_open()     ? order.is_pending() || order.is_queued()
        : order.is_quoted() ? venue_->orders.quoted(index).last_trade_id != 0
                            : unfinished.is_gone;
    if (!is_somewhere) {
      return fail("the snapshot has an order in no queue");
    }
    if (!rates.contains({cold.maker_ppm, cold.taker_ppm})) {
      return fail("the snapshot has an order of no fee schedule");
    }
    arrivals.push_back(cold.arrival);
  }
  std::sort(arrivals.begin(), arrivals.end());
  return require(std::adjacent_find(arrivals.begin(), arrivals.end()) == arrivals.end(),
                 "the snapshot has an arrival twice");
}

// No book is crossed where trading goes on.
bool SnapshotReader::check_books() {
  for (const auto& instrument : venue_->instruments) {
    if (instrument->phase == phase::CONTINUOUS && instrument->book.is_crossed()) {
      return fail("the snapshot has a crossed book");
    }
  }
  return true;
}

}  // namespace core
