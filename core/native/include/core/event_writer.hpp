// Writes events straight into their place in the output: numbers them, stamps them, and marks the
// last one of each command.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "core/book.hpp"
#include "core/layouts.hpp"

namespace core {

// Bytes that the caller lends. What does not fit goes on in a buffer of the writer's own.
struct Output {
  std::byte* data = nullptr;
  std::size_t size = 0;
};

// A book level that the present command changed; told at its end, in first-touch order, so that
// a level changed many times is told once. Until then it stays where it is, even with no orders.
struct TouchedLevel {
  const Level* level;
  BookSide* side;
  std::uint64_t* book_sequence;
  std::int64_t price_ticks;
  std::uint32_t instrument;  // number
};

class EventWriter {
 public:
  std::uint64_t number = 0;

  // Begin a batch: write into `output` as long as it lasts.
  void begin_batch(Output output) noexcept {
    begin_ = at_ = output.data;
    end_ = output.data + output.size;
  }

  // What was written since the batch began: in the lent bytes, or all of it in the own buffer.
  [[nodiscard]] const std::byte* data() const noexcept { return begin_; }
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

  // Events are stamped like the command, which must stay where it is until its end.
  void begin_command(const commands::Header& command) noexcept {
    command_ = &command;
    last_ = nullptr;
  }

  // Write an event's header and return the event; the caller sets every other field.
  template <class Event>
  [[gnu::always_inline]] Event& emit() {
    if (static_cast<std::size_t>(end_ - at_) < sizeof(Event)) [[unlikely]] {
      make_room();
    }
    auto* event = reinterpret_cast<Event*>(at_);
    at_ += sizeof(Event);
    last_ = reinterpret_cast<std::uint8_t*>(&event->flags);
    constexpr std::uint64_t FIRST = sizeof(Event) | std::uint64_t{Event::KIND} << 16 |
                                    std::uint64_t{Event::VERSION} << 32;
    std::memcpy(event, &FIRST, sizeof(FIRST));
    event->number = ++number;
    std::memcpy(reinterpret_cast<std::byte*>(event) + offsetof(events::Header, sequence),
                reinterpret_cast<const std::byte*>(command_) + offsetof(commands::Header, sequence),
                STAMP_SIZE);
    return *event;
  }

  // The same, with every field after the header zero: for the rarer events.
  template <class Event>
  Event& emit_zeroed() {
    Event& event = emit<Event>();
    std::memset(reinterpret_cast<std::byte*>(&event) + sizeof(events::Header), 0,
                sizeof(Event) - sizeof(events::Header));
    return event;
  }

  [[gnu::always_inline]] void touch(Level& level, BookSide& side, std::uint64_t& book_sequence,
                                    std::int64_t price_ticks, std::uint32_t instrument) {
    if (level.touched_by == command_->sequence) {
      return;
    }
    level.touched_by = command_->sequence;
    if (touched_count_ == touched_.size()) [[unlikely]] {
      make_room_for_touched();
    }
    touched_[touched_count_++] = {&level, &side, &book_sequence, price_ticks, instrument};
  }

  // Tell the levels that changed, and mark the command's last event, if it had any.
  void end_command() {
    bool has_far_levels = false;
    for (std::size_t place = 0; place < touched_count_; ++place) {
      tell(touched_[place]);
      has_far_levels |= touched_[place].side->has_far_levels();
    }
    if (has_far_levels) [[unlikely]] {
      settle();
    }
    touched_count_ = 0;
    if (last_ != nullptr) [[likely]] {
      *last_ |= LAST_OF_COMMAND;
    }
  }

 private:
  // Sequence, time and time of receipt stand alike in commands and events.
  static constexpr std::size_t STAMP_SIZE = 24;
  static_assert(offsetof(commands::Header, received_at_ns) + 8 ==
                offsetof(commands::Header, sequence) + STAMP_SIZE);
  static_assert(offsetof(events::Header, received_at_ns) + 8 ==
                offsetof(events::Header, sequence) + STAMP_SIZE);

  static constexpr std::size_t LARGEST_EVENT = 1024;
  static_assert(sizeof(events::TradeExecuted) <= LARGEST_EVENT &&
                sizeof(events::TradeCorrected) <= LARGEST_EVENT);

  void tell(const TouchedLevel& touched) {
    const Level level = *touched.level;
    auto& event = emit<events::BookLevelChanged>();
    event.instrument = touched.instrument;
    event.side = touched.side->is_buy() ? side::BUY : side::SELL;
    event.spare_1 = 0;
    event.spare_2 = 0;
    event.book_sequence = ++*touched.book_sequence;
    event.price_ticks = touched.price_ticks;
    event.quantity_lots = level.shown_lots;
    event.orders = level.orders;
    event.spare_3 = 0;
  }

  void make_room();
  void make_room_for_touched();
  void settle();

  const commands::Header* command_ = nullptr;
  std::byte* begin_ = nullptr;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
  std::uint8_t* last_ = nullptr;  // the flags of the command's last event
  std::vector<TouchedLevel> touched_;
  std::size_t touched_count_ = 0;
  std::unique_ptr<std::byte[]> own_;
  std::size_t own_size_ = 0;
};

}  // namespace core
