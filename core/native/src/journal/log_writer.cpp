#include "core/journal/log_writer.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace core::journal {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto FULL_DISK_RETRY = std::chrono::milliseconds(250);
constexpr std::size_t SYNCS_TOLD_MAX = 4096;

// Signals are for the threads that expect them; set while a thread is made, which inherits it.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

void name_this_thread(const std::string& name) noexcept {
  constexpr std::size_t NAME_MAX_BYTES = 15;
  ::pthread_setname_np(::pthread_self(), name.substr(0, NAME_MAX_BYTES).c_str());
}

}  // namespace

// What both threads and their owner share; it lives until the last of them lets go.
struct LogWriter::State {
  State(std::shared_ptr<SegmentedLog> segmented, WriterOptions given)
      : log(std::move(segmented)),
        options(std::move(given)),
        descriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        last_queued(log->last()) {
    progress.last = log->last();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { close_descriptor(); }

  void close_descriptor() noexcept {
    if (descriptor >= 0) {
      ::close(std::exchange(descriptor, -1));
    }
  }

  void write_until_stopped();
  bool write_group();
  [[nodiscard]] bool has_failed();
  Fault write_frames(std::size_t from, std::size_t to);
  void keep_house();
  void keep_house_once();
  void sync_beside();
  Fault sync();
  void fail(Fault fault) noexcept;
  template <class Work>
  void fail_if_thrown(Work work) noexcept;
  void tell() const noexcept;
  [[nodiscard]] bool is_ending() const noexcept { return is_stopping || is_failed; }

  const std::shared_ptr<SegmentedLog> log;
  const WriterOptions options;
  int descriptor;  // closed when both threads have ended
  std::thread writer;
  bool is_started = false;

  std::mutex mutex;  // never held while the storage works
  std::condition_variable writer_wake;
  std::condition_variable house_wake;
  Group gathering;
  std::size_t queued_bytes = 0;  // of what is submitted and not told to be written
  std::uint64_t last_queued;
  Progress progress;
  bool is_stopping = false;
  bool is_failed = false;
  std::atomic<bool> is_full = false;

  Group writing;                 // the writer's own
  Clock::time_point synced_at{};  // the housekeeper's own
};

void LogWriter::State::write_until_stopped() {
  name_this_thread(options.name);
  std::thread housekeeper;
  fail_if_thrown([&] {
    housekeeper = std::thread([this] { keep_house(); });
    while (write_group()) {
    }
  });
  {
    const std::lock_guard lock(mutex);
    is_stopping = true;
  }
  house_wake.notify_one();
  if (housekeeper.joinable()) {
    housekeeper.join();
  }
  fail_if_thrown([&] {
    if (is_failed) {  // without the lock: only the two threads write it, and one has ended
      log->abandon();
    } else if (Fault failed = log->close()) {
      fail(std::move(failed));
    }
  });
  {
    const std::lock_guard lock(mutex);
    progress.is_done = true;
  }
  tell();
}

// Write and perhaps sync all that is queued; false when nothing more will come.
bool LogWriter::State::write_group() {
  {
    std::unique_lock lock(mutex);
    writer_wake.wait(lock, [this] { return !gathering.empty() || is_ending(); });
    if (is_failed || gathering.empty()) {
      return false;
    }
    std::swap(gathering, writing);
  }
  const std::size_t count = writing.frames().size();
  const std::size_t step = options.syncs_each_group ? 1 : count;
  for (std::size_t from = 0; from < count; from += step) {
    if (has_failed()) {  // the housekeeper, meanwhile
      return false;
    }
    if (Fault failed = write_frames(from, from + step)) {
      fail(std::move(failed));
      return false;
    }
  }
  writing.clear();
  return true;
}

bool LogWriter::State::has_failed() {
  const std::lock_guard lock(mutex);
  return is_failed;
}

Fault LogWriter::State::write_frames(std::size_t from, std::size_t to) {
  const auto passed = [this](const char* name) -> Fault {
    return {options.crash_point ? options.crash_point(name) : 0, false, name};
  };
  if (Fault failed = log->append(writing, from, to)) {
    return failed;
  }
  if (Fault failed = passed("after_write")) {
    return failed;
  }
  if (options.syncs_each_group) {
    if (Fault failed = passed("before_sync")) {
      return failed;
    }
    if (Fault failed = sync()) {
      return failed;
    }
    if (Fault failed = passed("after_sync")) {
      return failed;
    }
  }
  std::vector<Mark> marks = log->take_marks();
  {
    const std::lock_guard lock(mutex);
    if (!is_failed) {
      // Before it is told: whoever hears of it may submit as much again at once.
      queued_bytes -= writing.size_bytes(from, to);
      progress.last = log->last();
      progress.marks.insert(progress.marks.end(), marks.begin(), marks.end());
    }
  }
  tell();
  if (!log->has_spare()) {
    house_wake.notify_one();
  }
  log->settle();
  return {};
}

void LogWriter::State::keep_house() {
  fail_if_thrown([&] {
    name_this_thread(options.name + "-house");
    std::unique_lock lock(mutex);
    while (!is_ending()) {
      lock.unlock();
      keep_house_once();
      lock.lock();
      const auto is_wanted = [this] { return is_ending() || (!log->has_spare() && !is_full); };
      if (is_full) {
        house_wake.wait_for(lock, FULL_DISK_RETRY, is_wanted);
      } else if (options.syncs_each_group) {
        house_wake.wait(lock, is_wanted);
      } else {
        house_wake.wait_for(lock, options.sync_interval, is_wanted);
      }
    }
  });
}

// Make the next segment, and sync where groups are not.
void LogWriter::State::keep_house_once() {
  Fault failed = log->has_spare() ? Fault{} : log->prepare_spare();
  if (failed && !failed.is_full) {
    fail(std::move(failed));
    return;
  }
  if (failed.is_full != is_full) {  // which nobody else writes
    const std::lock_guard lock(mutex);
    is_full = progress.is_full = failed.is_full;
    progress.full_reason = std::move(failed.what);
    tell();
  }
  if (!options.syncs_each_group) {
    sync_beside();
  }
}

void LogWriter::State::sync_beside() {
  const Clock::time_point now = Clock::now();
  if (log->synced() >= log->last() || now - synced_at < options.sync_interval) {
    return;
  }
  if (Fault failed = sync()) {
    fail(std::move(failed));
  }
  synced_at = Clock::now();
}

Fault LogWriter::State::sync() {
  const Clock::time_point began = Clock::now();
  Fault failed = log->sync();
  const std::chrono::nanoseconds took = Clock::now() - began;
  const std::lock_guard lock(mutex);
  if (!failed && progress.sync_ns.size() < SYNCS_TOLD_MAX) {
    progress.sync_ns.push_back(took.count());
  }
  return failed;
}

// The first fault is told; after it nothing is asked of the storage any more.
void LogWriter::State::fail(Fault fault) noexcept {
  {
    const std::lock_guard lock(mutex);
    if (!is_failed) {
      is_failed = true;
      progress.fault = std::move(fault);
    }
  }
  writer_wake.notify_one();
  house_wake.notify_one();
  tell();
}

// A thread's edge: what is thrown here would end the process without a word.
template <class Work>
void LogWriter::State::fail_if_thrown(Work work) noexcept {
  try {
    work();
  } catch (const std::bad_alloc&) {
    fail({ENOMEM, false, {}});
  } catch (const std::system_error& error) {
    fail({error.code().value() != 0 ? error.code().value() : FOREIGN, false, {}});
  } catch (...) {
    fail({FOREIGN, false, {}});
  }
}

void LogWriter::State::tell() const noexcept {
  // It can only fail because it is readable already (EAGAIN).
  static_cast<void>(::eventfd_write(descriptor, 1));
}

LogWriter::LogWriter(std::shared_ptr<SegmentedLog> log, WriterOptions options)
    : state_(std::make_shared<State>(std::move(log), std::move(options))) {}

LogWriter::~LogWriter() {
  stop();
  if (!finish() && state_->writer.joinable()) {
    state_->writer.detach();
  }
}

Fault LogWriter::start() {
  if (std::exchange(state_->is_started, true)) {
    return {EALREADY, false, state_->options.name};
  }
  if (state_->descriptor < 0) {
    return {EMFILE, false, state_->options.name};
  }
  const SignalsBlocked blocked;
  try {
    state_->writer = std::thread([state = state_] { state->write_until_stopped(); });
  } catch (const std::system_error& error) {
    return {error.code().value(), false, state_->options.name};
  }
  return {};
}

Submitted LogWriter::submit(const Entry& entry) {
  State& state = *state_;
  bool was_empty = false;
  {
    const std::lock_guard lock(state.mutex);
    if (why_refused(entry, state.last_queued) != nullptr) {
      return Submitted::REFUSED;
    }
    if (state.is_failed) {
      state.last_queued = entry.last;
      return Submitted::QUEUED;
    }
    if (state.is_stopping) {
      return Submitted::ENDED;  // the writer may be past its last look at the queue
    }
    const std::size_t needed = FRAME_SIZE + entry.payload.size();
    if (state.queued_bytes > 0 && state.queued_bytes + needed > state.options.queued_bytes_max) {
      return Submitted::FULL;
    }
    was_empty = state.gathering.empty();
    const std::size_t before = state.gathering.size_bytes();
    state.gathering.add(entry, state.options.syncs_each_group);
    state.queued_bytes += state.gathering.size_bytes() - before;
    state.last_queued = entry.last;
  }
  if (was_empty) {
    state.writer_wake.notify_one();
  }
  return Submitted::QUEUED;
}

void LogWriter::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->is_stopping = true;
  }
  state_->writer_wake.notify_one();
}

int LogWriter::descriptor() const noexcept { return state_->descriptor; }

Progress LogWriter::take() {
  eventfd_t count = 0;
  // Nothing to read is nothing new, and what there is will do.
  static_cast<void>(::eventfd_read(state_->descriptor, &count));
  Progress taken;
  const std::lock_guard lock(state_->mutex);
  Progress& progress = state_->progress;
  taken.last = progress.last;
  taken.is_full = progress.is_full;
  taken.is_done = progress.is_done;
  taken.full_reason = progress.full_reason;
  std::swap(taken.fault, progress.fault);
  taken.sync_ns.swap(progress.sync_ns);
  taken.marks.swap(progress.marks);
  return taken;
}

bool LogWriter::finish() {
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->progress.is_done) {
      return false;
    }
  }
  if (state_->writer.joinable()) {
    state_->writer.join();
  }
  state_->close_descriptor();
  return true;
}

bool LogWriter::is_full() const noexcept { return state_->is_full; }

}  // namespace core::journal
