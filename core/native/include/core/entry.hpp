// What PlaceOrder shares with its dry run and with negotiated trades: deciding and accepting.
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

// Whether one more open order does not fit the account, the book or the venue.
[[nodiscard]] bool refuses_order_counts(const Venue& venue, const Account& account,
                                        const Instrument& instrument, Refused& refused);

// Let an order that was decided be known, counted and held for, and say so; it does not act yet.
// Return its index.
[[nodiscard]] std::uint32_t accept_order(Venue& venue, const commands::PlaceOrder& command,
                                         const NewOrder& decided);

// Fill an order that has no number, price, hold, arrival or id yet.
void fill_order(Venue& venue, HotOrder& order, ColdOrder& cold,
                const commands::PlaceOrder& command, const NewOrder& decided);

}  // namespace core
