// AmendOrder: other terms for an open order. A refused amend changes nothing at all. An order
// keeps its place when only its quantity falls; any other change makes it a new arrival.
#include "core/handlers.hpp"
#include "core/matching.hpp"
#include "core/order_events.hpp"
#include "core/suspensions.hpp"

namespace core {

namespace {

// The terms an order would have: what the amend gives, and what it keeps.
struct Terms {
  std::int64_t quantity_lots;
  std::int64_t price_ticks;
  std::int64_t stop_price_ticks;
  std::int64_t display_lots;
  std::int64_t expire_at_ns;
  std::int32_t maker_ppm;
  std::int32_t taker_ppm;
  std::int64_t held_atoms;
  bool keeps_place;
};

constexpr std::int64_t either(std::int64_t given, std::int64_t kept) noexcept {
  return given != 0 ? given : kept;
}

Terms terms_of(const HotOrder& order, const ColdOrder& cold,
               const commands::AmendOrder& command, const FeeSchedule& rates) noexcept {
  Terms terms{};
  terms.quantity_lots = either(command.quantity_lots, cold.quantity_lots);
  terms.stop_price_ticks = either(command.stop_price_ticks, cold.stop_price_ticks);
  terms.expire_at_ns = either(command.expire_at_ns, cold.expire_at_ns);
  terms.display_lots = either(command.display_lots, cold.display_lots);
  if (terms.display_lots == terms.quantity_lots ||
      (command.display_lots == 0 && terms.display_lots > terms.quantity_lots)) {
    terms.display_lots = 0;
  }
  terms.price_ticks = either(command.price_ticks, order.price_ticks);
  terms.maker_ppm = rates.maker_ppm;
  terms.taker_ppm = rates.taker_ppm;
  return terms;
}

bool is_same_queue(const HotOrder& order, const ColdOrder& cold, const Terms& terms) noexcept {
  return terms.price_ticks == order.price_ticks &&
         terms.stop_price_ticks == cold.stop_price_ticks &&
         terms.expire_at_ns == cold.expire_at_ns;
}

bool keeps_place(const HotOrder& order, const ColdOrder& cold, const Terms& terms) noexcept {
  const bool is_swallowed =
      terms.display_lots == 0 && cold.display_lots >= terms.quantity_lots;
  return is_same_queue(order, cold, terms) &&
         (is_swallowed || terms.display_lots == cold.display_lots) &&
         terms.quantity_lots < cold.quantity_lots;
}

bool refuses_prices(const commands::AmendOrder& command, const HotOrder& order,
                    const InstrumentLimits& limits, Refused& refused) {
  if (command.price_ticks != 0) {
    if (!is_priced(order.order_type)) {
      return refused.because(code::PRICE_NOT_ALLOWED, 0, command.price_ticks);
    }
    if (refuses_price_range(command.price_ticks, limits, refused)) {
      return true;
    }
  }
  if (command.stop_price_ticks == 0) {
    return false;
  }
  if (!order.is_pending()) {
    return refused.because(code::STOP_PRICE_INVALID, 0, command.stop_price_ticks);
  }
  return refuses_stop_range(command.stop_price_ticks, limits, refused);
}

bool refuses_quantities(const commands::AmendOrder& command, const HotOrder& order,
                        const ColdOrder& cold, const InstrumentLimits& limits,
                        Refused& refused) {
  const std::int64_t quantity_lots = either(command.quantity_lots, cold.quantity_lots);
  if (command.quantity_lots != 0) {
    if (command.quantity_lots > 0 && command.quantity_lots <= cold.filled_lots) {
      return refused.because(code::AMEND_BELOW_FILLED, cold.filled_lots, command.quantity_lots);
    }
    if (refuses_quantity(command.quantity_lots, limits, refused)) {
      return true;
    }
    if (cold.minimum_lots > command.quantity_lots) {
      return refused.because(code::MINIMUM_QUANTITY_INVALID, command.quantity_lots,
                             cold.minimum_lots);
    }
  }
  if (command.display_lots == quantity_lots) {
    return false;
  }
  if (command.display_lots == 0) {
    return cold.display_lots != 0 &&
           refuses_tranches(cold.display_lots, quantity_lots, refused);
  }
  if (!is_priced(order.order_type) || order.is_immediate()) {
    return refused.because(code::DISPLAY_QUANTITY_INVALID, 0, command.display_lots);
  }
  return refuses_display_range(command.display_lots, quantity_lots, limits, refused);
}

bool refuses_expiry(const commands::AmendOrder& command, const HotOrder& order,
                    std::int64_t now_ns, Refused& refused) {
  return command.expire_at_ns != 0 &&
         (order.time_in_force != time_in_force::GOOD_TILL_DATE ||
          command.expire_at_ns <= now_ns) &&
         refused.because(code::EXPIRY_INVALID, now_ns, command.expire_at_ns);
}

// Whether the terms given are invalid for such an order, or change nothing.
bool refuses_fields(const Venue& venue, const commands::AmendOrder& command,
                    const HotOrder& order, const ColdOrder& cold,
                    const InstrumentLimits& limits, const Terms& terms, Refused& refused) {
  const std::int64_t now_ns = venue.last_time_ns;
  if (command.valid_until_ns != 0 && now_ns > command.valid_until_ns) {
    return refused.because(code::EXPIRY_INVALID, command.valid_until_ns, now_ns);
  }
  if (refuses_prices(command, order, limits, refused) ||
      refuses_quantities(command, order, cold, limits, refused) ||
      refuses_expiry(command, order, now_ns, refused)) {
    return true;
  }
  return terms.quantity_lots == cold.quantity_lots && is_same_queue(order, cold, terms) &&
         terms.display_lots == cold.display_lots &&
         refused.because(code::AMEND_CHANGES_NOTHING);
}

// Whether new prices are too far away, or the whole order is worth what it may not be.
bool refuses_value(const HotOrder& order, const ColdOrder& cold, const Instrument& instrument,
                   const Terms& terms, Refused& refused) {
  const bool has_new_price = terms.price_ticks != order.price_ticks ||
                             terms.stop_price_ticks != cold.stop_price_ticks;
  if (is_priced(order.order_type) && has_new_price) {
    const std::int64_t reference_ticks =
        order.is_pending() ? terms.stop_price_ticks : instrument.reference_ticks;
    if (refuses_collar(order.side, terms.price_ticks, reference_ticks,
                       instrument.limits.collar_ppm, refused)) {
      return true;
    }
  }
  const std::int64_t notional_atoms =
      terms.price_ticks * terms.quantity_lots * instrument.tick_lot_atoms;
  return refuses_notional(notional_atoms, instrument.limits, refused);
}

// The whole ladder once the order is found; completes the terms on the way.
bool refuses_amend(Venue& venue, const commands::AmendOrder& command, std::uint32_t account,
                   std::uint32_t hash, std::uint32_t index, Terms& terms, Refused& refused) {
  const HotOrder& order = venue.orders.hot(index);
  const ColdOrder& cold = venue.orders.cold(index);
  Instrument& instrument = *venue.instruments[order.instrument];
  if (instrument.is_killed) [[unlikely]] {
    return refused.because(code::INSTRUMENT_KILLED);
  }
  if (refuses_suspended(venue, command.session, command.account, instrument.number, order.side,
                        refused)) {
    return true;
  }
  terms = terms_of(order, cold, command,
                   venue.fee_rates(venue.accounts[account], instrument));
  if (refuses_amend_phase(instrument.phase, refused) ||
      refuses_fields(venue, command, order, cold, instrument.limits, terms, refused)) {
    return true;
  }
  // Only now is the stop price known to be in range, whose protection price this is.
  if (order.order_type == order_type::STOP &&
      terms.stop_price_ticks != cold.stop_price_ticks) {
    terms.price_ticks =
        protection_price(order.side, terms.stop_price_ticks, instrument.limits);
  }
  if (refuses_value(order, cold, instrument, terms, refused) ||
      refuses_rate(venue, venue.accounts[account], refused) ||
      refuses_request_id(venue, account, hash, command.client_order_id, true, refused) ||
      refuses_buying(venue.balances[cold.base], order.is_buy(),
                     terms.quantity_lots - cold.quantity_lots, instrument.lot_atoms, refused)) {
    return true;
  }
  terms.held_atoms =
      hold_of(order, cold, instrument, terms.quantity_lots - cold.filled_lots, terms.price_ticks,
              terms.maker_ppm, terms.taker_ppm);
  terms.keeps_place = keeps_place(order, cold, terms);
  return refuses_funds(venue.holding(order, cold).available_atoms(),
                       terms.held_atoms - order.held_atoms, refused) ||
         (!terms.keeps_place && refuses_post_only(instrument, order.side, order.order_flags,
                                                  terms.price_ticks, refused));
}

void move_expiry(Venue& venue, std::uint32_t index, ColdOrder& cold, std::int64_t expire_at_ns) {
  if (expire_at_ns == cold.expire_at_ns) [[likely]] {
    return;
  }
  venue.deadlines.remove_order(cold.expires_at_ns, index);
  cold.expire_at_ns = cold.expires_at_ns = expire_at_ns;
  venue.deadlines.add_order(cold.expires_at_ns, index);
}

void give_terms(Venue& venue, std::uint32_t index, const Terms& terms) {
  HotOrder& order = venue.orders.hot(index);
  ColdOrder& cold = venue.orders.cold(index);
  const std::int64_t more_lots = terms.quantity_lots - cold.quantity_lots;
  if (!terms.keeps_place) {
    leave_queue(venue, index);
    order.leaves_lots += more_lots;
    cold.arrival = ++venue.last_arrival;
  } else if (order.is_pending()) {
    order.leaves_lots += more_lots;
  } else {
    reduce_resting(venue, index, -more_lots);
  }
  if (order.is_buy()) {
    venue.balances[cold.base].buying_atoms +=
        more_lots * venue.instruments[order.instrument]->lot_atoms;
  }
  move_expiry(venue, index, cold, terms.expire_at_ns);
  cold.quantity_lots = terms.quantity_lots;
  order.price_ticks = terms.price_ticks;
  if (terms.stop_price_ticks != cold.stop_price_ticks || terms.display_lots != cold.display_lots)
      [[unlikely]] {  // seldom: the event copies them together, and would wait for these stores
    cold.stop_price_ticks = terms.stop_price_ticks;
    cold.display_lots = terms.display_lots;
  }
  cold.maker_ppm = terms.maker_ppm;
  cold.taker_ppm = terms.taker_ppm;
  change_hold(venue, order, cold, terms.held_atoms);
}

}  // namespace

void amend_order(Venue& venue, const commands::AmendOrder& command, std::uint32_t hash) {
  Refused refused;
  Terms terms{};
  std::uint32_t index = 0;
  const Admission* asker = admit(venue, command, refused);
  bool is_refused =
      asker == nullptr || refuses_killed(venue, *asker, command.session, false, refused);
  if (!is_refused) [[likely]] {
    index = find_order(venue, asker->account, command.order_id,
                       command.original_client_order_id);
    is_refused = refuses_target(venue, command, index, refused) ||
                 (venue.orders.hot(index).is_quoted() &&
                  refused.because(code::QUOTE_NOT_AMENDABLE)) ||
                 refuses_amend(venue, command, asker->account, hash, index, terms, refused);
  }
  if (is_refused) [[unlikely]] {
    reject_request<events::AmendRejected>(venue, command, refused, index,
                                          command.client_order_id,
                                          command.original_client_order_id);
    return;
  }
  give_terms(venue, index, terms);
  const std::uint32_t previous_id = venue.orders.cold(index).ids.current;
  if (command.client_order_id != NO_CLIENT_ID) {
    venue.orders.cold(index).ids.current = attach_id(venue, index, hash, command.client_order_id);
  }
  auto& event = emit_order<events::OrderAmended>(venue, index);
  event.origin_session = command.session;
  event.origin_connection = command.connection;
  event.kept_priority = terms.keeps_place ? 1 : 0;
  event.spare_1 = 0;
  event.spare_2 = 0;
  event.spare_3 = 0;
  event.previous_client_order_id = venue.client_ids.node(previous_id).text;
  if (terms.keeps_place) {
    return;
  }
  if (venue.orders.hot(index).is_pending()) {
    enter_stop(venue, index);
  } else {
    act(venue, index, *venue.instruments[venue.orders.hot(index).instrument]);
  }
}

}  // namespace core
