// Fields of rows as PostgreSQL's binary COPY takes them: big-endian, each behind its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace core::ledger {

// A row of entries: its count, then eight fields.
inline constexpr std::size_t ENTRY_BYTES = 2 + 8 * 4 + 5 * 8 + 3 * 2;

// The other order of bytes; layouts are little-endian, and a binary COPY is not.
template <class Number>
[[nodiscard]] Number swapped(Number value) noexcept {
  if constexpr (sizeof(Number) == 8) {
    return static_cast<Number>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
  } else if constexpr (sizeof(Number) == 4) {
    return static_cast<Number>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  } else if constexpr (sizeof(Number) == 2) {
    return static_cast<Number>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  } else {
    return value;
  }
}

template <class Number>
void add_field(char*& at, Number value) {
  const std::uint32_t length = swapped(static_cast<std::uint32_t>(sizeof(Number)));
  std::memcpy(at, &length, sizeof length);
  at += sizeof length;
  value = swapped(value);
  std::memcpy(at, &value, sizeof value);
  at += sizeof value;
}

// A row begins with the number of its fields.
inline void add_count(char*& at, std::int16_t fields) {
  const std::int16_t count = swapped(fields);
  std::memcpy(at, &count, sizeof count);
  at += sizeof count;
}

}  // namespace core::ledger
