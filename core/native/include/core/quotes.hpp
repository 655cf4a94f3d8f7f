// Quotes that stand, the groups that protect their makers, and the steps that all handlers share.
//
// A quote is up to two orders, a bid and an ask, under one name of the maker's. No client id names
// its sides: what they go by may come again, so a side is forgotten as soon as it is done, unless it
// traded: then it is remembered as long as the last of its trades is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/arithmetic.hpp"
#include "core/client_ids.hpp"
#include "core/layouts.hpp"
#include "core/memory.hpp"
#include "core/number_map.hpp"

namespace core {

inline constexpr std::uint32_t PROTECTION_TRADES_MAX = 1000;
inline constexpr std::size_t PROTECTIONS_OF_ACCOUNT_MAX = 100;

// Names of sides are a quote's id, this, and an entry's id, in which it never stands.
inline constexpr char QUOTE_SEPARATOR = '/';
inline constexpr std::size_t QUOTE_NAME_SIZE = 36;
inline constexpr std::size_t ENTRY_ID_SIZE = 16;

// What became of one entry of a mass quote, as messages/trading/events.py has it.
struct [[gnu::packed, gnu::may_alias]] QuoteOutcome {
  Text<16> entry_id;
  std::uint32_t instrument;
  std::uint32_t protection_group;
  std::uint16_t code;
  std::uint8_t stands;
  std::uint8_t spare[5];
  std::int64_t limit;
  std::int64_t usage;
};
static_assert(sizeof(QuoteOutcome) == 48);
inline constexpr std::size_t OUTCOMES_PER_EVENT =
    sizeof(events::MassQuoteAcknowledged::outcomes) / sizeof(QuoteOutcome);
static_assert(OUTCOMES_PER_EVENT == 8);

[[nodiscard]] inline std::size_t size_of_text(const Text<40>& text) noexcept {
  return ::strnlen(text.data(), text.size());
}

// An entry's id within an instrument, whose number stands where no id reaches.
struct QuoteKey {
  Text<40> text;
  std::uint32_t hash;

  [[nodiscard]] static Text<40> join(const char* entry_id, std::size_t size,
                                     std::uint32_t instrument) noexcept {
    Text<40> text{};
    std::memcpy(text.data(), entry_id, size);
    std::memcpy(text.data() + QUOTE_NAME_SIZE, &instrument, sizeof(instrument));
    return text;
  }
};

// Orders by index; 0 for a side that is not there. One of them always is.
struct Quote {
  std::uint32_t bid;
  std::uint32_t ask;
  KnownId name;

  [[nodiscard]] std::uint32_t& side(std::uint8_t which) noexcept {
    return which == side::BUY ? bid : ask;
  }
};

// The quotes of all accounts, by what their makers call them.
class Quotes {
 public:
  explicit Quotes(std::uint64_t seed) : names_(seed) {}

  [[nodiscard]] std::uint32_t hash(std::uint32_t account_number,
                                   const Text<40>& key) const noexcept {
    return names_.hash(account_number, key);
  }
  // The quote's index, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint32_t account, const QuoteKey& key) const noexcept {
    const std::uint32_t node = names_.find(key.hash, account, key.text);
    return node == 0 ? 0 : names_.node(node).order;
  }
  [[nodiscard]] Quote& operator[](std::uint32_t index) noexcept { return quotes_[index]; }

  // Make a quote that is not there yet; its sides are to follow.
  std::uint32_t add(std::uint32_t account, const QuoteKey& key) {
    const std::uint32_t index = quotes_.allocate();
    quotes_[index] = {0, 0, names_.add(key.hash, account, key.text, index)};
    return index;
  }
  void remove(std::uint32_t index) {
    names_.remove(quotes_[index].name);
    quotes_.release(index);
  }

 private:
  ClientIds names_;
  Slab<Quote> quotes_;
};

// What one trade of a group's quote added: base atoms, below zero for a sale.
struct ProtectionFill {
  std::int64_t at_ns;
  std::int64_t base_atoms;
  std::int64_t notional_atoms;

  [[nodiscard]] std::int64_t quantity_atoms() const noexcept {
    return base_atoms < 0 ? -base_atoms : base_atoms;
  }
};

// The trades that a group counts, the oldest first: at most PROTECTION_TRADES_MAX.
class ProtectionFills {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  // The one that many places behind the oldest.
  [[nodiscard]] const ProtectionFill& at(std::size_t place) const noexcept {
    return fills_[(first_ + place) % fills_.size()];
  }
  void push(const ProtectionFill& fill) {
    if (count_ == fills_.size()) {
      make_room();
    }
    fills_[(first_ + count_++) % fills_.size()] = fill;
  }
  void pop() noexcept {
    first_ = (first_ + 1) % fills_.size();
    --count_;
  }
  void clear() noexcept { first_ = count_ = 0; }

 private:
  void make_room() {
    std::vector<ProtectionFill> larger(fills_.empty() ? 8 : 2 * fills_.size());
    for (std::size_t place = 0; place < count_; ++place) {
      larger[place] = at(place);
    }
    fills_.swap(larger);
    first_ = 0;
  }

  std::vector<ProtectionFill> fills_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

// A limit that was reached, its value, and what reaches it.
struct Reached {
  std::uint8_t which = 0;
  std::int64_t limit = 0;
  Wide usage = 0;
};

// The sums of what a group's quotes traded.
struct Counted {
  Wide quantity_atoms = 0;
  Wide notional_atoms = 0;
  Wide delta_atoms = 0;
  std::size_t trades = 0;

  void add(const ProtectionFill& fill) noexcept {
    quantity_atoms += fill.quantity_atoms();
    notional_atoms += fill.notional_atoms;
    delta_atoms += fill.base_atoms;
    ++trades;
  }
};

// A protection group: its limits, and what its quotes traded within the window.
struct Protection {
  std::uint32_t account;  // index
  std::uint32_t number;
  std::uint32_t base_asset;   // number
  std::uint32_t quote_asset;  // number, 0 for any
  std::int64_t quantity_max_atoms;
  std::int64_t notional_max_atoms;
  std::int64_t delta_max_atoms;
  std::int64_t window_ns;
  std::int64_t frozen_ns;
  std::int64_t frozen_until_ns;
  std::uint32_t trades_max;
  bool is_frozen;
  ProtectionFills fills{};
  Wide quantity_atoms = 0;
  Wide notional_atoms = 0;
  Wide delta_atoms = 0;

  void begin_anew() noexcept {
    fills.clear();
    quantity_atoms = notional_atoms = delta_atoms = 0;
  }
  void add(const ProtectionFill& fill) {
    fills.push(fill);
    quantity_atoms += fill.quantity_atoms();
    notional_atoms += fill.notional_atoms;
    delta_atoms += fill.base_atoms;
  }
  // Leave out what is as old as the window, or older.
  void forget(std::int64_t now_ns) noexcept {
    while (fills.size() != 0 && Wide{fills.at(0).at_ns} + window_ns <= now_ns) {
      const ProtectionFill gone = fills.at(0);
      fills.pop();
      quantity_atoms -= gone.quantity_atoms();
      notional_atoms -= gone.notional_atoms;
      delta_atoms -= gone.base_atoms;
    }
  }
  // The first limit that is reached; of no kind when none is.
  [[nodiscard]] Reached reached() const noexcept { return reached_by(counted()); }
  [[nodiscard]] Counted counted() const noexcept {
    return {quantity_atoms, notional_atoms, delta_atoms, fills.size()};
  }
  // The first limit that such sums would reach.
  [[nodiscard]] Reached reached_by(const Counted& sums) const noexcept {
    const auto is_at = [](std::int64_t limit, Wide usage) { return limit != 0 && usage >= limit; };
    const Wide apart_atoms = sums.delta_atoms < 0 ? -sums.delta_atoms : sums.delta_atoms;
    if (is_at(quantity_max_atoms, sums.quantity_atoms)) {
      return {protection_limit::QUANTITY, quantity_max_atoms, sums.quantity_atoms};
    }
    if (is_at(notional_max_atoms, sums.notional_atoms)) {
      return {protection_limit::NOTIONAL, notional_max_atoms, sums.notional_atoms};
    }
    if (is_at(delta_max_atoms, apart_atoms)) {
      return {protection_limit::DELTA, delta_max_atoms, apart_atoms};
    }
    if (is_at(trades_max, static_cast<Wide>(sums.trades))) {
      return {protection_limit::TRADES, trades_max, static_cast<Wide>(sums.trades)};
    }
    return {};
  }
};

// The protection groups of all accounts: none ever goes.
class Protections {
 public:
  Protections() : all_(1) {}

  // A group's index by its account's number and its own, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint32_t account_number,
                                   std::uint32_t number) const noexcept {
    const std::uint32_t found = numbers_.find(number_among_all(account_number, number));
    return found == KeyMap::NONE ? 0 : found;
  }
  [[nodiscard]] Protection& operator[](std::uint32_t index) noexcept { return all_[index]; }
  [[nodiscard]] const Protection& operator[](std::uint32_t index) const noexcept {
    return all_[index];
  }
  std::uint32_t add(std::uint32_t account_number, Protection&& protection) {
    const auto index = static_cast<std::uint32_t>(all_.size());
    numbers_.set(number_among_all(account_number, protection.number), index);
    all_.push_back(std::move(protection));
    return index;
  }
  [[nodiscard]] static std::uint64_t number_among_all(std::uint32_t account_number,
                                                      std::uint32_t number) noexcept {
    return std::uint64_t{account_number} << 32 | number;
  }

 private:
  std::vector<Protection> all_;
  KeyMap numbers_;
};

}  // namespace core
