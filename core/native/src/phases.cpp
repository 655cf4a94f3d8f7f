#include "core/phases.hpp"

#include <algorithm>
#include <vector>

#include "core/matching.hpp"
#include "core/negotiation.hpp"

namespace core {

namespace {

void plan_indicative(Venue& venue, Instrument& instrument) {
  if (instrument.indicative_at_ns != 0) {
    venue.deadlines.erase(
        {instrument.indicative_at_ns, Deadline::INDICATIVE_PRICE, instrument.number});
  }
  instrument.indicative_at_ns = 0;
  instrument.indicative = Equilibrium{};
  if (instrument.phase == phase::CALL_AUCTION) {
    schedule_indicative(venue, instrument);
  }
}

void collect_resting(Venue& venue, BookSide& side, std::vector<std::uint32_t>& found) {
  if (side.empty()) {
    return;
  }
  std::int64_t price_ticks = side.best_ticks();
  for (Level* level = &side.best(); level != nullptr;
       level = side.behind(price_ticks, price_ticks)) {
    for (std::uint32_t index = level->head; index != 0; index = venue.orders.hot(index).next) {
      found.push_back(index);
    }
  }
}

void expire_day_orders(Venue& venue, Instrument& instrument) {
  std::vector<std::uint32_t> found;
  collect_resting(venue, instrument.book.bids, found);
  collect_resting(venue, instrument.book.asks, found);
  for (const Stops::Key& key : instrument.stops.buys) {
    found.push_back(std::get<2>(key));
  }
  for (const Stops::Key& key : instrument.stops.sells) {
    found.push_back(std::get<2>(key));
  }
  std::sort(found.begin(), found.end(), [&venue](std::uint32_t left, std::uint32_t right) {
    return venue.orders.hot(left).order_id < venue.orders.hot(right).order_id;
  });
  for (const std::uint32_t index : found) {
    if (venue.orders.hot(index).time_in_force == time_in_force::DAY) {
      expire_order(venue, index, cancel_reason::DAY_ENDED);
    }
  }
}

}  // namespace

void begin_phase(Venue& venue, Instrument& instrument, const PhaseChange& change) {
  const std::uint8_t previous = instrument.phase;
  if (instrument.phase_until_ns != 0) {
    venue.deadlines.erase({instrument.phase_until_ns, Deadline::PHASE_END, instrument.number});
  }
  instrument.phase = change.phase;
  if (change.phase != phase::CONTINUOUS) {
    instrument.stops.forget_prints();
  }
  instrument.phase_reason = change.reason;
  instrument.phase_until_ns = change.until_ns;
  if (change.until_ns != 0) {
    venue.deadlines.insert({change.until_ns, Deadline::PHASE_END, instrument.number});
  }
  plan_indicative(venue, instrument);
  if (change.phase != phase::CONTINUOUS && instrument.quote_requests != 0) {
    Negotiations ending = find_negotiations(
        venue, [&instrument](std::uint32_t, std::uint32_t, std::uint32_t index) {
          return index == instrument.index;
        });
    ending.quotes.clear();  // they end with their requests
    end_negotiations(venue, ending, rfq_end::PHASE_CHANGED);
  }
  auto& event = venue.events.emit_zeroed<events::PhaseChanged>();
  event.instrument = instrument.number;
  event.phase = change.phase;
  event.previous_phase = previous;
  event.reason = static_cast<std::uint8_t>(change.reason);
  event.until_ns = change.until_ns;
  event.operator_ = change.operator_number;
  event.approver = change.approver_number;
}

void enter_phase(Venue& venue, Instrument& instrument, PhaseChange change) {
  if (change.phase == phase::CONTINUOUS) {
    uncross(venue, instrument, instrument.phase == phase::CALL_AUCTION);
    if (instrument.book.is_crossed()) {
      // More than one command may do: a call auction that ends at once, by AdvanceTime.
      change.phase = phase::CALL_AUCTION;
      change.until_ns = venue.last_time_ns;
    }
  }
  begin_phase(venue, instrument, change);
  if (change.phase == phase::CONTINUOUS && instrument.last_ticks != 0) {
    instrument.stops.print(instrument.last_ticks);
    run_stops(venue, instrument);
  } else if (change.phase == phase::CLOSED) {
    expire_day_orders(venue, instrument);
  }
}

void end_phase(Venue& venue, Instrument& instrument) {
  if (instrument.phase == phase::HALTED) {
    const std::int64_t until_ns =
        saturating_add(venue.last_time_ns, instrument.limits.auction_ns);
    enter_phase(venue, instrument,
                {.phase = phase::CALL_AUCTION,
                 .reason = instrument.phase_reason,
                 .until_ns = until_ns});
  } else {
    enter_phase(venue, instrument,
                {.phase = phase::CONTINUOUS, .reason = phase_reason::SCHEDULE});
  }
}

void halt_by_band(Venue& venue, Instrument& instrument) {
  begin_phase(venue, instrument,
              {.phase = phase::HALTED,
               .reason = phase_reason::PRICE_BAND,
               .until_ns = saturating_add(venue.last_time_ns, instrument.limits.halt_ns)});
}

void schedule_indicative(Venue& venue, Instrument& instrument) {
  const std::int64_t interval_ns = venue.configuration->indicative_interval_ns;
  instrument.indicative_at_ns =
      interval_ns != 0 ? saturating_add(venue.last_time_ns, interval_ns) : 0;
  if (instrument.indicative_at_ns != 0) {
    venue.deadlines.insert(
        {instrument.indicative_at_ns, Deadline::INDICATIVE_PRICE, instrument.number});
  }
}

bool roll_band_window(Venue& venue, Instrument& instrument) {
  const std::int64_t now_ns = venue.last_time_ns;
  if (is_band_window_over(instrument, now_ns)) {
    instrument.band_window_at_ns = now_ns - now_ns % instrument.limits.band_window_ns;
    instrument.band_ticks = instrument.band_next_ticks;
  }
  return instrument.limits.band_ppm != 0;
}

}  // namespace core
