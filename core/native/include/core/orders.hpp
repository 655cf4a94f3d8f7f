// An order's memory: what matching touches in one cache line, the rest in two more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/layouts.hpp"
#include "core/memory.hpp"

namespace core {

// What matching needs of an order. `shown_lots` is not zero while, and only while, it is in a
// book's queue, whose neighbours are `previous` and `next`. The last eight bytes stand as in an
// order event.
struct alignas(64) HotOrder {
  std::uint64_t order_id;
  std::int64_t price_ticks;
  std::int64_t leaves_lots;
  std::int64_t shown_lots;
  std::int64_t held_atoms;
  std::uint32_t previous;
  std::uint32_t next;
  std::uint32_t account;     // index
  std::uint32_t instrument;  // index
  std::uint8_t side;
  std::uint8_t order_type;
  std::uint8_t time_in_force;
  std::uint8_t status;
  std::uint8_t self_trade_prevention;
  std::uint8_t order_flags;
  std::uint16_t reason;

  [[nodiscard]] bool is_buy() const noexcept { return side == side::BUY; }
  [[nodiscard]] bool is_open() const noexcept { return status <= status::PARTIALLY_FILLED; }
  [[nodiscard]] bool is_pending() const noexcept { return status == status::PENDING_TRIGGER; }
  // Whether what does not trade at once must go, rather than rest.
  [[nodiscard]] bool is_immediate() const noexcept {
    return time_in_force == time_in_force::IMMEDIATE_OR_CANCEL ||
           time_in_force == time_in_force::FILL_OR_KILL || order_type == order_type::MARKET ||
           order_type == order_type::STOP;
  }
  [[nodiscard]] bool is_cash() const noexcept { return (order_flags & CASH_QUANTITY) != 0; }
  [[nodiscard]] bool is_quoted() const noexcept { return (order_flags & QUOTE_SIDE) != 0; }
  [[nodiscard]] bool is_queued() const noexcept { return shown_lots != 0; }

  // The last eight bytes as one: what was stored in parts a moment ago cannot be loaded whole
  // before it has reached the cache.
  [[nodiscard]] std::uint64_t terms() const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, reinterpret_cast<const std::byte*>(this) + TERMS_AT, sizeof(word));
    return word;
  }
  void set_terms(std::uint64_t word) noexcept {
    std::memcpy(reinterpret_cast<std::byte*>(this) + TERMS_AT, &word, sizeof(word));
  }
  void set_status(std::uint8_t new_status) noexcept {
    set_terms((terms() & 0xFFFFFFFF'00FFFFFF) | std::uint64_t{new_status} << 24);
  }
  void set_status(std::uint8_t new_status, std::uint16_t new_reason) noexcept {
    set_terms((terms() & 0x0000FFFF'00FFFFFF) | std::uint64_t{new_status} << 24 |
              std::uint64_t{new_reason} << 48);
  }

 private:
  static constexpr std::size_t TERMS_AT = 56;
};
static_assert(offsetof(HotOrder, side) == 56 && offsetof(HotOrder, status) == 59 &&
              offsetof(HotOrder, self_trade_prevention) == 60 &&
              offsetof(HotOrder, order_flags) == 61 && offsetof(HotOrder, reason) == 62);
static_assert(sizeof(HotOrder) == 64);

// A client id by where it is: its node, and its hash, so that the node need not be read to find
// its place in the table. Node 0 is none. One word, because it is copied as soon as it is made.
struct KnownId {
  std::uint64_t word;

  [[nodiscard]] static KnownId of(std::uint32_t node, std::uint32_t hash) noexcept {
    return {std::uint64_t{hash} << 32 | node};
  }
  [[nodiscard]] std::uint32_t node() const noexcept { return static_cast<std::uint32_t>(word); }
  [[nodiscard]] std::uint32_t hash() const noexcept {
    return static_cast<std::uint32_t>(word >> 32);
  }
};

// The ids that name an order, in the order they came. Most have one or two; `more` is the latest
// of the blocks with the others, 0 for none. `current` is the node of the one it goes by.
struct IdList {
  KnownId first;
  KnownId second;
  std::uint32_t more;
  std::uint32_t current;
};

// The rest: first what events tell, then the money's side and the lists that it is in.
struct alignas(128) ColdOrder {
  std::int64_t quantity_lots;
  std::int64_t filled_lots;
  std::int64_t filled_value;
  std::int64_t stop_price_ticks;
  union {
    std::int64_t display_lots;
    std::int64_t cash_atoms;  // of a cash-quantity order, which never rests and shows nothing
  };
  std::int64_t minimum_lots;
  std::int64_t expire_at_ns;
  std::uint32_t session;
  std::uint32_t connection;

  std::uint32_t base;   // index of the account's balance in the base asset
  std::uint32_t quote;  // and in the quote asset
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
  std::uint32_t fee_credit;
  std::uint32_t trader;
  std::uint64_t arrival;
  std::int64_t expires_at_ns;
  IdList ids;
};
static_assert(sizeof(ColdOrder) == 128);

// What makes an order one side of a quote: the quote's index, that of the protection group which
// counts its trades, 0 for none, and the last of its trades that was kept, 0 for none. Of other
// orders it says nothing.
struct QuotedSide {
  std::uint32_t quote;
  std::uint32_t protection;
  std::uint64_t last_trade_id;
};

// An order's two parts under one index.
class Orders {
 public:
  Orders() {
    cold_.grow(1);
    places_.grow(1);
    sides_.grow(1);
  }

  [[nodiscard, gnu::always_inline]] std::uint32_t allocate() {
    const std::uint32_t index = hot_.allocate();
    if (index >= cold_.size()) [[unlikely]] {
      cold_.grow(std::size_t{index} + 1);
      places_.grow(cold_.size());
      sides_.grow(cold_.size());
    }
    const char* upcoming = reinterpret_cast<const char*>(&cold_[hot_.upcoming()]);
    fetch_for_writing(upcoming);
    fetch_for_writing(upcoming + 64);
    return index;
  }
  void release(std::uint32_t index) { hot_.release(index); }

  [[nodiscard]] HotOrder& hot(std::uint32_t index) noexcept { return hot_[index]; }
  [[nodiscard]] const HotOrder& hot(std::uint32_t index) const noexcept { return hot_[index]; }
  [[nodiscard]] ColdOrder& cold(std::uint32_t index) noexcept { return cold_[index]; }
  [[nodiscard]] const ColdOrder& cold(std::uint32_t index) const noexcept { return cold_[index]; }

  // Where an open order stands in its account's list of them.
  [[nodiscard]] std::uint32_t& place(std::uint32_t index) noexcept { return places_[index]; }

  [[nodiscard]] QuotedSide& quoted(std::uint32_t index) noexcept { return sides_[index]; }
  [[nodiscard]] const QuotedSide& quoted(std::uint32_t index) const noexcept {
    return sides_[index];
  }

  void prefetch(std::uint32_t index) const noexcept {
    fetch(&hot_[index]);
    const char* cold = reinterpret_cast<const char*>(&cold_[index]);
    fetch(cold);
    fetch(cold + 64);
    fetch(&places_[index]);
  }

 private:
  Slab<HotOrder> hot_;
  MappedArray<ColdOrder> cold_;
  MappedArray<std::uint32_t> places_;
  MappedArray<QuotedSide> sides_;
};

}  // namespace core
