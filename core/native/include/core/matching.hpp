// What an accepted order does: matching, stops, and the money of a trade.
#pragma once

#include <cstdint>

#include "core/order_steps.hpp"

namespace core {

// Let an accepted order act on the book now: trade what it can, then rest or go.
void execute_order(Venue& venue, std::uint32_t index);

// Whether a trade would be between orders of one group: do what the incoming one's mode says.
// In an uncross both are in the book (`is_incoming_resting`).
void prevent_self_trade(Venue& venue, std::uint32_t incoming, std::uint32_t resting,
                        std::int64_t price_ticks, bool is_incoming_resting);

// Take lots off a resting order, in its place; its level is told when it shows less.
void reduce_resting(Venue& venue, std::uint32_t index, std::int64_t lots);

// How two orders met. A negotiated trade passes by the book: it moves no price that others rely on.
enum class TradeKind : std::uint8_t { BOOK, AUCTION, NEGOTIATED };

// Move the money of a trade, say it, and close what is filled. The leaves of both no longer
// include `lots`. In an uncross both pay the maker's rate, but get no rebate.
void record_trade(Venue& venue, Instrument& instrument, std::uint32_t maker, std::uint32_t taker,
                  std::int64_t lots, std::int64_t price_ticks, TradeKind kind);

// Trigger the stops that prints have reached, one after the other, while trading is continuous.
void run_stops(Venue& venue, Instrument& instrument);

// Put an order at the back of its price's queue.
[[gnu::always_inline]] inline void rest_order(Venue& venue, Instrument& instrument,
                                              std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  BookSide& side = instrument.book.side(order.side);
  Level& level = side.append(index);
  touch_level(venue, instrument, side, level, order.price_ticks);
}

// Whether an incoming order would begin a new band window, if there is anything opposite it.
[[nodiscard]] inline bool is_band_window_over(const Instrument& instrument,
                                              std::int64_t now_ns) noexcept {
  const InstrumentLimits& limits = instrument.limits;
  return limits.band_ppm != 0 &&
         now_ns >= saturating_add(instrument.band_window_at_ns, limits.band_window_ns);
}

// Whether an order finds nobody to trade with, and may rest: most do.
[[nodiscard]] inline bool only_rests(Instrument& instrument, const HotOrder& order,
                                     const ColdOrder& cold, std::int64_t now_ns) noexcept {
  const BookSide& opposite = instrument.book.opposite(order.side);
  const bool finds_nobody = opposite.empty() ||
                            (!opposite.reaches(opposite.best_ticks(), order.price_ticks) &&
                             !is_band_window_over(instrument, now_ns));
  return finds_nobody && cold.minimum_lots == 0 && !order.is_immediate();
}

// Let an accepted order act on the book, and then every stop that its trades reached.
[[gnu::always_inline]] inline void act(Venue& venue, std::uint32_t index, Instrument& instrument) {
  if (only_rests(instrument, venue.orders.hot(index), venue.orders.cold(index),
                 venue.last_time_ns)) [[likely]] {
    rest_order(venue, instrument, index);
    return;
  }
  execute_order(venue, index);
  if (instrument.stops.high != 0) {
    run_stops(venue, instrument);
  }
}

// Go on with the stops that an earlier command left waiting.
void run_late_stops(Venue& venue);

// Let a stop wait, or act at once when the last price reached it and trading is continuous.
void enter_stop(Venue& venue, std::uint32_t index);

}  // namespace core
