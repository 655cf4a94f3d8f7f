#include "core/journal/checksum.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace core::journal {

namespace {

constexpr std::uint32_t POLYNOMIAL = 0x82F63B78;  // bits reversed: the lowest is shifted out first

using Table = std::array<std::uint32_t, 256>;

constexpr Table byte_table() {
  Table table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t state = byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state >> 1) ^ ((state & 1) != 0 ? POLYNOMIAL : 0);
    }
    table[byte] = state;
  }
  return table;
}

constexpr Table BYTE_TABLE = byte_table();

std::uint32_t update_by_table(std::uint32_t state, Bytes data) noexcept {
  for (const std::byte byte : data) {
    state = (state >> 8) ^ BYTE_TABLE[(state ^ static_cast<std::uint32_t>(byte)) & 0xFF];
  }
  return state;
}

#if defined(__x86_64__) || (defined(__aarch64__) && defined(__linux__))

// What a checksum becomes by so many zero bytes, a table for each of its four bytes. It takes the
// instruction three steps to give its result, so three lanes go on side by side, and this joins
// them: the checksum of A then B is that of A then zeros, xor that of B alone.
class ZerosOperator {
 public:
  consteval explicit ZerosOperator(std::size_t bytes) {
    std::array<std::uint32_t, 32> images{};  // of each single bit
    for (std::size_t bit = 0; bit < images.size(); ++bit) {
      images[bit] = std::uint32_t{1} << bit;
    }
    std::array<std::uint32_t, 32> step{};  // by 2**n zero bytes, beginning with one
    for (std::size_t bit = 0; bit < step.size(); ++bit) {
      const std::uint32_t state = std::uint32_t{1} << bit;
      step[bit] = (state >> 8) ^ BYTE_TABLE[state & 0xFF];
    }
    for (; bytes != 0; bytes >>= 1) {
      if ((bytes & 1) != 0) {
        for (std::uint32_t& image : images) {
          image = times(step, image);
        }
      }
      const std::array<std::uint32_t, 32> once = step;
      for (std::uint32_t& image : step) {
        image = times(once, image);
      }
    }
    for (std::size_t place = 0; place < tables_.size(); ++place) {
      for (std::uint32_t byte = 0; byte < 256; ++byte) {
        tables_[place][byte] = times(images, byte << (8 * place));
      }
    }
  }

  [[nodiscard]] std::uint32_t operator()(std::uint32_t state) const noexcept {
    return tables_[0][state & 0xFF] ^ tables_[1][(state >> 8) & 0xFF] ^
           tables_[2][(state >> 16) & 0xFF] ^ tables_[3][state >> 24];
  }

 private:
  static constexpr std::uint32_t times(const std::array<std::uint32_t, 32>& matrix,
                                       std::uint32_t vector) {
    std::uint32_t sum = 0;
    for (std::size_t bit = 0; vector != 0; ++bit, vector >>= 1) {
      sum ^= (vector & 1) != 0 ? matrix[bit] : 0;
    }
    return sum;
  }

  std::array<Table, 4> tables_{};
};

constexpr std::size_t LANE_BYTES = 1024;
constexpr ZerosOperator OVER_LANE(LANE_BYTES);

#if defined(__x86_64__)
#define CORE_CHECKSUM_TARGET [[gnu::target("sse4.2")]]
#define CORE_CHECKSUM_WORD(state, word) static_cast<std::uint32_t>(_mm_crc32_u64(state, word))
#define CORE_CHECKSUM_BYTE(state, byte) _mm_crc32_u8(state, byte)
bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }
#else
#define CORE_CHECKSUM_TARGET [[gnu::target("+crc")]]
#define CORE_CHECKSUM_WORD(state, word) __crc32cd(state, word)
#define CORE_CHECKSUM_BYTE(state, byte) __crc32cb(state, byte)
bool has_instruction() noexcept { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

std::uint64_t word_at(const std::byte* place) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, place, sizeof word);
  return word;
}

CORE_CHECKSUM_TARGET std::uint32_t update_by_instruction(std::uint32_t state,
                                                         Bytes data) noexcept {
  const std::byte* place = data.data();
  std::size_t left = data.size();
  for (; left >= 3 * LANE_BYTES; place += 3 * LANE_BYTES, left -= 3 * LANE_BYTES) {
    std::uint32_t second = 0;
    std::uint32_t third = 0;
    for (std::size_t at = 0; at < LANE_BYTES; at += sizeof(std::uint64_t)) {
      state = CORE_CHECKSUM_WORD(state, word_at(place + at));
      second = CORE_CHECKSUM_WORD(second, word_at(place + at + LANE_BYTES));
      third = CORE_CHECKSUM_WORD(third, word_at(place + at + 2 * LANE_BYTES));
    }
    state = OVER_LANE(OVER_LANE(state) ^ second) ^ third;
  }
  for (; left >= sizeof(std::uint64_t); place += 8, left -= 8) {
    state = CORE_CHECKSUM_WORD(state, word_at(place));
  }
  for (; left > 0; ++place, --left) {
    state = CORE_CHECKSUM_BYTE(state, static_cast<std::uint8_t>(*place));
  }
  return state;
}

const auto update = has_instruction() ? update_by_instruction : update_by_table;

#else

constexpr auto update = update_by_table;

#endif

}  // namespace

std::uint32_t extend_checksum(std::uint32_t checksum, Bytes data) noexcept {
  return ~update(~checksum, data);
}

std::uint32_t extend_checksum_by_table(std::uint32_t checksum, Bytes data) noexcept {
  return ~update_by_table(~checksum, data);
}

}  // namespace core::journal
