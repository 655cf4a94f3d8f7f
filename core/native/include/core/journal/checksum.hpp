// CRC32C (Castagnoli, as in RFC 3720), by the processor's instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace core::journal {

using Bytes = std::span<const std::byte>;

// The checksum of what `checksum` covers followed by `data`; 0 covers nothing.
[[nodiscard]] std::uint32_t extend_checksum(std::uint32_t checksum, Bytes data) noexcept;

// The same by tables alone: for processors without the instruction, and to be compared with.
[[nodiscard]] std::uint32_t extend_checksum_by_table(std::uint32_t checksum, Bytes data) noexcept;

}  // namespace core::journal
