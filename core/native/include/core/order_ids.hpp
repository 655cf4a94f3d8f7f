// From an order's number to its index, in pages that are given back when they are empty.
//
// Numbers are dense and rising, so a page of 64 neighbours fills, and empties again when the last
// of its orders is forgotten: memory follows the orders that are known, not those there ever were.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/memory.hpp"
#include "core/number_map.hpp"

namespace core {

class OrderIds {
 public:
  OrderIds() : directory_(256) {}

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

  void remove(std::uint64_t order_id) noexcept {
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

  // All known orders' indexes by ascending number; for snapshots.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const {
    std::vector<std::uint32_t> pages;
    for (const Entry& entry : directory_) {
      if (entry.page != 0) {
        pages.push_back(entry.page);
      }
    }
    std::sort(pages.begin(), pages.end(), [this](std::uint32_t left, std::uint32_t right) {
      return pages_[left].number < pages_[right].number;
    });
    std::vector<std::uint32_t> found;
    for (const std::uint32_t page : pages) {
      for (const std::uint32_t order : pages_[page].orders) {
        if (order != 0) {
          found.push_back(order);
        }
      }
    }
    return found;
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

}  // namespace core
