// Which commands may wait to be sequenced, and in which order they are taken.
//
// Nothing of a record but its head is looked at, and of a link that is bound to a realm the firm.
// What is refused here never happened.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/layouts.hpp"

namespace core::ingress {

// First in, first out: whole records, one after the other in memory.
class RecordQueue {
 public:
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] bool is_empty() const noexcept { return count_ == 0; }
  [[nodiscard]] const std::byte* front() const noexcept { return bytes_.data() + begin_; }
  // The first `count` records, or as many more as it takes not to divide a group: how many, and
  // how many bytes.
  struct Part {
    std::size_t count = 0;
    std::size_t size = 0;
  };
  [[nodiscard]] Part first_of(std::size_t count) const noexcept;

  // Whether a record, byte for byte, waits.
  [[nodiscard]] bool has(std::span<const std::byte> record) const noexcept;

  // Make room for so many bytes, so that adding them cannot fail.
  void reserve(std::size_t size);
  void add(std::span<const std::byte> records, std::size_t count);
  // Forget the first `count` records, which take `size` bytes.
  void drop(std::size_t count, std::size_t size) noexcept;

 private:
  std::vector<std::byte> bytes_;
  std::size_t begin_ = 0;
  std::size_t count_ = 0;
};

// All that a link may speak of, where it is bound: whoever takes its process over cannot touch
// what is not its own. Zero names nothing and may always stand.
struct Realm {
  std::uint32_t first_account;
  std::uint32_t last_account;
  std::uint32_t session;
  // Sessions that are accounts' timers.
  std::uint32_t first_timer;
  std::uint32_t last_timer;
  std::uint32_t firm;
};

// What one link has sent and the sequencer has not taken.
struct Inbox {
  using Kinds = std::bitset<commands::SHAPES.size()>;

  Inbox(std::uint32_t principal_number, const Kinds& may_send,
        const std::optional<Realm>& bound_to = std::nullopt)
      : principal(principal_number), allowed(may_send), realm(bound_to) {}

  std::uint32_t principal;
  Kinds allowed;
  std::optional<Realm> realm;
  bool is_closed = false;
  RecordQueue records;
};

struct AdmissionLimits {
  std::size_t commands_per_link_max;  // of one batch
  std::size_t queued_per_link_max;
  std::size_t queued_max;
  // Room above the two for the opening and closing of sessions.
  std::size_t session_records_kept;
};

// Where a record stands that cannot be told from what follows it, and what is wrong.
struct Unwalkable {
  const char* what;
  std::size_t at;
};

// How a refusal goes over a link; runtime/link_frames.py reads it.
struct [[gnu::packed, gnu::may_alias]] Refusal {
  std::uint32_t source;
  std::uint32_t epoch;
  std::uint64_t source_sequence;
  std::uint16_t code;
  std::uint16_t kind;
  std::uint32_t spare;
};
static_assert(sizeof(Refusal) == 24);

// The refusals of one frame, and how many of them have each code.
struct Refused {
  std::vector<Refusal> refusals;
  std::vector<std::pair<std::uint16_t, std::size_t>> codes;

  void add(const commands::Header& command, std::uint16_t code);
};

// What the sequencer writes into the records of a batch.
struct Stamp {
  std::uint64_t sequence;  // of the batch's first record
  std::int64_t time_ns;
};

// A group is one command of several records.
struct Batch {
  std::size_t count = 0;  // of commands
  std::array<std::uint32_t, commands::SHAPES.size()> kinds{};  // how many records of each
};

// The bounded queues between the links and the sequencer. One thread uses it.
class Admission {
 public:
  // `own_source` is the sequencer's: its records are numbered as their source's by the stamp.
  Admission(const AdmissionLimits& limits, std::uint32_t own_source) noexcept
      : limits_(limits), own_source_(own_source) {}

  // Why nothing is admitted at the moment; code::NONE if it is.
  std::uint16_t closed_with = code::NONE;

  // Records of links that wait, those of the sequencer that follow them included.
  [[nodiscard]] std::size_t queued() const noexcept { return queued_; }
  [[nodiscard]] bool is_empty() const noexcept { return active_.empty() && own_.is_empty(); }
  // Whether commands of a principal's closed links still wait.
  [[nodiscard]] bool has_leftovers(std::uint32_t principal) const noexcept;

  // Say where records cannot be told apart, if so: such a frame must not be admitted.
  [[nodiscard]] static std::optional<Unwalkable> find_unwalkable(
      std::span<const std::byte> records) noexcept;

  // Queue the records, which can be walked, and add those that may not pass to `refused`.
  // Throws std::bad_alloc, and then nothing is queued.
  void admit(const std::shared_ptr<Inbox>& inbox, std::span<const std::byte> records,
             Refused& refused);

  // Queue a record of the sequencer's own: next, or after all that a link has sent. One that is
  // next already is not queued again: links that come and go must not fill memory. False if it is
  // no command.
  [[nodiscard]] bool admit_own(std::span<const std::byte> record, Inbox* after);

  // Take the next batch: `first`, which is a command or nothing, then the sequencer's own, then
  // at most so many records from one link, in turns; all in all at most `limit`, which is not 0,
  // `first` included. A group that is begun is taken whole, beyond either.
  //
  // `lend` is asked once for room and may answer null: then nothing is taken.
  template <class Lend>
  [[nodiscard]] Batch take(std::size_t limit, std::span<const std::byte> first, const Stamp& stamp,
                           Lend lend) {
    std::byte* const out = lend(choose(limit, first));
    return out == nullptr ? Batch{} : move_to(out, first, stamp);
  }

 private:
  // Records of a frame, one behind the other, that are accepted.
  struct Run {
    std::span<const std::byte> records;
    std::size_t count;
  };
  using Turn = RecordQueue::Part;
  // A command that begins a frame, or the records that stand where a group should.
  struct Found {
    std::size_t count = 1;
    std::size_t size = 0;  // in bytes
    bool is_whole = true;
  };

  [[nodiscard]] static Found find_command(std::span<const std::byte> records) noexcept;
  [[nodiscard]] static std::uint16_t judge_head(const Inbox& inbox,
                                                const commands::Header& command) noexcept;
  [[nodiscard]] std::uint16_t judge(const Inbox& inbox, std::span<const std::byte> records,
                                    const Found& found, std::size_t before) const noexcept;
  [[nodiscard]] std::size_t choose(std::size_t limit, std::span<const std::byte> first);
  [[nodiscard]] Batch move_to(std::byte* out, std::span<const std::byte> first,
                              const Stamp& stamp) noexcept;

  AdmissionLimits limits_;
  std::uint32_t own_source_;
  std::size_t queued_ = 0;
  RecordQueue own_;
  std::vector<std::shared_ptr<Inbox>> active_;  // those with records, whose turn is next in front
  Turn own_turn_;
  std::vector<Turn> turns_;  // what the batch being taken gets from the first of `active_`
};

// Whether the bytes are exactly one command.
[[nodiscard]] bool is_one_command(std::span<const std::byte> record) noexcept;

}  // namespace core::ingress
