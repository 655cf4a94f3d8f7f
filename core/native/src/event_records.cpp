#include "core/event_records.hpp"

namespace core {

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

void EventFinder::know(std::uint16_t kind, std::uint16_t length, bool is_wanted) {
  if (rules_.size() <= kind) {
    rules_.resize(kind + std::size_t{1});
  }
  rules_[kind] = {length, is_wanted};
}

Finding EventFinder::find(std::span<const std::byte> events, std::uint64_t first) const {
  Finding found;
  found.last = first - 1;
  std::size_t at = 0;
  while (at < events.size()) {
    const events::Header* event = header_at(events, at);
    if (event == nullptr) {
      found.fault = Fault::CUT_SHORT;
      break;
    }
    const Rule rule = event->kind < rules_.size() ? rules_[event->kind] : Rule{};
    const bool is_next = event->number == found.last + 1;
    if (!is_next || event->length != rule.length || event_at(events, at) == nullptr) {
      found.fault = is_next ? Fault::WRONG_LENGTH : Fault::WRONG_NUMBER;
      found.number = event->number;
      found.kind = event->kind;
      found.length = event->length;
      break;
    }
    if (rule.is_wanted) {
      found.events.push_back({event->kind, at});
    }
    found.last = event->number;
    found.time_ns = event->time_ns;
    at += event->length;
  }
  return found;
}

}  // namespace core
