// PlaceOrder: the order of checks, and what an accepted order does. The first failing check wins.
#include <cstring>

#include "core/cash.hpp"
#include "core/entry.hpp"
#include "core/matching.hpp"
#include "core/suspensions.hpp"
#include "core/order_events.hpp"

namespace core {

// A stop-limit is compared with its own stop price: it acts only when trading is there.
bool refuses_price(Instrument& instrument, const commands::PlaceOrder& command,
                   Refused& refused) {
  switch (command.order_type) {
    [[likely]] case order_type::LIMIT:
      return refuses_collar(command.side, command.price_ticks, instrument.reference_ticks,
                            instrument.limits.collar_ppm, refused);
    case order_type::STOP_LIMIT:
      return refuses_collar(command.side, command.price_ticks, command.stop_price_ticks,
                            instrument.limits.collar_ppm, refused);
    case order_type::MARKET:
      if (instrument.reference_ticks == 0) {
        return refused.because(code::NO_REFERENCE_PRICE);
      }
      return instrument.book.opposite(command.side).empty() &&
             refused.because(code::MARKET_WITHOUT_LIQUIDITY);
    default:
      return false;
  }
}

namespace {

// The order's limit price, or the protection price of one that has none.
std::int64_t price_of(Instrument& instrument, const commands::PlaceOrder& command) {
  if (is_priced(command.order_type)) [[likely]] {
    return command.price_ticks;
  }
  const std::int64_t from_ticks = command.order_type == order_type::STOP
                                      ? command.stop_price_ticks
                                      : instrument.book.opposite(command.side).best_ticks();
  return protection_price(command.side, from_ticks, instrument.limits);
}

}  // namespace

bool refuses_counts(const Venue& venue, const Account& account, const Instrument& instrument,
                    Refused& refused, std::uint32_t ahead) {
  const std::uint64_t of_account = account.orders.size() + ahead;
  if (of_account >= account.open_orders_max) [[unlikely]] {
    return refused.because(code::OPEN_ORDERS_EXCEEDED, account.open_orders_max,
                           static_cast<Wide>(of_account) + 1);
  }
  const std::uint64_t of_book = std::uint64_t{instrument.open_orders} + ahead;
  if (of_book >= instrument.limits.orders_max) [[unlikely]] {
    return refused.because(code::BOOK_FULL, instrument.limits.orders_max,
                           static_cast<Wide>(of_book) + 1);
  }
  const std::uint32_t venue_max = venue.configuration->open_orders_max;
  const std::uint64_t of_venue = std::uint64_t{venue.open_orders} + ahead;
  if (of_venue >= venue_max) [[unlikely]] {
    return refused.because(code::BOOK_FULL, venue_max, static_cast<Wide>(of_venue) + 1);
  }
  return false;
}

namespace {

// The first end of a trading day after now: a UTC day's end plus the offset.
std::int64_t end_of_day(const Venue& venue) {
  const std::int64_t offset_ns = venue.configuration->day_offset_ns;
  return (floor_divide(venue.last_time_ns - offset_ns, DAY_NS) + 1) * DAY_NS + offset_ns;
}

[[gnu::always_inline]] inline void fill(Venue& venue, HotOrder& order, ColdOrder& cold,
                const commands::PlaceOrder& command, const NewOrder& decided) {
  const Admission& asker = *decided.asker;
  order.leaves_lots = decided.quantity_lots;
  order.shown_lots = 0;
  order.previous = 0;
  order.next = 0;
  order.account = asker.account;
  order.instrument = asker.instrument->index;
  const std::uint8_t status =
      command.order_type >= order_type::STOP ? status::PENDING_TRIGGER : status::NEW;
  const std::uint8_t self_trade_prevention =
      command.self_trade_prevention != 0
          ? command.self_trade_prevention
          : venue.accounts[asker.account].self_trade_prevention;
  order.set_terms(command.side | std::uint64_t{command.order_type} << 8 |
                  std::uint64_t{command.time_in_force} << 16 | std::uint64_t{status} << 24 |
                  std::uint64_t{self_trade_prevention} << 32 |
                  std::uint64_t{command.order_flags & 0xFF} << 40);
  cold.quantity_lots = decided.quantity_lots;
  std::memset(CORE_FIELD(cold, ColdOrder, filled_lots), 0, 16);
  copy_together<32>(CORE_FIELD(cold, ColdOrder, stop_price_ticks),
                    CORE_CONST_FIELD(command, commands::PlaceOrder, stop_price_ticks));
  if (command.display_lots == command.quantity_lots) [[unlikely]] {
    cold.display_lots = 0;
  }
  if (command.cash_atoms != 0) [[unlikely]] {
    cold.cash_atoms = command.cash_atoms;
  }
  cold.expires_at_ns = command.time_in_force == time_in_force::DAY ? end_of_day(venue)
                                                                   : command.expire_at_ns;
  copy_together<8>(CORE_FIELD(cold, ColdOrder, session),
                   CORE_CONST_FIELD(command, commands::PlaceOrder, session));
  cold.base = asker.base;
  cold.quote = asker.quote;
  cold.maker_ppm = asker.maker_ppm;
  cold.taker_ppm = asker.taker_ppm;
  cold.fee_credit = 0;
  cold.trader = command.trader;
  cold.ids = {};
}

// What an order of a cash quantity could trade at most, what it is worth and what it holds. It
// trades at the best price or worse: for a buy, the better the price the more; for a sell, the
// worse the price the more, and its own is the worst.
[[nodiscard]] bool refuses_cash(Instrument& instrument, const commands::PlaceOrder& command,
                                NewOrder& decided, Refused& refused) {
  const bool is_buy = command.side == side::BUY;
  const std::int64_t factor = instrument.tick_lot_atoms;
  const Wide lots =
      is_buy ? lots_within(command.cash_atoms,
                           instrument.book.opposite(command.side).best_ticks(), factor,
                           std::max(decided.asker->taker_ppm, 0))
             : lots_within(command.cash_atoms, decided.price_ticks, factor);
  decided.quantity_lots = clipped(lots);
  if (refuses_quantity(decided.quantity_lots, instrument.limits, refused)) {
    return true;
  }
  decided.notional_atoms = command.cash_atoms;
  decided.held_atoms =
      is_buy ? command.cash_atoms : decided.quantity_lots * instrument.lot_atoms;
  return false;
}

// Whether a new order may not pass. Only the throttle changes, and not in a dry run.
template <bool IsDryRun>
[[nodiscard, gnu::always_inline]] inline bool refuses_new(Venue& venue,
                                                          const commands::PlaceOrder& command,
                                                          std::uint32_t hash, NewOrder& decided,
                                                          Refused& refused) {
  const Admission* asker = admit(venue, command, refused);
  Instrument* found = asker == nullptr ? nullptr : asker->instrument;
  if (asker == nullptr ||
      refuses_killed(venue, *asker, command.session, found != nullptr && found->is_killed,
                     refused) ||
      refuses_suspended(venue, command.session, command.account, command.instrument,
                        command.side, refused) ||
      (found == nullptr && refused.because(code::INSTRUMENT_UNKNOWN))) [[unlikely]] {
    return true;
  }
  decided.asker = asker;
  Instrument& instrument = *found;
  Account& account = venue.accounts[asker->account];
  const InstrumentLimits& limits = instrument.limits;
  if (refuses_phase(instrument.phase, command, refused) ||
      refuses_terms(command, limits, venue.last_time_ns, refused) ||
      (!is_client_id(command.client_order_id) &&
       refused.because(code::CLIENT_ORDER_ID_INVALID)) ||
      refuses_price(instrument, command, refused)) [[unlikely]] {
    return true;
  }
  const bool is_buy = command.side == side::BUY;
  decided.price_ticks = price_of(instrument, command);
  if (command.cash_atoms != 0) [[unlikely]] {
    if (refuses_cash(instrument, command, decided, refused)) {
      return true;
    }
  } else {
    decided.quantity_lots = command.quantity_lots;
    decided.notional_atoms =
        decided.price_ticks * command.quantity_lots * instrument.tick_lot_atoms;
    decided.held_atoms =
        is_buy ? hold_buy(decided.notional_atoms,
                          std::max({asker->maker_ppm, asker->taker_ppm, 0}), 0)
               : command.quantity_lots * instrument.lot_atoms;
  }
  const Balance& holding = venue.balances[is_buy ? asker->quote : asker->base];
  return refuses_notional(decided.notional_atoms, limits, refused) ||
         (IsDryRun ? exceeds_rate(venue, account, refused)
                   : refuses_rate(venue, account, refused)) ||
         refuses_client_id(venue, asker->account, hash, command.client_order_id, true, refused) ||
         refuses_counts(venue, account, instrument, refused) ||
         refuses_buying(venue.balances[asker->base], is_buy, decided.quantity_lots,
                        instrument.lot_atoms, refused) ||
         refuses_funds(holding.available_atoms(), decided.held_atoms, refused) ||
         refuses_post_only(instrument, command.side, command.order_flags, decided.price_ticks,
                           refused);
}

// Let an order that may pass be known, counted and held for, and say so; return its index.
[[gnu::always_inline]] inline std::uint32_t accept(Venue& venue,
                                                   const commands::PlaceOrder& command,
                                                   std::uint32_t hash, const NewOrder& decided) {
  const Admission& asker = *decided.asker;
  const std::uint32_t index = venue.orders.allocate();
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  fill(venue, order, cold, command, decided);
  order.order_id = ++venue.last_order_id;
  order.price_ticks = decided.price_ticks;
  order.held_atoms = decided.held_atoms;
  cold.arrival = ++venue.last_arrival;
  venue.balances[command.side == side::BUY ? asker.quote : asker.base].held_atoms +=
      decided.held_atoms;
  open_order(venue, index, hash, command.client_order_id, *asker.instrument);
  emit_order<events::OrderAccepted>(venue, index);
  return index;
}

}  // namespace

bool refuses_order_counts(const Venue& venue, const Account& account,
                          const Instrument& instrument, Refused& refused) {
  return refuses_counts(venue, account, instrument, refused);
}

std::uint32_t accept_order(Venue& venue, const commands::PlaceOrder& command,
                           const NewOrder& decided) {
  const std::uint32_t hash = venue.client_ids.hash(command.account, command.client_order_id);
  return accept(venue, command, hash, decided);
}

bool refuses_dry_run(Venue& venue, const commands::PlaceOrder& command, NewOrder& decided,
                     Refused& refused) {
  const std::uint32_t hash =
      venue.client_ids.hash(command.account, command.client_order_id);
  return refuses_new<true>(venue, command, hash, decided, refused);
}

void fill_order(Venue& venue, HotOrder& order, ColdOrder& cold,
                const commands::PlaceOrder& command, const NewOrder& decided) {
  fill(venue, order, cold, command, decided);
}

const Admission* find_admission(Venue& venue, const commands::Header& command,
                                std::uint32_t instrument, Admission& found, Refused& refused) {
  const std::uint32_t account = venue.find_account(command.account);
  Session* session = nullptr;
  if (refuses_session(venue, command, account, session, refused)) {
    return nullptr;
  }
  const Account& asker = venue.accounts[account];
  found = Admission{};
  found.asker = Admission::asker_of(command);
  found.connection = command.connection;
  found.instrument_number = instrument;
  found.true_in = venue.definitions;
  found.instrument = venue.find_instrument(instrument);
  found.account = account;
  found.is_killed = venue.is_killed || venue.firms[asker.firm].is_killed || asker.is_killed ||
                    session->is_killed;
  if (found.instrument != nullptr) {
    found.base = venue.balance_index(account, found.instrument->base_asset);
    found.quote = venue.balance_index(account, found.instrument->quote_asset);
    const FeeSchedule rates = venue.fee_rates(asker, *found.instrument);
    found.maker_ppm = rates.maker_ppm;
    found.taker_ppm = rates.taker_ppm;
  }
  return &found;
}

void reject_order(Venue& venue, const commands::PlaceOrder& command, const Refused& refused) {
  auto& event = venue.events.emit_zeroed<events::OrderRejected>();
  event.account = command.account;
  event.session = command.session;
  event.connection = command.connection;
  event.instrument = command.instrument;
  event.side = command.side;
  event.order_type = command.order_type;
  event.time_in_force = command.time_in_force;
  event.self_trade_prevention = command.self_trade_prevention;
  event.order_flags = static_cast<std::uint8_t>(command.order_flags & 0xFF);
  event.code = refused.code;
  event.price_ticks = command.price_ticks;
  event.quantity_lots = command.quantity_lots;
  event.stop_price_ticks = command.stop_price_ticks;
  event.cash_atoms = command.cash_atoms;
  event.trader = command.trader;
  event.limit = refused.limit;
  event.usage = refused.usage;
  event.client_order_id = command.client_order_id;
}

void place_order(Venue& venue, const commands::PlaceOrder& command, std::uint32_t hash) {
  Refused refused;
  NewOrder decided;
  if (refuses_new<false>(venue, command, hash, decided, refused)) [[unlikely]] {
    reject_order(venue, command, refused);
    return;
  }
  const std::uint32_t index = accept(venue, command, hash, decided);
  if (venue.orders.hot(index).is_pending()) [[unlikely]] {
    enter_stop(venue, index);
  } else {
    act(venue, index, *decided.asker->instrument);
  }
}

}  // namespace core
