// From an order's number to its index.
//
// Numbers are dense and rising, so most known orders are among the latest: a number's last bits are
// its place in a table, and the order there says whether it is the one. An order that a later one
// drives out of its place moves to pages of 64 neighbours, which are given back when the last of
// their orders is forgotten: memory follows the orders that are known, not those there ever were.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/memory.hpp"
#include "core/number_map.hpp"
#include "core/orders.hpp"

namespace core {

class OldOrderIds {
 public:
  OldOrderIds() : directory_(256) {}

  [[nodiscard]] bool empty() const noexcept { return used_ == 0; }

  // The order's index, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint64_t order_id) const noexcept {
    const std::uint32_t page = page_of(order_id >> PAGE_BITS);
    return page == 0 ? 0 : pages_[page].orders[order_id & PAGE_MASK];
  }

  void add(std::uint64_t order_id, std::uint32_t order) {
    const std::uint64_t number = order_id >> PAGE_BITS;
    std::uint32_t page = number == last_number_ ? last_page_ : page_of(number);
    if (page == 0) [[unlikely]] {
      page = pages_.allocate();
      pages_[page] = Page{};
      pages_[page].number = number;
      enter(number, page);
    }
    last_number_ = number;
    last_page_ = page;
    pages_[page].orders[order_id & PAGE_MASK] = order;
    ++pages_[page].count;
  }

  void remove(std::uint64_t order_id) {
    const std::uint64_t number = order_id >> PAGE_BITS;
    const std::uint32_t page = page_of(number);
    pages_[page].orders[order_id & PAGE_MASK] = 0;
    if (--pages_[page].count == 0) {
      leave(number);
      pages_.release(page);
      if (number == last_number_) {
        last_page_ = 0;
      }
    }
  }

  // Call `use(order)` for each, in no order.
  template <class Use>
  void each(Use use) const {
    for (const Entry& entry : directory_) {
      if (entry.page == 0) {
        continue;
      }
      for (const std::uint32_t order : pages_[entry.page].orders) {
        if (order != 0) {
          use(order);
        }
      }
    }
  }

 private:
  static constexpr unsigned PAGE_BITS = 6;
  static constexpr std::uint64_t PAGE_MASK = (1 << PAGE_BITS) - 1;

  struct Page {
    std::array<std::uint32_t, 1 << PAGE_BITS> orders{};
    std::uint64_t number = 0;
    std::uint64_t count = 0;
  };

  struct Entry {
    std::uint64_t number = 0;
    std::uint32_t page = 0;  // 0: the entry is empty
  };

  [[nodiscard]] std::size_t home(std::uint64_t number) const noexcept {
    // Four neighbouring pages share a cache line; the groups are scattered, so runs stay short.
    return ((scatter(number >> 2) << 2) + (number & 3)) & (directory_.size() - 1);
  }

  [[nodiscard]] std::uint32_t page_of(std::uint64_t number) const noexcept {
    const std::size_t mask = directory_.size() - 1;
    for (std::size_t at = home(number);; at = (at + 1) & mask) {
      const Entry& entry = directory_[at];
      if (entry.page == 0 || entry.number == number) {
        return entry.page;
      }
    }
  }

  void enter(std::uint64_t number, std::uint32_t page) {
    if ((used_ + 1) * 4 > directory_.size()) {
      std::vector<Entry> old(directory_.size() * 2);
      old.swap(directory_);
      for (const Entry& entry : old) {
        if (entry.page != 0) {
          put(entry);
        }
      }
    }
    put({number, page});
    ++used_;
  }

  void put(const Entry& entry) noexcept {
    const std::size_t mask = directory_.size() - 1;
    std::size_t at = home(entry.number);
    while (directory_[at].page != 0) {
      at = (at + 1) & mask;
    }
    directory_[at] = entry;
  }

  void leave(std::uint64_t number) noexcept {
    const std::size_t mask = directory_.size() - 1;
    std::size_t hole = home(number);
    while (directory_[hole].number != number || directory_[hole].page == 0) {
      hole = (hole + 1) & mask;
    }
    for (std::size_t at = (hole + 1) & mask; directory_[at].page != 0; at = (at + 1) & mask) {
      // An entry may fill the hole unless its home lies between the two.
      if (((at - home(directory_[at].number)) & mask) >= ((at - hole) & mask)) {
        directory_[hole] = directory_[at];
        hole = at;
      }
    }
    directory_[hole] = Entry{};
    --used_;
  }

  Slab<Page> pages_;
  std::vector<Entry> directory_;
  std::size_t used_ = 0;
  std::uint64_t last_number_ = ~std::uint64_t{0};
  std::uint32_t last_page_ = 0;
};

class OrderIds {
 public:
  explicit OrderIds(const Orders& orders) : orders_(orders) { latest_.grow(4096); }

  // The order's index, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint64_t order_id) const noexcept {
    const std::uint32_t order = guess(order_id);
    if (orders_.hot(order).order_id == order_id) [[likely]] {
      return order;
    }
    return old_.empty() ? 0 : old_.find(order_id);
  }

  // The index that an order has if it is one of the latest: good enough for fetching it.
  [[nodiscard]] std::uint32_t guess(std::uint64_t order_id) const noexcept {
    return latest_[order_id & (latest_.size() - 1)];
  }
  void prefetch(std::uint64_t order_id) const noexcept {
    fetch(&latest_[order_id & (latest_.size() - 1)]);
  }

  // Let an order, whose number is not known yet, be found.
  void add(std::uint64_t order_id, std::uint32_t order) {
    fetch_for_writing(&latest_[(order_id + FETCHED) & (latest_.size() - 1)]);
    if (guess(order_id) != 0) [[unlikely]] {
      make_way(order_id);
    }
    latest_[order_id & (latest_.size() - 1)] = order;
    ++count_;
  }

  void remove(std::uint64_t order_id, std::uint32_t order) {
    --count_;
    std::uint32_t& place = latest_[order_id & (latest_.size() - 1)];
    if (place == order) [[likely]] {
      place = 0;
    } else {
      old_.remove(order_id);
    }
  }

  // All known orders' indexes by ascending number; for snapshots.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const {
    std::vector<std::uint32_t> found;
    found.reserve(count_);
    for (std::size_t at = 0; at < latest_.size(); ++at) {
      if (latest_[at] != 0) {
        found.push_back(latest_[at]);
      }
    }
    old_.each([&found](std::uint32_t order) { found.push_back(order); });
    std::sort(found.begin(), found.end(), [this](std::uint32_t left, std::uint32_t right) {
      return orders_.hot(left).order_id < orders_.hot(right).order_id;
    });
    return found;
  }

 private:
  // Empty the place of a number: by doubling the table when it is half full, else by moving what
  // is there to the old ones.
  [[gnu::noinline]] void make_way(std::uint64_t order_id) {
    if (count_ * 2 >= latest_.size()) {
      MappedArray<std::uint32_t> smaller = std::move(latest_);
      latest_ = MappedArray<std::uint32_t>();
      latest_.grow(smaller.size() * 2);
      for (std::size_t at = 0; at < smaller.size(); ++at) {
        if (smaller[at] != 0) {
          latest_[orders_.hot(smaller[at]).order_id & (latest_.size() - 1)] = smaller[at];
        }
      }
    }
    std::uint32_t& place = latest_[order_id & (latest_.size() - 1)];
    if (place != 0) {
      old_.add(orders_.hot(place).order_id, place);
      place = 0;
    }
  }

  static constexpr std::uint64_t FETCHED = 64;  // how far ahead places are fetched

  const Orders& orders_;
  MappedArray<std::uint32_t> latest_;
  OldOrderIds old_;
  std::size_t count_ = 0;
};

}  // namespace core
