// The engine: the trading state as a function of the commands it was given, and of nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "core/records.hpp"
#include "core/venue.hpp"

namespace core {

enum class Status {
  DONE,
  MALFORMED,      // the commands are not such records in sequence: nothing was changed
  BROKEN,         // an invariant failed: the engine must not be used any more
  OUT_OF_MEMORY,  // nor after this
};

// What became of a call: where and why, unless it is done.
struct Outcome {
  Status status = Status::DONE;
  const char* what = "";
  std::size_t at = 0;  // the offending byte
};

class Engine {
 public:
  explicit Engine(const Settings& settings = {}) : venue_(std::make_unique<Venue>(settings)) {}

  // Apply whole records, numbered and stamped by the sequencer. The events are written into
  // `output` while it lasts, else into a buffer of the engine's; `events` says where they are,
  // until the next call.
  [[nodiscard]] Outcome apply(std::span<const std::byte> commands, Output output,
                              std::span<const std::byte>& events) noexcept;

  [[nodiscard]] Bytes snapshot() const;
  [[nodiscard]] Outcome restore(std::span<const std::byte> snapshot) noexcept;
  // The stamp at which AdvanceTime is due; 0 for none.
  [[nodiscard]] std::int64_t next_deadline() const;
  [[nodiscard]] std::uint64_t last_sequence() const noexcept { return venue_->last_sequence; }
  [[nodiscard]] std::uint64_t last_event() const noexcept { return venue_->events.number; }
  [[nodiscard]] std::int64_t last_time_ns() const noexcept { return venue_->last_time_ns; }
  [[nodiscard]] Bytes definitions() const;
  // Every book with its queues, as messages/trading/answers.py has them.
  [[nodiscard]] Bytes books() const;
  // A page of an account's open orders, as OrderReported records numbered zero, oldest first.
  [[nodiscard]] Bytes open_orders(std::uint32_t account, std::uint64_t after,
                                  std::size_t limit) const;

  // (source, epoch, source sequence) of each source of a principal seen so far, sorted.
  [[nodiscard]] std::vector<SourcePosition> sources(std::uint32_t principal) const;
  // (account, asset, balance, held) where one is not zero, sorted.
  [[nodiscard]] std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t, std::int64_t>>
  balances() const;
  // (account, asset, atoms owed to the venue) where something is, sorted.
  [[nodiscard]] std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> receivables()
      const;
  // (account, asset, atoms that its answers to requests for quote tie up) where something is,
  // sorted.
  [[nodiscard]] std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> rfq_holds()
      const;
  // (asset, supply, fees collected), sorted.
  [[nodiscard]] std::vector<std::tuple<std::uint32_t, std::int64_t, std::int64_t>> assets() const;

 private:
  // What was found out about a command before its turn, so that its memory is at hand then.
  struct Prepared {
    const commands::Header* command;
    std::uint64_t order_id;
    std::uint32_t hash;
    std::uint32_t order;
  };
  static constexpr std::size_t BLOCK = 16;
  struct Block {
    std::array<Prepared, BLOCK> prepared;
    std::size_t count;
  };

  [[nodiscard]] Outcome check(std::span<const std::byte> commands) const noexcept;
  void prepare(const std::byte*& at, const std::byte* end, Block& block) const noexcept;
  void prepare_neighbours(const Block& block) const noexcept;
  [[nodiscard]] std::uint32_t find_source(std::uint32_t source);
  [[nodiscard]] bool is_new(const commands::Header& command);
  void apply_one(const Prepared& prepared);
  void apply_unconfigured(const commands::Header& command);
  void dispatch(const commands::Header& command);

  // Sources by the last bits of their numbers, to find most of them at once.
  struct NearSource {
    std::uint32_t source = 0;
    std::uint32_t index = 0;
  };

  std::unique_ptr<Venue> venue_;
  std::array<NearSource, 256> near_sources_{};
};

}  // namespace core
