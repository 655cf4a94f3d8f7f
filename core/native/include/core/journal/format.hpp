// The bytes of a segmented log: segment heads and frames. No I/O; docs/protocols/journal.md.
// runtime/log_format.py reads what is written here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/journal/checksum.hpp"
#include "core/journal/digest.hpp"

namespace core::journal {

inline constexpr std::uint16_t LAYOUT = 3;
inline constexpr std::size_t HEAD_SIZE = 128;
inline constexpr std::size_t FRAME_SIZE = 48;
inline constexpr std::size_t PAYLOAD_MAX = 256U << 20;
inline constexpr const char* SPARE_NAME = "spare";

using VenueId = std::array<std::byte, 16>;

enum class Stream : std::uint16_t { JOURNAL = 1, EVENTS = 2 };

enum class FrameKind : std::uint8_t { COMMANDS = 1, CHECK = 2, EVENTS = 3 };

// The segment that frames belong to: with the offset it seeds their checksums, so that a frame
// anywhere but where it was written is as invalid as one with a flipped bit.
struct Place {
  VenueId venue{};
  Stream stream = Stream::JOURNAL;
  std::uint64_t segment = 0;
};

struct SegmentHead {
  std::uint64_t first = 0;  // number in it
  Digest previous{};        // of the whole file of the segment before; zero in the first
  std::int64_t created_ns = 0;
};

struct FrameHead {
  FrameKind kind = FrameKind::COMMANDS;
  std::uint32_t size = 0;    // of the payload: a multiple of eight, at most PAYLOAD_MAX
  std::uint64_t first = 0;   // number in it
  std::uint64_t last = 0;    // one less than the first if it holds none
  std::uint64_t synced = 0;  // last number known durable when it is written
  std::int64_t time_ns = 0;
};

[[nodiscard]] std::array<std::byte, HEAD_SIZE> pack_head(const SegmentHead& head,
                                                         const Place& place) noexcept;

// Write the head of a frame whose payload stands behind it already, for exactly this place.
void seal_frame(std::byte* frame, const FrameHead& head, const Place& place,
                std::uint64_t offset) noexcept;

[[nodiscard]] std::string segment_name(std::uint64_t number);
// The number in a segment's name; 0 if it is none.
[[nodiscard]] std::uint64_t segment_number(const std::string& name) noexcept;

}  // namespace core::journal
