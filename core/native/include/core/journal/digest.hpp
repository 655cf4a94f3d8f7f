// SHA-256 (FIPS 180-4) of bytes that come piece by piece, by the processor's instructions where
// it has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/journal/checksum.hpp"

namespace core::journal {

using Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  // With `by_instruction` false it takes the portable way, to be compared with.
  explicit Sha256(bool by_instruction = true) noexcept;

  void update(Bytes data) noexcept;
  // The digest of all that came so far; more may follow.
  [[nodiscard]] Digest digest() const noexcept;

 private:
  static constexpr std::size_t BLOCK = 64;
  using State = std::array<std::uint32_t, 8>;
  using Compress = void (*)(State& state, const std::byte* blocks, std::size_t count) noexcept;

  static void compress_portably(State& state, const std::byte* blocks, std::size_t count) noexcept;
  static void compress_by_instruction(State& state, const std::byte* blocks,
                                      std::size_t count) noexcept;
  [[nodiscard]] static bool has_instructions() noexcept;

  Compress compress_;
  State state_{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
               0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};
  std::uint64_t size_ = 0;
  std::array<std::byte, BLOCK> rest_{};  // the first size_ % BLOCK bytes of it
};

}  // namespace core::journal
