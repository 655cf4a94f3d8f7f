// Events that carry an order's whole state.
#pragma once

#include <cstddef>
#include <cstring>

#include "core/order_steps.hpp"

namespace core {

template <class Event>
void fill_order_state(Event& event, const Venue& venue, const HotOrder& order,
                      const ColdOrder& cold) noexcept {
  event.account = venue.accounts[order.account].number;
  event.session = cold.session;
  event.connection = cold.connection;
  event.instrument = venue.instruments[order.instrument]->number;
  event.order_id = order.order_id;
  // Field by field: a wide load of what was just stored in parts would wait for memory.
  event.side = order.side;
  event.order_type = order.order_type;
  event.time_in_force = order.time_in_force;
  event.status = order.status;
  event.self_trade_prevention = order.self_trade_prevention;
  event.order_flags = order.order_flags;
  event.reason = order.reason;
  event.price_ticks = order.price_ticks;
  event.quantity_lots = cold.quantity_lots;
  event.leaves_lots = order.leaves_lots;
  event.filled_lots = cold.filled_lots;
  event.filled_value = cold.filled_value;
  event.stop_price_ticks = cold.stop_price_ticks;
  event.display_lots = cold.display_lots;
  event.minimum_lots = cold.minimum_lots;
  event.expire_at_ns = cold.expire_at_ns;
  event.held_atoms = order.held_atoms;
  std::memcpy(event.client_order_id.data(),
              venue.client_ids.node(cold.current_id).text.data(), 40);
}

template <class Event>
Event& emit_order(Venue& venue, std::uint32_t index) {
  Event& event = venue.events.emit<Event>();
  fill_order_state(event, venue, venue.orders.hot(index), venue.orders.cold(index));
  return event;
}

}  // namespace core
