#include "core/ledger/marks.hpp"

#include <algorithm>

#include "core/ledger/copy_fields.hpp"

namespace core::ledger {

namespace {

constexpr std::int64_t VENUE = 0;

// A row of balance_marks: its count, then five fields.
constexpr std::size_t ROW_BYTES = 2 + 5 * 4 + 2 + 4 * 8;

void add_row(std::string& out, const LedgerAccount& key, std::int64_t event_number,
             std::int64_t balance_atoms) {
  char row[ROW_BYTES];
  char* at = row;
  add_count(at, 5);
  add_field(at, key.kind);
  add_field(at, key.account);
  add_field(at, key.asset);
  add_field(at, event_number);
  add_field(at, balance_atoms);
  out.append(row, sizeof row);
}

}  // namespace

void Marks::move(std::int64_t event_number, std::int64_t time_ns, const LedgerAccount& key,
                 std::int64_t amount_atoms, std::int64_t entries) {
  // What a migration carried over has numbers below one: it lies before the first place.
  const std::int64_t place =
      (std::max(event_number, std::int64_t{1}) - 1) / rules_.place_events;
  Stretch& stretch =
      stretches_.empty() || stretches_.rbegin()->first != place
          ? stretches_[place]
          : stretches_.rbegin()->second;
  if (event_number >= stretch.last_event) {
    stretch.last_event = event_number;
    stretch.time_ns = time_ns;
  }
  Change& change = stretch.changes[key];
  change.amount_atoms += amount_atoms;
  change.entries += entries;
}

void Marks::close() {
  for (const auto& [place, stretch] : stretches_) {
    if (place_ >= 0 && place > place_) {
      pass(place);
    }
    place_ = place;
    time_ns_ = stretch.time_ns;
    for (const auto& [key, change] : stretch.changes) {
      Account& account = accounts_[key.account];
      if (account.entries == 0) {
        active_.push_back(key.account);
      }
      account.entries += change.entries;
      Balance& balance = balances_[key];
      balance.balance_atoms += change.amount_atoms;
      if (!balance.has_moved) {
        balance.has_moved = true;
        account.moved.push_back(key);
      }
    }
  }
  stretches_.clear();
}

void Marks::clear() noexcept {
  marks_.clear();
  rows_.clear();
}

// Write down at the last place before the next stretch. Where several were passed without an
// entry between them, one mark says it all.
void Marks::pass(std::int64_t place) {
  const std::int64_t places_apart = rules_.whole_events / rules_.place_events;
  const bool is_whole = place / places_apart > place_ / places_apart;
  std::vector<LedgerAccount> found;
  for (const std::int64_t number : active_) {
    Account& account = accounts_[number];
    if (number == VENUE || account.entries >= rules_.busy_entries) {
      write_down(account, found);
    }
    account.entries = 0;
  }
  active_.clear();
  if (is_whole) {
    for (auto& [number, account] : accounts_) {
      write_down(account, found);
    }
  }
  std::ranges::sort(found);
  const std::int64_t event_number = place * rules_.place_events;
  for (const LedgerAccount& key : found) {
    add_row(rows_, key, event_number, balances_[key].balance_atoms);
  }
  marks_.push_back({event_number, time_ns_});
}

void Marks::write_down(Account& account, std::vector<LedgerAccount>& found) {
  for (const LedgerAccount& key : account.moved) {
    balances_[key].has_moved = false;
    found.push_back(key);
  }
  account.moved.clear();
}

}  // namespace core::ledger
