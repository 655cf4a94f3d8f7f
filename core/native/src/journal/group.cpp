#include "core/journal/group.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace core::journal {

const char* why_refused(const Entry& entry, std::uint64_t last) noexcept {
  if (entry.first != last + 1 || entry.last + 1 < entry.first) {
    return "it does not follow the last number";
  }
  if (entry.payload.size() % 8 != 0 || entry.payload.size() > PAYLOAD_MAX) {
    return "its payload is not a multiple of 8 bytes, or too long";
  }
  if (entry.kind < FrameKind::COMMANDS || entry.kind > FrameKind::EVENTS) {
    return "it is of no kind";
  }
  return nullptr;
}

void Group::add(const Entry& entry, bool may_join) {
  const std::size_t size = entry.payload.size();
  reserve(used_ + FRAME_SIZE + size);
  const bool is_joined = may_join && !frames_.empty() && entry.kind != FrameKind::CHECK &&
                         frames_.back().kind == entry.kind &&
                         frames_.back().size + size <= JOINED_BYTES_MAX;
  if (is_joined) {
    Frame& frame = frames_.back();
    frame.last = entry.last;
    frame.time_ns = entry.time_ns;
    frame.size += size;
  } else {
    frames_.push_back({entry.kind, entry.first, entry.last, entry.time_ns, used_, size});
    used_ += FRAME_SIZE;
  }
  if (size > 0) {
    std::memcpy(bytes_at(used_), entry.payload.data(), size);
    used_ += size;
  }
}

void Group::clear() noexcept {
  frames_.clear();
  used_ = 0;
  if (capacity_ > KEPT_BYTES) {
    bytes_.reset();
    capacity_ = 0;
  }
}

// realloc moves pages, not bytes, where there are many.
void Group::reserve(std::size_t bytes) {
  if (bytes <= capacity_) {
    return;
  }
  const std::size_t wanted = std::max({bytes, capacity_ * 2, std::size_t{1} << 16});
  void* grown = std::realloc(bytes_.get(), wanted);
  if (grown == nullptr) {
    throw std::bad_alloc();
  }
  static_cast<void>(bytes_.release());
  bytes_.reset(static_cast<std::byte*>(grown));
  capacity_ = wanted;
}

}  // namespace core::journal
