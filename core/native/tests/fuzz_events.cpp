#include "fuzz_events.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <stdexcept>

#include "core/event_filter.hpp"
#include "core/event_records.hpp"
#include "core/ledger/copy_fields.hpp"
#include "core/ledger/proof.hpp"
#include "core/statements/standing.hpp"

namespace fuzz {

namespace {

using core::events::Header;
using core::ledger::EntryProof;
using core::ledger::Treatment;
using core::statements::Standing;

constexpr std::uint64_t ALL = ~0ULL;
constexpr std::size_t PART_BYTES = 16'384;

// Read rows of entries; what balances moves nothing in or out, and counts every row.
bool balances(std::span<const std::byte> rows) {
  EntryProof proof;
  try {
    if (proof.read(rows)) {
      return false;
    }
  } catch (const std::invalid_argument&) {
    return false;
  } catch (const std::overflow_error&) {
    return false;
  }
  std::map<std::int64_t, core::Wide> sums;
  std::int64_t entries = 0;
  for (const auto& [key, moved] : proof.moved()) {
    sums[key.asset] += moved.atoms;
    entries += moved.entries;
  }
  for (const auto& [asset, sum] : sums) {
    if (sum != 0) {
      fail("entries balance and their accounts do not");
    }
  }
  if (static_cast<std::size_t>(entries) * core::ledger::ENTRY_BYTES != rows.size()) {
    fail("a row of entries is not counted");
  }
  return true;
}

// Let an event that is cut short say that this is its length.
void end_at_last_event(Bytes& events) {
  const std::size_t at = core::find_after(events, ALL).offset;
  if (const auto left = static_cast<std::uint16_t>(events.size() - at); left >= sizeof(Header)) {
    std::memcpy(&events[at], &left, sizeof left);
  }
}

core::EventFilter::Offsets some_places(Chance& chance) {
  core::EventFilter::Offsets places(below(chance, 3));
  for (auto& place : places) {
    place = static_cast<std::uint16_t>(below(chance, 400));
  }
  return places;
}

core::EventFilter::Numbers some_numbers(Chance& chance) {
  core::EventFilter::Numbers numbers;
  for (std::size_t count = below(chance, 4); count != 0; --count) {
    numbers.insert(static_cast<std::uint32_t>(below(chance, 10)));
  }
  return numbers;
}

}  // namespace

EventFuzz::EventFuzz(const Bytes& events, Chance& chance)
    : events_(events), chance_(chance), rows_({10, 70, 9}) {
  for (std::size_t at = 0; at < events.size();) {
    const Header* event = core::event_at(events, at);
    if (event == nullptr) {
      fail("an undamaged event is none");
    }
    rows_.know_kind(event->kind, {event->length, Treatment::LEFT_TO_CALLER});
    last_ = event->number;
    at += event->length;
  }
  Standing standing;
  const auto reading = standing.read(events, ALL);
  if (reading.is_damaged || reading.offset != events.size()) {
    fail("undamaged events are not taken");
  }
  image_ = standing.image();
  if (!rows_.read(events, 1, last_).is_whole) {
    fail("undamaged events have no rows");
  }
  const auto rows = std::as_bytes(std::span(rows_.entries()));
  entries_.assign(rows.begin(), rows.end());
  if (entries_.empty() || !balances(entries_)) {
    fail("entries of undamaged trades do not balance");
  }
  rows_.clear();
}

void EventFuzz::run() {
  divide();
  for (int time = 0; time < 10; ++time) {
    stand();
    damage_image();
    enter();
  }
}

// Divide bytes that may be events anywhere; the borders lie inside them.
void EventFuzz::divide() const {
  Bytes events = events_;
  core::EventFinder finder;
  for (std::size_t at = 0; at < events.size();) {
    const Header& event = *core::event_at(events, at);
    finder.know(event.kind, event.length, event.kind % 2 == 0);
    at += event.length;
  }
  for (int time = 0; time < 20; ++time) {
    const std::size_t limit = below(chance_, events.size() + 1);
    const core::EventBorder end = core::find_end_of_command(events, limit);
    const core::EventBorder after = core::find_after(events, below(chance_, 4000));
    if (end.offset > (end.is_damaged ? events.size() : limit) || after.offset > events.size()) {
      fail("a border lies outside");
    }
    for (const core::FoundEvent& event : finder.find(events, 1).events) {
      if (event.offset + sizeof(Header) > events.size()) {
        fail("an event lies outside");
      }
    }
    filter(events);
    damage(chance_, events, 0);
    cut(chance_, events);
  }
}

// Kinds, places and numbers that a gateway could wish for, and some that it could not.
void EventFuzz::filter(const Bytes& events) const {
  core::EventFilter filter;
  for (std::size_t count = below(chance_, 60); count != 0; --count) {
    filter.look_by(static_cast<std::uint16_t>(below(chance_, 80)), some_places(chance_),
                   some_places(chance_));
  }
  filter.want(some_numbers(chance_), some_numbers(chance_));
  const std::size_t from = below(chance_, events.size() + 1);
  std::size_t next = from;
  for (const std::size_t found : filter.find(events, from)) {
    if (found < next || found >= events.size()) {
      fail("an event is found outside, or twice");
    }
    next = found + 1;
  }
}

// Let accounts that stand somehow follow events that are damaged somewhere.
void EventFuzz::stand() {
  Standing standing;
  if (below(chance_, 2) == 0 && !standing.restore(image_)) {
    fail("an image is not taken over");
  }
  Bytes events = part().events;
  for (int time = 0; time < 5; ++time) {
    const std::uint64_t through = below(chance_, 2) == 0 ? ALL : below(chance_, last_ + 1);
    const auto reading = standing.read(events, through);
    if (reading.offset > events.size() ||
        (reading.offset < events.size() && !reading.is_damaged && through == ALL)) {
      fail("events are read beyond their end, or not to it");
    }
    damage(chance_, events, 0);
    cut(chance_, events);
  }
  Standing other;
  if (const Bytes image = standing.image();
      !other.restore(image) || other.image().size() != image.size()) {
    fail("how accounts stand after damaged events cannot be saved");
  }
}

// An image is taken over whole or not at all.
void EventFuzz::damage_image() const {
  Bytes image = image_;
  damage(chance_, image, 0);
  cut(chance_, image);
  Standing standing;
  static_cast<void>(standing.read(part().events, ALL));
  const Bytes before = standing.image();
  if (!standing.restore(image)) {
    if (standing.image() != before) {
      fail("a refused image changed something");
    }
    return;
  }
  static_cast<void>(standing.read(part().events, ALL));
  if (Standing other; !other.restore(standing.image())) {
    fail("what an image led to cannot be saved");
  }
}

// Make rows of damaged events, and prove them; then rows that are damaged themselves.
void EventFuzz::enter() {
  core::ledger::Rows rows = rows_;
  auto [events, before] = part();
  damage(chance_, events, 0);
  cut(chance_, events);
  const auto reading = rows.read(events, before + 1, last_);
  for (const std::size_t left : reading.left) {
    if (left + sizeof(Header) > events.size()) {
      fail("an event is left that lies outside");
    }
  }
  rows.marks().close();
  static_cast<void>(balances(std::as_bytes(std::span(rows.entries()))));
  Bytes entries(entries_.begin(),
                entries_.begin() + static_cast<std::ptrdiff_t>(std::min(
                                       entries_.size(), 100 * core::ledger::ENTRY_BYTES)));
  for (int time = 0; time < 5; ++time) {
    damage(chance_, entries, 0);
    cut(chance_, entries);
    static_cast<void>(balances(entries));
  }
}

EventFuzz::Part EventFuzz::part() const {
  const core::EventBorder border = core::find_after(events_, below(chance_, last_ + 1));
  const auto rest = std::span(events_).subspan(border.offset);
  const auto some = rest.first(std::min(rest.size(), 1 + below(chance_, PART_BYTES)));
  Part made{{some.begin(), some.end()}, border.last};
  if (below(chance_, 2) == 0) {
    end_at_last_event(made.events);
  }
  return made;
}

}  // namespace fuzz
