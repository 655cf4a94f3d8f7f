// Entries gathered to be written by one call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "core/journal/format.hpp"

namespace core::journal {

// What to append: a frame that has no place yet.
struct Entry {
  FrameKind kind = FrameKind::COMMANDS;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::int64_t time_ns = 0;
  Bytes payload;
};

// Why an entry cannot be the frame after number `last`; null if it can.
[[nodiscard]] const char* why_refused(const Entry& entry, std::uint64_t last) noexcept;

// Entries become frames one behind the other, each payload copied once to behind the room for its
// head, so that neighbours are written by one call.
class Group {
 public:
  struct Frame {
    FrameKind kind;
    std::uint64_t first;
    std::uint64_t last;
    std::int64_t time_ns;
    std::size_t at;    // of its head, in the group's bytes
    std::size_t size;  // of its payload
  };

  // With `may_join` an entry goes on with the frame before it if they are of one kind, so that
  // never more than one frame waits to be durable. A check stays alone. Throws std::bad_alloc,
  // and nothing is changed.
  void add(const Entry& entry, bool may_join);
  // Forget all; memory beyond what is usual is given back.
  void clear() noexcept;

  [[nodiscard]] bool empty() const noexcept { return frames_.empty(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return used_; }
  // Of frames `from` to `to`.
  [[nodiscard]] std::size_t size_bytes(std::size_t from, std::size_t to) const noexcept {
    return (to < frames_.size() ? frames_[to].at : used_) - frames_[from].at;
  }
  [[nodiscard]] const std::vector<Frame>& frames() const noexcept { return frames_; }
  [[nodiscard]] std::byte* bytes_at(std::size_t at) noexcept { return bytes_.get() + at; }

 private:
  static constexpr std::size_t JOINED_BYTES_MAX = 4U << 20;
  static constexpr std::size_t KEPT_BYTES = 8U << 20;
  struct Free {
    void operator()(std::byte* bytes) const noexcept { std::free(bytes); }
  };

  void reserve(std::size_t bytes);

  std::vector<Frame> frames_;
  std::unique_ptr<std::byte, Free> bytes_;
  std::size_t used_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace core::journal
