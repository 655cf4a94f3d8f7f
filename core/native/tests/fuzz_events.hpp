// All that reads events and has no engine, given damaged ones.
#pragma once

#include "core/ledger/rows.hpp"
#include "damage.hpp"

namespace fuzz {

class EventFuzz {
 public:
  // Read undamaged events, from the first one on, as everyone must be able to.
  EventFuzz(const Bytes& events, Chance& chance);

  // Give everyone damaged ones; what they say lies within what they were given.
  void run();

 private:
  // Some events in a row, and the number of the one before them.
  struct Part {
    Bytes events;
    std::uint64_t before;
  };

  void divide() const;
  void filter(const Bytes& events) const;
  void stand();
  void damage_image() const;
  void enter();

  [[nodiscard]] Part part() const;

  const Bytes& events_;
  Chance& chance_;
  std::uint64_t last_ = 0;
  Bytes image_;    // of how accounts stand after all events
  Bytes entries_;  // of all trades
  core::ledger::Rows rows_;
};

}  // namespace fuzz
