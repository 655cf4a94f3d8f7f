// Memory that grows without copying and is given back whole: arrays of plain records, and slabs.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

namespace core {

// Bring an address near before its turn. The empty statement keeps the compiler from leaving out
// calls of functions that do nothing but this.
[[gnu::always_inline]] inline void fetch(const void* address) noexcept {
  __asm__ volatile("");
  __builtin_prefetch(address);
}

[[gnu::always_inline]] inline void fetch_for_writing(const void* address) noexcept {
  __asm__ volatile("");
  __builtin_prefetch(address, 1);
}

// Map zeroed pages, large ones where there is room for them: most of what random access costs
// is finding the page. Throws std::bad_alloc.
[[nodiscard]] void* map_pages(std::size_t bytes);

// Make what was mapped longer, where there is room for it; return where it is now. What is new is
// zero. Throws std::bad_alloc, and then all is where and as it was.
[[nodiscard]] void* move_pages(void* from, std::size_t bytes, std::size_t new_bytes);

// A zeroed array in pages of its own. Growing moves pages, not bytes, so it takes microseconds
// whatever the size; it may move the array, so no address is kept across it.
template <class Item>
class MappedArray {
  static_assert(std::is_trivially_copyable_v<Item>);
  static constexpr std::size_t FEWEST = 1024;
  static_assert(FEWEST * sizeof(Item) % 4096 == 0, "an array is made of whole pages");

 public:
  MappedArray() = default;
  MappedArray(const MappedArray&) = delete;
  MappedArray& operator=(const MappedArray&) = delete;
  MappedArray(MappedArray&& other) noexcept
      : items_(std::exchange(other.items_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedArray& operator=(MappedArray&& other) noexcept {
    std::swap(items_, other.items_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedArray() {
    if (items_ != nullptr) {
      ::munmap(items_, bytes());
    }
  }

  // Make room for at least `size` items; new ones are all zero bytes. Throws std::bad_alloc, and
  // then the array is as it was.
  [[gnu::noinline]] void grow(std::size_t size) {
    if (size <= size_) {
      return;
    }
    std::size_t wanted = size_ == 0 ? FEWEST : size_;
    while (wanted < size) {
      wanted *= 2;
    }
    const std::size_t wanted_bytes = wanted * sizeof(Item);
    items_ = static_cast<Item*>(items_ == nullptr ? map_pages(wanted_bytes)
                                                  : move_pages(items_, bytes(), wanted_bytes));
    size_ = wanted;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Item* data() noexcept { return items_; }
  [[nodiscard]] const Item* data() const noexcept { return items_; }
  [[nodiscard]] Item& operator[](std::size_t index) noexcept { return items_[index]; }
  [[nodiscard]] const Item& operator[](std::size_t index) const noexcept { return items_[index]; }

 private:
  [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(Item); }

  Item* items_ = nullptr;
  std::size_t size_ = 0;
};

// A queue in a ring that doubles when it is full.
template <class Item>
class Ring {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == last_; }
  [[nodiscard]] std::size_t size() const noexcept { return last_ - first_; }
  [[nodiscard]] const Item& front() const noexcept { return items_[first_ & mask_]; }
  // The item `place` places behind the front; `place` is less than the size.
  [[nodiscard]] const Item& at(std::size_t place) const noexcept {
    return items_[(first_ + place) & mask_];
  }
  void pop() noexcept { ++first_; }
  // Where the item is, or will be, that many places behind the front: to fetch it.
  [[nodiscard]] const void* address(std::size_t place) const noexcept {
    return items_.data() + ((first_ + place) & mask_);
  }

  [[gnu::always_inline]] void push(const Item& item) {
    if (last_ - first_ > mask_ || items_.size() == 0) [[unlikely]] {
      double_size();
    }
    items_[last_++ & mask_] = item;
  }

 private:
  [[gnu::noinline]] void double_size() {
    MappedArray<Item> larger;
    larger.grow(items_.size() == 0 ? 4096 : items_.size() * 2);
    const std::size_t count = size();
    for (std::size_t place = 0; place < count; ++place) {
      larger[place] = at(place);
    }
    items_ = std::move(larger);
    mask_ = items_.size() - 1;
    first_ = 0;
    last_ = count;
  }

  MappedArray<Item> items_;
  std::size_t mask_ = 0;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
};

// Records by index, from 1: index 0 is "none" everywhere. The one released longest ago is used
// again first: so it is known long before which come next, and they can be fetched in time.
template <class Item>
class Slab {
 public:
  Slab() { items_.grow(1); }

  [[nodiscard, gnu::always_inline]] std::uint32_t allocate() {
    if (free_.size() > FETCHED) [[likely]] {
      const std::uint32_t index = free_.front();
      free_.pop();
      fetch_for_writing(&items_[free_.at(FETCHED - 1)]);
      return index;
    }
    if (used_ == items_.size()) [[unlikely]] {
      items_.grow(used_ + 1);
    }
    return static_cast<std::uint32_t>(used_++);
  }

  void release(std::uint32_t index) { free_.push(index); }

  // The index that will be given that many allocations from now, 0 when that is not known.
  [[nodiscard]] std::uint32_t upcoming() const noexcept {
    return free_.size() > FETCHED ? free_.at(FETCHED - 1) : 0;
  }

  [[nodiscard]] Item& operator[](std::uint32_t index) noexcept { return items_[index]; }
  [[nodiscard]] const Item& operator[](std::uint32_t index) const noexcept { return items_[index]; }

 private:
  static constexpr std::size_t FETCHED = 8;  // how many are on their way to the cache

  MappedArray<Item> items_;
  Ring<std::uint32_t> free_;
  std::size_t used_ = 1;
};

}  // namespace core
