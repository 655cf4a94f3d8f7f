#include "core/journal/format.hpp"

#include <bit>
#include <cstdio>
#include <cstring>

namespace core::journal {

namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr std::uint16_t FRAME_MARK = 0x52A7;
constexpr std::size_t NAME_DIGITS = 12;
constexpr const char* SUFFIX = ".log";

struct HeadBytes {
  std::array<char, 8> magic{'R', 'I', 'A', 'L', 'T', 'O', 'L', 'G'};
  std::uint16_t layout = LAYOUT;
  Stream stream = Stream::JOURNAL;
  std::uint32_t size = HEAD_SIZE;
  VenueId venue{};
  std::uint64_t segment = 0;
  std::uint64_t first = 0;
  Digest previous{};
  std::int64_t created_ns = 0;
  std::array<std::byte, 36> zero{};
  std::uint32_t checksum = 0;
};
static_assert(sizeof(HeadBytes) == HEAD_SIZE && offsetof(HeadBytes, segment) == 32 &&
              offsetof(HeadBytes, created_ns) == 80 && offsetof(HeadBytes, checksum) == 124);

struct FrameBytes {
  std::uint16_t mark = FRAME_MARK;
  FrameKind kind = FrameKind::COMMANDS;
  std::uint8_t version = 1;
  std::uint32_t size = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t synced = 0;
  std::int64_t time_ns = 0;
  std::uint32_t zero = 0;
  std::uint32_t checksum = 0;
};
static_assert(sizeof(FrameBytes) == FRAME_SIZE && offsetof(FrameBytes, time_ns) == 32 &&
              offsetof(FrameBytes, checksum) == 44);

template <class Value>
Bytes bytes_of(const Value& value, std::size_t size = sizeof(Value)) noexcept {
  return {reinterpret_cast<const std::byte*>(&value), size};
}

std::uint32_t seed(const Place& place, std::uint64_t offset) noexcept {
  std::uint32_t checksum = extend_checksum(0, place.venue);
  checksum = extend_checksum(checksum, bytes_of(place.stream));
  checksum = extend_checksum(checksum, bytes_of(place.segment));
  return extend_checksum(checksum, bytes_of(offset));
}

}  // namespace

std::array<std::byte, HEAD_SIZE> pack_head(const SegmentHead& head, const Place& place) noexcept {
  HeadBytes bytes;
  bytes.stream = place.stream;
  bytes.venue = place.venue;
  bytes.segment = place.segment;
  bytes.first = head.first;
  bytes.previous = head.previous;
  bytes.created_ns = head.created_ns;
  bytes.checksum = extend_checksum(0, bytes_of(bytes, offsetof(HeadBytes, checksum)));
  return std::bit_cast<std::array<std::byte, HEAD_SIZE>>(bytes);
}

void seal_frame(std::byte* frame, const FrameHead& head, const Place& place,
                std::uint64_t offset) noexcept {
  FrameBytes bytes;
  bytes.kind = head.kind;
  bytes.size = head.size;
  bytes.first = head.first;
  bytes.last = head.last;
  bytes.synced = head.synced;
  bytes.time_ns = head.time_ns;
  const std::uint32_t checksum =
      extend_checksum(seed(place, offset), bytes_of(bytes, offsetof(FrameBytes, checksum)));
  bytes.checksum = extend_checksum(checksum, {frame + FRAME_SIZE, head.size});
  std::memcpy(frame, &bytes, sizeof bytes);
}

std::string segment_name(std::uint64_t number) {
  std::array<char, 32> name{};
  const int size = std::snprintf(name.data(), name.size(), "%012llu%s",
                                 static_cast<unsigned long long>(number), SUFFIX);
  return {name.data(), static_cast<std::size_t>(size)};
}

std::uint64_t segment_number(const std::string& name) noexcept {
  if (name.size() != NAME_DIGITS + std::strlen(SUFFIX) ||
      name.compare(NAME_DIGITS, std::string::npos, SUFFIX) != 0) {
    return 0;
  }
  std::uint64_t number = 0;
  for (std::size_t place = 0; place < NAME_DIGITS; ++place) {
    if (name[place] < '0' || name[place] > '9') {
      return 0;
    }
    number = number * 10 + static_cast<std::uint64_t>(name[place] - '0');
  }
  return number;
}

}  // namespace core::journal
