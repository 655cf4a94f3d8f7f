#include "core/event_records.hpp"

#include "core/layouts.hpp"

namespace core {

namespace {

// The event at an offset; null where none can be.
const events::Header* event_at(std::span<const std::byte> events, std::size_t at) noexcept {
  if (events.size() - at < sizeof(events::Header)) {
    return nullptr;
  }
  const auto* event = reinterpret_cast<const events::Header*>(events.data() + at);
  const std::size_t length = event->length;
  return length < sizeof(events::Header) || length > events.size() - at ? nullptr : event;
}

}  // namespace

EventBorder find_after(std::span<const std::byte> events, std::uint64_t number) noexcept {
  EventBorder border;
  while (border.offset < events.size()) {
    const events::Header* event = event_at(events, border.offset);
    if (event == nullptr) {
      border.is_damaged = true;
      break;
    }
    if (event->number > number) {
      break;
    }
    border.offset += event->length;
    border.last = event->number;
  }
  return border;
}

EventBorder find_end_of_command(std::span<const std::byte> events,
                                std::size_t size_max) noexcept {
  EventBorder border;
  std::size_t at = 0;
  while (at < events.size()) {
    const events::Header* event = event_at(events, at);
    if (event == nullptr) {
      return {true, at, border.last};
    }
    at += event->length;
    if (at > size_max) {
      break;
    }
    if ((event->flags & LAST_OF_COMMAND) != 0) {
      border = {false, at, event->number};
    }
  }
  return border;
}

}  // namespace core
