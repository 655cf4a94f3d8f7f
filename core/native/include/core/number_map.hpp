// Finds things by the numbers that people gave them: small numbers directly, others by hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace core {

[[nodiscard]] constexpr std::uint64_t scatter(std::uint64_t value) noexcept {
  value *= 0x9E3779B97F4A7C15u;
  return value ^ value >> 32;
}

// From a 64-bit key to a 32-bit value; keys are never taken out, only given other values.
class KeyMap {
 public:
  static constexpr std::uint32_t NONE = 0xFFFFFFFF;

  KeyMap() : entries_(64) {}

  [[nodiscard]] std::uint32_t find(std::uint64_t key) const noexcept {
    for (std::size_t at = scatter(key) & mask();; at = (at + 1) & mask()) {
      const Entry& entry = entries_[at];
      if (!entry.is_used || entry.key == key) {
        return entry.value;
      }
    }
  }

  void set(std::uint64_t key, std::uint32_t value) {
    if ((used_ + 1) * 2 > entries_.size()) {
      double_size();
    }
    put(key, value);
  }

 private:
  struct Entry {
    std::uint64_t key = 0;
    std::uint32_t value = NONE;
    bool is_used = false;
  };

  [[nodiscard]] std::size_t mask() const noexcept { return entries_.size() - 1; }

  void put(std::uint64_t key, std::uint32_t value) {
    std::size_t at = scatter(key) & mask();
    while (entries_[at].is_used && entries_[at].key != key) {
      at = (at + 1) & mask();
    }
    used_ += entries_[at].is_used ? 0 : 1;
    entries_[at] = {key, value, true};
  }

  void double_size() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    used_ = 0;
    for (const Entry& entry : old) {
      if (entry.is_used) {
        put(entry.key, entry.value);
      }
    }
  }

  std::vector<Entry> entries_;
  std::size_t used_ = 0;
};

// From a number to the dense index that it was given; numbers are never taken out.
class NumberMap {
 public:
  static constexpr std::uint32_t NONE = KeyMap::NONE;

  [[nodiscard]] std::uint32_t find(std::uint32_t number) const noexcept {
    return number < direct_.size() ? direct_[number]
           : number < DIRECT_MAX   ? NONE
                                   : others_.find(number);
  }

  [[nodiscard]] bool contains(std::uint32_t number) const noexcept { return find(number) != NONE; }

  void set(std::uint32_t number, std::uint32_t index) {
    if (number >= DIRECT_MAX) {
      others_.set(number, index);
      return;
    }
    if (number >= direct_.size()) {
      direct_.resize(number + 1, NONE);
    }
    direct_[number] = index;
  }

 private:
  static constexpr std::uint32_t DIRECT_MAX = 1 << 16;

  std::vector<std::uint32_t> direct_;
  KeyMap others_;
};

}  // namespace core
