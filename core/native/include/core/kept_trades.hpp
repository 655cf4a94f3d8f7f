// The trades that may still be busted or corrected: always the last ones, without a gap.
#pragma once

#include <bit>
#include <cstdint>

#include "core/memory.hpp"

namespace core {

inline constexpr std::uint32_t TRADES_KEPT_MAX = 1'000'000;

// What undoing a trade exactly takes, beside its orders; without lots it was busted.
// `event_number` is the event that told its present terms. The rates are those that its fees were
// computed with. One line of the cache, because every trade writes one.
struct alignas(64) KeptTrade {
  std::uint64_t event_number;
  std::uint64_t maker_order_id;
  std::uint64_t taker_order_id;
  std::int64_t price_ticks;
  std::int64_t quantity_lots;
  std::int64_t maker_fee;
  std::int64_t taker_fee;
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
};
static_assert(sizeof(KeptTrade) == 64);

// A side of a quote that made a kept trade: no client id keeps that order known, so its trades do.
struct KeptSide {
  std::uint64_t trade_id;
  std::uint64_t order_id;
};

class KeptTrades {
 public:
  [[nodiscard]] std::uint32_t trades_max() const noexcept { return trades_max_; }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] bool is_keeping() const noexcept { return trades_max_ != 0; }

  // Where the newest trade stands from here on; the oldest goes where there is no room. Only while
  // trades are kept.
  [[nodiscard]] KeptTrade& keep(std::uint64_t trade_id) noexcept {
    count_ += static_cast<std::uint32_t>(count_ < trades_max_);
    return trades_[trade_id & mask_];
  }

  // A kept trade; nothing for one that is not.
  [[nodiscard]] KeptTrade* find(std::uint64_t trade_id, std::uint64_t last_trade_id) noexcept {
    return last_trade_id - trade_id < count_ ? &trades_[trade_id & mask_] : nullptr;
  }
  [[nodiscard]] const KeptTrade& at(std::uint64_t trade_id) const noexcept {
    return trades_[trade_id & mask_];
  }

  [[nodiscard]] bool is_kept(std::uint64_t trade_id, std::uint64_t last_trade_id) const noexcept {
    return last_trade_id - trade_id < count_;
  }

  // Let the newest trade keep a side of a quote known.
  void keep_side(std::uint64_t trade_id, std::uint64_t order_id) {
    sides_.push({trade_id, order_id});
  }
  // Whether the oldest side is one of a trade that is kept no more.
  [[nodiscard]] bool lets_go(std::uint64_t last_trade_id) const noexcept {
    return !sides_.empty() && !is_kept(sides_.front().trade_id, last_trade_id);
  }
  [[nodiscard]] KeptSide take_oldest_side() noexcept {
    const KeptSide side = sides_.front();
    sides_.pop();
    return side;
  }

  // Keep as many from here on; the newest of those kept so far stay. Throws std::bad_alloc, and
  // then all is as it was.
  void resize(std::uint32_t trades_max, std::uint64_t last_trade_id) {
    MappedArray<KeptTrade> larger;
    if (trades_max != 0) {
      larger.grow(std::bit_ceil(trades_max));
    }
    const std::uint64_t mask = trades_max == 0 ? 0 : larger.size() - 1;
    const std::uint32_t count = count_ < trades_max ? count_ : trades_max;
    for (std::uint64_t trade_id = last_trade_id - count + 1; trade_id <= last_trade_id;
         ++trade_id) {
      larger[trade_id & mask] = at(trade_id);
    }
    trades_ = std::move(larger);
    mask_ = mask;
    trades_max_ = trades_max;
    count_ = count;
  }

 private:
  MappedArray<KeptTrade> trades_;
  Ring<KeptSide> sides_;  // the oldest trade's first
  std::uint64_t mask_ = 0;
  std::uint32_t trades_max_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace core
