// A segmented, append-only log: the journal and the event log; docs/protocols/journal.md.
//
// Segments are written full of zeros before they are used, so that appending changes no file
// length and a sync has only data to write; zeros mean the end. A segment is sealed by cutting it
// to its content and syncing it, and only then does the next one begin, with the SHA-256 of the
// sealed file in its head: any tool can check the chain.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/journal/digest.hpp"
#include "core/journal/format.hpp"
#include "core/journal/group.hpp"
#include "core/journal/storage.hpp"

namespace core::journal {

// What failed. After any but a spare that found no room, the log is never to be used again: after
// a failed sync the kernel may have dropped the data, and a second try would lie.
struct [[nodiscard]] Fault {
  int error_number = 0;  // as a Storage gives it
  bool is_full = false;  // there is no room for another segment
  std::string what;      // the file, or if full what to tell people

  explicit operator bool() const noexcept { return error_number != 0; }
};

// Where a scan says that the log ends.
struct LogEnd {
  std::uint64_t segment = 0;  // the last one; 0 if there is none
  std::uint64_t offset = 0;
  std::uint64_t last = 0;
  bool is_torn = false;
};

// Where a frame stands.
struct Mark {
  std::uint64_t segment = 0;
  std::uint64_t first = 0;
  std::uint64_t offset = 0;
};

// Called with the name of each place where a test may want the process to die; the calls into the
// surroundings return errors as a Storage does.
using CrashPoint = std::function<int(const char*)>;
using ClockNs = std::function<int(std::int64_t&)>;

struct LogOptions {
  Stream stream = Stream::JOURNAL;
  VenueId venue{};
  std::uint64_t segment_bytes = 0;
  ClockNs clock_ns;              // empty for the system's
  CrashPoint crash_point;        // may be empty
  std::uint64_t mark_bytes = 0;  // how far apart marks are kept at least; 0 for none
};

// `append`, `settle` and `close` belong to one thread; `sync` and `prepare_spare` may run beside
// them, and the properties may be read anywhere.
class SegmentedLog {
 public:
  SegmentedLog(std::unique_ptr<Storage> storage, LogOptions options, LogEnd end);

  // Go on where a scan ended, or begin a new log: a torn tail is cut off here, durably.
  Fault take_over();
  // Write frames `from` to `to` of a group; they are durable after `sync`.
  Fault append(Group& group, std::size_t from, std::size_t to);
  // Take what was appended into the segment's digest. It takes about as long as writing, so it is
  // left until nobody waits; but until then the group's bytes must stay.
  void settle() noexcept;
  Fault sync();
  // Make the next segment's file ahead of need; what finds no room is removed again.
  Fault prepare_spare();
  Fault close();
  // Let go without syncing: after an error nothing more may be asked of the disk.
  void abandon();
  [[nodiscard]] std::vector<Mark> take_marks();

  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  [[nodiscard]] std::uint64_t synced() const noexcept { return synced_; }
  [[nodiscard]] bool has_spare() const noexcept { return spare_size_ > 0; }
  // Bytes that can be appended without asking the disk for more.
  [[nodiscard]] std::uint64_t room() const noexcept {
    const std::uint64_t capacity = capacity_;
    const std::uint64_t offset = offset_;
    return spare_size_ + (capacity > offset ? capacity - offset : 0);
  }
  [[nodiscard]] Storage& storage() noexcept { return *storage_; }

 private:
  Fault fault(int error_number, const std::string& name) const;
  Fault drop_unborn();
  Fault hash_content(const std::string& name);
  Fault write(Group& group, std::size_t from, std::size_t to);
  Fault begin_segment(std::uint64_t needed);
  Fault seal();
  Fault write_head(std::array<std::byte, HEAD_SIZE>& head);
  Fault make_spare(std::uint64_t size);
  Fault no_room(int error_number, std::uint64_t size);
  void note_mark(std::uint64_t first);
  [[nodiscard]] int at_crash_point(const char* name) const;

  std::unique_ptr<Storage> storage_;
  LogOptions options_;
  LogEnd end_;
  Place place_;
  Digest previous_{};  // of the segment that was sealed last
  Sha256 content_;     // of the present segment
  Bytes unsettled_;
  std::vector<Mark> marks_;
  Mark last_mark_;
  std::mutex file_mutex_;
  std::unique_ptr<File> file_;
  std::mutex spare_mutex_;
  std::atomic<std::uint64_t> last_;
  std::atomic<std::uint64_t> synced_;
  std::atomic<std::uint64_t> segment_;
  std::atomic<std::uint64_t> offset_;
  std::atomic<std::uint64_t> capacity_ = 0;
  std::atomic<std::uint64_t> spare_size_ = 0;
};

}  // namespace core::journal
