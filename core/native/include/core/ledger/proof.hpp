// That the entries which are sent to PostgreSQL balance, and what they come to.
//
// It reads the encoded rows themselves and shares nothing with what made them, so that a mistake
// on the way from an event to its bytes is found, in a fraction of the time that the database
// takes to group as many rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/ledger/marks.hpp"

namespace core::ledger {

// Entries of an event that do not sum to zero.
struct Imbalance {
  std::int64_t event_number;
  std::int64_t asset;
  std::int64_t total_atoms;
};

// What the entries of a ledger account come to, and how many they are.
struct Moved {
  std::int64_t atoms = 0;
  std::int64_t entries = 0;
};

class EntryProof {
 public:
  // Read rows of entries as a binary COPY takes them; those of an event stand together. Returns
  // the first event that does not balance.
  //
  // Throws std::invalid_argument where they are no rows of entries, and std::overflow_error where
  // a sum leaves 64 bits.
  [[nodiscard]] std::optional<Imbalance> read(std::span<const std::byte> rows);

  [[nodiscard]] const std::unordered_map<LedgerAccount, Moved, LedgerAccountHash>& moved()
      const noexcept {
    return moved_;
  }

 private:
  void add_to_event(std::int64_t asset, std::int64_t amount_atoms);
  [[nodiscard]] std::optional<Imbalance> close_event(std::int64_t event_number);

  std::unordered_map<LedgerAccount, Moved, LedgerAccountHash> moved_;
  std::vector<std::pair<std::int64_t, std::int64_t>> sums_;  // of the event in hand, by asset
};

}  // namespace core::ledger
