// Promises of the journal's parts and threads; run under the sanitizers. Prints only failures.
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/journal/log_writer.hpp"
#include "memory_storage.hpp"

namespace {

using namespace core::journal;  // NOLINT: the whole of it is under test
using Chance = std::mt19937_64;

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (false)

Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

Content random_bytes(Chance& chance, std::size_t size) {
  Content bytes(size);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(chance());
  }
  return bytes;
}

void test_checksums() {
  REQUIRE(extend_checksum(0, bytes_of("123456789")) == 0xE3069283);
  REQUIRE(extend_checksum_by_table(0, bytes_of("123456789")) == 0xE3069283);
  Chance chance(1);
  const Content data = random_bytes(chance, 20'000);
  for (int time = 0; time < 2'000; ++time) {
    const std::size_t start = chance() % 100;
    const std::size_t size = chance() % (chance() % 2 == 0 ? 200 : 19'000);
    const Bytes part{data.data() + start, size};
    const std::uint32_t whole = extend_checksum(7, part);
    REQUIRE(whole == extend_checksum_by_table(7, part));
    const std::size_t cut = size == 0 ? 0 : chance() % size;
    REQUIRE(whole == extend_checksum(extend_checksum(7, part.first(cut)), part.subspan(cut)));
  }
}

std::string hex(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned>(byte));
    text += digits.data();
  }
  return text;
}

void test_digests() {
  for (const bool by_instruction : {false, true}) {
    Sha256 sha(by_instruction);
    REQUIRE(hex(sha.digest()) ==
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha.update(bytes_of("abc"));
    REQUIRE(hex(sha.digest()) ==
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    Sha256 million(by_instruction);
    for (int time = 0; time < 1'000; ++time) {
      million.update(bytes_of(std::string(1'000, 'a')));
    }
    REQUIRE(hex(million.digest()) ==
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
  Chance chance(2);
  for (int time = 0; time < 500; ++time) {
    const Content data = random_bytes(chance, chance() % 1'000);
    Sha256 whole(/*by_instruction=*/false);
    whole.update(data);
    Sha256 pieces;
    for (Bytes left = data; !left.empty();) {
      const std::size_t size = std::min<std::size_t>(left.size(), 1 + chance() % 150);
      pieces.update(left.first(size));
      left = left.subspan(size);
    }
    REQUIRE(whole.digest() == pieces.digest());
  }
}

void test_short_writes_are_gone_on_with() {
  const std::string text = "a text that is written in many pieces";
  std::string written;
  int calls = 0;
  const auto some = [&](Bytes data, std::uint64_t offset) -> long {
    REQUIRE(offset == 100 + written.size());
    if (++calls % 3 == 0) {
      errno = EINTR;
      return -1;
    }
    const std::size_t size = std::min<std::size_t>(data.size(), 5);
    written.append(reinterpret_cast<const char*>(data.data()), size);
    return static_cast<long>(size);
  };
  REQUIRE(write_whole(some, bytes_of(text), 100) == 0);
  REQUIRE(written == text);
  calls = 0;
  const auto failing = [&](Bytes, std::uint64_t) -> long {
    errno = ENOSPC;
    return ++calls == 1 ? 3 : -1;
  };
  REQUIRE(write_whole(failing, bytes_of(text), 0) == ENOSPC);
  REQUIRE(calls == 2);
  REQUIRE(write_whole([](Bytes, std::uint64_t) { return 0; }, bytes_of(text), 0) == EIO);
}

constexpr std::uint64_t SEGMENT_BYTES = 4096;

std::shared_ptr<SegmentedLog> open_log(const std::shared_ptr<Memory>& memory, Fault& fault) {
  LogOptions options;
  options.segment_bytes = SEGMENT_BYTES;
  options.mark_bytes = 512;
  auto log = std::make_shared<SegmentedLog>(std::make_unique<MemoryStorage>(memory),
                                            std::move(options), LogEnd{});
  fault = log->take_over();
  return log;
}

std::shared_ptr<SegmentedLog> open_log(const std::shared_ptr<Memory>& memory) {
  Fault fault;
  auto log = open_log(memory, fault);
  REQUIRE(!fault);
  return log;
}

// A frame as it is found in a file.
struct Found {
  std::uint64_t first;
  std::uint64_t last;
  Content payload;
};

template <class Value>
Value value_at(const Content& data, std::size_t offset) {
  Value value{};
  std::memcpy(&value, data.data() + offset, sizeof value);
  return value;
}

// Read all frames of all segments; each must be what sealing it again makes of it.
std::vector<Found> frames_of(const Memory& memory) {
  std::vector<Found> found;
  Digest previous{};
  for (const auto& [name, content] : memory.files) {
    if (name == SPARE_NAME) {
      continue;
    }
    Place place;
    place.segment = segment_number(name);
    REQUIRE(place.segment > 0 && segment_name(place.segment) == name);
    const SegmentHead head{value_at<std::uint64_t>(*content, 40), previous,
                           value_at<std::int64_t>(*content, 80)};
    const auto expected = pack_head(head, place);
    REQUIRE(std::equal(expected.begin(), expected.end(), content->begin()));
    std::size_t at = HEAD_SIZE;
    while (at < content->size() && value_at<std::uint16_t>(*content, at) != 0) {
      const FrameHead frame{value_at<FrameKind>(*content, at + 2),
                            value_at<std::uint32_t>(*content, at + 4),
                            value_at<std::uint64_t>(*content, at + 8),
                            value_at<std::uint64_t>(*content, at + 16),
                            value_at<std::uint64_t>(*content, at + 24),
                            value_at<std::int64_t>(*content, at + 32)};
      const auto start = content->begin() + static_cast<std::ptrdiff_t>(at);
      const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(FRAME_SIZE) + frame.size;
      Content again(start, start + size);
      seal_frame(again.data(), frame, place, at);
      REQUIRE(std::equal(again.begin(), again.end(), start));
      found.push_back({frame.first, frame.last, {again.begin() + FRAME_SIZE, again.end()}});
      at += again.size();
    }
    Sha256 sha;
    sha.update({content->data(), at});
    previous = sha.digest();
  }
  return found;
}

// What a scan says of a log without damage.
LogEnd find_end(const Memory& memory) {
  LogEnd end;
  for (const auto& [name, content] : memory.files) {
    if (name != SPARE_NAME) {
      end.segment = segment_number(name);
      end.offset = HEAD_SIZE;
      while (end.offset < content->size() && value_at<std::uint16_t>(*content, end.offset) != 0) {
        end.last = value_at<std::uint64_t>(*content, end.offset + 16);
        end.offset += FRAME_SIZE + value_at<std::uint32_t>(*content, end.offset + 4);
      }
    }
  }
  return end;
}

WriterOptions options_for(bool syncs_each_group) {
  WriterOptions options;
  options.name = "test";
  options.syncs_each_group = syncs_each_group;
  options.sync_interval = std::chrono::milliseconds(1);
  options.queued_bytes_max = std::size_t{1} << 20;
  return options;
}

// What a loop does: sleep until there is progress.
Progress wait_for_progress(LogWriter& writer) {
  pollfd waited{writer.descriptor(), POLLIN, 0};
  REQUIRE(::poll(&waited, 1, 20'000) == 1);
  return writer.take();
}

Progress wait_until_done(LogWriter& writer, int* faults = nullptr) {
  while (true) {
    Progress progress = wait_for_progress(writer);
    if (faults != nullptr) {
      *faults += progress.fault ? 1 : 0;
    }
    if (progress.is_done) {
      REQUIRE(writer.finish());
      return progress;
    }
  }
}

Entry entry_after(std::uint64_t last, const Content& payload) {
  return {FrameKind::COMMANDS, last + 1, last + 3, 5, payload};
}

void test_all_that_is_queued_is_written_in_order(bool syncs_each_group) {
  auto memory = std::make_shared<Memory>();
  auto log = open_log(memory);
  LogWriter writer(log, options_for(syncs_each_group));
  REQUIRE(!writer.start());
  Chance chance(syncs_each_group ? 3 : 4);
  Content written;
  std::uint64_t told = 0;
  std::uint64_t last = 0;
  std::size_t marks = 0;
  for (int number = 0; number < 3'000; ++number, last += 3) {
    const Content payload = random_bytes(chance, 8 * (1 + chance() % 40));
    while (writer.submit(entry_after(last, payload)) == Submitted::FULL) {
      wait_for_progress(writer);
    }
    written.insert(written.end(), payload.begin(), payload.end());
    if (chance() % 20 == 0) {
      const Progress progress = writer.take();
      REQUIRE(!progress.fault && progress.last >= told && progress.last <= last + 3);
      REQUIRE(!syncs_each_group || log->synced() >= progress.last);
      told = progress.last;
      marks += progress.marks.size();
    }
  }
  writer.stop();
  const Progress end = wait_until_done(writer);
  REQUIRE(end.last == last && log->synced() == last && marks > 0);
  Content read;
  std::uint64_t expected = 1;
  for (const Found& frame : frames_of(*memory)) {
    REQUIRE(frame.first == expected);
    expected = frame.last + 1;
    read.insert(read.end(), frame.payload.begin(), frame.payload.end());
  }
  REQUIRE(read == written);
}

void test_what_gathers_while_a_group_is_synced_is_one_frame() {
  auto memory = std::make_shared<Memory>();
  auto log = open_log(memory);
  REQUIRE(!log->prepare_spare());
  LogWriter writer(log, options_for(/*syncs_each_group=*/true));
  const Content payload(16, std::byte{1});
  memory->hold(true);
  REQUIRE(!writer.start());
  REQUIRE(writer.submit(entry_after(0, payload)) == Submitted::QUEUED);
  // The writer has taken the first as its group once this much is written of it.
  while (log->last() == 0) {
    memory->hold(false);
    std::this_thread::yield();
    memory->hold(true);
  }
  for (std::uint64_t last = 3; last < 30; last += 3) {
    REQUIRE(writer.submit(entry_after(last, payload)) == Submitted::QUEUED);
  }
  REQUIRE(writer.take().last <= 3);
  memory->hold(false);
  writer.stop();
  REQUIRE(wait_until_done(writer).last == 30);
  const std::vector<Found> frames = frames_of(*memory);
  REQUIRE(frames.size() <= 3 && frames.back().last == 30 && frames.back().payload.size() >= 128);
}

void test_the_queue_is_bounded() {
  auto memory = std::make_shared<Memory>();
  auto log = open_log(memory);
  WriterOptions options = options_for(/*syncs_each_group=*/true);
  options.queued_bytes_max = 1024;
  LogWriter writer(log, std::move(options));
  const Content huge(8192);
  const Content small(8);
  REQUIRE(writer.submit(entry_after(1, small)) == Submitted::REFUSED);
  REQUIRE(writer.submit(entry_after(0, {})) == Submitted::QUEUED);
  REQUIRE(writer.submit(entry_after(3, huge)) == Submitted::FULL);
  REQUIRE(!writer.start());
  while (wait_for_progress(writer).last < 3) {
  }
  REQUIRE(writer.submit(entry_after(3, huge)) == Submitted::QUEUED);
  writer.stop();
  REQUIRE(wait_until_done(writer).last == 6);
}

// Fail each operation in turn: the fault is told once, and the segment is not touched again.
void test_a_fault_is_told_once_and_nothing_is_tried_again(bool syncs_each_group, bool throws) {
  const Content payload(1024);
  for (int fails_at = 1;; ++fails_at) {
    auto memory = std::make_shared<Memory>();
    auto log = open_log(memory);
    memory->operations = 0;
    memory->fails_at = fails_at;
    memory->throws = throws;
    LogWriter writer(log, options_for(syncs_each_group));
    REQUIRE(!writer.start());
    for (std::uint64_t last = 0; last < 60; last += 3) {
      Entry entry = entry_after(last, payload);
      entry.kind = FrameKind::CHECK;  // which is never joined
      REQUIRE(writer.submit(entry) == Submitted::QUEUED);
    }
    writer.stop();
    int faults = 0;
    wait_until_done(writer, &faults);
    const bool has_failed = !memory->failed_on.empty();
    REQUIRE(faults == (has_failed ? 1 : 0));
    REQUIRE(!syncs_each_group || memory->operations_after_failure == 0);
    if (!has_failed) {
      REQUIRE(fails_at > 30);
      return;
    }
    REQUIRE(log->last() <= 60);
  }
}

// The next segment cannot be made while the writer is in the middle of a group.
void test_a_fault_of_the_housekeeper_stops_the_writer_within_its_group() {
  auto memory = std::make_shared<Memory>();
  auto log = open_log(memory);
  REQUIRE(!log->prepare_spare());
  memory->fails_on_new_files = true;
  std::atomic<bool> is_told = false;
  std::atomic<int> written = 0;
  WriterOptions options = options_for(/*syncs_each_group=*/true);
  options.crash_point = [&](const char* name) {
    if (std::string_view(name) == "after_write" && ++written == 2) {
      is_told.wait(false);
    }
    return 0;
  };
  LogWriter writer(log, std::move(options));
  const Content payload(64);
  for (std::uint64_t last = 0; last < 30; last += 3) {
    Entry entry = entry_after(last, payload);
    entry.kind = FrameKind::CHECK;
    REQUIRE(writer.submit(entry) == Submitted::QUEUED);
  }
  REQUIRE(!writer.start());
  Progress progress;
  while (!progress.fault) {
    progress = wait_for_progress(writer);
  }
  REQUIRE(progress.last <= 3);
  is_told = true;
  is_told.notify_one();
  wait_until_done(writer);
  REQUIRE(written <= 2);
}

void test_a_writer_is_started_once() {
  auto memory = std::make_shared<Memory>();
  LogWriter writer(open_log(memory), options_for(/*syncs_each_group=*/true));
  REQUIRE(!writer.start());
  REQUIRE(writer.start().error_number == EALREADY);
  writer.stop();
  wait_until_done(writer);
  REQUIRE(writer.start().error_number == EALREADY);
}

void test_a_log_that_cannot_be_opened_says_why() {
  for (const int fails_at : {1, 2}) {  // removing a spare, and making its name's end durable
    auto memory = std::make_shared<Memory>();
    memory->files["000000000007.log"] = std::make_shared<Content>();
    memory->fails_at = fails_at;
    Fault fault;
    open_log(memory, fault);
    REQUIRE(fault.error_number == EIO && !fault.is_full);
  }
}

// Go on after a clean end and after a torn tail: what follows fits what was there, by the chain.
void test_a_log_is_taken_over(bool is_torn) {
  auto memory = std::make_shared<Memory>();
  Chance chance(is_torn ? 5 : 6);
  LogEnd end;
  std::uint64_t expected = 1;
  for (int time = 0; time < 8; ++time) {
    LogOptions options;
    options.segment_bytes = SEGMENT_BYTES;
    SegmentedLog log(std::make_unique<MemoryStorage>(memory), std::move(options), end);
    REQUIRE(!log.take_over() && log.last() == end.last);
    for (int number = 0; number < 9; ++number) {
      const Content payload = random_bytes(chance, 8 * (1 + chance() % 60));
      Group group;
      group.add(entry_after(log.last(), payload), /*may_join=*/false);
      REQUIRE(!log.append(group, 0, 1));
      log.settle();
    }
    REQUIRE(!log.prepare_spare() && !log.close());
    end = find_end(*memory);
    REQUIRE(end.last == log.last());
    end.is_torn = is_torn;
    if (is_torn) {  // a part of a frame that never was whole
      Content& content = *memory->files.at(segment_name(end.segment));
      std::fill(content.begin() + static_cast<std::ptrdiff_t>(end.offset), content.end(),
                std::byte{0x5A});
    }
  }
  SegmentedLog log(std::make_unique<MemoryStorage>(memory), LogOptions{}, end);
  REQUIRE(!log.take_over());  // which cuts off the last torn tail
  REQUIRE(memory->files.count(SPARE_NAME) == 0 && end.segment > 5);
  for (const Found& frame : frames_of(*memory)) {
    REQUIRE(frame.first == expected);
    expected = frame.last + 1;
  }
  REQUIRE(expected == end.last + 1);
}

void test_a_full_disk_is_told_and_got_over() {
  auto memory = std::make_shared<Memory>();
  memory->room = 2 * SEGMENT_BYTES;
  auto log = open_log(memory);
  LogWriter writer(log, options_for(/*syncs_each_group=*/true));
  REQUIRE(!writer.start());
  const Content payload(3000);
  REQUIRE(writer.submit(entry_after(0, payload)) == Submitted::QUEUED);
  REQUIRE(writer.submit(entry_after(3, payload)) == Submitted::QUEUED);
  Progress progress;
  while (!progress.is_full) {
    progress = wait_for_progress(writer);
    REQUIRE(!progress.fault);
  }
  REQUIRE(writer.is_full() && progress.full_reason.starts_with("memory:spare: no room for 4096"));
  {
    const std::lock_guard lock(memory->mutex);
    memory->room += SEGMENT_BYTES;
  }
  while (progress.is_full) {
    progress = wait_for_progress(writer);
  }
  REQUIRE(log->has_spare() && progress.last == 6);
  writer.stop();
  REQUIRE(!wait_until_done(writer).fault);
}

void test_a_writer_whose_disk_hangs_is_left_to_it() {
  auto memory = std::make_shared<Memory>();
  std::shared_ptr<SegmentedLog> log = open_log(memory);
  const std::weak_ptr<SegmentedLog> watched = log;
  memory->hold(true);
  {
    LogWriter writer(std::move(log), options_for(/*syncs_each_group=*/true));
    REQUIRE(!writer.start());
    REQUIRE(writer.submit(entry_after(0, Content(8))) == Submitted::QUEUED);
    writer.stop();
    REQUIRE(!writer.finish());
  }
  memory->hold(false);
  while (!watched.expired()) {
    std::this_thread::yield();
  }
}

void test_files_on_a_disk() {
  std::array<char, 32> folder{"journal-test-XXXXXX"};
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  PosixStorage storage(folder.data());
  std::unique_ptr<File> file;
  REQUIRE(storage.open("one", /*create=*/false, file) == ENOENT);
  REQUIRE(storage.open("one", /*create=*/true, file) == 0);
  REQUIRE(file->write(bytes_of("0123456789"), 0) == 0 && file->sync() == 0);
  std::uint64_t size = 0;
  Content data(4);
  REQUIRE(file->read(data, 6) == 0 && data[0] == std::byte{'6'});
  REQUIRE(file->read(data, 8) == EIO);
  REQUIRE(file->truncate(5) == 0 && file->size(size) == 0 && size == 5);
  // The limit makes the kernel write a part first, and then say why not more.
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{10'000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  REQUIRE(file->write(Content(20'000), 0) == EFBIG);
  REQUIRE(file->size(size) == 0 && size == 10'000);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  REQUIRE(storage.rename("one", "two") == 0 && storage.rename("one", "two") == ENOENT);
  REQUIRE(storage.sync_names() == 0);
  std::vector<std::string> names;
  REQUIRE(storage.names(names) == 0);
  REQUIRE(std::count(names.begin(), names.end(), "two") == 1);
  REQUIRE(storage.remove("two") == 0 && storage.remove("two") == 0);
  REQUIRE(::rmdir(folder.data()) == 0);
  REQUIRE(storage.names(names) == ENOENT && storage.sync_names() == ENOENT);
}

}  // namespace

int main() {
  test_checksums();
  test_digests();
  test_short_writes_are_gone_on_with();
  test_all_that_is_queued_is_written_in_order(/*syncs_each_group=*/true);
  test_all_that_is_queued_is_written_in_order(/*syncs_each_group=*/false);
  test_what_gathers_while_a_group_is_synced_is_one_frame();
  test_the_queue_is_bounded();
  for (const bool throws : {false, true}) {
    test_a_fault_is_told_once_and_nothing_is_tried_again(/*syncs_each_group=*/true, throws);
    test_a_fault_is_told_once_and_nothing_is_tried_again(/*syncs_each_group=*/false, throws);
  }
  test_a_fault_of_the_housekeeper_stops_the_writer_within_its_group();
  test_a_writer_is_started_once();
  test_a_log_that_cannot_be_opened_says_why();
  test_a_log_is_taken_over(/*is_torn=*/false);
  test_a_log_is_taken_over(/*is_torn=*/true);
  test_a_full_disk_is_told_and_got_over();
  test_a_writer_whose_disk_hangs_is_left_to_it();
  test_files_on_a_disk();
  return 0;
}
