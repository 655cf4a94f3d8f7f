#include "core/journal/digest.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace core::journal {

namespace {

alignas(16) constexpr std::array<std::uint32_t, 64> ROUND_CONSTANTS{
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

std::uint32_t big_endian_at(const std::byte* place) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, place, sizeof word);
  return __builtin_bswap32(word);
}

}  // namespace

Sha256::Sha256(bool by_instruction) noexcept
    : compress_(by_instruction && has_instructions() ? compress_by_instruction
                                                     : compress_portably) {}

void Sha256::update(Bytes data) noexcept {
  if (data.empty()) {
    return;
  }
  const std::size_t held = size_ % BLOCK;
  size_ += data.size();
  if (held > 0) {
    const std::size_t taken = std::min(BLOCK - held, data.size());
    std::memcpy(rest_.data() + held, data.data(), taken);
    data = data.subspan(taken);
    if (held + taken < BLOCK) {
      return;
    }
    compress_(state_, rest_.data(), 1);
  }
  compress_(state_, data.data(), data.size() / BLOCK);
  data = data.subspan(data.size() / BLOCK * BLOCK);
  if (!data.empty()) {
    std::memcpy(rest_.data(), data.data(), data.size());
  }
}

Digest Sha256::digest() const noexcept {
  Sha256 copy = *this;
  std::array<std::byte, 2 * BLOCK> padding{std::byte{0x80}};
  const std::size_t held = size_ % BLOCK;
  const std::size_t padding_size = (held < BLOCK - 8 ? BLOCK : 2 * BLOCK) - held;
  const std::uint64_t bits = __builtin_bswap64(size_ * 8);
  std::memcpy(padding.data() + padding_size - sizeof bits, &bits, sizeof bits);
  copy.update({padding.data(), padding_size});
  Digest digest;
  for (std::size_t word = 0; word < state_.size(); ++word) {
    const std::uint32_t value = __builtin_bswap32(copy.state_[word]);
    std::memcpy(digest.data() + word * sizeof value, &value, sizeof value);
  }
  return digest;
}

void Sha256::compress_portably(State& state, const std::byte* blocks, std::size_t count) noexcept {
  for (; count > 0; --count, blocks += BLOCK) {
    std::array<std::uint32_t, 64> words{};
    for (std::size_t t = 0; t < 16; ++t) {
      words[t] = big_endian_at(blocks + 4 * t);
    }
    for (std::size_t t = 16; t < 64; ++t) {
      const std::uint32_t early = words[t - 15];
      const std::uint32_t late = words[t - 2];
      words[t] = words[t - 16] + words[t - 7] +
                 (std::rotr(early, 7) ^ std::rotr(early, 18) ^ (early >> 3)) +
                 (std::rotr(late, 17) ^ std::rotr(late, 19) ^ (late >> 10));
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (std::size_t t = 0; t < 64; ++t) {
      const std::uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                                  ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[t] + words[t];
      const std::uint32_t second = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) +
                                   ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + first;
      d = c;
      c = b;
      b = a;
      a = first + second;
    }
    const State added{a, b, c, d, e, f, g, h};
    for (std::size_t word = 0; word < state.size(); ++word) {
      state[word] += added[word];
    }
  }
}

#if defined(__x86_64__)

bool Sha256::has_instructions() noexcept {
  constexpr unsigned SHA = 1U << 29;  // leaf 7, ebx
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __builtin_cpu_supports("sse4.1") != 0 && __builtin_cpu_supports("ssse3") != 0 &&
         __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & SHA) != 0;
}

// The instructions hold the state as two vectors, (a b e f) and (c d g h) with a and c highest.
// Each turn does four rounds and makes the four words of the turn after the next three.
[[gnu::target("sha,sse4.1,ssse3")]] void Sha256::compress_by_instruction(
    State& state, const std::byte* blocks, std::size_t count) noexcept {
  const __m128i bytes_swapped = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
  const auto at = [](const void* place) { return static_cast<const __m128i*>(place); };
  const __m128i dcba = _mm_loadu_si128(at(state.data()));
  const __m128i hgfe = _mm_loadu_si128(at(state.data() + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  for (; count > 0; --count, blocks += BLOCK) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i words[4];
#pragma GCC unroll 4
    for (int turn = 0; turn < 4; ++turn) {
      words[turn] = _mm_shuffle_epi8(_mm_loadu_si128(at(blocks + 16 * turn)), bytes_swapped);
    }
#pragma GCC unroll 16
    for (int turn = 0; turn < 16; ++turn) {
      __m128i& oldest = words[turn % 4];
      const __m128i newest = words[(turn + 3) % 4];
      const __m128i constants = _mm_load_si128(at(ROUND_CONSTANTS.data() + 4 * turn));
      const __m128i sum = _mm_add_epi32(oldest, constants);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
      if (turn < 12) {
        const __m128i partial = _mm_sha256msg1_epu32(oldest, words[(turn + 1) % 4]);
        const __m128i seventh = _mm_alignr_epi8(newest, words[(turn + 2) % 4], 4);
        oldest = _mm_sha256msg2_epu32(_mm_add_epi32(partial, seventh), newest);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  auto* out = reinterpret_cast<__m128i*>(state.data());
  _mm_storeu_si128(out, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(out + 1, _mm_alignr_epi8(dchg, feba, 8));
}

#else

bool Sha256::has_instructions() noexcept { return false; }

void Sha256::compress_by_instruction(State& state, const std::byte* blocks,
                                     std::size_t count) noexcept {
  compress_portably(state, blocks, count);
}

#endif

}  // namespace core::journal
