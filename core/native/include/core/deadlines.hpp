// What falls due without any other command.
//
// Most of it is orders of one day, which all end at one stamp and come and go with every command:
// they stand in a list for each stamp, in the order of their numbers, so that neither costs a
// search or an allocation. The few other things stand in a sorted set.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <set>

#include "core/memory.hpp"
#include "core/orders.hpp"

namespace core {

// Earliest first; equal stamps by kind, then number.
struct Deadline {
  static constexpr std::uint32_t ORDER_EXPIRY = 1;
  static constexpr std::uint32_t SESSION_GRACE = 2;
  static constexpr std::uint32_t PHASE_END = 3;
  static constexpr std::uint32_t INDICATIVE_PRICE = 4;
  static constexpr std::uint32_t RFQ_QUOTE_END = 15;
  static constexpr std::uint32_t QUOTE_REQUEST_END = 16;
  static constexpr std::uint32_t PROTECTION_THAW = 50;  // numbered among all accounts' groups

  std::int64_t at_ns;
  std::uint32_t kind;
  std::uint64_t number;

  auto operator<=>(const Deadline&) const = default;
};

class Deadlines {
 public:
  explicit Deadlines(const Orders& orders) : orders_(orders) {}

  [[nodiscard]] bool empty() const noexcept { return ends_.empty() && others_.empty(); }

  // The earliest one; only when there is one.
  [[nodiscard]] Deadline first() const noexcept {
    static_assert(Deadline::ORDER_EXPIRY < Deadline::SESSION_GRACE);
    if (ends_.empty() || (!others_.empty() && others_.begin()->at_ns < ends_.begin()->first)) {
      return *others_.begin();
    }
    const auto& [at_ns, end] = *ends_.begin();
    std::uint64_t number = end.first != 0 ? orders_.hot(end.first).order_id : ~std::uint64_t{0};
    if (!end.early.empty()) {
      number = std::min(number, end.early.begin()->first);
    }
    return {at_ns, Deadline::ORDER_EXPIRY, number};
  }

  // Of anything but orders.
  void insert(const Deadline& deadline) { others_.insert(deadline); }
  void erase(const Deadline& deadline) { others_.erase(deadline); }

  // Let an open order end at a stamp.
  void add_order(std::int64_t at_ns, std::uint32_t order) {
    links_.grow(std::size_t{order} + 1);
    End& end = end_at(at_ns);
    const std::uint64_t order_id = orders_.hot(order).order_id;
    if (order_id < end.last_id) [[unlikely]] {
      end.early.emplace(order_id, order);
      return;
    }
    end.last_id = order_id;
    links_[order] = {end.last, 0};
    (end.last == 0 ? end.first : links_[end.last].next) = order;
    end.last = order;
  }

  // And not any more.
  void remove_order(std::int64_t at_ns, std::uint32_t order) {
    End& end = end_at(at_ns);
    if (end.early.empty() || end.early.erase(orders_.hot(order).order_id) == 0) [[likely]] {
      const Link link = links_[order];
      (link.previous == 0 ? end.first : links_[link.previous].next) = link.next;
      (link.next == 0 ? end.last : links_[link.next].previous) = link.previous;
    }
    if (end.first == 0 && end.early.empty()) [[unlikely]] {
      ends_.erase(at_ns);
      near_ = nullptr;
    }
  }

 private:
  struct Link {
    std::uint32_t previous;
    std::uint32_t next;
  };

  // The orders of one stamp: a list by rising number, and by number those that came to it when a
  // later one was there already, which only an amend of the date does.
  struct End {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint64_t last_id = 0;  // the largest that ever was in the list
    std::map<std::uint64_t, std::uint32_t> early;
  };

  [[nodiscard]] End& end_at(std::int64_t at_ns) {
    if (near_ == nullptr || near_at_ns_ != at_ns) [[unlikely]] {
      near_ = &ends_[at_ns];
      near_at_ns_ = at_ns;
    }
    return *near_;
  }

  const Orders& orders_;
  MappedArray<Link> links_;  // by order
  std::map<std::int64_t, End> ends_;
  End* near_ = nullptr;  // the one that was asked for last
  std::int64_t near_at_ns_ = 0;
  std::set<Deadline> others_;
};

}  // namespace core
