// An instrument's bounds, as SetInstrumentLimits gives them; all zero before they are set.
#pragma once

#include <cstdint>

#include "core/layouts.hpp"

namespace core {

inline constexpr std::int64_t DAY_NS = std::int64_t{24} * 60 * 60 * 1'000'000'000;
inline constexpr std::uint8_t SCALE_MAX = 18;

// Whether a bound or duration is in range: zero means "none".
[[nodiscard]] constexpr bool is_bound(std::int64_t value) noexcept {
  return value >= 0 && value < AMOUNT_LIMIT;
}

// Whether something of which there must be some is in range.
[[nodiscard]] constexpr bool is_amount(std::int64_t value) noexcept {
  return value > 0 && value < AMOUNT_LIMIT;
}

struct InstrumentLimits {
  std::int64_t price_ticks_min = 0;
  std::int64_t price_ticks_max = 0;
  std::int64_t quantity_lots_min = 0;
  std::int64_t quantity_lots_max = 0;
  std::int64_t notional_min_atoms = 0;
  std::int64_t notional_max_atoms = 0;
  std::int64_t display_lots_min = 0;
  std::int64_t reference_ticks = 0;
  std::uint32_t orders_max = 0;
  std::uint32_t collar_ppm = 0;
  std::uint32_t protection_ppm = 0;
  std::uint32_t band_ppm = 0;
  std::int64_t band_window_ns = 0;
  std::int64_t halt_ns = 0;
  std::int64_t auction_ns = 0;
};

}  // namespace core
