#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "core/handlers.hpp"
#include "core/order_events.hpp"
#include "core/snapshot.hpp"

namespace core {

namespace {

void describe_configuration(RecordStream& stream, const Configuration& configuration) {
  auto& event = stream.add<events::VenueConfigured>();
  event.client_ids_max = configuration.client_ids_max;
  event.references_max = configuration.references_max;
  event.open_orders_max = configuration.open_orders_max;
  event.accounts_max = configuration.accounts_max;
  event.instruments_max = configuration.instruments_max;
  event.sessions_max = configuration.sessions_max;
  event.client_id_window_ns = configuration.client_id_window_ns;
  event.indicative_interval_ns = configuration.indicative_interval_ns;
  event.day_offset_ns = configuration.day_offset_ns;
}

void describe_instrument(RecordStream& stream, const Venue& venue,
                         const Instrument& instrument) {
  fill_instrument(stream.add<events::InstrumentCreated>(), venue, instrument);
  if (instrument.has_limits()) {
    fill_limits(stream.add<events::InstrumentLimitsSet>(), instrument);
  }
  auto& event = stream.add<events::PhaseChanged>();
  event.instrument = instrument.number;
  event.phase = instrument.phase;
  event.previous_phase = instrument.phase;
  event.reason = static_cast<std::uint8_t>(instrument.phase_reason);
  event.until_ns = instrument.phase_until_ns;
}

// An account's balances by ascending asset number.
std::vector<std::pair<std::uint32_t, std::uint32_t>> sorted_balances(const Venue& venue,
                                                                     const Account& account) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  for (std::size_t asset = 0; asset < account.balances.size(); ++asset) {
    if (account.balances[asset] != 0) {
      found.emplace_back(venue.assets[asset].number, account.balances[asset]);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void describe_account(RecordStream& stream, const Venue& venue, const Account& account) {
  auto& created = stream.add<events::AccountCreated>();
  created.account = account.number;
  created.firm = venue.firms[account.firm].number;
  created.owner_group = account.owner_group;
  created.account_kind = account.kind;
  created.self_trade_prevention = account.self_trade_prevention;
  created.name = account.name;
  auto& limits = stream.add<events::AccountLimitsSet>();
  limits.account = account.number;
  limits.open_orders_max = account.open_orders_max;
  limits.message_burst = account.message_burst;
  limits.message_interval_ns = account.message_interval_ns;
  for (const auto& [asset, index] : sorted_balances(venue, account)) {
    const Balance& balance = venue.balances[index];
    if (balance.credit_line_atoms != 0 || balance.position_max_atoms != 0) {
      auto& event = stream.add<events::AssetLimitsSet>();
      event.account = account.number;
      event.asset = asset;
      event.credit_line_atoms = balance.credit_line_atoms;
      event.position_max_atoms = balance.position_max_atoms;
    }
  }
  for (const Assignment& assignment : account.assignments) {
    auto& event = stream.add<events::FeeScheduleAssigned>();
    event.account = account.number;
    event.instrument = assignment.instrument;
    event.fee_schedule = assignment.fee_schedule;
  }
  for (const std::uint32_t index : account.protections) {
    fill_protection(stream.add<events::ProtectionDefined>(), venue, venue.protections[index]);
  }
}

void describe_switches(RecordStream& stream, const Venue& venue) {
  std::vector<std::pair<std::uint8_t, std::uint32_t>> killed;
  const auto add_all = [&killed](std::uint8_t scope, const auto& things) {
    for (const auto& thing : things) {
      if (thing.is_killed) {
        killed.emplace_back(scope, thing.number);
      }
    }
  };
  if (venue.is_killed) {
    killed.emplace_back(scope::VENUE, 0);
  }
  add_all(scope::FIRM, venue.firms);
  add_all(scope::ACCOUNT, venue.accounts);
  add_all(scope::SESSION, venue.sessions);
  for (const auto& instrument : venue.instruments) {
    if (instrument->is_killed) {
      killed.emplace_back(scope::INSTRUMENT, instrument->number);
    }
  }
  std::sort(killed.begin(), killed.end());
  for (const auto& [scope, target] : killed) {
    auto& event = stream.add<events::Killed>();
    event.scope = scope;
    event.target = target;
  }
}

// As messages/trading/answers.py has them.
struct BookHead {
  std::uint32_t instrument;
  std::uint32_t orders;
  std::uint64_t sequence;
};
static_assert(sizeof(BookHead) == 16);

struct RestingOrder {
  std::uint64_t order_id;
  std::int64_t price_ticks;
  std::int64_t shown_lots;
  std::int64_t leaves_lots;
  std::int64_t display_lots;
  std::uint64_t side;
};
static_assert(sizeof(RestingOrder) == 48);

template <class Struct>
void append(Bytes& bytes, const Struct& value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), begin, begin + sizeof(Struct));
}

void describe_side(Bytes& bytes, const Venue& venue, BookSide& side, std::uint32_t& count) {
  if (side.empty()) {
    return;
  }
  std::int64_t price_ticks = side.best_ticks();
  for (const Level* level = &side.best(); level != nullptr;
       level = side.behind(price_ticks, price_ticks)) {
    for (std::uint32_t index = level->head; index != 0; index = venue.orders.hot(index).next) {
      const HotOrder& order = venue.orders.hot(index);
      append(bytes, RestingOrder{order.order_id, order.price_ticks, order.shown_lots,
                                 order.leaves_lots, venue.orders.cold(index).display_lots,
                                 order.side});
      ++count;
    }
  }
}

}  // namespace

Bytes describe_books(const Venue& venue) {
  Bytes bytes;
  for (const std::uint32_t index : by_number(venue.instruments)) {
    Instrument& instrument = *venue.instruments[index];
    const std::size_t head_at = bytes.size();
    BookHead head{instrument.number, 0, instrument.book.sequence};
    append(bytes, head);
    describe_side(bytes, venue, instrument.book.bids, head.orders);
    describe_side(bytes, venue, instrument.book.asks, head.orders);
    std::memcpy(bytes.data() + head_at, &head, sizeof(head));
  }
  return bytes;
}

Bytes describe_open_orders(const Venue& venue, std::uint32_t account, std::uint64_t after,
                           std::size_t limit) {
  RecordStream stream;
  const std::uint32_t place = venue.find_account(account);
  if (place == NONE) {
    return stream.take();
  }
  const auto number = [&venue](std::uint32_t index) { return venue.orders.hot(index).order_id; };
  std::vector<std::uint32_t> open;
  for (const std::uint32_t index : venue.accounts[place].orders) {
    if (number(index) > after) {
      open.push_back(index);
    }
  }
  const auto is_older = [&number](std::uint32_t left, std::uint32_t right) {
    return number(left) < number(right);
  };
  const auto end = open.begin() + static_cast<std::ptrdiff_t>(std::min(limit, open.size()));
  std::partial_sort(open.begin(), end, open.end(), is_older);
  for (auto each = open.begin(); each != end; ++each) {
    auto& event = stream.add<events::OrderReported>();
    event.time_ns = venue.last_time_ns;
    fill_order_state(event, venue, venue.orders.hot(*each), venue.orders.cold(*each));
  }
  return stream.take();
}

Bytes describe(const Venue& venue) {
  RecordStream stream;
  if (!venue.configuration) {
    return stream.take();
  }
  describe_configuration(stream, *venue.configuration);
  if (venue.kept_trades.is_keeping()) {
    stream.add<events::TradesKept>().trades_max = venue.kept_trades.trades_max();
  }
  for (const std::uint32_t index : by_number(venue.assets)) {
    const Asset& asset = venue.assets[index];
    auto& event = stream.add<events::AssetCreated>();
    event.asset = asset.number;
    event.scale = static_cast<std::uint8_t>(asset.scale);
    event.supply_max_atoms = asset.supply_max_atoms;
    event.symbol = asset.symbol;
  }
  for (const std::uint32_t index : by_number(venue.fee_schedules)) {
    const FeeSchedule& schedule = venue.fee_schedules[index];
    auto& event = stream.add<events::FeeScheduleDefined>();
    event.fee_schedule = schedule.number;
    event.maker_ppm = schedule.maker_ppm;
    event.taker_ppm = schedule.taker_ppm;
  }
  for (const std::uint32_t index : by_number(venue.firms)) {
    auto& event = stream.add<events::FirmCreated>();
    event.firm = venue.firms[index].number;
    event.name = venue.firms[index].name;
  }
  for (const std::uint32_t index : by_number(venue.instruments)) {
    describe_instrument(stream, venue, *venue.instruments[index]);
  }
  for (const std::uint32_t index : by_number(venue.accounts)) {
    describe_account(stream, venue, venue.accounts[index]);
  }
  for (const std::uint32_t index : by_number(venue.sessions)) {
    const Session& session = venue.sessions[index];
    for (const Right& right : session.rights) {
      fill_grant(stream.add<events::SessionGranted>(), venue, session, right.account,
                 right.rights);
    }
  }
  describe_switches(stream, venue);
  return stream.take();
}

}  // namespace core
