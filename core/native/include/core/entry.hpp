// What PlaceOrder and its dry run share: the decision.
#pragma once

#include <cstdint>

#include "core/handlers.hpp"

namespace core {

// An order that may pass, not yet accepted.
struct NewOrder {
  const Admission* asker = nullptr;
  std::int64_t price_ticks = 0;
  std::int64_t quantity_lots = 0;
  std::int64_t notional_atoms = 0;
  std::int64_t held_atoms = 0;
};

// Decide as for a new order, changing nothing: the throttle is looked at and not counted.
[[nodiscard]] bool refuses_dry_run(Venue& venue, const commands::PlaceOrder& command,
                                   NewOrder& decided, Refused& refused);

}  // namespace core
