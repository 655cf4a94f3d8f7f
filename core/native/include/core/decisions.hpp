// Pre-trade risk as pure decisions: the C++ twin of risk/decisions.py, check for check.
//
// Each returns true when it refuses, and then says why in `refused`; the first refusal wins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/arithmetic.hpp"
#include "core/layouts.hpp"
#include "core/limits.hpp"

namespace core {

// Why a command may not pass; limit and usage are in the unit of what was checked.
struct Refused {
  std::uint16_t code = code::NONE;
  std::int64_t limit = 0;
  std::int64_t usage = 0;

  bool because(std::uint16_t why, Wide limit_value = 0, Wide usage_value = 0) noexcept {
    code = why;
    limit = clipped(limit_value);
    usage = clipped(usage_value);
    return true;
  }
};

[[nodiscard]] constexpr bool is_priced(std::uint8_t type) noexcept {
  return type == order_type::LIMIT || type == order_type::STOP_LIMIT;
}

[[nodiscard]] constexpr bool never_rests(std::uint8_t time) noexcept {
  return time == time_in_force::IMMEDIATE_OR_CANCEL || time == time_in_force::FILL_OR_KILL;
}

// Whether a 40-byte field holds 1 to 36 printable ASCII characters, zero-padded.
[[nodiscard, gnu::always_inline]] inline bool is_client_id(const Text<40>& text) noexcept {
  const char* data = text.data();
#if defined(__SSE2__)
  const __m128i space = _mm_set1_epi8(31);
  const __m128i beyond = _mm_set1_epi8(127);
  const auto printable = [&](__m128i bytes) {
    const __m128i both = _mm_and_si128(_mm_cmpgt_epi8(bytes, space), _mm_cmplt_epi8(bytes, beyond));
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(both)));
  };
  const auto zero = [](__m128i bytes) {
    const __m128i same = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(same)));
  };
  const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
  const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16));
  const __m128i third = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + 32));
  const std::uint64_t text_bits =
      printable(first) | printable(second) << 16 | (printable(third) & 0xff) << 32;
  const std::uint64_t zero_bits = zero(first) | zero(second) << 16 | (zero(third) & 0xff) << 32;
  constexpr std::uint64_t ALL = (std::uint64_t{1} << 40) - 1;
  return (text_bits | zero_bits) == ALL && text_bits != 0 && (text_bits & (text_bits + 1)) == 0 &&
         text_bits < std::uint64_t{1} << 36;
#else
  std::size_t size = text.size();
  while (size > 0 && data[size - 1] == 0) {
    --size;
  }
  return size >= 1 && size <= 36 &&
         std::all_of(data, data + size, [](char each) { return each >= 32 && each < 127; });
#endif
}

// Whether a field holds printable ASCII, at least one character, zero-padded.
template <std::size_t Size>
[[nodiscard]] bool is_name(const Text<Size>& text) noexcept {
  std::size_t size = Size;
  while (size > 0 && text[size - 1] == 0) {
    --size;
  }
  return size > 0 && std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size),
                                 [](char each) { return each >= 32 && each < 127; });
}

[[nodiscard]] inline bool refuses_access(std::uint32_t rights, std::uint32_t open_connection,
                                         std::uint32_t connection, Refused& refused) noexcept {
  if (!(rights & RIGHT_TRADE)) [[unlikely]] {
    return refused.because(code::SESSION_NOT_ENTITLED, RIGHT_TRADE, rights);
  }
  if (connection != open_connection || connection == 0) [[unlikely]] {
    return refused.because(code::SESSION_CLOSED, open_connection, connection);
  }
  return false;
}

[[nodiscard]] inline bool refuses_amend_phase(std::uint8_t market_phase,
                                              Refused& refused) noexcept {
  if (market_phase == phase::CLOSED) {
    return refused.because(code::INSTRUMENT_CLOSED, 0, market_phase);
  }
  if (market_phase == phase::HALTED) {
    return refused.because(code::INSTRUMENT_HALTED, 0, market_phase);
  }
  return false;
}

[[nodiscard]] inline bool refuses_phase(std::uint8_t market_phase,
                                        const commands::PlaceOrder& order,
                                        Refused& refused) noexcept {
  if (market_phase == phase::CONTINUOUS) [[likely]] {
    return false;
  }
  if (refuses_amend_phase(market_phase, refused)) {
    return true;
  }
  if (order.order_type == order_type::MARKET || never_rests(order.time_in_force) ||
      (order.order_flags & POST_ONLY) != 0 || order.minimum_lots != 0) {
    return refused.because(code::ORDER_NOT_ALLOWED_IN_PHASE, 0, market_phase);
  }
  return false;
}

[[nodiscard]] inline bool refuses_price_range(std::int64_t price_ticks,
                                              const InstrumentLimits& limits,
                                              Refused& refused) noexcept {
  if (price_ticks < limits.price_ticks_min) [[unlikely]] {
    return refused.because(code::PRICE_OUT_OF_RANGE, limits.price_ticks_min, price_ticks);
  }
  if (price_ticks > limits.price_ticks_max) [[unlikely]] {
    return refused.because(code::PRICE_OUT_OF_RANGE, limits.price_ticks_max, price_ticks);
  }
  return false;
}

[[nodiscard]] inline bool refuses_quantity(std::int64_t quantity_lots,
                                           const InstrumentLimits& limits,
                                           Refused& refused) noexcept {
  if (quantity_lots < limits.quantity_lots_min) [[unlikely]] {
    return refused.because(code::QUANTITY_BELOW_MINIMUM, limits.quantity_lots_min, quantity_lots);
  }
  if (quantity_lots > limits.quantity_lots_max) [[unlikely]] {
    return refused.because(code::QUANTITY_ABOVE_MAXIMUM, limits.quantity_lots_max, quantity_lots);
  }
  return false;
}

// Whether an iceberg's whole quantity is more tranches than a constant of rule set 1 allows: each
// is a trade of its own. The limit reported is the smallest display for such a quantity.
[[nodiscard]] inline bool refuses_tranches(std::int64_t display_lots, std::int64_t quantity_lots,
                                           Refused& refused) noexcept {
  constexpr std::int64_t ICEBERG_TRANCHES_MAX = 1000;
  return quantity_lots > saturating_multiply(ICEBERG_TRANCHES_MAX, display_lots) &&
         refused.because(code::DISPLAY_QUANTITY_INVALID,
                         (quantity_lots - 1) / ICEBERG_TRANCHES_MAX + 1, display_lots);
}

[[nodiscard]] inline bool refuses_display_range(std::int64_t display_lots,
                                                std::int64_t quantity_lots,
                                                const InstrumentLimits& limits,
                                                Refused& refused) noexcept {
  if (display_lots > quantity_lots) {
    return refused.because(code::DISPLAY_QUANTITY_INVALID, quantity_lots, display_lots);
  }
  const std::int64_t least = std::max<std::int64_t>(limits.display_lots_min, 1);
  if (display_lots < least) {
    return refused.because(code::DISPLAY_QUANTITY_INVALID, least, display_lots);
  }
  return refuses_tranches(display_lots, quantity_lots, refused);
}

[[nodiscard]] inline bool refuses_stop_range(std::int64_t stop_price_ticks,
                                             const InstrumentLimits& limits,
                                             Refused& refused) noexcept {
  if (stop_price_ticks < limits.price_ticks_min) {
    return refused.because(code::STOP_PRICE_INVALID, limits.price_ticks_min, stop_price_ticks);
  }
  if (stop_price_ticks > limits.price_ticks_max) {
    return refused.because(code::STOP_PRICE_INVALID, limits.price_ticks_max, stop_price_ticks);
  }
  return false;
}

// The checks of an order's fields one by one; core/native/src/decisions.cpp.
[[nodiscard]] bool refuses_any_terms(const commands::PlaceOrder& order,
                                     const InstrumentLimits& limits, std::int64_t now_ns,
                                     Refused& refused) noexcept;

// Whether an order is a limit order without flags, expiry or anything else that is rare.
[[nodiscard]] inline bool is_plain(const commands::PlaceOrder& order) noexcept {
  // Side 1 or 2, LIMIT, time in force 1 to 4, self-trade prevention 0 to 3: together, the bytes
  // less one (the last less none) have no other bits.
  static_assert(side::SELL == 2 && order_type::LIMIT == 1 && time_in_force::FILL_OR_KILL == 4);
  std::uint32_t terms = 0;
  std::memcpy(&terms, reinterpret_cast<const std::byte*>(&order) +
                          offsetof(commands::PlaceOrder, side), sizeof(terms));
  return ((terms - 0x00010101) & 0xFCFCFFFE) == 0 &&
         (order.order_flags | order.stop_price_ticks | order.display_lots | order.minimum_lots |
          order.expire_at_ns | order.cash_atoms | order.valid_until_ns) == 0;
}

// Whether an order's own fields are invalid or disagree with one another.
[[nodiscard]] inline bool refuses_terms(const commands::PlaceOrder& order,
                                        const InstrumentLimits& limits, std::int64_t now_ns,
                                        Refused& refused) noexcept {
  const std::int64_t price_ticks = order.price_ticks;
  const std::int64_t quantity_lots = order.quantity_lots;
  if (is_plain(order) && price_ticks != 0 && price_ticks >= limits.price_ticks_min &&
      price_ticks <= limits.price_ticks_max && quantity_lots >= limits.quantity_lots_min &&
      quantity_lots <= limits.quantity_lots_max) [[likely]] {
    return false;
  }
  return refuses_any_terms(order, limits, now_ns, refused);
}

// The last price that a collar allows a side: floor for a buy, ceiling for a sell.
[[nodiscard]] inline std::int64_t collar_price(std::uint8_t order_side,
                                               std::int64_t reference_ticks,
                                               std::uint32_t collar_ppm) noexcept {
  const std::int64_t reach = multiply_divide<PPM>(reference_ticks, collar_ppm);
  return order_side == side::BUY ? reference_ticks + reach : reference_ticks - reach;
}

// Whether a price reaches too far through the reference price (0: none yet, nothing is refused).
[[nodiscard]] inline bool refuses_collar(std::uint8_t order_side, std::int64_t price_ticks,
                                         std::int64_t reference_ticks, std::uint32_t collar_ppm,
                                         Refused& refused) noexcept {
  if (collar_ppm == 0 || reference_ticks == 0) {
    return false;
  }
  const std::int64_t limit = collar_price(order_side, reference_ticks, collar_ppm);
  const bool is_outside = order_side == side::BUY ? price_ticks > limit : price_ticks < limit;
  return is_outside && refused.because(code::PRICE_OUTSIDE_COLLAR, limit, price_ticks);
}

// The worst price that an order without one may trade at, from the best opposite or stop price.
[[nodiscard]] inline std::int64_t protection_price(std::uint8_t order_side,
                                                   std::int64_t from_ticks,
                                                   const InstrumentLimits& limits) noexcept {
  const std::int64_t reach = multiply_divide<PPM>(from_ticks, limits.protection_ppm);
  const std::int64_t price =
      order_side == side::BUY ? from_ticks + reach : from_ticks - reach;
  return std::max({std::int64_t{1}, limits.price_ticks_min,
                   std::min(price, limits.price_ticks_max)});
}

[[nodiscard]] inline bool is_outside_band(std::int64_t price_ticks, std::int64_t reference_ticks,
                                          std::uint32_t band_ppm) noexcept {
  if (band_ppm == 0 || reference_ticks == 0) {
    return false;
  }
  const std::int64_t distance = price_ticks > reference_ticks ? price_ticks - reference_ticks
                                                              : reference_ticks - price_ticks;
  std::int64_t moved = 0;
  std::int64_t allowed = 0;
  if (!__builtin_mul_overflow(distance, PPM, &moved) &&
      !__builtin_mul_overflow(reference_ticks, std::int64_t{band_ppm}, &allowed)) [[likely]] {
    return moved > allowed;
  }
  return static_cast<Wide>(distance) * PPM > static_cast<Wide>(reference_ticks) * band_ppm;
}

[[nodiscard]] inline bool refuses_notional(std::int64_t notional_atoms,
                                           const InstrumentLimits& limits,
                                           Refused& refused) noexcept {
  if (limits.notional_max_atoms != 0 && notional_atoms > limits.notional_max_atoms) [[unlikely]] {
    return refused.because(code::NOTIONAL_ABOVE_MAXIMUM, limits.notional_max_atoms,
                           notional_atoms);
  }
  if (notional_atoms < limits.notional_min_atoms) [[unlikely]] {
    return refused.because(code::NOTIONAL_BELOW_MINIMUM, limits.notional_min_atoms,
                           notional_atoms);
  }
  return false;
}

// Whether a buy takes what an account owns and is buying beyond its largest position.
[[nodiscard]] inline bool refuses_position(std::int64_t balance_atoms, std::int64_t buying_atoms,
                                           std::int64_t more_atoms,
                                           std::int64_t position_max_atoms,
                                           Refused& refused) noexcept {
  const std::int64_t limit = position_max_atoms != 0 ? position_max_atoms : AMOUNT_LIMIT - 1;
  const Wide usage = static_cast<Wide>(balance_atoms) + buying_atoms + more_atoms;
  return usage > limit && refused.because(code::POSITION_LIMIT_EXCEEDED, limit, usage);
}

[[nodiscard]] inline bool refuses_funds(std::int64_t available_atoms, std::int64_t needed_atoms,
                                        Refused& refused) noexcept {
  return needed_atoms > available_atoms && needed_atoms > 0 &&
         refused.because(code::INSUFFICIENT_FUNDS, available_atoms, needed_atoms);
}

// The quote atoms that an open buy ties up: its notional and the largest fee on it, rounded up.
[[nodiscard]] inline std::int64_t hold_buy(std::int64_t notional_atoms, std::int64_t rate_ppm,
                                           std::uint32_t credit) noexcept {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(notional_atoms, rate_ppm, &product) &&
      product <= INT64_LARGEST - PPM) [[likely]] {
    const std::int64_t owed = product - credit;
    return owed > 0 ? notional_atoms + (owed + PPM - 1) / PPM : notional_atoms;
  }
  const Wide owed = static_cast<Wide>(notional_atoms) * rate_ppm - credit;
  return notional_atoms + static_cast<std::int64_t>((owed + PPM - 1) / PPM);
}

// A fill's fee in quote atoms; what rounding overpaid stays in `credit` for the order's next fill.
[[nodiscard]] inline std::int64_t fee_of_fill(std::int64_t notional_atoms, std::int64_t rate_ppm,
                                              std::uint32_t& credit) noexcept {
  if (rate_ppm < 0) {
    return -multiply_divide<PPM>(notional_atoms, -rate_ppm);
  }
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(notional_atoms, rate_ppm, &product) &&
      product <= INT64_LARGEST - PPM) [[likely]] {
    const std::int64_t owed = product - credit;
    if (owed <= 0) {
      credit = static_cast<std::uint32_t>(-owed);
      return 0;
    }
    const std::int64_t fee = (owed + PPM - 1) / PPM;
    credit = static_cast<std::uint32_t>(fee * PPM - owed);
    return fee;
  }
  const Wide owed = static_cast<Wide>(notional_atoms) * rate_ppm - credit;
  const auto fee = static_cast<std::int64_t>((owed + PPM - 1) / PPM);
  credit = static_cast<std::uint32_t>(static_cast<Wide>(fee) * PPM - owed);
  return fee;
}

}  // namespace core
