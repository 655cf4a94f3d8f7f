// Integer arithmetic that says when it leaves int64, and divisions that say how they round.
#pragma once

#include <cstdint>
#include <limits>

namespace core {

__extension__ using Wide = __int128;

inline constexpr std::int64_t INT64_LARGEST = std::numeric_limits<std::int64_t>::max();

// The sum, or the nearest end of int64 when it lies beyond.
[[nodiscard]] constexpr std::int64_t saturating_add(std::int64_t left, std::int64_t right) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(left, right, &sum)) {
    return right > 0 ? INT64_LARGEST : std::numeric_limits<std::int64_t>::min();
  }
  return sum;
}

// The product of two non-negative numbers, or the largest int64 when it lies beyond.
[[nodiscard]] constexpr std::int64_t saturating_multiply(std::int64_t left,
                                                         std::int64_t right) noexcept {
  std::int64_t product = 0;
  return __builtin_mul_overflow(left, right, &product) ? INT64_LARGEST : product;
}

// A number as an event's field can hold it: what is beyond is said as the largest value.
[[nodiscard]] constexpr std::int64_t clipped(Wide value) noexcept {
  if (value > INT64_LARGEST) {
    return INT64_LARGEST;
  }
  return value < -static_cast<Wide>(INT64_LARGEST) ? -INT64_LARGEST
                                                   : static_cast<std::int64_t>(value);
}

// Division that rounds towards minus infinity; the divisor is positive.
[[nodiscard]] constexpr std::int64_t floor_divide(std::int64_t value,
                                                  std::int64_t divisor) noexcept {
  const std::int64_t quotient = value / divisor;
  return quotient - static_cast<std::int64_t>(value % divisor < 0);
}

// left * right / divisor for non-negative numbers, rounded down; the result must fit int64.
// Most products fit 64 bits, and 128-bit division costs ten times as much.
template <std::int64_t Divisor>
[[nodiscard]] constexpr std::int64_t multiply_divide(std::int64_t left,
                                                     std::int64_t right) noexcept {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(left, right, &product)) [[likely]] {
    return product / Divisor;
  }
  return static_cast<std::int64_t>(static_cast<Wide>(left) * right / Divisor);
}

}  // namespace core
