// From events to rows of the ledger, as PostgreSQL's binary COPY takes them.
//
// The fast twin of settlement/postings.py, for trades alone: they are nearly all of what a ledger
// holds. Every other event is left to Python, which is told where it stands.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/layouts.hpp"
#include "core/ledger/marks.hpp"

namespace core::ledger {

// Kinds of events lie below this.
inline constexpr std::size_t KINDS = 1024;

// What is done with an event of a kind.
enum class Treatment : std::uint8_t { UNKNOWN, IGNORED, LEFT_TO_CALLER };

struct KindRule {
  std::uint16_t length = 0;
  Treatment treatment = Treatment::UNKNOWN;
};

// A frame's reading: where events of the caller stand, and the last stamp.
struct Reading {
  bool is_whole = false;
  std::int64_t time_ns = 0;
  std::vector<std::size_t> left;
};

class Rows {
 public:
  explicit Rows(MarkRules rules) : marks_(rules) {}

  void know_kind(std::uint16_t kind, KindRule rule) { rules_.at(kind) = rule; }
  void know_market(std::uint32_t instrument, std::uint32_t base, std::uint32_t quote) {
    markets_[instrument] = {base, quote};
  }

  // Read a frame of whole commands, events ``first`` to ``last``. Where it is not whole nothing is
  // promised of the rows: the caller reads it again, slowly, to say what is wrong with it.
  [[nodiscard]] Reading read(std::span<const std::byte> frame, std::uint64_t first,
                             std::uint64_t last);

  [[nodiscard]] const std::string& entries() const noexcept { return entries_; }
  [[nodiscard]] const std::string& trades() const noexcept { return trades_; }
  [[nodiscard]] std::size_t trade_count() const noexcept { return trade_count_; }
  // Forget the rows, and keep the markets.
  void clear() noexcept;

  // Told of the entries of trades as they are read; of all others by the caller.
  [[nodiscard]] Marks& marks() noexcept { return marks_; }
  [[nodiscard]] const Marks& marks() const noexcept { return marks_; }

 private:
  struct Market {
    std::uint32_t base;
    std::uint32_t quote;
  };

  bool add_trade(const events::TradeExecuted& trade);

  Marks marks_;
  std::array<KindRule, KINDS> rules_{};
  std::unordered_map<std::uint32_t, Market> markets_;
  std::string entries_;
  std::string trades_;
  std::size_t trade_count_ = 0;
};

}  // namespace core::ledger
