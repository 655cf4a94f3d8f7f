// Clients' own identifiers: unique per account while remembered, never forgotten early.
//
// The table holds eight bytes an id, half of them its hash, so that a new id usually costs one
// cache line; the ids themselves stand in a slab and are only looked at when the hash agrees.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/arithmetic.hpp"
#include "core/layouts.hpp"
#include "core/memory.hpp"

namespace core {

struct alignas(64) ClientIdNode {
  Text<40> text;
  std::uint32_t hash;
  std::uint32_t account;  // index
  std::uint32_t order;    // index; 0 for the id of a mass cancel, which names none
  std::uint32_t next;     // the next id of the same order
};
static_assert(sizeof(ClientIdNode) == 64);

class ClientIds {
 public:
  // The seed only changes where ids stand in memory, so that nobody can aim at one place.
  explicit ClientIds(std::uint64_t seed) : seed_(seed) { table_.grow(4096); }

  [[nodiscard]] std::uint32_t hash(std::uint32_t account, const Text<40>& text) const noexcept {
    std::uint64_t words[5];
    std::memcpy(words, text.data(), sizeof(words));
    const std::uint64_t mixed = fold(words[0] ^ seed_, words[1] ^ 0x9E3779B97F4A7C15u) ^
                                fold(words[2] ^ 0xA0761D6478BD642Fu, words[3] ^ seed_) ^
                                fold(words[4] + account, 0xE7037ED1A0B428DBu ^ seed_);
    return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
  }

  void prefetch(std::uint32_t hash) const noexcept { fetch(&table_[hash & mask()]); }

  // The id's node, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, std::uint32_t account,
                                   const Text<40>& text) const noexcept {
    for (std::size_t at = hash & mask(); table_[at].node != 0; at = (at + 1) & mask()) {
      if (table_[at].hash == hash) {
        const ClientIdNode& node = nodes_[table_[at].node];
        if (node.account == account &&
            std::memcmp(node.text.data(), text.data(), text.size()) == 0) {
          return table_[at].node;
        }
      }
    }
    return 0;
  }

  // Remember an id that is not there yet; return its node.
  std::uint32_t add(std::uint32_t hash, std::uint32_t account, const Text<40>& text,
                    std::uint32_t order) {
    if ((count_ + 1) * 4 > table_.size()) [[unlikely]] {
      double_table();
    }
    const std::uint32_t index = nodes_.allocate();
    nodes_[index] = {text, hash, account, order, 0};
    put({hash, index});
    ++count_;
    return index;
  }

  void remove(std::uint32_t index) noexcept {
    std::size_t hole = nodes_[index].hash & mask();
    while (table_[hole].node != index) {
      hole = (hole + 1) & mask();
    }
    for (std::size_t at = (hole + 1) & mask(); table_[at].node != 0; at = (at + 1) & mask()) {
      // An entry may fill the hole unless its home lies between the two.
      if (((at - table_[at].hash) & mask()) >= ((at - hole) & mask())) {
        table_[hole] = table_[at];
        hole = at;
      }
    }
    table_[hole] = {};
    nodes_.release(index);
    --count_;
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] ClientIdNode& node(std::uint32_t index) noexcept { return nodes_[index]; }
  [[nodiscard]] const ClientIdNode& node(std::uint32_t index) const noexcept {
    return nodes_[index];
  }

 private:
  struct Entry {
    std::uint32_t hash;
    std::uint32_t node;  // 0: the entry is empty
  };

  __extension__ using WideUnsigned = unsigned __int128;

  [[nodiscard]] static std::uint64_t fold(std::uint64_t left, std::uint64_t right) noexcept {
    const WideUnsigned product = static_cast<WideUnsigned>(left) * right;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  [[nodiscard]] std::size_t mask() const noexcept { return table_.size() - 1; }

  void put(const Entry& entry) noexcept {
    std::size_t at = entry.hash & mask();
    while (table_[at].node != 0) {
      at = (at + 1) & mask();
    }
    table_[at] = entry;
  }

  void double_table() {
    MappedArray<Entry> old = std::move(table_);
    table_ = MappedArray<Entry>();
    table_.grow(old.size() * 2);
    for (std::size_t at = 0; at < old.size(); ++at) {
      if (old[at].node != 0) {
        put(old[at]);
      }
    }
  }

  std::uint64_t seed_;
  MappedArray<Entry> table_;
  Slab<ClientIdNode> nodes_;
  std::size_t count_ = 0;
};

// What will be forgotten, in this order: a done order's ids, or (order 0) a mass cancel's.
struct Gone {
  std::int64_t at_ns;
  std::uint32_t order;
  std::uint32_t id;
};

}  // namespace core
