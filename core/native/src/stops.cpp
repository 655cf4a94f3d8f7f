#include "core/matching.hpp"
#include "core/order_events.hpp"

namespace core {

namespace {

// Whether the last trade price already reaches a stop.
bool is_reached(const HotOrder& order, const ColdOrder& cold, std::int64_t last_ticks) noexcept {
  if (last_ticks == 0) {
    return false;
  }
  return order.is_buy() ? last_ticks >= cold.stop_price_ticks
                        : last_ticks <= cold.stop_price_ticks;
}

void trigger(Venue& venue, std::uint32_t index) {
  HotOrder& order = venue.orders.hot(index);
  order.status = status::NEW;
  venue.orders.cold(index).arrival = ++venue.last_arrival;
  emit_order<events::OrderTriggered>(venue, index);
  const Instrument& instrument = *venue.instruments[order.instrument];
  Refused refused;
  if (order.order_type == order_type::STOP_LIMIT &&
      refuses_collar(order.side, order.price_ticks, instrument.reference_ticks,
                     instrument.limits.collar_ppm, refused)) {
    cancel_order(venue, index, cancel_reason::PRICE_COLLAR);
    return;
  }
  execute_order(venue, index);
}

}  // namespace

void run_stops(Venue& venue, Instrument& instrument) {
  while (instrument.phase == phase::CONTINUOUS) {
    const std::uint32_t index = instrument.stops.due();
    if (index == 0) [[likely]] {
      instrument.stops.forget_prints();
      return;
    }
    if (venue.steps_left == 0) {
      instrument.stops.forget_prints();
      venue.late_stops.insert(instrument.number);
      return;
    }
    --venue.steps_left;
    remove_stop(venue, index);
    trigger(venue, index);
  }
}

void run_late_stops(Venue& venue) {
  const std::vector<Instrument*> late = venue.late_instruments();
  venue.late_stops.clear();
  for (Instrument* instrument : late) {
    instrument->stops.print(instrument->last_ticks);
    run_stops(venue, *instrument);
  }
}

void enter_stop(Venue& venue, std::uint32_t index) {
  const HotOrder& order = venue.orders.hot(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (instrument.phase == phase::CONTINUOUS &&
      is_reached(order, venue.orders.cold(index), instrument.last_ticks)) {
    trigger(venue, index);
    run_stops(venue, instrument);
  } else {
    add_stop(venue, index);
  }
}

}  // namespace core
