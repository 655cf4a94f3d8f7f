// Where event records may be divided, and where those of some kinds are: their lengths, kinds,
// numbers and ends of commands, nothing else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/layouts.hpp"

namespace core {

// What stands at an offset, read as an event's beginning; null where less than that is left.
[[nodiscard]] inline const events::Header* header_at(std::span<const std::byte> events,
                                                     std::size_t at) noexcept {
  return events.size() - at < sizeof(events::Header)
             ? nullptr
             : reinterpret_cast<const events::Header*>(events.data() + at);
}

// The event at an offset; null where none can be. Of its bytes those up to its length may be read.
[[nodiscard]] inline const events::Header* event_at(std::span<const std::byte> events,
                                                    std::size_t at) noexcept {
  const events::Header* event = header_at(events, at);
  if (event == nullptr) {
    return nullptr;
  }
  const std::size_t length = event->length;
  return length < sizeof(events::Header) || length > events.size() - at ? nullptr : event;
}

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

// An event of a kind that is wanted.
struct FoundEvent {
  std::uint16_t kind = 0;
  std::size_t offset = 0;
};

enum class Fault : std::uint8_t { SOUND, CUT_SHORT, WRONG_NUMBER, WRONG_LENGTH };

// What a look at events led to: those that are wanted, and the last of all.
struct Finding {
  Fault fault = Fault::SOUND;
  std::uint64_t last = 0;     // number of the last sound event, or the one before the first
  std::int64_t time_ns = 0;   // its stamp; 0 when there is none
  std::uint64_t number = 0;   // of the record that is at fault, as it says
  std::uint16_t kind = 0;     // its kind
  std::uint16_t length = 0;   // its length
  std::vector<FoundEvent> events;
};

// Finds the events of some kinds among all, and sees that none is missing or cut short.
class EventFinder {
 public:
  // Know a kind and its length; one that is not known is at fault wherever it comes.
  void know(std::uint16_t kind, std::uint16_t length, bool is_wanted);

  // Look through whole records, of which the first must have the number `first`.
  [[nodiscard]] Finding find(std::span<const std::byte> events, std::uint64_t first) const;

 private:
  struct Rule {
    std::uint16_t length = 0;
    bool is_wanted = false;
  };
  std::vector<Rule> rules_;  // by kind
};

}  // namespace core
