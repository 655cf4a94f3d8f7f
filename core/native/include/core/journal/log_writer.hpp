// Group commit: one thread that writes, syncs and says what is there now.
//
// While one group is being synced the next gathers and is then written by a single call. A second
// thread makes the next segment ahead of need, and syncs where groups are not.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/journal/group.hpp"
#include "core/journal/segmented_log.hpp"

namespace core::journal {

struct WriterOptions {
  std::string name;                 // of the log, for its threads
  bool syncs_each_group = true;     // durable before it is said to be written
  std::chrono::nanoseconds sync_interval{};  // otherwise so often, beside the writing
  // Of frames, heads included, that are submitted and not told to be written; one always fits.
  // What is told is kept until its group ends, so memory may hold twice as much.
  std::size_t queued_bytes_max = 0;
  CrashPoint crash_point;  // may be empty
};

enum class Submitted {
  QUEUED,
  REFUSED,  // it cannot follow what is there
  FULL,     // more would be queued than may be
  ENDED,    // the writer was told to stop
};

// What happened since it was last asked for.
struct Progress {
  std::uint64_t last = 0;  // written, and durable if groups are synced
  bool is_full = false;    // the next segment found no room
  bool is_done = false;    // the threads have ended, nothing more will happen
  std::string full_reason;
  Fault fault;  // once; nothing is written or synced any more
  std::vector<std::int64_t> sync_ns;
  std::vector<Mark> marks;
};

class LogWriter {
 public:
  // Nobody else appends to the log from here on.
  LogWriter(std::shared_ptr<SegmentedLog> log, WriterOptions options);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  // Asks the threads to stop; those that a disk still holds are left to it.
  ~LogWriter();

  // Once. Throws std::bad_alloc.
  Fault start();
  // Queue an entry, whose payload is copied; never waits for a disk. After a fault entries go
  // nowhere: nobody will be told that they are written. Throws std::bad_alloc.
  [[nodiscard]] Submitted submit(const Entry& entry);
  // Write and sync what is queued, then end: `is_done` will tell.
  void stop();
  // Readable (an eventfd) when there is progress to take.
  [[nodiscard]] int descriptor() const noexcept;
  [[nodiscard]] Progress take();
  // Once `is_done` was told: let go of threads and descriptor. False before.
  bool finish();
  // Whether the next segment found no room when it was last tried.
  [[nodiscard]] bool is_full() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace core::journal
