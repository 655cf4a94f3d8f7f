#include "core/journal/segmented_log.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <utility>

namespace core::journal {

namespace {

constexpr std::size_t BLOCK = 1U << 20;

int write_zeros(File& file, std::uint64_t start, std::uint64_t stop) {
  static const std::array<std::byte, BLOCK> zeros{};
  while (start < stop) {
    const std::size_t size = std::min<std::uint64_t>(BLOCK, stop - start);
    if (const int error = file.write({zeros.data(), size}, start)) {
      return error;
    }
    start += size;
  }
  return 0;
}

std::int64_t system_time_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

SegmentedLog::SegmentedLog(std::unique_ptr<Storage> storage, LogOptions options, LogEnd end)
    : storage_(std::move(storage)),
      options_(std::move(options)),
      end_(end),
      place_{options_.venue, options_.stream, end.segment},
      last_(end.last),
      synced_(end.last),
      segment_(end.segment),
      offset_(end.offset) {}

Fault SegmentedLog::take_over() {
  if (Fault failed = drop_unborn()) {
    return failed;
  }
  if (end_.segment == 0) {
    return {};
  }
  const std::string name = segment_name(end_.segment);
  std::uint64_t size = 0;
  int error = storage_->open(name, /*create=*/false, file_);
  if (error == 0) {
    error = file_->size(size);
  }
  if (error == 0 && end_.is_torn) {
    error = write_zeros(*file_, end_.offset, size);
  }
  if (error == 0) {
    error = file_->sync();
  }
  if (error != 0) {
    return fault(error, name);
  }
  capacity_ = size;
  return hash_content(name);
}

Fault SegmentedLog::append(Group& group, std::size_t from, std::size_t to) {
  settle();
  std::size_t unwritten = from;
  for (std::size_t index = from; index < to; ++index) {
    const Group::Frame& frame = group.frames()[index];
    const std::uint64_t needed = FRAME_SIZE + frame.size;
    if (file_ == nullptr || offset_ + needed > capacity_) {
      if (Fault failed = write(group, unwritten, index)) {
        return failed;
      }
      settle();
      if (Fault failed = begin_segment(needed)) {
        return failed;
      }
      unwritten = index;
    }
    const FrameHead head{frame.kind, static_cast<std::uint32_t>(frame.size),
                         frame.first, frame.last, synced_, frame.time_ns};
    note_mark(frame.first);
    seal_frame(group.bytes_at(frame.at), head, place_, offset_);
    offset_ += needed;
  }
  return write(group, unwritten, to);
}

void SegmentedLog::settle() noexcept {
  content_.update(unsettled_);
  unsettled_ = {};
}

Fault SegmentedLog::sync() {
  const std::lock_guard lock(file_mutex_);
  const std::uint64_t last = last_;
  if (file_ != nullptr) {
    if (const int error = file_->sync()) {
      return fault(error, segment_name(segment_));
    }
  }
  synced_ = std::max<std::uint64_t>(synced_, last);
  return {};
}

Fault SegmentedLog::prepare_spare() {
  const std::lock_guard lock(spare_mutex_);
  return has_spare() ? Fault{} : make_spare(options_.segment_bytes);
}

Fault SegmentedLog::close() {
  Fault failed = sync();
  abandon();
  return failed;
}

void SegmentedLog::abandon() {
  settle();
  const std::lock_guard lock(file_mutex_);
  file_.reset();
}

std::vector<Mark> SegmentedLog::take_marks() { return std::exchange(marks_, {}); }

Fault SegmentedLog::fault(int error_number, const std::string& name) const {
  return {error_number, /*is_full=*/false, storage_->describe(name)};
}

// Remove what was begun but never became part of the log, and the spare: it may not be whole.
Fault SegmentedLog::drop_unborn() {
  std::vector<std::string> names;
  if (const int error = storage_->names(names)) {
    return fault(error, "");
  }
  for (const std::string& name : names) {
    if (name == SPARE_NAME || segment_number(name) > end_.segment) {
      if (const int error = storage_->remove(name)) {
        return fault(error, name);
      }
    }
  }
  const int error = storage_->sync_names();
  return error == 0 ? Fault{} : fault(error, "");
}

Fault SegmentedLog::hash_content(const std::string& name) {
  std::vector<std::byte> block(std::min<std::uint64_t>(BLOCK, end_.offset));
  for (std::uint64_t at = 0; at < end_.offset; at += block.size()) {
    const std::size_t size = std::min<std::uint64_t>(block.size(), end_.offset - at);
    if (const int error = file_->read({block.data(), size}, at)) {
      return fault(error, name);
    }
    content_.update({block.data(), size});
  }
  return {};
}

// Write frames that are sealed and whose room was counted.
Fault SegmentedLog::write(Group& group, std::size_t from, std::size_t to) {
  if (from == to) {
    return {};
  }
  const std::size_t start = group.frames()[from].at;
  const Group::Frame& last = group.frames()[to - 1];
  const Bytes data{group.bytes_at(start), last.at + FRAME_SIZE + last.size - start};
  if (const int error = file_->write(data, offset_ - data.size())) {
    return fault(error, segment_name(segment_));
  }
  unsettled_ = data;
  last_ = last.last;
  return {};
}

// Seal the present segment, if any, and begin the next, durably.
Fault SegmentedLog::begin_segment(std::uint64_t needed) {
  const std::scoped_lock lock(file_mutex_, spare_mutex_);
  if (file_ != nullptr) {
    if (Fault failed = seal()) {
      return failed;
    }
  }
  const std::uint64_t size = std::max(options_.segment_bytes, HEAD_SIZE + needed);
  if (spare_size_ < size) {
    if (Fault failed = make_spare(size)) {
      return failed;
    }
  }
  segment_ += 1;
  place_.segment = segment_;
  std::array<std::byte, HEAD_SIZE> head{};
  if (Fault failed = write_head(head)) {
    return failed;
  }
  int error = at_crash_point("segment_rename");
  if (error == 0) {
    error = storage_->rename(SPARE_NAME, segment_name(segment_));
  }
  if (error == 0) {
    error = storage_->sync_names();
  }
  if (error != 0) {
    return fault(error, segment_name(segment_));
  }
  content_ = Sha256();
  content_.update(head);
  capacity_ = spare_size_.exchange(0);
  offset_ = HEAD_SIZE;
  return {};
}

Fault SegmentedLog::seal() {
  int error = file_->truncate(offset_);
  if (error == 0) {
    error = file_->sync();
  }
  file_.reset();
  if (error == 0) {
    synced_ = last_.load();
    previous_ = content_.digest();
    error = at_crash_point("segment_sealed");
  }
  return error == 0 ? Fault{} : fault(error, segment_name(segment_));
}

Fault SegmentedLog::write_head(std::array<std::byte, HEAD_SIZE>& head) {
  std::int64_t now_ns = 0;
  int error = 0;
  if (options_.clock_ns) {
    error = options_.clock_ns(now_ns);
  } else {
    now_ns = system_time_ns();
  }
  head = pack_head({last_ + 1, previous_, now_ns}, place_);
  if (error == 0) {
    error = storage_->open(SPARE_NAME, /*create=*/false, file_);
  }
  if (error == 0) {
    error = file_->write(head, 0);
  }
  if (error == 0) {
    error = file_->sync();
  }
  return error == 0 ? Fault{} : fault(error, SPARE_NAME);
}

Fault SegmentedLog::make_spare(std::uint64_t size) {
  std::unique_ptr<File> file;
  int error = storage_->open(SPARE_NAME, /*create=*/true, file);
  if (error == 0) {
    error = write_zeros(*file, 0, size);
  }
  if (error == 0) {
    error = file->sync();
  }
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return no_room(error, size);
  }
  if (error != 0) {
    return fault(error, SPARE_NAME);
  }
  spare_size_ = size;
  return {};
}

Fault SegmentedLog::no_room(int error_number, std::uint64_t size) {
  spare_size_ = 0;
  // Whether what was made of it can be removed changes nothing: it is overwritten by the next try.
  static_cast<void>(storage_->remove(SPARE_NAME));
  return {error_number, /*is_full=*/true,
          storage_->describe(SPARE_NAME) + ": no room for " + std::to_string(size) +
              " bytes: " + std::strerror(error_number)};
}

void SegmentedLog::note_mark(std::uint64_t first) {
  if (options_.mark_bytes == 0 || (last_mark_.segment == segment_ &&
                                   offset_ - last_mark_.offset < options_.mark_bytes)) {
    return;
  }
  last_mark_ = {segment_, first, offset_};
  marks_.push_back(last_mark_);
}

int SegmentedLog::at_crash_point(const char* name) const {
  return options_.crash_point ? options_.crash_point(name) : 0;
}

}  // namespace core::journal
