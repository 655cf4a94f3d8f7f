// Cash quantities: how many lots an amount of quote comes to, never one too many. A buy spends the
// amount with its fees, a sell brings in at most the amount, before fees.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/venue.hpp"

namespace core {

// The most lots whose value at a price, and the fee on it, are within an amount.
[[nodiscard]] inline Wide lots_within(std::int64_t atoms, std::int64_t price_ticks,
                                      std::int64_t tick_lot_atoms, std::int64_t rate_ppm = 0,
                                      std::int64_t credit = 0) noexcept {
  const Wide per_lot = static_cast<Wide>(price_ticks) * tick_lot_atoms * (PPM + rate_ppm);
  return (static_cast<Wide>(atoms) * PPM + credit) / per_lot;
}

// How many lots what is left of a cash order's amount comes to at a price, its leaves at most.
// What a buy holds is what is left of it.
[[nodiscard]] inline std::int64_t cash_lots_left(const HotOrder& order, const ColdOrder& cold,
                                                 const Instrument& instrument,
                                                 std::int64_t price_ticks) noexcept {
  const std::int64_t factor = instrument.tick_lot_atoms;
  const Wide lots =
      order.is_buy() ? lots_within(order.held_atoms, price_ticks, factor,
                                   std::max(cold.taker_ppm, 0), cold.fee_credit)
                     : lots_within(cold.cash_atoms - cold.filled_value * factor, price_ticks,
                                   factor);
  return lots < order.leaves_lots ? static_cast<std::int64_t>(lots) : order.leaves_lots;
}

}  // namespace core
