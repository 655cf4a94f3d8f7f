#include "core/event_writer.hpp"

#include <algorithm>

namespace core {

void EventWriter::make_room() {
  const std::size_t written = size();
  const std::ptrdiff_t last_at = last_ == nullptr ? 0 : last_ - reinterpret_cast<std::uint8_t*>(begin_);
  if (begin_ != own_.get() && own_size_ >= 2 * written + LARGEST_EVENT) {
    std::copy(begin_, at_, own_.get());
  } else {
    const std::size_t larger = std::max<std::size_t>(2 * written + LARGEST_EVENT, 1 << 16);
    auto buffer = std::make_unique_for_overwrite<std::byte[]>(larger);
    std::copy(begin_, at_, buffer.get());
    own_ = std::move(buffer);
    own_size_ = larger;
  }
  begin_ = own_.get();
  at_ = begin_ + written;
  end_ = begin_ + own_size_;
  if (last_ != nullptr) {
    last_ = reinterpret_cast<std::uint8_t*>(begin_) + last_at;
  }
}

void EventWriter::make_room_for_touched() { touched_.resize(2 * touched_.size() + 16); }

void EventWriter::settle() {
  for (std::size_t place = 0; place < touched_count_; ++place) {
    touched_[place].side->settle();
  }
}

}  // namespace core
