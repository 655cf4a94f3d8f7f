#include "core/event_filter.hpp"

#include <algorithm>
#include <cstring>

namespace core {

namespace {

template <class Number>
Number number_at(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  Number number{};
  std::memcpy(&number, bytes.data() + offset, sizeof number);
  return number;
}

// Whether one of a record's fields has a wanted number; one that is cut short counts as wanted.
bool names_one(std::span<const std::byte> event, const EventFilter::Offsets& places,
               const EventFilter::Numbers& wanted) {
  return std::any_of(places.begin(), places.end(), [&](std::size_t at) {
    return at + sizeof(std::uint32_t) > event.size() ||
           wanted.contains(number_at<std::uint32_t>(event, at));
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
    const auto rest = events.subspan(offset);
    const std::size_t length = rest.size() < 4 ? 0 : number_at<std::uint16_t>(rest, 0);
    if (length < 4 || length > rest.size()) {
      found.push_back(offset);
      break;
    }
    const std::size_t kind = number_at<std::uint16_t>(rest, 2);
    if (kind >= kinds_.size() || is_wanted(rest.first(length), kinds_[kind])) {
      found.push_back(offset);
    }
    offset += length;
  }
  return found;
}

bool EventFilter::is_wanted(std::span<const std::byte> event, const Places& places) const {
  return !places.is_known || names_one(event, places.accounts, accounts_) ||
         names_one(event, places.sessions, sessions_);
}

}  // namespace core
