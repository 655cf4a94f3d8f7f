#include "core/matching.hpp"

#include <unordered_map>

#include "core/cash.hpp"
#include "core/order_events.hpp"
#include "core/phases.hpp"

namespace core {

namespace {

bool is_beyond_band(const Instrument& instrument, std::int64_t price_ticks) noexcept {
  return is_outside_band(price_ticks, instrument.band_ticks, instrument.limits.band_ppm);
}

// Which quotes an incoming order would still meet, if it traded all that stands before them: one
// whose group is protected by then is gone. Nothing is counted that did not happen.
class Foresight {
 public:
  // Whether a resting order is still there; it is taken as traded whole.
  [[nodiscard]] bool meets(Venue& venue, const Instrument& instrument, std::uint32_t index) {
    const HotOrder& order = venue.orders.hot(index);
    const std::uint32_t group = order.is_quoted() ? venue.orders.quoted(index).protection : 0;
    if (group == 0) [[likely]] {
      return true;
    }
    Protection& protection = venue.protections[group];
    const auto [found, is_new] = groups_.try_emplace(group);
    Group& seen = found->second;
    if (is_new) {
      protection.forget(venue.last_time_ns);
      seen.counted = protection.counted();
    }
    if (seen.is_gone) {
      return false;
    }
    const std::int64_t base_atoms = order.leaves_lots * instrument.lot_atoms;
    seen.counted.add({venue.last_time_ns, order.is_buy() ? base_atoms : -base_atoms,
                      order.price_ticks * order.leaves_lots * instrument.tick_lot_atoms});
    seen.is_gone = protection.reached_by(seen.counted).which != 0;
    return true;
  }

 private:
  struct Group {
    Counted counted;
    bool is_gone = false;
  };
  std::unordered_map<std::uint32_t, Group> groups_;  // by index
};

// Counts what an incoming order could trade with, and the steps that this would take.
struct Fill {
  std::int64_t needed_lots;
  std::int64_t steps_left;
  Foresight foresight{};
  bool is_decided = false;
  bool is_fillable = false;

  void decide(bool answer) noexcept {
    is_decided = true;
    is_fillable = answer;
  }
};

void count_level(Venue& venue, const Instrument& instrument, const Level& level,
                 std::int64_t group, std::uint8_t mode, Fill& fill) {
  std::int64_t shown_lots = 0;
  std::int64_t hidden_lots = 0;
  std::int64_t tranches = 0;
  for (std::uint32_t index = level.head; index != 0; index = venue.orders.hot(index).next) {
    const HotOrder& resting = venue.orders.hot(index);
    --fill.steps_left;
    if (venue.accounts[resting.account].group == group) {
      if (mode == self_trade::CANCEL_RESTING) {
        continue;
      }
      // A refreshed tranche queues behind the own order, so it is out of reach.
      fill.decide(false);
      return;
    }
    if (!fill.foresight.meets(venue, instrument, index)) {
      continue;
    }
    shown_lots += resting.shown_lots;
    if (shown_lots >= fill.needed_lots) {
      fill.decide(fill.steps_left >= 0);
      return;
    }
    const std::int64_t hidden = resting.leaves_lots - resting.shown_lots;
    if (hidden != 0) {
      hidden_lots += hidden;
      tranches += (hidden - 1) / venue.orders.cold(index).display_lots + 1;
    }
  }
  // A trade takes a whole tranche, or at least the last lot.
  fill.steps_left -= std::min(tranches, fill.needed_lots - shown_lots);
  fill.needed_lots -= shown_lots + hidden_lots;
  if (fill.needed_lots <= 0 || fill.steps_left < 0) {
    fill.decide(fill.steps_left >= 0);
  }
}

// Whether enough could trade now: all of a fill-or-kill, the minimum of the others. What might
// take more steps than the command has left cannot trade now either.
bool is_fillable(Venue& venue, Instrument& instrument, std::uint32_t taker_index) {
  const HotOrder& taker = venue.orders.hot(taker_index);
  const std::int64_t minimum_lots = venue.orders.cold(taker_index).minimum_lots;
  const std::int64_t group = venue.accounts[taker.account].group;
  Fill fill{minimum_lots != 0 ? minimum_lots : taker.leaves_lots, venue.steps_left};
  BookSide& side = instrument.book.opposite(taker.side);
  const bool has_band = roll_band_window(venue, instrument);
  if (side.empty()) {
    return false;
  }
  std::int64_t price_ticks = side.best_ticks();
  for (Level* level = &side.best(); level != nullptr && !fill.is_decided;
       level = side.behind(price_ticks, price_ticks)) {
    if (!side.reaches(price_ticks, taker.price_ticks) ||
        (has_band && is_beyond_band(instrument, price_ticks))) {
      return false;
    }
    count_level(venue, instrument, *level, group, taker.self_trade_prevention, fill);
  }
  return fill.is_fillable;
}

// What an incoming order could trade at a price: all that it has, or what its cash comes to.
std::int64_t tradable_lots(const Venue& venue, std::uint32_t index, std::int64_t price_ticks) {
  const HotOrder& order = venue.orders.hot(index);
  return order.is_cash() ? cash_lots_left(order, venue.orders.cold(index),
                                          *venue.instruments[order.instrument], price_ticks)
                         : order.leaves_lots;
}

// Trade; say why it stopped although the other side is still in reach: IMMEDIATE_REMAINDER when
// the command has done all that one may, CASH_SPENT when the rest of a cash quantity is less than
// a lot; otherwise 0.
std::uint8_t match(Venue& venue, Instrument& instrument, std::uint32_t taker_index) {
  HotOrder& taker = venue.orders.hot(taker_index);
  BookSide& side = instrument.book.opposite(taker.side);
  if (side.empty()) {
    return 0;
  }
  const std::int64_t limit_ticks = taker.price_ticks;
  const std::int64_t group = venue.accounts[taker.account].group;
  const bool has_band = roll_band_window(venue, instrument);
  while (!side.empty() && taker.leaves_lots != 0) {
    const std::int64_t price_ticks = side.best_ticks();
    if (!side.reaches(price_ticks, limit_ticks)) {
      return 0;
    }
    if (has_band && is_beyond_band(instrument, price_ticks)) [[unlikely]] {
      halt_by_band(venue, instrument);
      return 0;
    }
    if (venue.steps_left == 0) [[unlikely]] {
      return cancel_reason::IMMEDIATE_REMAINDER;
    }
    const std::int64_t leaves_lots = tradable_lots(venue, taker_index, price_ticks);
    if (leaves_lots == 0) [[unlikely]] {
      return cancel_reason::CASH_SPENT;
    }
    --venue.steps_left;
    Level& level = side.best();
    const std::uint32_t maker_index = level.head;
    const HotOrder& maker = venue.orders.hot(maker_index);
    if (venue.accounts[maker.account].group == group) [[unlikely]] {
      prevent_self_trade(venue, taker_index, maker_index, price_ticks, false);
      continue;
    }
    const std::int64_t lots = std::min(leaves_lots, maker.shown_lots);
    touch_level(venue, instrument, side, level, price_ticks);
    side.take(maker_index, level, lots);
    taker.leaves_lots -= lots;
    record_trade(venue, instrument, maker_index, taker_index, lots, price_ticks, TradeKind::BOOK);
  }
  return 0;
}

// Let an order hold what its present leaves, price, rates and fee credit need.
void rehold(Venue& venue, const Instrument& instrument, HotOrder& order, const ColdOrder& cold) {
  change_hold(venue, order, cold,
              hold_of(order, cold, instrument, order.leaves_lots, order.price_ticks,
                      cold.maker_ppm, cold.taker_ppm));
}

void decrement(Venue& venue, std::uint32_t index, const Prevented& prevented, bool is_resting) {
  const std::int64_t lots = prevented.lots;
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  if (lots == order.leaves_lots) {
    cancel_order(venue, index, cancel_reason::SELF_TRADE, NOBODY, prevented);
    return;
  }
  if (is_resting) {
    reduce_resting(venue, index, lots);
  } else {
    order.leaves_lots -= lots;
  }
  cold.quantity_lots -= lots;
  const Instrument& instrument = *venue.instruments[order.instrument];
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms -= lots * instrument.lot_atoms;
  }
  if (order.is_cash()) [[unlikely]] {
    const std::int64_t atoms = lots * prevented.price_ticks * instrument.tick_lot_atoms;
    cold.cash_atoms -= atoms;
    if (order.is_buy()) {
      change_hold(venue, order, cold, order.held_atoms - atoms);
    }
  }
  if (!order.is_cash() || !order.is_buy()) [[likely]] {
    rehold(venue, instrument, order, cold);
  }
  order.reason = cancel_reason::SELF_TRADE;
  fill_prevented(emit_order<events::OrderRestated>(venue, index), prevented);
  order.reason = 0;
}

// Move an order's money for a fill whose lots have left its leaves; return the fee.
std::int64_t settle_fill(Venue& venue, const Instrument& instrument, HotOrder& order,
                         ColdOrder& cold, std::int64_t lots, std::int64_t notional_atoms,
                         std::int32_t rate_ppm) {
  const std::int64_t fee_atoms = fee_of_fill(notional_atoms, rate_ppm, cold.fee_credit);
  const std::int64_t base_atoms = lots * instrument.lot_atoms;
  Balance& base = venue.balances[cold.base];
  Balance& quote = venue.balances[cold.quote];
  if (order.is_buy()) {
    base.balance_atoms += base_atoms;
    base.buying_atoms -= base_atoms;
    quote.balance_atoms -= notional_atoms + fee_atoms;
  } else {
    base.balance_atoms -= base_atoms;
    quote.balance_atoms += notional_atoms - fee_atoms;
  }
  if (order.is_cash() && order.is_buy()) [[unlikely]] {
    change_hold(venue, order, cold,
                order.held_atoms - notional_atoms - std::max<std::int64_t>(fee_atoms, 0));
  } else {
    rehold(venue, instrument, order, cold);
  }
  cold.filled_lots += lots;
  return fee_atoms;
}

// One party of a trade, as TradeExecuted tells it; the struct's fields carry the party's name.
#define CORE_FILL_PARTY(event, party, order, cold, fee, rate)                             \
  do {                                                                                    \
    (event).party##_order_id = (order).order_id;                                          \
    (event).party##_account = venue.accounts[(order).account].number;                     \
    (event).party##_session = (cold).session;                                             \
    (event).party##_connection = (cold).connection;                                       \
    (event).party##_order_type = (order).order_type;                                      \
    (event).party##_time_in_force = (order).time_in_force;                                \
    (event).party##_status = (order).status;                                              \
    (event).party##_order_flags = (order).order_flags;                                    \
    (event).party##_trader = (cold).trader;                                               \
    (event).party##_fee_ppm = (rate);                                                     \
    (event).party##_price_ticks = (order).price_ticks;                                    \
    (event).party##_stop_price_ticks = (cold).stop_price_ticks;                           \
    (event).party##_quantity_lots = (cold).quantity_lots;                                 \
    (event).party##_leaves_lots = (order).leaves_lots;                                    \
    (event).party##_filled_lots = (cold).filled_lots;                                     \
    (event).party##_filled_value = (cold).filled_value;                                   \
    (event).party##_fee_atoms = (fee);                                                    \
    (event).party##_held_atoms = (order).held_atoms;                                      \
    (event).party##_base_balance = venue.balances[(cold).base].balance_atoms;             \
    (event).party##_quote_balance = venue.balances[(cold).quote].balance_atoms;           \
    (event).party##_client_order_id = venue.client_ids.node((cold).ids.current).text;      \
  } while (false)

}  // namespace

void execute_order(Venue& venue, std::uint32_t index) {
  HotOrder& order = venue.orders.hot(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  std::uint8_t stopped = 0;
  if (instrument.phase == phase::CONTINUOUS) [[likely]] {
    const bool is_all = order.time_in_force == time_in_force::FILL_OR_KILL;
    if ((is_all || venue.orders.cold(index).minimum_lots != 0) &&
        !is_fillable(venue, instrument, index)) [[unlikely]] {
      expire_order(venue, index,
                   is_all ? cancel_reason::FILL_OR_KILL : cancel_reason::MINIMUM_QUANTITY);
      return;
    }
    stopped = match(venue, instrument, index);
  }
  if (order.leaves_lots == 0) {
    return;
  }
  if (order.is_immediate()) {
    const bool is_halted = instrument.phase != phase::CONTINUOUS;
    const std::uint8_t remainder =
        stopped != 0 ? stopped : cancel_reason::IMMEDIATE_REMAINDER;
    expire_order(venue, index, is_halted ? cancel_reason::PRICE_BAND : remainder);
    return;
  }
  if (stopped != 0) [[unlikely]] {  // resting, it would cross the book
    cancel_order(venue, index, cancel_reason::IMMEDIATE_REMAINDER);
    return;
  }
  rest_order(venue, instrument, index);
}

void prevent_self_trade(Venue& venue, std::uint32_t incoming, std::uint32_t resting,
                        std::int64_t price_ticks, bool is_incoming_resting) {
  const HotOrder& comes = venue.orders.hot(incoming);
  const HotOrder& rests = venue.orders.hot(resting);
  const std::uint8_t mode = comes.self_trade_prevention;
  const std::int64_t lots =
      std::min(tradable_lots(venue, incoming, price_ticks), rests.leaves_lots);
  const Prevented of_resting{comes.order_id, lots, price_ticks};
  const Prevented of_incoming{rests.order_id, lots, price_ticks};
  if (mode == self_trade::DECREMENT_AND_CANCEL) {
    decrement(venue, resting, of_resting, true);
    decrement(venue, incoming, of_incoming, is_incoming_resting);
    return;
  }
  if (mode != self_trade::CANCEL_INCOMING) {
    cancel_order(venue, resting, cancel_reason::SELF_TRADE, NOBODY, of_resting);
  }
  if (mode != self_trade::CANCEL_RESTING) {
    cancel_order(venue, incoming, cancel_reason::SELF_TRADE, NOBODY, of_incoming);
  }
}

void reduce_resting(Venue& venue, std::uint32_t index, std::int64_t lots) {
  const HotOrder& order = venue.orders.hot(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  BookSide& side = instrument.book.side(order.side);
  Level& level = *side.find(order.price_ticks);
  const std::int64_t shown_lots = order.shown_lots;
  side.reduce(index, level, lots);
  if (order.shown_lots != shown_lots) {
    touch_level(venue, instrument, side, level, order.price_ticks);
  }
}

void record_trade(Venue& venue, Instrument& instrument, std::uint32_t maker_index,
                  std::uint32_t taker_index, std::int64_t lots, std::int64_t price_ticks,
                  TradeKind kind) {
  const bool is_auction = kind == TradeKind::AUCTION;
  HotOrder& maker = venue.orders.hot(maker_index);
  HotOrder& taker = venue.orders.hot(taker_index);
  ColdOrder& maker_cold = venue.orders.cold(maker_index);
  ColdOrder& taker_cold = venue.orders.cold(taker_index);
  const std::int64_t value = price_ticks * lots;
  const std::int64_t notional_atoms = value * instrument.tick_lot_atoms;
  const std::int32_t maker_ppm =
      is_auction ? std::max(maker_cold.maker_ppm, 0) : maker_cold.maker_ppm;
  const std::int32_t taker_ppm =
      is_auction ? std::max(taker_cold.maker_ppm, 0) : taker_cold.taker_ppm;
  const std::int64_t maker_fee =
      settle_fill(venue, instrument, maker, maker_cold, lots, notional_atoms, maker_ppm);
  const std::int64_t taker_fee =
      settle_fill(venue, instrument, taker, taker_cold, lots, notional_atoms, taker_ppm);
  Asset& quote = venue.assets[instrument.quote_asset];
  const std::int64_t fees_atoms = saturating_add(quote.fees_atoms, maker_fee + taker_fee);
  if (fees_atoms <= -AMOUNT_LIMIT || fees_atoms >= AMOUNT_LIMIT) [[unlikely]] {
    venue.is_broken = true;
  }
  quote.fees_atoms = fees_atoms;
  maker_cold.filled_value += value;
  taker_cold.filled_value += value;
  maker.set_status(maker.leaves_lots != 0 ? status::PARTIALLY_FILLED : status::FILLED);
  taker.set_status(taker.leaves_lots != 0 ? status::PARTIALLY_FILLED : status::FILLED);
  if (kind != TradeKind::NEGOTIATED) [[likely]] {  // which passes by the book
    instrument.last_ticks = instrument.reference_ticks = price_ticks;
    instrument.band_next_ticks = price_ticks;
    instrument.stops.print(price_ticks);
  }
  auto& event = venue.events.emit<events::TradeExecuted>();
  event.instrument = instrument.number;
  event.taker_side = taker.side;
  event.is_auction = is_auction ? 1 : 0;
  event.is_negotiated = kind == TradeKind::NEGOTIATED ? 1 : 0;
  event.trade_id = ++venue.last_trade_id;
  event.price_ticks = price_ticks;
  event.quantity_lots = lots;
  event.notional_atoms = notional_atoms;
  event.base_atoms = lots * instrument.lot_atoms;
  CORE_FILL_PARTY(event, maker, maker, maker_cold, maker_fee, maker_ppm);
  CORE_FILL_PARTY(event, taker, taker, taker_cold, taker_fee, taker_ppm);
  event.taker_cash_atoms = taker.is_cash() ? taker_cold.cash_atoms : 0;
  if (venue.kept_trades.is_keeping()) {
    venue.kept_trades.keep(venue.last_trade_id) = {
        venue.events.number, maker.order_id, taker.order_id, price_ticks, lots,
        maker_fee,           taker_fee,      maker_ppm,      taker_ppm};
    if (((maker.order_flags | taker.order_flags) & QUOTE_SIDE) != 0) [[unlikely]] {
      keep_side(venue, maker_index, venue.last_trade_id);
      keep_side(venue, taker_index, venue.last_trade_id);
    }
  }
  if (maker.leaves_lots == 0) {
    close_order(venue, maker_index, status::FILLED, 0);
  }
  if (taker.leaves_lots == 0) {
    close_order(venue, taker_index, status::FILLED, 0);
  }
  if (((maker.order_flags | taker.order_flags) & QUOTE_SIDE) != 0) [[unlikely]] {
    count_fill(venue, maker_index, lots * instrument.lot_atoms, notional_atoms);
    count_fill(venue, taker_index, lots * instrument.lot_atoms, notional_atoms);
  }
}

#undef CORE_FILL_PARTY

}  // namespace core
