// One instrument's book: price levels, each a queue of orders in time order.
//
// A side is a window of levels in an array, with a bitmap of the occupied ones, around where
// trading is; levels far away stand in a sorted map. The window moves when most of what happens
// is outside it. Nothing is allocated for a side before its first order.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>

#include "core/memory.hpp"
#include "core/orders.hpp"

namespace core {

// The queue at one price, first to trade at `head`; without a head there is no level.
struct Level {
  std::uint32_t head;
  std::uint32_t tail;
  std::int64_t shown_lots;
  std::uint64_t touched_by;  // the last command that changed it
  std::uint32_t orders;
  std::uint32_t spare;
};
static_assert(sizeof(Level) == 32);

class BookSide {
 public:
  static constexpr std::size_t WINDOW = 4096;

  BookSide(Orders& orders, bool is_buy) : orders_(orders), is_buy_(is_buy) {}

  [[nodiscard]] bool is_buy() const noexcept { return is_buy_; }
  [[nodiscard]] bool empty() const noexcept { return best_ == nullptr; }
  [[nodiscard]] Level& best() const noexcept { return *best_; }
  // The best price; only when not empty.
  [[nodiscard]] std::int64_t best_ticks() const noexcept { return best_ticks_; }
  [[nodiscard]] bool reaches(std::int64_t price_ticks, std::int64_t limit_ticks) const noexcept {
    return is_buy_ ? price_ticks >= limit_ticks : price_ticks <= limit_ticks;
  }

  // The level at a price, or nothing.
  [[nodiscard]] Level* find(std::int64_t price_ticks) noexcept {
    if (is_in_window(price_ticks)) [[likely]] {
      Level& level = levels_[place_of(price_ticks)];
      return level.head != 0 ? &level : nullptr;
    }
    return find_far(price_ticks);
  }

  // Put an order at the back of its price's queue, showing its tranche.
  [[gnu::always_inline]] Level& append(std::uint32_t index) {
    HotOrder& order = orders_.hot(index);
    std::int64_t shown_lots = order.leaves_lots;
    const std::int64_t display_lots = orders_.cold(index).display_lots;
    if (display_lots > 0 && display_lots < shown_lots) {
      shown_lots = display_lots;
    }
    return append_showing(index, shown_lots);
  }

  [[gnu::always_inline]] Level& append_showing(std::uint32_t index, std::int64_t shown_lots) {
    HotOrder& order = orders_.hot(index);
    order.shown_lots = shown_lots;
    Level& level = provide(order.price_ticks);
    const std::uint32_t tail = level.tail;
    order.previous = tail;
    order.next = 0;
    (tail == 0 ? level.head : orders_.hot(tail).next) = index;
    level.tail = index;
    level.shown_lots += shown_lots;
    ++level.orders;
    return level;
  }

  // Take an order out of its queue, and its level out of the book when it was the last.
  [[gnu::always_inline]] void remove(std::uint32_t index, Level& level) {
    HotOrder& order = orders_.hot(index);
    (order.previous == 0 ? level.head : orders_.hot(order.previous).next) = order.next;
    (order.next == 0 ? level.tail : orders_.hot(order.next).previous) = order.previous;
    level.shown_lots -= order.shown_lots;
    --level.orders;
    order.shown_lots = 0;
    if (level.head == 0) {
      drop(level, order.price_ticks);
    }
  }

  // Take lots off a resting order, from what is hidden first; it keeps its place.
  void reduce(std::uint32_t index, Level& level, std::int64_t lots) noexcept {
    HotOrder& order = orders_.hot(index);
    order.leaves_lots -= lots;
    if (order.shown_lots > order.leaves_lots) {
      level.shown_lots -= order.shown_lots - order.leaves_lots;
      order.shown_lots = order.leaves_lots;
    }
  }

  // Trade lots of a resting order's shown quantity; a used-up tranche goes to the back.
  void take(std::uint32_t index, Level& level, std::int64_t lots) {
    HotOrder& order = orders_.hot(index);
    order.leaves_lots -= lots;
    level.shown_lots -= lots;
    if (order.shown_lots != lots) {
      order.shown_lots -= lots;
      return;
    }
    order.shown_lots = 0;
    remove(index, level);
    if (order.leaves_lots != 0) {
      append(index);
    }
  }

  // The next level behind a price, and its price; nothing behind the last.
  [[nodiscard]] Level* behind(std::int64_t price_ticks, std::int64_t& found_ticks) noexcept;

  // Between two commands: forget what is no longer there, and move the window if that would pay.
  void settle() {
    if (far_ != nullptr) [[unlikely]] {
      settle_far();
    }
  }

  [[nodiscard]] bool has_far_levels() const noexcept { return far_ != nullptr; }

 private:
  using FarLevels = std::pmr::map<std::int64_t, Level>;

  // Levels outside the window. A level that goes keeps its mark in `parked` until its command
  // ends, so that it is told once however often it comes and goes.
  struct Far {
    std::pmr::unsynchronized_pool_resource pool;
    FarLevels levels{&pool};
    FarLevels parked{&pool};
    std::uint64_t visits = 0;
  };

  [[nodiscard]] bool is_in_window(std::int64_t price_ticks) const noexcept {
    return static_cast<std::uint64_t>(price_ticks) - static_cast<std::uint64_t>(base_ticks_) <
           window_size_;
  }
  [[nodiscard]] static std::size_t place_of(std::int64_t price_ticks) noexcept {
    return static_cast<std::uint64_t>(price_ticks) & (WINDOW - 1);
  }
  [[nodiscard]] std::int64_t price_at(std::size_t place) const noexcept {
    return base_ticks_ + static_cast<std::int64_t>((place - place_of(base_ticks_)) & (WINDOW - 1));
  }

  [[nodiscard]] Level& provide(std::int64_t price_ticks) {
    if (!is_in_window(price_ticks)) [[unlikely]] {
      return provide_elsewhere(price_ticks);
    }
    const std::size_t place = place_of(price_ticks);
    Level& level = levels_[place];
    if (level.head == 0) {
      occupied_[place / 64] |= std::uint64_t{1} << place % 64;
      words_ |= std::uint64_t{1} << place / 64;
      ++window_levels_;
      offer_best(level, price_ticks);
    }
    return level;
  }

  void offer_best(Level& level, std::int64_t price_ticks) noexcept {
    if (best_ == nullptr || (is_buy_ ? price_ticks > best_ticks_ : price_ticks < best_ticks_)) {
      best_ = &level;
      best_ticks_ = price_ticks;
    }
  }

  void drop(Level& level, std::int64_t price_ticks) {
    if (is_in_window(price_ticks)) [[likely]] {
      vacate(place_of(price_ticks));
    } else {
      park(price_ticks);
    }
    if (&level == best_) {
      find_best(price_ticks);
    }
  }

  void vacate(std::size_t place) noexcept {
    const std::size_t word = place / 64;
    occupied_[word] &= ~(std::uint64_t{1} << place % 64);
    if (occupied_[word] == 0) {
      words_ &= ~(std::uint64_t{1} << word);
    }
    --window_levels_;
  }

  // The next occupied place going up or down from one, itself excluded, around the ring.
  // Only while at least one place is occupied.
  [[nodiscard]] std::size_t place_above(std::size_t place) const noexcept {
    const std::size_t word = place / 64;
    const std::uint64_t here = occupied_[word] & ~std::uint64_t{1} << place % 64;
    if (here != 0) [[likely]] {
      return word * 64 + static_cast<std::size_t>(__builtin_ctzll(here));
    }
    const std::uint64_t later = words_ & ~std::uint64_t{1} << word;
    const auto next = static_cast<std::size_t>(__builtin_ctzll(later != 0 ? later : words_));
    return next * 64 + static_cast<std::size_t>(__builtin_ctzll(occupied_[next]));
  }
  [[nodiscard]] std::size_t place_below(std::size_t place) const noexcept {
    const std::size_t word = place / 64;
    const std::uint64_t here = occupied_[word] & ((std::uint64_t{1} << place % 64) - 1);
    if (here != 0) [[likely]] {
      return word * 64 + 63 - static_cast<std::size_t>(__builtin_clzll(here));
    }
    const std::uint64_t earlier = words_ & ((std::uint64_t{1} << word) - 1);
    const auto next =
        63 - static_cast<std::size_t>(__builtin_clzll(earlier != 0 ? earlier : words_));
    return next * 64 + 63 - static_cast<std::size_t>(__builtin_clzll(occupied_[next]));
  }

  // Find the best level now that the one at `gone_ticks`, which was best, has gone.
  void find_best(std::int64_t gone_ticks) noexcept {
    best_ = nullptr;
    if (window_levels_ != 0) [[likely]] {
      const std::size_t from = is_in_window(gone_ticks) ? place_of(gone_ticks) : edge_place();
      const std::size_t place = is_buy_ ? place_below(from) : place_above(from);
      best_ = &levels_[place];
      best_ticks_ = price_at(place);
    }
    if (far_ != nullptr) [[unlikely]] {
      offer_far_best();
    }
  }

  // The place just before the first one that a search for the best looks at.
  [[nodiscard]] std::size_t edge_place() const noexcept {
    return is_buy_ ? place_of(base_ticks_)
                   : (place_of(base_ticks_) + WINDOW - 1) & (WINDOW - 1);
  }

  Level& provide_elsewhere(std::int64_t price_ticks);
  [[nodiscard]] Level* find_far(std::int64_t price_ticks) noexcept;
  void park(std::int64_t price_ticks);
  void offer_far_best() noexcept;
  void settle_far();
  void open_window(std::int64_t around_ticks);
  void move_window(std::int64_t around_ticks);

  Orders& orders_;
  Level* best_ = nullptr;
  std::int64_t best_ticks_ = 0;
  Level* levels_ = nullptr;
  std::int64_t base_ticks_ = 0;
  std::uint64_t window_size_ = 0;  // 0 before the first order
  std::uint64_t words_ = 0;        // which of `occupied_` are not zero
  std::uint32_t window_levels_ = 0;
  bool is_buy_;
  std::array<std::uint64_t, WINDOW / 64> occupied_{};
  MappedArray<Level> window_;
  std::unique_ptr<Far> far_;
};

// Both sides of one instrument.
struct Book {
  explicit Book(Orders& orders) : bids(orders, true), asks(orders, false) {}

  [[nodiscard]] BookSide& side(std::uint8_t side) noexcept {
    return side == side::BUY ? bids : asks;
  }
  [[nodiscard]] BookSide& opposite(std::uint8_t side) noexcept {
    return side == side::BUY ? asks : bids;
  }
  // Whether the best bid reaches the best ask.
  [[nodiscard]] bool is_crossed() const noexcept {
    return !bids.empty() && !asks.empty() && bids.best_ticks() >= asks.best_ticks();
  }

  BookSide bids;
  BookSide asks;
  std::uint64_t sequence = 0;
};

}  // namespace core
