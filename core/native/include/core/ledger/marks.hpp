// Which balances are written down where, and what they are: from the entries alone.
//
// A balance as of any moment is then the last one written down before it, and the few entries of
// its account since (docs/ledger.md, "As of a moment").
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace core::ledger {

struct MarkRules {
  // A place of marks is each event whose number is a multiple of this.
  std::int64_t place_events;
  // At the first place in each so many events, every account that moved is written down.
  std::int64_t whole_events;
  // At any other, those with so many entries since the place before; and always the venue's own.
  std::int64_t busy_entries;
};

struct LedgerAccount {
  std::int16_t kind;
  std::int64_t account;
  std::int64_t asset;

  [[nodiscard]] auto operator<=>(const LedgerAccount&) const = default;
};

struct LedgerAccountHash {
  [[nodiscard]] std::size_t operator()(const LedgerAccount& key) const noexcept {
    constexpr std::uint64_t ODD = 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = static_cast<std::uint64_t>(key.account) * ODD;
    mixed = (mixed ^ static_cast<std::uint64_t>(key.asset)) * ODD;
    mixed = (mixed ^ static_cast<std::uint64_t>(key.kind)) * ODD;
    return static_cast<std::size_t>(mixed ^ (mixed >> 32));
  }
};

// An event at whose place balances are written down, and the stamp of the last entry up to it.
struct Mark {
  std::int64_t event_number;
  std::int64_t time_ns;
};

class Marks {
 public:
  explicit Marks(MarkRules rules) : rules_(rules) {}

  // Say what is on a ledger account before the entries that follow.
  void know_balance(const LedgerAccount& key, std::int64_t balance_atoms) {
    balances_[key].balance_atoms = balance_atoms;
  }

  // Take an entry, or the sum of several between the same two places. Entries between two places
  // come in any order until the next ``close``.
  void move(std::int64_t event_number, std::int64_t time_ns, const LedgerAccount& key,
            std::int64_t amount_atoms, std::int64_t entries = 1);

  // Take all that moved into the balances, writing down at each place that was passed.
  void close();

  [[nodiscard]] const std::vector<Mark>& marks() const noexcept { return marks_; }
  // Rows of balance_marks, as a binary COPY takes them.
  [[nodiscard]] const std::string& rows() const noexcept { return rows_; }
  // Forget what was written down, and keep the balances.
  void clear() noexcept;

 private:
  struct Change {
    std::int64_t amount_atoms = 0;
    std::int64_t entries = 0;
  };
  // Entries between two places.
  struct Stretch {
    std::int64_t last_event = 0;
    std::int64_t time_ns = 0;
    std::unordered_map<LedgerAccount, Change, LedgerAccountHash> changes;
  };
  struct Balance {
    std::int64_t balance_atoms = 0;
    bool has_moved = false;  // since it was written down
  };
  struct Account {
    std::int64_t entries = 0;  // since the last place
    std::vector<LedgerAccount> moved;
  };

  void pass(std::int64_t place);
  void write_down(Account& account, std::vector<LedgerAccount>& found);

  MarkRules rules_;
  std::map<std::int64_t, Stretch> stretches_;
  std::unordered_map<LedgerAccount, Balance, LedgerAccountHash> balances_;
  std::unordered_map<std::int64_t, Account> accounts_;
  std::vector<std::int64_t> active_;  // accounts with entries since the last place
  std::int64_t place_ = -1;  // of the stretch in hand; below zero: there was no entry yet
  std::int64_t time_ns_ = 0;
  std::vector<Mark> marks_;
  std::string rows_;
};

}  // namespace core::ledger
