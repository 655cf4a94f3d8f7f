#include "core/event_filter.hpp"

#include <algorithm>
#include <cstring>

#include "core/event_records.hpp"

namespace core {

namespace {

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

// Whether one of a record's fields has a wanted number; one that is cut short counts as wanted.
bool names_one(std::span<const std::byte> event, const EventFilter::Offsets& places,
               const EventFilter::Numbers& wanted) {
  return std::any_of(places.begin(), places.end(), [&](std::size_t at) {
    return at + sizeof(std::uint32_t) > event.size() ||
           wanted.contains(number_at(event, at));
  });
}

}  // namespace

void EventFilter::look_by(std::uint16_t kind, Offsets accounts, Offsets sessions) {
  if (kind >= kinds_.size()) {
    kinds_.resize(std::size_t{kind} + 1);
  }
  kinds_[kind] = {true, std::move(accounts), std::move(sessions)};
}

std::vector<std::size_t> EventFilter::find(std::span<const std::byte> events,
                                           std::size_t offset) const {
  std::vector<std::size_t> found;
  while (offset < events.size()) {
    const events::Header* event = event_at(events, offset);
    if (event == nullptr) {
      found.push_back(offset);
      break;
    }
    if (event->kind >= kinds_.size() ||
        is_wanted(events.subspan(offset, event->length), kinds_[event->kind])) {
      found.push_back(offset);
    }
    offset += event->length;
  }
  return found;
}

bool EventFilter::is_wanted(std::span<const std::byte> event, const Places& places) const {
  return !places.is_known || names_one(event, places.accounts, accounts_) ||
         names_one(event, places.sessions, sessions_);
}

}  // namespace core
