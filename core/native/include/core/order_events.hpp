// Events that carry an order's whole state.
#pragma once

#include <cstddef>
#include <cstring>

#include "core/order_steps.hpp"

namespace core {

// Copy what stands alike in an order and in its events, as one.
template <std::size_t Size>
[[gnu::always_inline]] inline void copy_together(void* to, const void* from) noexcept {
  std::memcpy(to, from, Size);
}

#define CORE_FIELD(record, type, field) \
  (reinterpret_cast<std::byte*>(&(record)) + offsetof(type, field))
#define CORE_CONST_FIELD(record, type, field) \
  (reinterpret_cast<const std::byte*>(&(record)) + offsetof(type, field))

template <class Event>
[[gnu::always_inline]] inline void fill_order_state(Event& event, const Venue& venue,
                                                    const HotOrder& order,
                                                    const ColdOrder& cold) noexcept {
  static_assert(offsetof(Event, connection) == offsetof(Event, session) + 4);
  static_assert(offsetof(Event, reason) == offsetof(Event, side) + 6);
  static_assert(offsetof(Event, filled_value) == offsetof(Event, filled_lots) + 8);
  static_assert(offsetof(Event, expire_at_ns) == offsetof(Event, stop_price_ticks) + 24);
  static_assert(sizeof(Event::client_order_id) == 40);
  event.account = venue.accounts[order.account].number;
  copy_together<8>(CORE_FIELD(event, Event, session), CORE_CONST_FIELD(cold, ColdOrder, session));
  event.instrument = venue.instruments[order.instrument]->number;
  event.order_id = order.order_id;
  copy_together<8>(CORE_FIELD(event, Event, side), CORE_CONST_FIELD(order, HotOrder, side));
  event.price_ticks = order.price_ticks;
  event.quantity_lots = cold.quantity_lots;
  event.leaves_lots = order.leaves_lots;
  copy_together<16>(CORE_FIELD(event, Event, filled_lots),
                    CORE_CONST_FIELD(cold, ColdOrder, filled_lots));
  copy_together<32>(CORE_FIELD(event, Event, stop_price_ticks),
                    CORE_CONST_FIELD(cold, ColdOrder, stop_price_ticks));
  event.held_atoms = order.held_atoms;
  event.cash_atoms = 0;
  if (order.is_cash()) [[unlikely]] {
    event.display_lots = 0;
    event.cash_atoms = cold.cash_atoms;
  }
  event.trader = cold.trader;
  event.spare_order = 0;
  copy_together<40>(CORE_FIELD(event, Event, client_order_id),
                    &venue.client_ids.node(cold.ids.current).text);
}
static_assert(offsetof(ColdOrder, connection) == offsetof(ColdOrder, session) + 4);
static_assert(offsetof(ColdOrder, filled_value) == offsetof(ColdOrder, filled_lots) + 8);
static_assert(offsetof(ColdOrder, expire_at_ns) == offsetof(ColdOrder, stop_price_ticks) + 24);
static_assert(offsetof(HotOrder, reason) == offsetof(HotOrder, side) + 6);
static_assert(offsetof(commands::PlaceOrder, connection) ==
              offsetof(commands::PlaceOrder, session) + 4);
static_assert(offsetof(commands::PlaceOrder, expire_at_ns) ==
              offsetof(commands::PlaceOrder, stop_price_ticks) + 24);

template <class Event>
[[gnu::always_inline]] inline Event& emit_order(Venue& venue, std::uint32_t index) {
  Event& event = venue.events.emit<Event>();
  fill_order_state(event, venue, venue.orders.hot(index), venue.orders.cold(index));
  return event;
}

}  // namespace core
