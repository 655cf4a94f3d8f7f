// Chance, and what it does to bytes, for the fuzz driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>

#include "core/records.hpp"

namespace fuzz {

using core::Bytes;
using Chance = std::mt19937_64;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::abort();
}

inline std::size_t below(Chance& chance, std::size_t limit) { return chance() % limit; }

// Change a few bytes, or a word to an edge of its range.
inline void damage(Chance& chance, Bytes& data, std::size_t from) {
  if (data.size() <= from + 8) {
    return;
  }
  constexpr std::uint64_t EDGES[] = {0, 1, ~0ULL, 1ULL << 62, (1ULL << 62) - 1, 1ULL << 63,
                                     (1ULL << 63) - 1, 0xFFFFFFFFULL, 3, 100};
  for (std::size_t count = 1 + below(chance, 3); count != 0; --count) {
    const std::size_t at = from + below(chance, data.size() - from - 7);
    if (below(chance, 2) == 0) {
      data[at] = static_cast<std::byte>(chance());
    } else {
      std::memcpy(&data[at - at % 8], &EDGES[below(chance, std::size(EDGES))], 8);
    }
  }
}

// Cut bytes short, now and then, in memory that ends with them.
inline void cut(Chance& chance, Bytes& data) {
  if (below(chance, 4) == 0) {
    data.resize(below(chance, data.size() + 1));
    data.shrink_to_fit();
  }
}

}  // namespace fuzz
