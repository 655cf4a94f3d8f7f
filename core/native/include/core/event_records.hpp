// Where event records may be divided: their lengths, numbers and ends of commands, nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace core {

// A place between two event records.
struct EventBorder {
  bool is_damaged = false;  // at `offset` stands a record without length, or one that is cut short
  std::size_t offset = 0;
  std::uint64_t last = 0;  // number of the event before it; 0 when nothing is before it
};

// The border after the last event whose number is not above `number`.
[[nodiscard]] EventBorder find_after(std::span<const std::byte> events,
                                     std::uint64_t number) noexcept;

// The border after the last command whose events, with all before them, take at most `size_max`
// bytes.
[[nodiscard]] EventBorder find_end_of_command(std::span<const std::byte> events,
                                              std::size_t size_max) noexcept;

}  // namespace core
