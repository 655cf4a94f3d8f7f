#include "core/ledger/proof.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/ledger/copy_fields.hpp"

namespace core::ledger {

namespace {

constexpr std::int16_t FIELDS = 8;

template <class Number>
[[nodiscard]] Number take(const std::byte*& at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return swapped(value);
}

template <class Number>
[[nodiscard]] Number take_field(const std::byte*& at) {
  if (take<std::uint32_t>(at) != sizeof(Number)) {
    throw std::invalid_argument("a field of an entry has another length");
  }
  return take<Number>(at);
}

void add(std::int64_t& sum, std::int64_t amount_atoms) {
  if (__builtin_add_overflow(sum, amount_atoms, &sum)) {
    throw std::overflow_error("a sum of entries leaves 64 bits");
  }
}

}  // namespace

std::optional<Imbalance> EntryProof::read(std::span<const std::byte> rows) {
  if (rows.size() % ENTRY_BYTES != 0) {
    throw std::invalid_argument("no whole rows of entries");
  }
  std::int64_t current = 0;
  sums_.clear();
  const std::byte* at = rows.data();
  for (std::size_t left = rows.size() / ENTRY_BYTES; left > 0; --left) {
    if (take<std::int16_t>(at) != FIELDS) {
      throw std::invalid_argument("an entry has another number of fields");
    }
    const auto event_number = take_field<std::int64_t>(at);
    static_cast<void>(take_field<std::int16_t>(at));  // leg
    LedgerAccount key;
    key.kind = take_field<std::int16_t>(at);
    static_cast<void>(take_field<std::int16_t>(at));  // cause
    key.account = take_field<std::int64_t>(at);
    key.asset = take_field<std::int64_t>(at);
    const auto amount_atoms = take_field<std::int64_t>(at);
    static_cast<void>(take_field<std::int64_t>(at));  // time_ns
    if (event_number != current) {
      if (const auto broken = close_event(current)) {
        return broken;
      }
      current = event_number;
    }
    add_to_event(key.asset, amount_atoms);
    Moved& moved = moved_[key];
    add(moved.atoms, amount_atoms);
    ++moved.entries;
  }
  return close_event(current);
}

void EntryProof::add_to_event(std::int64_t asset, std::int64_t amount_atoms) {
  for (auto& [known, sum] : sums_) {
    if (known == asset) {
      add(sum, amount_atoms);
      return;
    }
  }
  sums_.emplace_back(asset, amount_atoms);
}

std::optional<Imbalance> EntryProof::close_event(std::int64_t event_number) {
  const auto broken =
      std::ranges::find_if(sums_, [](const auto& each) { return each.second != 0; });
  if (broken != sums_.end()) {
    return Imbalance{event_number, broken->first, broken->second};
  }
  sums_.clear();
  return std::nullopt;
}

}  // namespace core::ledger
