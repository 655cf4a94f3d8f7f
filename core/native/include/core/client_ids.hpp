// Clients' own identifiers: unique per account while remembered, never forgotten early.
//
// The table's buckets are cache lines with eight places each, so that whether an id is known, and
// where a new one goes, is one comparison of eight and no guess. The ids themselves stand in a slab
// and are only looked at when the whole hash agrees.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/arithmetic.hpp"
#include "core/layouts.hpp"
#include "core/memory.hpp"
#include "core/orders.hpp"

namespace core {

struct alignas(64) ClientIdNode {
  Text<40> text;
  std::uint32_t account;  // index
  std::uint32_t order;    // index; 0 for the id of a mass cancel, which names none
};
static_assert(sizeof(ClientIdNode) == 64);

// Ids of an order that came after its first two.
struct alignas(64) ClientIdBlock {
  static constexpr std::uint32_t SIZE = 7;

  KnownId ids[SIZE];
  std::uint32_t count;
  std::uint32_t older;  // the block before, 0 for none
};
static_assert(sizeof(ClientIdBlock) == 64);

class ClientIds {
 public:
  // The seed only changes where ids stand in memory, so that nobody can aim at one place.
  explicit ClientIds(std::uint64_t seed) : seed_(seed) { table_.grow(1024); }

  // Of the account's number, so that it can be worked out before the account is looked for.
  [[nodiscard]] std::uint32_t hash(std::uint32_t account_number,
                                   const Text<40>& text) const noexcept {
    std::uint64_t words[5];
    std::memcpy(words, text.data(), sizeof(words));
    const std::uint64_t mixed = fold(words[0] ^ seed_, words[1] ^ 0x9E3779B97F4A7C15u) ^
                                fold(words[2] ^ 0xA0761D6478BD642Fu, words[3] ^ seed_) ^
                                fold(words[4] + account_number, 0xE7037ED1A0B428DBu ^ seed_);
    return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
  }

  void prefetch(std::uint32_t hash) const noexcept { fetch_for_writing(&table_[hash & mask()]); }

  // The id's node, 0 for none.
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, std::uint32_t account,
                                   const Text<40>& text) const noexcept {
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Bucket& bucket = table_[at];
      for (unsigned same = places_of(bucket.hashes, hash); same != 0; same &= same - 1) {
        const std::uint32_t found = bucket.nodes[__builtin_ctz(same)];
        const ClientIdNode& node = nodes_[found];
        if (found != 0 && node.account == account &&
            std::memcmp(node.text.data(), text.data(), text.size()) == 0) {
          return found;
        }
      }
      if (places_of(bucket.nodes, 0) != 0) [[likely]] {
        return 0;
      }
    }
  }

  // Remember an id that is not there yet.
  [[gnu::always_inline]] KnownId add(std::uint32_t hash, std::uint32_t account,
                                     const Text<40>& text, std::uint32_t order) {
    if (count_ >= 3 * table_.size()) [[unlikely]] {
      double_table();
    }
    const std::uint32_t index = nodes_.allocate();
    ClientIdNode& node = nodes_[index];
    std::memcpy(&node.text, &text, sizeof(text));
    node.account = account;
    node.order = order;
    const KnownId id = KnownId::of(index, hash);
    put(id);
    ++count_;
    return id;
  }

  void remove(KnownId id) {
    std::size_t at = id.hash() & mask();
    unsigned same = places_of(table_[at].nodes, id.node());
    while (same == 0) {
      at = (at + 1) & mask();
      same = places_of(table_[at].nodes, id.node());
    }
    const bool was_full = places_of(table_[at].nodes, 0) == 0;
    table_[at].nodes[__builtin_ctz(same)] = 0;
    if (was_full) [[unlikely]] {
      call_back(at);
    }
    nodes_.release(id.node());
    --count_;
  }

  // A name that nobody can ask for, and that may be there twice: it counts as no id.
  [[nodiscard]] std::uint32_t add_unlisted(std::uint32_t account, const Text<40>& text,
                                           std::uint32_t order) {
    const std::uint32_t index = nodes_.allocate();
    nodes_[index] = {text, account, order};
    return index;
  }
  void remove_unlisted(std::uint32_t index) { nodes_.release(index); }

  [[gnu::always_inline]] void append(IdList& list, KnownId id) {
    if (list.first.node() == 0) {
      list.first = id;
    } else if (list.second.node() == 0) {
      list.second = id;
    } else {
      append_to_blocks(list, id);
    }
  }

  // Call `use(id)` for each id of a list, in the order they came.
  template <class Use>
  void each(const IdList& list, Use use) const {
    std::vector<std::uint32_t> blocks;
    for (std::uint32_t at = list.more; at != 0; at = blocks_[at].older) {
      blocks.push_back(at);
    }
    for (const KnownId& id : {list.first, list.second}) {
      if (id.node() != 0) {
        use(id);
      }
    }
    for (; !blocks.empty(); blocks.pop_back()) {
      const ClientIdBlock& block = blocks_[blocks.back()];
      for (std::uint32_t place = 0; place < block.count; ++place) {
        use(block.ids[place]);
      }
    }
  }

  // Forget all ids of a list; return how many there were.
  std::uint32_t remove_all(const IdList& list) {
    remove(list.first);
    if (list.second.node() == 0) {
      return 1;
    }
    remove(list.second);
    std::uint32_t removed = 2;
    for (std::uint32_t at = list.more; at != 0;) {
      const ClientIdBlock& block = blocks_[at];
      for (std::uint32_t place = 0; place < block.count; ++place) {
        remove(block.ids[place]);
      }
      removed += block.count;
      blocks_.release(at);
      at = block.older;
    }
    return removed;
  }

  // Bring near what forgetting a list will touch: first this, and some steps later the rest.
  void prefetch(const IdList& list) const noexcept {
    prefetch(list.first.hash());
    prefetch(list.second.hash());
    fetch(&blocks_[list.more]);
  }
  void prefetch_more(const IdList& list) const noexcept {
    for (std::uint32_t at = list.more; at != 0; at = blocks_[at].older) {
      for (const KnownId& id : blocks_[at].ids) {
        prefetch(id.hash());
      }
    }
  }
  // Bring near where an order's next id will go.
  void prefetch_append(const IdList& list) const noexcept {
    fetch_for_writing(&blocks_[list.more]);
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] ClientIdNode& node(std::uint32_t index) noexcept { return nodes_[index]; }
  [[nodiscard]] const ClientIdNode& node(std::uint32_t index) const noexcept {
    return nodes_[index];
  }

 private:
  // An id stands in its home bucket, or, when that is full, in the first one behind it that has
  // room: so behind a bucket with room nobody need look. Node 0 is an empty place.
  struct alignas(64) Bucket {
    std::uint32_t hashes[8];
    std::uint32_t nodes[8];
  };
  static_assert(sizeof(Bucket) == 64);

  // Which of eight words are the one asked for, a bit each.
  [[nodiscard]] static unsigned places_of(const std::uint32_t (&words)[8],
                                          std::uint32_t wanted) noexcept {
#if defined(__SSE2__)
    const __m128i sought = _mm_set1_epi32(static_cast<int>(wanted));
    const auto bits = [&sought](const std::uint32_t* four) {
      const __m128i same =
          _mm_cmpeq_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(four)), sought);
      return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(same)));
    };
    return bits(words) | bits(words + 4) << 4;
#else
    unsigned found = 0;
    for (unsigned place = 0; place < 8; ++place) {
      found |= static_cast<unsigned>(words[place] == wanted) << place;
    }
    return found;
#endif
  }

  __extension__ using WideUnsigned = unsigned __int128;

  [[nodiscard]] static std::uint64_t fold(std::uint64_t left, std::uint64_t right) noexcept {
    const WideUnsigned product = static_cast<WideUnsigned>(left) * right;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  [[nodiscard]] std::size_t mask() const noexcept { return table_.size() - 1; }

  void put(KnownId id) noexcept {
    std::size_t at = id.hash() & mask();
    unsigned empty = places_of(table_[at].nodes, 0);
    while (empty == 0) [[unlikely]] {
      at = (at + 1) & mask();
      empty = places_of(table_[at].nodes, 0);
    }
    const int place = __builtin_ctz(empty);
    table_[at].hashes[place] = id.hash();
    table_[at].nodes[place] = id.node();
  }

  // A full bucket has room now: let one that had to go on behind it come back, and so on.
  [[gnu::noinline]] void call_back(std::size_t hole) noexcept {
    for (std::size_t at = (hole + 1) & mask();; at = (at + 1) & mask()) {
      Bucket& bucket = table_[at];
      const bool is_full = places_of(bucket.nodes, 0) == 0;
      for (unsigned place = 0; place < 8; ++place) {
        const KnownId id = KnownId::of(bucket.nodes[place], bucket.hashes[place]);
        if (id.node() != 0 && ((at - id.hash()) & mask()) >= ((at - hole) & mask())) {
          bucket.nodes[place] = 0;
          put(id);
          hole = at;
          break;
        }
      }
      if (!is_full) {
        return;
      }
    }
  }

  [[gnu::noinline]] void append_to_blocks(IdList& list, KnownId id) {
    if (list.more == 0 || blocks_[list.more].count == ClientIdBlock::SIZE) {
      const std::uint32_t block = blocks_.allocate();
      blocks_[block].count = 0;
      blocks_[block].older = list.more;
      list.more = block;
    }
    ClientIdBlock& block = blocks_[list.more];
    block.ids[block.count++] = id;
  }

  [[gnu::noinline]] void double_table() {
    MappedArray<Bucket> old = std::move(table_);
    table_ = MappedArray<Bucket>();
    table_.grow(old.size() * 2);
    for (std::size_t at = 0; at < old.size(); ++at) {
      for (unsigned full = ~places_of(old[at].nodes, 0) & 0xFF; full != 0; full &= full - 1) {
        const int place = __builtin_ctz(full);
        put(KnownId::of(old[at].nodes[place], old[at].hashes[place]));
      }
    }
  }

  std::uint64_t seed_;
  MappedArray<Bucket> table_;
  Slab<ClientIdNode> nodes_;
  Slab<ClientIdBlock> blocks_;
  std::size_t count_ = 0;
};

// What will be forgotten, in this order: a done order and its ids, or (order 0) a mass cancel's id.
// It says all that forgetting needs, so that the order itself need not be read again.
struct Gone {
  std::int64_t at_ns;
  std::uint64_t order_id;
  std::uint32_t order;
  std::uint32_t account;  // index
  IdList ids;
};

}  // namespace core
